"""The page of a stored run: whole in itself, small, escaped, and written whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ccsim
from ccsim.cli import main
from ccsim.errors import ResultsError
from ccsim.experiment.stored import StoredRun
from ccsim.report import run_page, write_report
from ccsim.report.markup import script_json
from ccsim.report.packed_columns import pack_times
from ccsim.report.traces import traces_of
from ccsim.sim.traces import TrafficTrace
from tests.plot import plot_runs as rig
from tests.report.test_report_packed_columns import unpack

SCENARIO = """
name: tiny
description: 'A </title> "quoted" <script>alert(1)</script> & more.'
duration: 4 s
path: {rate: 10 Mbit/s, rtt: 20 ms}
flows: [{name: bulk, congestion: cubic}]
swaps: [{at: 2 s, via: setsockopt, flows: [bulk], to: reno}]
"""


RAISES = """
from ccsim.kernel import TcpCongestionOps

def ssthresh(sk):
    raise ValueError("<b>boom</b>")

def undo_cwnd(sk):
    return sk.snd_cwnd

def cong_avoid(sk, ack, acked):
    sk.snd_cwnd += acked

mine = TcpCongestionOps(
    name="mine", ssthresh=ssthresh, undo_cwnd=undo_cwnd, cong_avoid=cong_avoid
)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    folder = tmp_path_factory.mktemp("runs")
    file = folder / "tiny.yaml"
    file.write_text(f"# </script><img src=x onerror=alert(2)>{SCENARIO}", encoding="utf-8")
    return ccsim.run(file, out=folder / "results", jobs=1)


@pytest.fixture(scope="module")
def text(run: StoredRun) -> str:
    return run_page(run)


