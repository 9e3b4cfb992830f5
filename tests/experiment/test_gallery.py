"""The runs of the gallery: which algorithms, on what path, and the verb that draws them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim.catalog import algorithm_files
from ccsim.cli import main
from ccsim.errors import ScenarioError
from ccsim.experiment import gallery
from ccsim.experiment.gallery import GalleryError, gallery_scenarios, run_gallery
from tests.experiment.synthetic import equal, result

MINE = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    return 2


def cong_avoid(sk, ack, acked):
    {body}


mine = TcpCongestionOps(name="mine", ssthresh=ssthresh, undo_cwnd=ssthresh, cong_avoid=cong_avoid)
"""
SLOW = {"rate": "2 Mbit/s"}


def test_without_names_all_shipped_algorithms_are_there_in_order() -> None:
    scenarios = gallery_scenarios()
    assert list(scenarios) == sorted(algorithm_files())
    assert {s.flows[0].congestion for s in scenarios.values()} == set(scenarios)
    one = scenarios["reno"]
    assert (one.path.rate_bps, one.path.rtt_ns, one.path.buffer_packets) == (
        50_000_000,
        40_000_000,
        167,  # 2 Mbit in packets of 1500 bytes, rounded
    )
    assert (one.duration_ns, one.seed) == (40_000_000_000, 1)


def test_the_path_the_duration_and_the_seed_may_be_others() -> None:
    path = {"rate": "1 Gbit/s", "buffer": "7 packets", "loss": "1 %"}
    (one,) = gallery_scenarios(["bbr"], path, "3 s", 9).values()
    assert (one.path.rate_bps, one.path.rtt_ns) == (10**9, 40_000_000)
    assert (one.path.buffer_packets, one.path.loss_probability) == (7, 0.01)
    assert (one.duration_ns, one.seed) == (3_000_000_000, 9)


def test_a_file_of_ones_own_stands_beside_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(MINE.format(body="pass"))
    scenarios = gallery_scenarios(["reno", str(tmp_path / "my.py")], SLOW, "1 s")
    assert list(scenarios) == ["reno", "mine"]
    assert scenarios["mine"].objects == (str(tmp_path / "my.py"),)


def test_what_is_made_for_marks_gets_a_queue_that_marks_and_says_so() -> None:
    scenarios = gallery_scenarios(["cubic", "dctcp", "prague"], SLOW, "1 s")
    marks = {name: one.path.ecn_mark_ns for name, one in scenarios.items()}
    assert marks == {"cubic": None, "dctcp": 5_000_000, "prague": 5_000_000}
    labels = [run.label for run in run_gallery(scenarios, 1)]
    assert labels == ["cubic", "dctcp (marks > 5 ms)", "prague (marks > 5 ms)"]


def test_a_path_that_says_how_it_marks_is_the_same_for_all() -> None:
    path = {**SLOW, "ecn": "{mark_above: 3 packets}"}
    scenarios = gallery_scenarios(["cubic", "dctcp"], path)
    assert {one.path.ecn_mark_packets for one in scenarios.values()} == {3}
    assert {one.path.ecn_mark_ns for one in scenarios.values()} == {None}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cubik", "no algorithm 'cubik'; did you mean 'cubic'"),
        ("qqq", "a user's own file ends in .py"),
        ("none.py", "none.py: .*No such file"),
    ],
)
def test_a_name_of_nothing_is_refused(name: str, said: str) -> None:
    with pytest.raises(GalleryError, match=said):
        gallery_scenarios([name])


def test_a_file_without_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text("x = 1\n")
    with pytest.raises(GalleryError, match="expected a table of operations"):
        gallery_scenarios([str(tmp_path / "my.py")])


@pytest.mark.parametrize(
    ("path", "duration", "said"),
    [
        ({"rate": "10 Mbits"}, "1 s", "path.rate: "),
        ({"colour": "red"}, "1 s", "path.colour: "),
        ({}, "soon", "duration: "),
    ],
)
def test_a_wrong_path_is_a_scenario_error(path: dict[str, str], duration: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        gallery_scenarios(["reno"], path, duration)


def test_runs_come_in_order_and_are_the_same_however_many_at_once() -> None:
    scenarios = gallery_scenarios(["vegas", "cubic", "reno"], SLOW, "1 s")
    one, three = run_gallery(scenarios, 1), run_gallery(scenarios, 3)
    assert [run.name for run in one] == [run.name for run in three] == ["vegas", "cubic", "reno"]
    assert all(equal(a.result, b.result) for a, b in zip(one, three, strict=True))


def test_a_run_that_fails_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(MINE.format(body="raise ValueError('no')"))
    scenarios = gallery_scenarios([str(tmp_path / "my.py"), "reno"], SLOW, "1 s")
    bad, good = run_gallery(scenarios, 1)
    assert "ValueError: no" in bad.result.failed
    assert not good.result.failed
    assert np.all(np.diff(good.result.flows[0].delivered_bytes) >= 0)


def test_progress_is_that_of_all_runs_also_when_one_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def simulate_all(resolved: list[object], jobs: int, progress: Callable[[float], None]) -> Any:
        progress(0.5)
        first = result(failed="no") if len(resolved) == 2 else result()
        return [first] + [None] * (len(resolved) - 1)

    monkeypatch.setattr(gallery, "simulate_all", simulate_all)
    shares: list[float] = []
    run_gallery(gallery_scenarios(["reno", "vegas"], SLOW, "1 s"), 1, shares.append)
    assert shares == [0.5, 0.75]  # half of both; then the first and half of the second


def test_the_verb_draws_and_sums_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status = main(
        [
            "gallery",
            "reno",
            "vegas",
            "--path",
            "rate=2 Mbit/s",
            "--duration",
            "1 s",
            "--format",
            "png",
            "--jobs",
            "1",
        ]
    )
    assert status == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "algorithm"
    assert [line.split()[0] for line in lines[1:3]] == ["reno", "vegas"]
    assert lines[-1] == "results/gallery/gallery.png"
    assert (tmp_path / lines[-1]).read_bytes().startswith(b"\x89PNG")


def test_the_verb_says_which_failed_and_exits_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(MINE.format(body="raise ValueError('no')"))
    assert (
        main(
            [
                "gallery",
                "my.py",
                "--path",
                "rate=2 Mbit/s",
                "--duration",
                "1 s",
                "--format",
                "svg",
                "--jobs",
                "1",
            ]
        )
        == 1
    )
    assert "mine failed: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cubik"], "did you mean 'cubic'"),
        (["reno", "--path", "rate=fast"], "path.rate"),
    ],
)
def test_wrong_input_exits_2_with_a_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    more = ["--duration", "1 s", "--out", str(tmp_path / "out")]
    assert main(["gallery", *arguments, *more]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
