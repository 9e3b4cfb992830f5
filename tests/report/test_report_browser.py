"""The page of a run in a real browser: no complaint, panels that zoom as one, tables that sort."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ccsim
from ccsim.report import write_report
from tests.report.browser_rig import Browser, Page

SCENARIO = """
# </script><script>window.hacked = 1</script>
name: tiny
description: '"><script>window.hacked = 2</script><img src=x onerror="window.hacked = 3">'
duration: 4 s
path: {rate: 10 Mbit/s, rtt: 20 ms}
flows:
  - {name: bulk, congestion: cubic}
  - {name: late, congestion: reno, start: 1 s}
swaps: [{at: 2 s, via: setsockopt, flows: [bulk], to: reno}]
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    scenario = folder / "tiny.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    run = ccsim.run(scenario, out=folder / "results", jobs=1)
    return write_report(run.path, folder / "page.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, file: Path) -> Page:
    page = browser.open(file)
    page.run("document.querySelector('#traces').scrollIntoView()")
    page.drawn()
    return page


@pytest.mark.parametrize("width", [400, 800, 1400])
def test_of_a_page_only_boxes_of_tables_and_code_scroll_sideways(
    browser: Browser, file: Path, width: int
) -> None:
    page = browser.open(file, width=width)
    page.drawn()
    assert page.run("document.documentElement.scrollWidth") == width
    wide = page.run(
        "[...document.querySelectorAll('main *')].filter((e) => e.scrollWidth > e.clientWidth + 1"
        " && e.clientWidth && !['auto', 'scroll'].includes(getComputedStyle(e).overflowX)"
        " && !e.closest('.scroll, pre, svg')).map((e) => e.tagName)"
    )
    assert wide == []


def view(page: Page) -> list[float]:
    found: list[float] = page.run("traces.view")
    return found


def panel(page: Page, number: int = 0) -> dict[str, float]:
    """Return where a panel's axes are on the screen."""
    box: dict[str, float] = page.run(
        f"(() => {{ const b = traces.panels[{number}].svg.getBoundingClientRect();"
        "return {left: b.left + MARGIN.left, right: b.right - MARGIN.right,"
        " middle: (b.top + b.bottom) / 2} })()"
    )
    return box


def test_it_loads_without_a_complaint_or_a_request(page: Page) -> None:
    assert page.trouble() == []
    assert page.run("document.querySelectorAll('.panel svg').length") == 4
    assert page.run("document.querySelectorAll('.panel path.line').length") >= 9


def test_what_a_user_wrote_neither_runs_nor_becomes_an_element(page: Page) -> None:
    assert page.run("window.hacked") is None
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelector('header p').textContent").startswith('"><script>')
    assert "window.hacked = 1" in page.run("document.querySelector('#scenario pre').textContent")


def test_the_policy_stops_a_script_that_got_in_all_the_same(page: Page) -> None:
    page.run(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.hacked = 4'}))"
    )
    assert page.run("window.hacked") is None


def test_a_drag_over_one_panel_zooms_all_of_them(page: Page) -> None:
    axes = panel(page, 1)
    width = axes["right"] - axes["left"]
    page.drag(axes["left"] + width / 4, axes["left"] + width / 2, axes["middle"])
    assert view(page) == pytest.approx([1.0, 2.0], abs=0.02)
    shown = "[...traces.panels].map((p) => [p.shownParts[0].first, p.shownParts[0].last])"
    for first, last in page.run(shown)[1:]:
        assert 95 <= first <= 101  # samples every 10 ms
        assert 199 <= last <= 204
    ticks = page.run("[...traces.panels[3].svg.querySelectorAll('text.tick')].at(-1).textContent")
    assert ticks in ("2 s", "2.0 s", "2.00 s", "1.9 s", "1.90 s", "1.95 s")


def test_keys_zoom_move_and_show_the_whole_run_again(page: Page) -> None:
    page.run("traces.stage.focus()")
    page.press("+")
    assert view(page) == pytest.approx([1.0, 3.0])
    page.press("ArrowRight")
    assert view(page) == pytest.approx([1.2, 3.2])
    page.press("-")
    assert view(page) == pytest.approx([0.0, 4.0])
    page.press("+")
    page.press("0")
    assert view(page) == [0, 4]


def test_moving_stops_at_the_ends_of_the_run(page: Page) -> None:
    page.run("traces.show(3, 4)")
    page.run("traces.pan(5)")
    assert view(page) == [3, 4]
    page.run("traces.show(-9, -8.5)")
    assert view(page)[0] == 0


def test_shift_and_drag_moves_and_a_double_click_resets(page: Page) -> None:
    page.run("traces.show(1, 3)")
    axes = panel(page)
    width = axes["right"] - axes["left"]
    page.drag(axes["left"] + width / 2, axes["left"] + width / 4, axes["middle"], modifiers=8)
    assert view(page) == pytest.approx([1.5, 3.5], abs=0.02)
    held = {"button": "left", "buttons": 1}
    for clicks in (1, 2):
        page.mouse("mousePressed", axes["left"] + 50, axes["middle"], clickCount=clicks, **held)
        page.mouse("mouseReleased", axes["left"] + 50, axes["middle"], clickCount=clicks, **held)
    assert view(page) == [0, 4]


def test_control_and_wheel_zoom_around_the_pointer_and_a_bare_wheel_scrolls(page: Page) -> None:
    axes = panel(page)
    x = axes["left"] + (axes["right"] - axes["left"]) / 4  # at 1 s
    page.mouse("mouseWheel", x, axes["middle"], deltaX=0, deltaY=-400, modifiers=2)
    start, end = view(page)
    assert end - start < 3
    assert (1.0 - start) / (end - start) == pytest.approx(0.25, abs=0.02)
    page.mouse("mouseWheel", x, axes["middle"], deltaX=0, deltaY=120)
    assert view(page) == [start, end]


def test_pointing_reads_values_out_in_the_panel_and_marks_the_instant_in_all(page: Page) -> None:
    axes = panel(page, 1)
    page.mouse("mouseMoved", (axes["left"] + axes["right"]) / 2, axes["middle"])
    tip = page.run("traces.tip.innerText")
    assert tip.startswith("2.0")
    assert "bulk" in tip
    assert "packets" in tip
    assert page.run("document.querySelectorAll('.cross.on').length") == 4
    page.mouse("mouseMoved", 2, 2)
    assert page.run("traces.tip.hidden") is True


def test_the_values_read_out_are_the_recorded_ones(page: Page) -> None:
    found: list[dict[str, Any]] = page.run(
        "traces.panels[1].valuesAt(3.005).map((v) => ({name: v.one.name, value: v.value, t: v.t}))"
    )
    assert found[0]["name"] == "bulk"
    assert found[0]["t"] == 3.0  # the last sample at or before
    packed = "traces.data.panels[1].series[0].values.slice(0, 301).reduce((a, b) => a + b)"
    assert found[0]["value"] == page.run(packed)


def test_the_legend_switches_lines_off_and_on(page: Page) -> None:
    lines = "document.querySelectorAll('.panel path.line').length"
    before = page.run(lines)
    names = page.run("[...document.querySelectorAll('.entry')].map((e) => e.innerText.trim())")
    number = next(k for k, name in enumerate(names) if name.startswith("A-twin"))
    page.run(f"document.querySelectorAll('.entry')[{number}].click()")
    page.drawn()
    assert page.run(lines) == before - 7  # three of each of two flows, and the queue
    pressed = f"document.querySelectorAll('.entry')[{number}].getAttribute('aria-pressed')"
    assert page.run(pressed) == "false"
    page.run(f"document.querySelectorAll('.entry')[{number}].click()")
    page.drawn()
    assert page.run(lines) == before


def test_swaps_are_marked_in_every_panel_and_named_with_mechanism_and_policy(page: Page) -> None:
    text = page.run("document.querySelector('.mark-text').textContent")
    assert text.startswith("cubic → reno setsockopt, state linux")
    marked = "[...traces.panels].every((p) => p.svg.querySelectorAll('.mark').length === 1)"
    assert page.run(marked) is True


def test_of_a_swap_the_table_has_a_column_for_each_flow_and_fits_the_page(
    browser: Browser, file: Path
) -> None:
    page = browser.open(file, width=1400)
    heads = page.run(
        "[...document.querySelectorAll('.transposed thead th')].map((e) => e.innerText)"
    )
    assert heads == ["", "all", "bulk", "late (beside)"]
    fits = page.run(
        "(() => { const t = document.querySelector('.transposed');"
        "return t.offsetWidth <= t.parentElement.clientWidth; })()"
    )
    assert fits
    first = page.run("document.querySelector('.transposed tbody tr').innerText.split(/\\s*\\t/)[0]")
    assert first == "goodput deficit to A-twin (MB)"


def test_a_table_sorts_by_number_both_ways_and_by_text(page: Page) -> None:
    pick = "[...document.querySelectorAll('table.sortable')][0]"  # flows, phase by phase
    heads = page.run(f"[...{pick}.tHead.rows[0].cells].map((c) => c.innerText.trim())")
    column = heads.index("goodput (Mbit/s)")
    cells = f"[...{pick}.tBodies[0].rows].map((r) => Number(r.cells[{column}].innerText))"
    button = f"{pick}.tHead.rows[0].cells[{column}].querySelector('button')"
    page.run(f"{button}.click()")
    rising = page.run(cells)
    assert len(rising) >= 3
    assert rising == sorted(rising)
    assert page.run(f"{button}.parentNode.getAttribute('aria-sort')") == "ascending"
    page.run(f"{button}.click()")
    assert page.run(cells) == sorted(rising, reverse=True)
    page.run(f"{pick}.tHead.rows[0].cells[0].querySelector('button').click()")
    names = page.run(f"[...{pick}.tBodies[0].rows].map((r) => r.cells[0].innerText)")
    assert names == sorted(names)


def test_missing_numbers_come_last_in_either_order(page: Page) -> None:
    page.run(
        "document.body.insertAdjacentHTML('beforeend', '<table id=t><thead><tr>"
        '<th><button>x</button></th></tr></thead><tbody><tr><td data-key="">–</td></tr>'
        '<tr><td data-key="10">10</td></tr><tr><td data-key="9">9</td></tr></tbody></table>\')'
    )
    page.run("sortable(document.getElementById('t'))")
    cells = "[...document.querySelectorAll('#t td')].map((c) => c.textContent)"
    page.run("document.querySelector('#t button').click()")
    assert page.run(cells) == ["9", "10", "–"]
    page.run("document.querySelector('#t button').click()")
    assert page.run(cells) == ["10", "9", "–"]


def test_packed_columns_are_unpacked_as_they_were(page: Page) -> None:
    assert page.run("[...decodeTimes([10000, 100, 1, 2, 5, 1])]") == [1.0, 1.01, 1.02, 1.07]
    assert page.run("[...decodeTimes([1])]") == []
    assert page.run("[...decodeValues([10, 2, null, -1], 0.5)].map(String)") == [
        "5",
        "6",
        "NaN",
        "5.5",
    ]


def test_bins_are_joined_by_their_mean_rate_and_gaps_do_not_count(page: Page) -> None:
    found = page.run(
        "(({times, values}) => [[...times], [...values]])"
        "(rebin([0, 1, 2, 3, 4, 4.5], [10, 20, NaN, 40, 50], 2))"
    )
    assert found == [[1, 3, 4.25], [15, 40, 50]]


def test_a_peak_of_one_sample_in_fifty_thousand_is_drawn(page: Page) -> None:
    column = "Float64Array.from({{length: 50000}}, (_, k) => {})"
    path = page.run(
        f"pathOf({column.format('k')}, {column.format('k === 12345 ? 7 : 0')}, 0, 50000,"
        " (t) => t / 50, (v) => 100 - v, 1000)"
    )
    assert "L246 93" in path  # 12345 / 50, and 100 - 7
    assert path.startswith("M0 100")
    assert path.count("L") < 4_000


def test_a_gap_in_a_line_stays_a_gap(page: Page) -> None:
    path = page.run("pathOf([0, 1, 2, 3], [5, NaN, 5, 6], 0, 4, (t) => t, (v) => v, 100)")
    assert path == "M0 5M2 5L3 6"


def test_ticks_are_round_numbers_with_just_the_decimals_they_need(page: Page) -> None:
    assert page.run("ticks(0, 100, 5, false)") == [0, 20, 40, 60, 80, 100]
    assert page.run("ticks(0, 3, 5, true)") == [0, 1, 2, 3]
    assert page.run("[decimals(20), decimals(0.5), decimals(0.25)]") == [0, 1, 2]


def test_a_dark_page_is_dark_and_paper_is_white(browser: Browser, file: Path) -> None:
    page = browser.open(file, prefers_color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.run(ground) == "rgb(22, 24, 28)"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.send("Emulation.setEmulatedMedia", media="print", features=dark)
    assert page.run(ground) == "rgb(255, 255, 255)"
    assert page.trouble() == []


def test_on_a_narrow_screen_nothing_sticks_out(browser: Browser, file: Path) -> None:
    page = browser.open(file, width=380, height=700)
    assert page.run("document.documentElement.scrollWidth") <= 380
    assert page.trouble() == []
