"""The page in a real browser: knobs, the swap's line, the keyboard, a narrow window."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser_rig import Browser, Page, chromium

pytest.importorskip("starlette", reason="pip install -e '.[dev]' brings it")
pytest.importorskip("uvicorn", reason="pip install -e '.[dev]' brings it")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KNOB = "document.querySelector('[data-key=\"{}\"]')"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that `ccsim explore` prints; its results go into a folder of their own."""
    chromium()
    words = ("explore", "cubic_to_bbr", "duration=10 s", "path.rate=20 Mbit/s", "swaps.0.at=5 s")
    process = subprocess.Popen(
        [sys.executable, "-m", "ccsim", *words, "--no-browser"],
        cwd=tmp_path_factory.mktemp("reader"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    yield process.stdout.readline().split()[-1]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) in (0, 130, -signal.SIGINT)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def opened(browser: Browser, address: str, width: int = 1400) -> Page:
    page = browser.open(address, width=width, height=1000)
    drawn(page)
    return page


def drawn(page: Page) -> None:
    """Wait until the newest state has been simulated and drawn."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if page.run("Boolean(window.traces && !explorer.running && explorer.shown)"):
            page.drawn()
            return
        time.sleep(0.05)
    pytest.fail("not drawn: " + page.run("document.getElementById('said').textContent"))


def at(page: Page) -> float:
    found = page.run("explorer.shown.knobs.find((knob) => knob.instant).value")
    assert isinstance(found, float | int)
    return found


def swapped_at(page: Page, t: float) -> None:
    """Wait until the picture is that of a swap at ``t`` [s]: on the way there it may be others."""
    end = time.monotonic() + 20
    while at(page) != pytest.approx(t, abs=0.1):
        assert time.monotonic() < end, f"the swap stays at {at(page)} s"
        time.sleep(0.05)
    drawn(page)


def x_of(page: Page, t: float) -> tuple[float, float]:
    """Return where an instant stands on the screen, in the middle of the first panel."""
    box = page.run(
        "(() => { const b = traces.panels[0].svg.getBoundingClientRect();"
        f" return [b.left + traces.x({t}), b.top + b.height / 2]; }})()"
    )
    return box[0], box[1]


def test_it_shows_traces_costs_and_knobs_without_a_complaint(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    page = opened(browser, address)
    assert page.run("traces.panels.map((p) => p.data.title).join()").startswith("Throughput")
    assert "twin" in page.run("document.getElementById('cost').textContent")
    keys = page.run("explorer.shown.knobs.map((knob) => knob.key)")
    assert {"path.rate", "path.buffer", "flows.0.congestion", "swaps.0.to", "swaps.0.at"} <= {*keys}
    assert page.trouble(own="http://127.0.0.1") == []
    assert page.screenshot(tmp_path / "explore.png").stat().st_size > 20_000


def test_the_swaps_line_is_dragged_and_the_address_says_where_it_is(
    browser: Browser, address: str
) -> None:
    page = opened(browser, address)
    (x0, y), (x1, _) = x_of(page, 5), x_of(page, 7.5)
    page.drag(x0, x1, y)
    swapped_at(page, 7.5)
    assert page.run("traces.data.swaps[0].t[0]") == pytest.approx(at(page))
    assert page.run("traces.view") == [0, 10]  # nothing was zoomed
    again = opened(browser, f"{address}{page.run('location.hash')}")
    assert at(again) == pytest.approx(at(page))


def test_beside_the_line_a_drag_zooms_as_in_a_report(browser: Browser, address: str) -> None:
    page = opened(browser, address)
    (x0, y), (x1, _) = x_of(page, 1), x_of(page, 3)
    page.drag(x0, x1, y)
    assert page.run("traces.view") == pytest.approx([1, 3], abs=0.1)
    assert at(page) == 5


def test_the_keyboard_turns_a_knob(browser: Browser, address: str) -> None:
    page = opened(browser, address)
    before = page.run("explorer.shown.knobs.find((knob) => knob.key === 'path.rtt').value")
    page.run(f"{KNOB.format('path.rtt')}.focus()")
    page.press("ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    drawn(page)
    after = page.run("explorer.shown.knobs.find((knob) => knob.key === 'path.rtt').value")
    assert before < after < 1.05 * before
    assert page.run("document.activeElement.dataset.key") == "path.rtt"


def test_another_algorithm_is_another_picture_and_what_is_wrong_is_told(
    browser: Browser, address: str
) -> None:
    page = opened(browser, address)
    page.run("explorer.turn('swaps.0.to', 'reno')")
    drawn(page)
    assert page.run("traces.data.swaps[0].label") == "cubic → reno"
    page.run("explorer.turn('swaps.0.to', 'brr')")
    drawn(page)
    said = page.run("document.getElementById('said').textContent")
    assert "no algorithm 'brr'; did you mean 'bbr'?" in said
    assert page.run("traces.data.swaps[0].label") == "cubic → reno"  # the last that could be drawn


def test_a_run_is_kept_opened_and_compared(browser: Browser, address: str) -> None:
    page = opened(browser, address)
    page.run("explorer.keep()")
    assert re.fullmatch(r"kept in results/cubic_to_bbr/\w+", page.run("said.textContent"))
    names = page.run("[...document.getElementById('stored').options].map((one) => one.value)")
    assert len(names) >= 2
    page.run("explorer.pin()")
    page.run("explorer.turn('path.buffer', '3 BDP')")
    drawn(page)
    assert "compared: cubic_to_bbr" in page.run("traces.data.legend.map((e) => e.label).join()")
    page.run(f"explorer.open({names[1]!r})")
    assert page.run("explorer.shown.knobs") is None
    assert page.trouble(own="http://127.0.0.1") == []


def test_on_a_narrow_window_the_columns_stand_below_one_another(
    browser: Browser, address: str
) -> None:
    page = opened(browser, address, width=420)
    tops = [
        page.run(f"document.getElementById('{name}').getBoundingClientRect().top")
        for name in ("knobs", "middle", "right")
    ]
    assert tops == sorted(tops)
    assert page.run("document.documentElement.scrollWidth") <= 420
