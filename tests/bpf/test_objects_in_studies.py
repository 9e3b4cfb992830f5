"""Compiled objects in what is stored and looked at later: studies, comparisons, twins, reports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ccsim
from ccsim.cli import main
from ccsim.report import write_report
from tests.bpf.bpf_rig import DATA

SWAP = """\
name: NAME
duration: 2500 ms
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 0.3 BDP}
objects: [OBJECT]
flows: [{name: bulk, congestion: FROM}]
swaps: [{at: 1 s, via: setsockopt, flows: [bulk], to: TO}]
"""
STUDY = """\
name: both_ways
base:
  duration: 2 s
  path: {rate: 5 Mbit/s, rtt: 20 ms, buffer: 0.5 BDP}
  objects: [{file: aimd.bpf.o, set: {increase: 1}}]
  flows: [{name: bulk, congestion: cubic}]
  swaps: [{at: 1 s, via: setsockopt, flows: [bulk], to: reno}]
design:
  grid:
    pair: {keys: [flows.0.congestion, swaps.0.to], ordered_pairs: [aimd, reno]}
    objects.0.set.increase: [1, 30]
seeds: 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("aimd", "borrow"):
        shutil.copy(DATA / "objects" / f"{name}.bpf.o", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, object: str, first: str, then: str) -> Path:
    text = SWAP.replace("NAME", name).replace("OBJECT", object)
    file = folder / f"{name}.yaml"
    file.write_text(text.replace("FROM", first).replace("TO", then))
    return file


def test_a_study_varies_the_variables_of_an_object(folder: Path) -> None:
    """Three packets more a round trip and thirty end in other windows, from and to the object."""
    (folder / "both_ways.yaml").write_text(STUDY)
    study = ccsim.sweep(folder / "both_ways.yaml", out=folder / "results", workers=1)
    counts = study.query(
        "select count(*), count(distinct deficit_bytes) from runs where status = 'complete'"
    )
    assert counts.rows == [(4, 4)]


def test_twins_have_objects_of_their_own_and_run_what_was_asked(folder: Path) -> None:
    run = ccsim.run(write(folder, "to_object", "aimd.bpf.o", "cubic", "aimd"), out="results")
    assert run.failed == ""
    assert run.twin_a is not None
    assert run.twin_b is not None
    assert run.twin_a.flows[0].implementations == ("cubic",)
    assert run.twin_b.flows[0].implementations == ("aimd_one",)
    served = run.objects["aimd"].bss["one"]
    twin = next(e.detail for e in run.twin_b.events if e.kind == "objects")["aimd"]["bss"]["one"]
    assert (served["init"], twin["init"]) == (1, 1)
    assert twin["cong_avoid"] > 1.2 * served["cong_avoid"] > 0, "it served from the start"


def test_a_wrapper_costs_a_swap_what_the_algorithm_it_wraps_does(folder: Path) -> None:
    figures = []
    for name, object, then in (("plain", "aimd.bpf.o", "reno"), ("wrap", "borrow.bpf.o", "borrow")):
        run = ccsim.run(write(folder, name, object, "cubic", then), out="results")
        figures.append(run.metrics["swaps"][0]["total"])
    assert figures[0] == figures[1]
    assert figures[0]["deficit_bytes"] != 0


def test_runs_with_objects_are_compared_and_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, then in (("one_way", "reno"), ("other_way", "cubic")):
        assert main(["run", str(write(folder, name, "aimd.bpf.o", "aimd", then))]) == 0
    assert main(["compare", "one_way", "other_way", "--format", "svg"]) == 0
    printed = capsys.readouterr().out
    picture = Path(printed.split()[-1]).read_text()
    assert "aimd" in picture
    page = write_report(ccsim.load_run("one_way").path).read_text(encoding="utf-8")
    held = page.split("What objects held at the end", 1)[1]
    assert "kept_percent" in held
    assert "70" in held


def test_names_in_an_object_are_escaped_on_the_page(folder: Path) -> None:
    """What an object prints stands on the page as text."""
    run = ccsim.run(write(folder, "one_way", "aimd.bpf.o", "aimd", "reno"), out="results")
    run.metrics["objects"]["aimd"]["bss"]["<script>alert(1)</script>"] = "<b>"
    from ccsim.report import run_page

    page = run_page(run)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
