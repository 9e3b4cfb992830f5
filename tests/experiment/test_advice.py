"""Advice: what is asked, what a study of a pair on a path finds, and what follows from it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.errors import CcsimError
from ccsim.experiment.advice import advise, answered, asked, design, plan_of
from ccsim.experiment.advice.answer import PairedDifference
from ccsim.experiment.advice.surroundings import path_keys
from ccsim.experiment.statistics import Interval
from ccsim.experiment.study.plan import scenario_of
from ccsim.experiment.study.read import read_study
from ccsim.sim import simulate

ROOT = Path(__file__).resolve().parents[2]
PATH = "rate=1 Mbit/s,rtt=20 ms,buffer=2 BDP"
OBJECT = ROOT / "scenarios" / "objects" / "aimd.bpf.o"

FILE = '''"""Adds a packet a round."""
from ccsim.cc.window_laws import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import TcpCongestionOps

{tables}
'''
TABLE = """{map} = TcpCongestionOps(
    name="{name}",
    ssthresh=tcp_reno_ssthresh,
    cong_avoid=tcp_reno_cong_avoid,
    undo_cwnd=tcp_reno_undo_cwnd,
)
"""


def written(folder: Path, file: str, *names: str) -> str:
    """Write an algorithm file with these names; return its path."""
    tables = "\n".join(TABLE.format(map=f"m_{name}", name=name) for name in names)
    (folder / file).write_text(FILE.format(tables=tables), encoding="utf-8")
    return str(folder / file)


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("dsl", {"preset": "dsl"}),
        ("dsl,rtt=60 ms", {"preset": "dsl", "rtt": "60 ms"}),
        ("rate=5 Mbit/s, rtt=10 ms", {"rate": "5 Mbit/s", "rtt": "10 ms"}),
        (
            "rate=5 Mbit/s,rtt=10 ms,qdisc={kind: codel, target: 5 ms}",
            {"rate": "5 Mbit/s", "rtt": "10 ms", "qdisc": {"kind": "codel", "target": "5 ms"}},
        ),
    ],
)
def test_a_path_is_a_preset_or_keys_or_both(text: str, keys: dict[str, object]) -> None:
    assert path_keys(text) == keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a preset (dsl,"),
        ("rate=5 Mbit/s,dsl", "got 'dsl'"),
        ("rate=5 Mbit/s,rtt=", "got 'rtt='"),
        ("rtt=5 ms,rtt=6 ms", "'rtt' twice"),
        ("rate={,rtt=5 ms", "rate: not a value"),
        ("dls", "did you mean 'dsl'"),
        ("rate=5,rtt=10 ms", "path.rate: expected"),
        ("rate=5 Mbit/s,rtt=10 ms,bufer=1 BDP", "did you mean 'buffer'"),
    ],
)
def test_a_wrong_path_is_told(text: str, said: str) -> None:
    with pytest.raises(CcsimError, match=r"\S") as caught:
        asked("cubic", "reno", text)
    assert said in str(caught.value)


def test_an_algorithm_may_have_parameters_as_tables_list_them() -> None:
    question = asked("cubic", "cubic(hystart=0,beta=819)", PATH)
    assert question.new.as_name == {"name": "cubic", "hystart": 0, "beta": 819}
    swap = question.scenario.swaps[0]
    assert swap.to == "cubic"
    assert swap.to_params["beta"] == 819


def test_an_algorithm_may_be_a_file_and_one_of_several_in_it(tmp_path: Path) -> None:
    one, two = written(tmp_path, "one.py", "a"), written(tmp_path, "two.py", "b", "c")
    question = asked(one, f"{two}:c", PATH)
    assert (question.old.name, question.old.map) == ("a", "m_a")
    assert (question.new.name, question.new.map) == ("c", "m_c")
    assert len(question.objects) == 2


def test_an_algorithm_may_be_a_compiled_object() -> None:
    question = asked("reno", f"{OBJECT}:aimd_two", PATH)
    assert question.objects == [str(OBJECT)]
    assert question.scenario.swaps[0].to == question.new.name == "aimd"


def test_wrong_algorithms_are_told(tmp_path: Path) -> None:
    one, two = written(tmp_path, "one.py", "a"), written(tmp_path, "two.py", "a", "c")
    broken, empty = tmp_path / "broken.py", tmp_path / "empty.py"
    broken.write_text("def (\n", encoding="utf-8")
    empty.write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "no.o").write_bytes(b"no object")
    cases = {
        ("cubik", "reno"): "did you mean 'cubic'",
        ("cubic(hystrat=0)", "reno"): "hystrat",
        ("cubic(hystart=[)", "reno"): "expected parameters as in",
        ("cubic", str(tmp_path / "none.py")): "No such file",
        ("cubic", two): "expected FILE:MAP with one of m_a, m_c, got no name",
        ("cubic", f"{two}:d"): "got 'd'",
        ("cubic", str(broken)): "broken.py:1:",
        ("cubic", str(empty)): "expected a table of operations",
        ("cubic", str(tmp_path / "no.o")): "no.o",
        (one, f"{two}:a"): "cannot be registered",
    }
    for words, said in cases.items():
        with pytest.raises(CcsimError, match=r"\S") as caught:
            asked(*words, PATH)
        assert said in str(caught.value), words


# --- the study ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "at_s", "window_s"),
    [
        ("rate=10 Mbit/s,rtt=40 ms", 10, 10),
        # 100,000 packets of 1514 bytes are 12.1 s at 100 Mbit/s
        ("rate=100 Mbit/s,rtt=40 ms", 6.056, 6.056),
        # 40 and 25 round trips
        ("rate=1 Gbit/s,rtt=80 ms", 3.2, 2),
        ("geo", 24, 15),
        ("datacenter", 1, 1),
    ],
)
def test_a_run_is_as_long_as_the_path_needs(path: str, at_s: float, window_s: float) -> None:
    plan = plan_of(asked("cubic", "reno", path), "p")
    assert (plan.at_s, plan.window_s) == (at_s, window_s)


def test_the_study_is_one_that_sweep_takes_with_a_point_for_each_way(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    for old, ways in (("cubic", 14), ("bbr", 15)):  # BBR has a ProbeRTT to wait for
        file.write_text(plan_of(asked(old, "reno", PATH), "s", 3).text(), encoding="utf-8")
        study = read_study(file)
        assert len(study.factors[0]) == ways
        assert study.seeds == (1, 2, 3)
        scenario = scenario_of(study, study.factors[0][0], 1)
        assert scenario.swaps[0].via == "setsockopt"
        assert scenario.hosts is not None


# --- the answers ----------------------------------------------------------------------------------

ABOUT = {"study": "s", "swap_at_s": 1.0, "watched_s": 1.0, "runs": 1}


def rows(**ways: tuple[float, float]) -> dict[str, dict[int, dict[str, float | None]]]:
    """Return rows of 12 seeds: each way's deficit and drops, more by a thousandth each seed."""
    named = {name.replace("_", " "): value for name, value in ways.items()}
    return {
        name: {
            seed: {
                "deficit_s": deficit + seed / 1000,
                "extra_drops": drops + seed / 1000,
                "extra_rtt_p99_ms": 0.0,
            }
            for seed in range(1, 13)
        }
        for name, (deficit, drops) in named.items()
    }


