"""`./dev up`: a newcomer sees the loop close."""

from pathlib import Path

import pytest

from tests.support.process import Cdrelay


@pytest.mark.slow
def test_a_demonstration_is_reconciled_within_half_a_minute_stops_cleanly_and_goes_on(tmp_path: Path) -> None:
    demo = Cdrelay(tmp_path / "home")
    (demo.home / "settings.toml").unlink()
    demo.start("up", "--demo", "--compress", "60")

    demo.wait_until(
        lambda: demo.status()["collector"]["confirmed"] > 0,
        30,
        "a delivery is received, stored and confirmed by the reconciliation endpoint",
    )
    before = demo.status()
    assert demo.stop() == 0
    demo.start("up", "--demo", "--compress", "60")
    for half in ("publisher", "collector"):
        demo.wait_until(
            lambda half=half: demo.status()[half]["records"] > before[half]["records"],
            30,
            f"the {half} goes on with what it had",
        )
    assert demo.stop() == 0
