"""The page of a study: no claim without interval and n, heat maps, rankings, all cells."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.errors import ResultsError
from ccsim.experiment.matrix import matrix_of
from ccsim.report.study_html import study_page
from ccsim.report.study_prose import study_sentences
from tests.report.browser_rig import Browser, Page
from tests.report.study_tables import VARIED, changed, matrix_rows, row, write_study

EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    rows = changed(matrix_rows(), lambda one: one.update(path=f"{one['path']}{EVIL}"))
    return write_study(results / "made", rows, f"# {EVIL}\nname: made\n")


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    file = tmp_path_factory.mktemp("page") / "study.html"
    assert main(["report", str(folder), "-o", str(file)]) == 0
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser.open(file)


def said(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def sentences(rows: object) -> list[str]:
    matrix = matrix_of("made", rows, VARIED)  # type: ignore[arg-type]
    return [said(paragraph) for paragraph in study_sentences(matrix)]


def test_the_summary_tells_what_was_run() -> None:
    assert sentences(matrix_rows())[0] == (
        "240 runs of 10 seeds, 24 combinations of swap and conditions, by setsockopt, with state "
        "policies linux and cold, on shallow and deep."
    )


def test_every_number_about_swaps_comes_with_its_interval_and_n() -> None:
    told = sentences(matrix_rows())
    assert len(told) == 6
    extremes, tested, *worst = told[1:]
    assert extremes.startswith("What costs most is reno → bbr by setsockopt, state linux, deep: ")
    assert "a deficit of 4.000 s of A-twin goodput (95 % BCa interval 3.9" in extremes
    assert "What gains most is" in extremes
    assert extremes.count("n = 10") == 2
    assert "Of 24 combinations, 16 cost goodput and 8 gained some, by 95 % BCa" in tested
    assert "(n = 10 each)" in tested
    assert "16 cost and 8 gained with p < 0.05; the other 0" in tested  # 24 · 2 / 1024 = 0.047
    assert "can come out" not in tested
    for sentence in worst:
        assert re.search(r"\((95 % (BCa )?interval .* … .*), n = 10", sentence), sentence
    assert "n = 10, 10 of them censored" in worst[0]


def test_what_could_be_chance_is_not_claimed() -> None:
    rows = [row("reno", "cubic", seed, deficit_s=0.1 * (-1) ** seed) for seed in range(1, 9)]
    told = sentences(rows)[2]
    assert "Of 1 combination, 0 cost goodput and 0 gained some" in told
    assert "the other 1 cannot be told from no difference" in told


def test_seeds_too_few_for_any_p_are_said_to_be() -> None:
    """Of six signs the least p is 2 / 64; times 24 that is 0.75; 2 · 24 / 2^10 is below 0.05."""
    told = sentences([one for one in matrix_rows() if one["seed"] <= 6])[2]
    assert "With 6 seeds and 24 tests no p below 0.75 can come out: 10 seeds or more" in told


def test_too_few_seeds_have_no_interval_and_the_page_says_so() -> None:
    told = sentences([row("reno", "cubic", 1)])
    assert "(n = 1: no interval)" in told[1]
    assert told[2] == "n = 1 for every combination: no interval, and nothing that could be tested."


def test_values_that_are_all_equal_have_no_interval_and_the_page_says_so() -> None:
    told = sentences([row("reno", "cubic", seed) for seed in range(1, 8)])
    assert "1.000 s of A-twin goodput (n = 7, all of them equal: no interval)" in told[1]


def test_combinations_of_one_outcome_are_not_tested_beside_others() -> None:
    rows = [row("reno", "cubic", seed, deficit_s=0.1 * seed) for seed in range(1, 8)]
    told = sentences([*rows, row("cubic", "reno", 1, point=1)])
    assert "Of 1 combination, 1 cost goodput" in told[2]
    assert "1 combination with n = 1 cannot be tested." in told[2]


def test_an_interval_of_few_seeds_is_told_as_too_narrow() -> None:
    told = sentences([one for one in matrix_rows() if one["seed"] <= 3])
    assert "n = 3: too few, the interval is too narrow as a rule" in told[1]
    assert "Of 24 combinations, 0 cost goodput and 0 gained some" in told[2]


def test_a_study_that_swapped_nothing_claims_nothing() -> None:
    told = sentences([{**row("x", "y", 1), "old": None, "new": None}])
    assert told[1] == "No swap reached a running flow: there is no cost to tell."


def test_the_page_holds_all_parts_and_is_small(folder: Path) -> None:
    text = study_page(folder)
    for name in ("summary", "maps", "ranking", "cells", "study", "reproduce", "manifest"):
        assert f'<section id="{name}">' in text
    assert "ccsim sweep made.yaml" in text
    assert len(text.encode()) < 500_000
    assert study_page(folder) == text
    assert text.count("<script") == 2
    assert "<img" not in text


def test_a_study_without_swaps_has_a_page_without_maps(tmp_path: Path) -> None:
    rows = [{**row("x", "y", 1), "old": None, "new": None}]
    text = study_page(write_study(tmp_path / "made", rows))
    assert '<section id="maps">' not in text
    assert "No swap reached a running flow" in text


def test_a_study_whose_text_has_gone_is_refused(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "made", matrix_rows())
    (folder / "study.yaml").unlink()
    with pytest.raises(ResultsError, match="cannot read the study"):
        study_page(folder)


def test_its_heat_maps_are_drawn_by_plot(folder: Path, tmp_path: Path) -> None:
    argv = ["plot", "made", "--results", str(folder.parent), "--format", "png"]
    assert main([*argv, "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "matrix_deficit_s.png",
        "matrix_dip_recovery_s.png",
        "matrix_extra_drops.png",
        "matrix_rtt_p99_ms.png",
    ]


def test_a_study_without_swaps_has_nothing_to_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "made", [{**row("x", "y", 1), "old": None, "new": None}])
    assert main(["plot", "made", "--results", str(tmp_path)]) == 2
    assert "expected swaps that a heat map can show, got none" in capsys.readouterr().err


# --- in a browser -------------------------------------------------------------------------------


def test_it_loads_without_a_complaint_and_runs_nothing_of_a_users(page: Page) -> None:
    assert page.trouble() == []
    assert page.run("window.hacked") is None
    assert page.run("document.images.length") == 0
    assert EVIL in page.run("document.querySelector('#study pre').textContent")


def test_one_sheet_shows_at_a_time_and_its_button_picks_it(page: Page) -> None:
    shown = (
        "[...document.querySelectorAll('#maps .sheet')].filter((s) => s.offsetHeight > 0)"
        ".map((s) => s.id)"
    )
    assert page.run(shown) == ["heat-deficit_s"]
    page.run("document.getElementById('heat-tab-extra_drops').click()")
    assert page.run(shown) == ["heat-extra_drops"]
    page.run("document.getElementById('heat-tab-extra_drops').focus()")
    page.press("ArrowRight")
    assert page.run(shown) == ["heat-rtt_p99_ms"]
    page.run("document.getElementById('heat-tab-deficit_s').click()")


def test_pointing_at_a_cell_tells_its_interval_and_n(page: Page) -> None:
    page.run("document.querySelector('#maps').scrollIntoView()")
    x, y = page.run(
        "(() => { const b = document.querySelector('td.cost-5').getBoundingClientRect();"
        "return [b.left + 5, b.top + 5] })()"
    )
    page.mouse("mouseMoved", x, y)
    told = page.run("document.querySelector('.heat-maps > .tip').innerText")
    assert "→ bbr" in told
    assert "mean 4.000 s of A-twin goodput" in told
    assert "95 % interval 3.9" in told
    assert "n = 10" in told
    page.mouse("mouseMoved", 1, 1)
    assert page.run("document.querySelector('.heat-maps > .tip').hidden") is True


def test_a_cell_tells_the_same_to_the_keyboard_and_to_a_screen_reader(page: Page) -> None:
    page.run("document.querySelector('td.cost-5').focus()")
    assert page.run("document.querySelector('.heat-maps > .tip').hidden") is False
    assert "n = 10" in page.run("document.querySelector('td.cost-5').getAttribute('aria-label')")


def test_costs_and_gains_differ_in_colour(page: Page) -> None:
    colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    cost, gain = (page.run(colour.format(name)) for name in ("td.cost-5", "[class*=gain-]"))
    assert cost != gain
    assert "0, 0, 0, 0" not in cost


def test_the_table_of_all_cells_sorts_by_estimate(page: Page) -> None:
    pick = "document.querySelector('#cells table')"
    heads = page.run(f"[...{pick}.tHead.rows[0].cells].map((c) => c.innerText.trim())")
    column = next(k for k, head in enumerate(heads) if head.startswith("Goodput deficit"))
    page.run(f"{pick}.tHead.rows[0].cells[{column}].querySelector('button').click()")
    keys = page.run(
        f"[...{pick}.tBodies[0].rows].map((r) => Number(r.cells[{column}].dataset.key))"
    )
    assert len(keys) == 24
    assert keys == sorted(keys)
    assert keys[0] == pytest.approx(-0.6)


def test_paper_shows_every_sheet(page: Page) -> None:
    page.send("Emulation.setEmulatedMedia", media="print")
    count = (
        "[...document.querySelectorAll('#maps .sheet')].filter((s) => s.offsetHeight > 0).length"
    )
    assert page.run(count) == 4
    page.send("Emulation.setEmulatedMedia", media="")