def test_the_best_way_is_better_by_something_and_worse_by_nothing() -> None:
    found = answered(
        ("a", "b", "p"),
        {
            **rows(linux=(0.5, 100), cold=(0.3, 200), rate=(0.4, 100), model=(0.5, 99.5)),
            **rows(all_at_once=(1, 1), staged=(1, 1)),
        },
        12,
        ABOUT,
    )
    state, when, via = found.questions
    assert (state.best, state.equal) == ("rate", ())
    ways = {way.name: way for way in state.ways}
    assert (ways["cold"].better, ways["cold"].worse) == (["deficit_s"], ["extra_drops"])
    # half a packet is a trifle, however sure
    assert ways["model"].differences["extra_drops"].p < 0.05
    assert ways["model"].better == []
    # 12 differences of one sign: p = 2 / 2^12, times 9 tests at most
    p = ways["rate"].differences["deficit_s"].p
    assert 2 / 2**12 <= p <= 9 * 2 / 2**12
    assert when.best == "linux"
    assert (via.best, via.equal) == ("all at once", ("staged",))
    # the mean of 1, …, 12 thousandths is 0.0065
    assert found.cost["deficit_s"].estimate == pytest.approx(0.5065)
    assert (found.worst["deficit_s"].value, found.worst["deficit_s"].seed) == (0.512, 12)


