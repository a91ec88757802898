"""The one real clock; everything that needs time is given one."""

import time


class SystemClock:
    """Time of this machine."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()
