"""Advice where others are: what crosses, a scenario's own flows, and what neighbours lose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccsim.cli import main
from ccsim.errors import CcsimError
from ccsim.experiment.advice import answered, asked, plan_of
from ccsim.experiment.advice.surroundings import surroundings_of
from ccsim.experiment.study.plan import scenario_of
from ccsim.experiment.study.read import read_study
from ccsim.sim import simulate

PATH = "rate=1 Mbit/s,rtt=20 ms,buffer=2 BDP"

SCENARIO = """\
path: {rate: 1 Mbit/s, rtt: 20 ms, buffer: 2 BDP}
tcp: {ecn: true}
links: {fleet: cubic, others: reno}
flows:
  - {name: bulk, congestion: cubic, count: 2}
  - {name: rival, congestion: reno}
  - {name: served, congestion: others}
  - {name: moved, congestion: fleet}
traffic:
  - {name: voice, size: 200 B, rate: 64 kbit/s}
swaps:
  - {at: 10 s, via: setsockopt, flows: [bulk-2], to: bbr}
  - {at: 12 s, via: link_update, link: fleet, to: reno}
duration: 20 s
"""


@pytest.mark.parametrize(
    ("text", "flows", "traffic"),
    [
        ("cubic", [{"name": "cross1", "congestion": "cubic"}], []),
        ("3 bbr", [{"name": "cross1", "congestion": "bbr", "count": 3}], []),
        (
            "cubic(hystart=0)",
            [{"name": "cross1", "congestion": {"name": "cubic", "hystart": 0}}],
            [],
        ),
        ("500 kbit/s", [], [{"name": "cross1", "size": "1200 B", "poisson": "500 kbit/s"}]),
    ],
)
def test_what_crosses_is_an_algorithm_several_of_it_or_a_rate(
    text: str, flows: list[Any], traffic: list[Any]
) -> None:
    around = surroundings_of(PATH, [text])
    assert (list(around.flows), list(around.traffic)) == (flows, traffic)
    assert around.texts == (text,)


@pytest.mark.parametrize(
    ("cross", "said"),
    [
        ("", "expected an algorithm, 3 cubic, or a rate of datagrams"),
        ("cubik", "advise: --cross: no algorithm 'cubik'; did you mean 'cubic'?"),
        ("none.py", "advise: --cross: none.py: No such file"),
        ("0 cubic", "--cross.count"),
    ],
)
def test_what_cannot_cross_is_told(cross: str, said: str) -> None:
    with pytest.raises(CcsimError, match=r"\S") as caught:
        asked("cubic", "bbr", PATH, [cross])
    assert said in str(caught.value)


def test_of_a_scenario_counts_what_its_own_swaps_do_not_move(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    question = asked("cubic", "bbr", str(file), ["2 vegas"])
    around = question.around
    assert [one["name"] for one in around.flows] == ["beside-rival", "beside-served", "cross1"]
    assert [one["name"] for one in around.traffic] == ["beside-voice"]
    assert around.links == {"others": "reno"}
    assert around.kept == {"tcp": {"ecn": True}}
    assert around.texts == ("rival", "served", "voice", "2 vegas")
    (tmp_path / "s.yaml").write_text(plan_of(question, "s", 1).text(), encoding="utf-8")
    study = read_study(tmp_path / "s.yaml")
    for point in study.factors[0]:
        scenario = scenario_of(study, point, 1)
        assert scenario.tcp.ecn
        assert [flow.name for flow in scenario.flows][-3:] == [
            "beside-served",
            "cross1-1",
            "cross1-2",
        ]


def test_a_scenario_of_several_hops_is_no_path() -> None:
    file = Path(__file__).resolve().parents[2] / "scenarios" / "dumbbell.yaml"
    with pytest.raises(CcsimError, match="expected a scenario of one path, got one with hops"):
        asked("cubic", "bbr", str(file))


def test_a_wrong_scenario_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SCENARIO.replace("reno}\n", "rino}\n", 1), encoding="utf-8")
    with pytest.raises(CcsimError, match=r"mine\.yaml:3:\d+: links\.others"):
        asked("cubic", "bbr", str(file))


# --- the answer -----------------------------------------------------------------------------------


def rows(own: float, neighbours: float) -> dict[int, dict[str, float | None]]:
    figures = {"deficit_s": 0.0, "extra_drops": 0.0, "extra_rtt_p99_ms": 0.0}
    return {
        seed: {
            **figures,
            "own_deficit_s": own,
            "neighbours_loss": neighbours + seed / 1000,
        }
        for seed in range(1, 13)
    }


def test_a_way_that_spares_the_neighbours_is_better() -> None:
    ways = {"linux": rows(-5, 0.8), "safe_retreat": rows(-4, 0.5), "all at once": rows(0, 0.9)}
    about = {"study": "s", "swap_at_s": 1.0, "watched_s": 1.0, "runs": 1}
    state, when, via = answered(("a", "b", "p"), ways, 12, about).questions
    assert state.best == "safe_retreat"
    assert "neighbours_loss" in state.metrics
    assert "neighbours_loss" in when.metrics
    assert via.metrics == ("deficit_s", "extra_drops", "extra_rtt_p99_ms")


def test_the_neighbours_loss_is_their_bytes_less_than_without_the_swap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["advise", "cubic", "bbr", "--path", PATH, "--cross", "cubic", "--seeds", "1"]
    assert main([*argv, "--workers", "1", "--out", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    (study,) = tmp_path.glob("advise-cubic-bbr-*")
    read = read_study(study / "study.yaml")
    made = scenario_of(read, read.factors[0][0], 1)
    bytes_after = []
    for one in (made, made.without_swaps()):
        rival = simulate(one).flows[1]
        assert rival.name == "cross1"
        row = int((rival.t_ns <= made.swaps[0].at_ns).sum()) - 1
        assert rival.borders is not None
        bytes_after.append(int(rival.borders.delivered_bytes[-1] - rival.delivered_bytes[row]))
    swapped, unswapped = bytes_after
    assert swapped < 0.7 * unswapped
    assert "beside cubic, at a blind instant: goodput deficit of all together" in said
    assert f"neighbours' loss {100 * (1 - swapped / unswapped):.1f} %, n = 1" in said