def data_of(text: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    plain: dict[str, object] = json.loads(found[1])
    return plain


def test_it_asks_the_network_for_nothing(text: str) -> None:
    links = re.findall(r'(?:src|href)="([^#][^"]*)"', text)
    assert links[0] == "data:,"  # no icon
    assert {link.partition(",")[0] for link in links[1:]} == {
        "data:text/plain;charset=utf-8;base64"
    }
    assert "@import" not in text
    assert "url(" not in text.split("<style>")[1].split("</style>")[0]


def test_its_policy_allows_its_own_script_and_style_alone(text: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "unsafe" not in policy[1]
    for kind in ("script", "style"):
        (own,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{kind}-src &#x27;sha256-{digest}&#x27;" in policy[1]


def test_what_a_user_wrote_is_text(text: str) -> None:
    assert text.count("<script") == 2  # data, and the page's own
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more." in text
    assert "# &lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;" in text


def test_it_holds_summary_traces_tables_scenario_commands_and_manifest(
    run: StoredRun, text: str
) -> None:
    for name in ("summary", "traces", "tables", "scenario", "reproduce", "manifest"):
        assert f'<section id="{name}">' in text
    assert "cubic → reno" in text
    assert str(run.manifest["code_sha256"]) in text
    assert ".venv/bin/ccsim run tiny.yaml" in text
    assert "pip install ccsim==" not in text  # no index has it
    assert "python3 -m venv .venv &amp;&amp; .venv/bin/pip install -q ." in text
    assert f"a checkout of ccsim {ccsim.__version__}" in text


def test_the_same_run_gives_the_same_bytes_and_few_of_them(run: StoredRun, text: str) -> None:
    assert run_page(run) == text
    assert len(text.encode()) < 400_000


def test_the_traces_are_the_recorded_ones_with_both_twins(run: StoredRun, text: str) -> None:
    data = data_of(text)
    panels = {panel["id"]: panel for panel in data["panels"]}  # type: ignore[attr-defined]
    assert list(panels) == ["throughput", "cwnd", "rtt", "queue"]
    names = [series["name"] for series in panels["cwnd"]["series"]]
    assert names[0] == "bulk"
    assert {"bulk, twin A", "bulk, twin B"} <= set(names)
    cwnd = panels["cwnd"]["series"][0]
    flow = run.flows["bulk"]
    assert sum(cwnd["values"]) == flow.snd_cwnd[-1]  # differences end at the last value
    assert cwnd["t"] == [10_000, flow.t_ns[0] // 10_000_000, 1, len(flow.t_ns) - 1]
    assert data["swaps"] == [
        {"label": "cubic → reno", "how": "setsockopt, state linux", "t": [2.0], "failed": False}
    ]


def test_a_run_without_swaps_or_twins_is_told_as_one(tmp_path: Path) -> None:
    file = tmp_path / "steady.yaml"
    file.write_text(SCENARIO.split("swaps:")[0].replace("4 s", "1 s"), encoding="utf-8")
    text = run_page(ccsim.run(file, out=tmp_path, jobs=1))
    assert "One run (n = 1): what it measured, not an estimate." in text
    assert "What each swap cost" not in text
    assert "twin" not in text.split('<section id="tables">')[0].split("<section")[1]


def test_a_run_whose_algorithm_raised_says_so_first_and_shows_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(RAISES, encoding="utf-8")
    file = tmp_path / "fails.yaml"
    scenario = SCENARIO.split("swaps:")[0].replace("cubic", "mine").replace("tiny", "fails")
    file.write_text(f"{scenario}objects: [mine.py]\n", encoding="utf-8")
    run = ccsim.run(file, out=tmp_path, jobs=1)
    assert run.failed
    text = run_page(run)
    assert text.index("The run failed: ") < text.index("One flow had")
    assert "&lt;b&gt;boom&lt;/b&gt;" in text
    assert "<b>boom" not in text


def test_a_run_of_many_flows_and_samples_stays_below_two_megabytes() -> None:
    flows = [rig.sawtooth_flow(600, swap_s=300, seed=i, name=f"flow-{i}") for i in range(8)]
    link = rig.link(60_000, queue=range(60_000))
    result = rig.result(flows, [link], [rig.swap(300, "cubic", "bbr")], seconds=600)
    run = rig.Run(result, rig.scenario(flows=8), result, result)
    assert len(script_json(traces_of(run))) < 1_900_000


def test_a_roll_back_is_marked_beside_the_swap_and_a_trigger_named() -> None:
    staged = rig.swap(2, "cubic", "bbr", "staged", outcome="rolled back: drops 9 %")
    staged = replace(staged, outcome_ns=4 * rig.SECOND)
    waited = rig.swap(3, "bbr", "reno", state="cold", trigger="in ProbeRTT", index=1)
    result = rig.result([rig.sawtooth_flow(5)], [rig.link(500)], [staged, waited], seconds=5)
    marks = traces_of(rig.Run(result, rig.scenario()))["swaps"]
    assert [(mark["t"], mark["label"], mark["how"]) for mark in marks] == [
        ([2.0], "cubic → bbr", "staged, state linux"),
        ([3.0], "bbr → reno", "setsockopt, state cold, in ProbeRTT"),
        ([4.0], "rolled back: drops 9 %", "staged"),
    ]


def test_many_flows_are_drawn_by_implementation() -> None:
    flows = [rig.sawtooth_flow(5, swap_s=2, seed=i, name=f"flow-{i}") for i in range(20)]
    result = rig.result(flows, [rig.link(500)], seconds=5)
    data = traces_of(rig.Run(result, rig.scenario(flows=20)))
    assert [entry["label"] for entry in data["legend"]] == ["cubic (20 flows)", "bbr (20 flows)"]
    cwnd = data["panels"][1]["series"]
    assert [line["name"] for line in cwnd] == ["cubic", "bbr"]
    assert {"low", "high"} <= set(cwnd[0])


def test_of_many_flows_it_is_shown_how_many_each_implementation_serves() -> None:
    """Twenty connections move from cubic to bbr at 2 s; ten of them close at 4 s."""
    flows = [
        rig.sawtooth_flow(5, swap_s=2, seed=i, name=f"f-{i}", end_s=4 if i < 10 else None)
        for i in range(20)
    ]
    result = rig.result(flows, [rig.link(500)], seconds=5)
    panel = traces_of(rig.Run(result, rig.scenario(flows=20)))["panels"][-2]
    assert panel["id"] == "connections"
    counts = {line["name"]: np.cumsum(line["values"]) for line in panel["series"]}
    at = {t_s: int(t_s / 5 * 1999) for t_s in (1, 3, 4.5)}  # 2000 instants over 5 s
    assert [counts["cubic"][row] for row in at.values()] == [20, 0, 0]
    assert [counts["bbr"][row] for row in at.values()] == [0, 20, 10]


def test_the_scenario_can_be_saved_from_the_page_as_it_was_given(run: StoredRun, text: str) -> None:
    (saved,) = set(re.findall(r'base64,([^"]*)" download="tiny.yaml"', text))
    assert base64.b64decode(saved) == (run.path / "scenario.yaml").read_bytes()


def test_the_command_writes_beside_the_run_or_where_it_is_told(
    run: StoredRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = str(run.path.parent.parent)
    assert main(["report", "tiny", "--results", results]) == 0
    assert capsys.readouterr().out == f"{run.path / 'report.html'}\n"
    out = tmp_path / "new" / "page.html"
    assert main(["report", run.run_id, "--results", results, "-o", str(out)]) == 0
    assert out.read_bytes() == (run.path / "report.html").read_bytes()


def test_a_file_that_cannot_be_written_is_refused_and_nothing_is_left(
    run: StoredRun, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(ResultsError, match=r"cannot write: .*choose another file with -o FILE"):
        write_report(run.path, tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_run_that_is_not_there_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "no-such-run", "--results", "nowhere"]) == 2
    assert "no-such-run: expected a run's folder" in capsys.readouterr().err


def test_the_rtts_of_probes_have_a_panel_of_their_own() -> None:
    """Three came back: 20, 35.5 and 120 ms after they left at 0, 0.1 and 0.3 s."""
    rtts = ((0, 20_000_000), (100_000_000, 35_500_000), (300_000_000, 120_000_000))
    counts = dict.fromkeys(("packets_sent", "packets_arrived", "bytes_arrived"), 3)
    probe = TrafficTrace("ping", "probe", packets_dropped=0, delays_ns=(), rtts_ns=rtts, **counts)
    silent = replace(probe, name="lost", rtts_ns=())
    udp = replace(probe, name="udp", kind="constant", rtts_ns=())
    result = replace(rig.one_flow(5).result, traffic=(udp, probe, silent))
    data = traces_of(rig.Run(result, rig.scenario()))
    panel = next(one for one in data["panels"] if one["id"] == "probes")
    (line,) = panel["series"]
    assert panel["unit"] == "ms"
    assert data["legend"][line["needs"][0]]["label"] == line["name"] == "probe ping"
    assert line["t"] == pack_times([0, 100_000_000, 300_000_000])
    assert unpack(line["values"], line["size"]) == pytest.approx([20, 35.5, 120])
    without = traces_of(rig.one_flow(5))["panels"]
    assert not [one for one in without if one["id"] == "probes"]
