"""What a notebook shows of a run, a scenario and a study: one line, and a table of HTML."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ccsim
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.summary import Summary
from ccsim.notebook import html_picture, html_table, plural
from ccsim.scenario import parse_scenario

SCENARIO = """\
name: mine
duration: 500 ms
path: {rate: 5 Mbit/s, rtt: 20 ms}
flows: [{name: bulk, congestion: cubic}, {congestion: {name: cubic, hystart: false}}]
swaps: [{at: 200 ms, via: setsockopt, flows: [bulk], to: {name: cubic, beta: 800}}]
twins: false
"""


class Cells(HTMLParser):
    """The texts of a page's cells, row by row; every tag must be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":  # which has no end
            self.pictures.append(dict(attrs).get("src") or "")
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ccsim.Run:
    return ccsim.run(parse_scenario(SCENARIO, "mine.yaml"), out=tmp_path_factory.mktemp("notebook"))


def test_a_run_is_one_line(run: ccsim.Run) -> None:
    assert repr(run) == f"<Run mine {run.run_id}: 0.5 s, 2 flows, 1 swap; {run.path}>"
    assert repr(run.result) == "<SimResult: 0.5 s, 2 flows, 1 swap>"


def test_a_flow_and_a_link_are_one_line(run: ccsim.Run) -> None:
    bulk = run.flows["bulk"]
    sent = int(bulk.delivered_bytes[-1]) / 1e6
    assert repr(bulk) == f"<FlowTrace bulk: cubic → cubic(beta=800), 51 samples, {sent:.3f} MB>"
    drops = len(run.links["bottleneck"].drop_t_ns)
    assert repr(run.links["bottleneck"]).startswith(
        f"<LinkTrace bottleneck: 51 samples, {drops} drop"
    )


def test_a_scenario_is_one_line(run: ccsim.Run) -> None:
    scenario = parse_scenario(SCENARIO, "mine.yaml")
    line = "<Scenario mine: 500 ms, 2 flows, 1 swap, seed 1; 5 Mbit/s, 20 ms>"
    assert (repr(scenario), str(scenario)) == (line, line)


def test_a_run_is_a_table_of_its_flows_by_phase_and_one_of_its_swaps(run: ccsim.Run) -> None:
    rows = Cells(run._repr_html_()).rows
    assert rows[0][:4] == ["flow", "from (s)", "to (s)", "served by"]
    assert ["bulk", "0", "0.2", "cubic"] in [row[:4] for row in rows]
    assert ["bulk", "0.2", "0.5", "cubic(beta=800)"] in [row[:4] for row in rows]
    assert rows[-1][:2] == ["0.2", "cubic → cubic(beta=800), setsockopt"]


def test_a_scenario_is_a_table_of_its_flows_and_one_of_its_swaps() -> None:
    assert Cells(parse_scenario(SCENARIO, "mine.yaml")._repr_html_()).rows == [
        ["flow", "congestion", "start"],
        ["bulk", "cubic", "0 s"],
        ["flow-2", "cubic(hystart=false)", "0 s"],
        ["at", "via", "to", "of"],
        ["200 ms", "setsockopt", "cubic(beta=800)", "bulk"],
    ]


def test_a_study_is_one_line_and_a_table_of_what_it_varies(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    base = "\n".join(f"  {line}" for line in SCENARIO.splitlines() if not line.startswith("name"))
    file.write_text(
        f"name: s\nbase:\n{base}\n"
        "design: {grid: {path.rtt: [10 ms, 20 ms], path.rate: [1 Mbit/s, 2 Mbit/s, 3 Mbit/s]}}\n"
        "seeds: 4\n"
    )
    study = read_study(file)
    assert repr(study) == "<Study s: 6 points, 4 seeds>"
    assert Cells(study._repr_html_()).rows[1:] == [
        ["path.rtt", "2", "10 ms; 20 ms"],
        ["path.rate", "3", "1 Mbit/s; 2 Mbit/s; 3 Mbit/s"],
    ]


def test_what_a_study_found_is_one_line_and_a_table_of_its_points() -> None:
    found = Summary("s", "deficit_s", "complete", (), ())
    assert repr(found) == f"<Summary {found.title}: 0 points>"
    assert Cells(found._repr_html_()).rows[0][:2] == ["point", "n"]


def test_no_text_becomes_markup() -> None:
    page = html_table("<b>", ["<i>"], [["<script>&\"'"], [None], [0.1234567]])
    assert Cells(page).rows == [["<i>"], ["<script>&\"'"], ["–"], ["0.123457"]]
    assert "<script>" not in page


def test_a_long_table_is_cut_and_says_by_how_much() -> None:
    assert html_table("", ["n"], ([k] for k in range(61))).endswith("<p>… and 1 row more</p>")
    assert "more" not in html_table("", ["n"], ([k] for k in range(60)))
    assert (plural(1, "flow"), plural(2, "flow")) == ("1 flow", "2 flows")


def test_the_picture_is_in_the_page_and_what_it_is_called_is_escaped(run: ccsim.Run) -> None:
    (source,) = Cells(run._repr_html_()).pictures
    kind, _, data = source.partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data).startswith(b"\x89PNG")
    assert html_picture(b"\x00", 'a "<b>').startswith('<img alt="a &quot;&lt;b&gt;" src="data:')