def test_few_seeds_and_moments_that_never_came_are_noted() -> None:
    some = {name: dict(list(way.items())[:2]) for name, way in rows(linux=(0, 0)).items()}
    more = {name: dict(list(way.items())[:1]) for name, way in rows(in_Recovery=(0, 0)).items()}
    fleet = {k: dict(list(v.items())[:2]) for k, v in rows(all_at_once=(0, 0)).items()}
    found = answered(("a", "b", "p"), {**some, **more, **fleet}, 2, ABOUT)
    # three tests: 2 seeds give p = 0.5; 7 are needed, 3 × 2 / 2^7 = 0.047
    assert "when: 2 seeds cannot tell 2 ways apart by 3 metrics; 7 or more could" in found.notes
    assert "when in Recovery: came about in 1 of 2 runs" in found.notes
    assert found.questions[1].best == "linux"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


def test_to_stay_where_one_is_costs_nothing_whatever_is_kept(results: Path) -> None:
    found = advise(asked("reno", "reno", PATH), seeds=1, out=results, workers=1)
    assert found.cost["deficit_s"].estimate == 0
    state = found.questions[0]
    assert {way.name for way in state.ways} >= {"keep_cwnd", "cold", "linux"}
    for way in state.ways:
        assert [way.figures[m].estimate for m in ("deficit_s", "extra_drops")] == [0, 0], way.name
    assert state.best == "linux"
    assert len(state.equal) == len(state.ways) - 1


def test_half_a_window_costs_fewer_drops_than_all_of_it_on_the_way_to_bbr(results: Path) -> None:
    argv = ["advise", "cubic", "bbr", "--path", PATH, "--seeds", "1", "--out", str(results)]
    assert main([*argv, "--workers", "1", "--format", "json"]) == 0
    (study,) = results.glob("advise-cubic-bbr-*")
    found = advise(asked("cubic", "bbr", PATH), seeds=1, out=results, workers=1)
    assert found.about["new_runs"] == 0  # it was all there
    ways = {way.name: way.figures for way in found.questions[0].ways}
    retreat, linux = (ways[n]["extra_drops"].estimate for n in ("safe_retreat", "linux"))
    assert retreat < linux
    assert _deficit_bytes(study) == pytest.approx(found.cost["deficit_bytes"].estimate, abs=1)


def _deficit_bytes(study: Path) -> int:
    """Return the deficit of the blind way from what both runs had delivered by their end: before
    the swap they are the same."""
    asked_for = read_study(study / "study.yaml")
    blind = asked_for.factors[0][0]
    made = scenario_of(asked_for, blind, 1)
    ends = []
    for one in (made, made.without_swaps()):
        borders = simulate(one).flows[0].borders
        assert borders is not None
        ends.append(int(borders.delivered_bytes[-1]))
    return ends[1] - ends[0]


# --- the verb -------------------------------------------------------------------------------------


