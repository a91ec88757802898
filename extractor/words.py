"""Values as people read them: nothing to act on, times in UTC, sizes and ages in the unit that fits.

For the terminal and for the page. May import `problems`.
"""

from datetime import UTC, datetime

from extractor.problems import spell_out


def printable(value: object) -> str:
    """A value without anything that a terminal could act on: control characters are spelled out."""
    return spell_out(str(value))


def size_text(size: float) -> str:
    """Bytes in the largest fitting decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def age_text(age_s: float) -> str:
    """Seconds in the unit that a person would use."""
    for limit, unit_s, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if age_s < limit:
            return f"{max(age_s, 0) / unit_s:.0f} {unit}"
    return f"{age_s / 86_400:.0f} days"


def time_text(moment: float) -> str:
    """Unix seconds as a UTC time."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span_text(span_s: float) -> str:
    """A duration as people say it; finer than an age."""
    for limit, unit_s, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if span_s < limit:
            number = span_s / unit_s
            return f"{number:.1f} {unit}" if unit_s > 1 and number < 10 else f"{number:.0f} {unit}"
    return f"{span_s / 86_400:.1f} days"


def share_text(part: float, whole: float) -> str:
    """A part in whole percents; nearly all is not all, and little is not nothing."""
    if not whole:
        return ""
    percent = round(100 * part / whole)
    if not percent and part:
        return "<1 %"
    return f"{99 if percent == 100 and part < whole else percent} %"
