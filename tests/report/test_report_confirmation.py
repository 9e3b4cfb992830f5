"""The page of a confirmation, from runs of Linux 6.18 that are stored beside the tests; how a run
of a kernel is told."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ccsim.cli.entry import main
from ccsim.errors import ResultsError
from ccsim.experiment.stored import load_run
from ccsim.experiment.stored_confirmation import (
    CONFIRMATION,
    load_confirmation,
    store_confirmation,
)
from ccsim.report import write_report
from ccsim.report.confirmation_html import confirmation_page

DATA = Path(__file__).resolve().parents[1] / "linux" / "data" / "confirmed.tar.xz"
RUN = "cb55f81005c6"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confirmed")
    with tarfile.open(DATA) as archive:
        archive.extractall(folder, filter="data")
    return folder / "r"


@pytest.fixture(scope="module")
def text(results: Path) -> str:
    return confirmation_page(results / "confirmations" / RUN)


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / CONFIRMATION).read_text(encoding="utf-8"))
    return found


def test_it_has_the_sentence_the_picture_and_each_metric_with_both_intervals(text: str) -> None:
    assert "Kernel and simulation agree in all 9 metrics over 2 repetitions" in text
    assert 'img src="data:image/png;base64,' in text
    assert text.count("<tr>") - 1 == 9 + 1 + 2  # nine metrics, and two headings and two runs
    assert "drops_in_second_after" in text
    assert "overlap" in text
    assert "Linux 6.18.44" in text


def test_it_asks_the_network_for_nothing_and_can_be_repeated(text: str) -> None:
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert ".venv/bin/ccsim confirm small.yaml --repeat 2" in text


def test_a_kernels_run_is_read_shown_and_reported_without_that_kernel(
    results: Path, capsys: Any
) -> None:
    folder = results / "small" / f"{RUN}.linux.1"
    run = load_run(folder, verify=True)
    assert run.manifest["backend"] == "linux"
    assert run.flows["a"].implementations == ("reno", "cubic")
    assert run.twin_a is not None
    assert main(["show", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "small: 2 s on Linux 6.18.44" in shown
    assert "simulat" not in shown
    page = write_report(folder).read_text(encoding="utf-8")
    body = page.split("<main>")[1].split("<script")[0]
    assert "simulat" not in body.replace("on a kernel and simulated", "")  # its description
    assert "never does the same twice" in page
    assert "ccsim run small.yaml --on linux --seed 1" in page


def test_the_command_finds_a_confirmation_by_its_folder(results: Path, capsys: Any) -> None:
    folder = results / "confirmations" / RUN
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")


def test_what_is_stored_is_what_is_read(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "small", tmp_path / "small")
    before = told(results / "confirmations" / RUN)
    folder = store_confirmation(before, tmp_path)
    assert folder == tmp_path / "confirmations" / RUN
    found = load_confirmation(folder, verify=True)
    assert found.told == before
    assert [run.run_id for run in found.kernel] == [f"{RUN}.linux.1", f"{RUN}.linux.2"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "small", "small/..", "/etc/x", 7])
def test_the_name_of_a_run_leads_nowhere_else(results: Path, tmp_path: Path, name: Any) -> None:
    folder = tmp_path / "confirmations" / RUN
    folder.mkdir(parents=True)
    changed = {**told(results / "confirmations" / RUN), "simulated": name}
    (folder / CONFIRMATION).write_text(json.dumps(changed))
    with pytest.raises(ResultsError, match="expected SCENARIO/RUN as the name of a run"):
        load_confirmation(folder)


@pytest.mark.parametrize(("content", "words"), [("{", "expected JSON"), ("[1]", "with simulated")])
def test_what_is_no_confirmation_is_said(tmp_path: Path, content: str, words: str) -> None:
    folder = tmp_path / "confirmations" / RUN
    folder.mkdir(parents=True)
    (folder / CONFIRMATION).write_text(content)
    with pytest.raises(ResultsError, match=words):
        load_confirmation(folder)


def test_what_parts_is_told_apart_and_what_is_close_is_not(results: Path, tmp_path: Path) -> None:
    """Intervals that do not overlap: one whose means are a packet apart, one that parts."""
    shutil.copytree(results / "small", tmp_path / "small")
    before = told(results / "confirmations" / RUN)
    kinds = [(False, False), (False, True), (True, False)]
    rows = [
        {**before["rows"][k], "overlap": overlap, "apart": apart}
        for k, (overlap, apart) in enumerate(kinds)
    ]
    page = confirmation_page(store_confirmation({**before, "rows": rows}, tmp_path))
    cells = [
        word for word in ("too close to tell", "apart", "overlap") if f"<td>{word}</td>" in page
    ]
    assert cells == ["too close to tell", "apart", "overlap"]
