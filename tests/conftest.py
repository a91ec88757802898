"""What all tests share: Hypothesis profiles, and an environment that says nothing about this machine."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# A failing example is printed with how to repeat it; no deadline, since a busy machine is not a bug. What passes today
# passes tomorrow: new examples are sought by the long profile.
settings.register_profile("dev", max_examples=50, deadline=None, print_blob=True, derandomize=True)
settings.register_profile(
    "ci",
    settings.get_profile("dev"),
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", settings.get_profile("ci"), max_examples=2000, derandomize=False)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# A shell makes its background jobs deaf to Ctrl-C, and with them all that they start: here it is sent on purpose.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _neutral_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opt-out variables, proxies and write keys of whoever runs the tests must not decide them."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith(("LAGO_", "EXTRACTOR_", "SEGMENT_")):
            monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden texts be written anew after a wanted change."""
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write golden texts anew; read the difference"
    )