def said(results: Path, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    argv = ["advise", "reno", "reno", "--path", PATH, "--seeds", "1", "--out", str(results)]
    assert main([*argv, "--workers", "1", "--format", form]) == 0
    return capsys.readouterr().out


def test_the_verb_says_it_in_words_and_tables(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(results, "text", capsys)
    assert text.startswith("reno → reno on rate=1 Mbit/s,rtt=20 ms,buffer=2 BDP, at a blind instan")
    words = " ".join(text.split())
    assert "goodput deficit 0.000 s (0.000 MB), extra drops 0.0, n = 1" in words
    assert "Which mechanism" in text
    assert said(results, "text", capsys) == text


def test_the_verb_says_it_in_the_forms_of_documents(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    markdown = said(results, "md", capsys)
    assert "## Which state policy" in markdown
    assert "| goodput deficit (s) | 0.000 | – | 1 | 0.000 |" in markdown
    tex = said(results, "tex", capsys)
    assert tex.count(r"\toprule") == tex.count(r"\end{tabular}") == 4
    assert r"keep\_cwnd & 1 & 0.000 &" in tex
    assert all(line.startswith("%") for line in tex.splitlines() if "→" in line)


def test_the_verb_says_it_as_json(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(results, "json", capsys))
    assert (found["from"], found["to"]) == ("reno", "reno")
    assert found["cost"]["deficit_s"]["mean"] == 0
    assert found["state"]["ways"]["cold"]["differences"]["extra_drops"]["verdict"] == ""
    assert not any(
        isinstance(v, float) and math.isnan(v) for v in found["cost"]["deficit_s"].values()
    )


@pytest.mark.parametrize(
    ("mean", "p", "verdict"),
    [
        (-3.0, 0.04, "better"),
        (3.0, 0.04, "worse"),
        (-3.0, 0.06, ""),  # by chance, perhaps
        (-0.9, 0.001, ""),  # a trifle
        (-3.0, math.nan, ""),  # no test could be made
    ],
)
def test_a_way_is_better_if_chance_and_trifles_are_ruled_out(
    mean: float, p: float, verdict: str
) -> None:
    difference = PairedDifference(Interval(mean, mean - 1, mean + 1, 12), p, least=1.0)
    assert difference.verdict == verdict


def test_a_wrong_question_is_a_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "cubic", "cubik", "--path", "dsl"]) == 2
    said = capsys.readouterr().err.strip()
    assert said == "advise: TO: no algorithm 'cubik'; did you mean 'cubic'?"
    with pytest.raises(SystemExit) as caught:
        main(["advise", "cubic", "bbr"])
    assert caught.value.code == 2
    assert "--path" in capsys.readouterr().err


def test_a_pair_that_fails_is_a_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(design, "POLICIES", ())
    monkeypatch.setattr(design, "_fleet_swaps", lambda *_: ())
    file = tmp_path / "bad.py"
    text = FILE.format(tables=TABLE.format(map="m", name="bad"))
    table = "def ssthresh(sk):\n    raise ValueError('no')\n\n" + text.partition("\n\n")[2]
    head = text.partition("\n\n")[0]
    file.write_text(
        head + "\n\n" + table.replace("ssthresh=tcp_reno_ssthresh", "ssthresh=ssthresh"),
        encoding="utf-8",
    )
    argv = ["advise", "reno", str(file), "--path", PATH, "--seeds", "1", "--out", str(tmp_path)]
    assert main([*argv, "--workers", "1"]) == 2
    assert "advise: " in capsys.readouterr().err


@pytest.mark.parametrize("seeds", [0, 1001, 10**20])
def test_so_many_seeds_are_told_by_the_bound(seeds: int) -> None:
    question = asked("cubic", "bbr", PATH)
    with pytest.raises(CcsimError, match=f"^advise: expected 1 to 1000 seeds, got {seeds}$"):
        plan_of(question, "mine", seeds)
    plan_of(question, "mine", 1000)
