"""A run is exported, read, and made a scenario of: that must be the one it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.cli import main
from ccsim.exchange.capture import write_capture
from ccsim.exchange.estimate import Estimate, Known, estimated
from ccsim.exchange.estimated_scenario import scenario_text, write_scenario
from ccsim.scenario import load_scenario, parse_scenario
from tests.exchange.conftest import stored

HEAD = "name: trip\nduration: 8 s\ntwins: false\n"
BULK = "flows: [{name: bulk, congestion: %s}]\n"
PATHS = {
    "cubic": "path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\n" + BULK % "cubic",
    "reno": "path: {rate: 50 Mbit/s, rtt: 20 ms, buffer: 0.5 BDP}\n" + BULK % "reno",
    "far": "path: {rate: 20 Mbit/s, rtt: 100 ms, buffer: 2 BDP}\n" + BULK % "cubic",
    "slow": "path: {rate: 2 Mbit/s, rtt: 60 ms, buffer: 20 packets}\n" + BULK % "cubic",
    "bbr": "path: {rate: 20 Mbit/s, rtt: 30 ms, buffer: 2 BDP}\n" + BULK % "bbr",
    "two": """path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: cubic}
  - {name: b, congestion: reno, start: 1 s, rtt: 80 ms, size: 2 MB}
""",
}


@pytest.mark.parametrize("name", PATHS)
def test_the_estimated_path_is_that_of_the_run(name: str, tmp_path: Path) -> None:
    run = stored(HEAD + PATHS[name], tmp_path)
    capture = tmp_path / "trip.pcapng"
    write_capture(run, capture, snaplen=96)
    again = load_scenario(write_scenario(capture, tmp_path)).resolved()
    path, was = again["path"], run.scenario["path"]
    assert path["rate_bps"] == pytest.approx(was["rate_bps"], rel=0.02)
    assert path["rtt_ns"] == pytest.approx(was["rtt_ns"], rel=0.02)
    assert path["buffer_packets"] == pytest.approx(was["buffer_packets"], rel=0.1)
    assert path["loss_probability"] == 0
    for flow, there in zip(again["flows"], run.scenario["flows"], strict=True):
        assert flow["start_ns"] == pytest.approx(there["start_ns"], abs=1000)
        assert flow["rtt_ns"] == pytest.approx(there["rtt_ns"], rel=0.02)
        assert flow["size_bytes"] == there["size_bytes"]


def test_random_losses_are_told_from_a_full_queue(tmp_path: Path) -> None:
    """At 0.2 % Reno seldom fills the queue: most of some forty losses find it short."""
    text = "path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 2 BDP, loss: 0.002}\n" + BULK % "reno"
    run = stored(HEAD + text, tmp_path)
    write_capture(run, tmp_path / "trip.pcapng", snaplen=96)
    found = estimated(tmp_path / "trip.pcapng")
    counted = int(run.links["bottleneck"].losses[-1])
    assert counted > 10
    assert 0.0005 < found.loss.value < 0.004
    assert found.buffer.sure.startswith("at least")
    assert found.rtt.value == pytest.approx(0.020, rel=0.02)


def test_a_flow_that_never_fills_the_path_tells_no_more_than_it_can(tmp_path: Path) -> None:
    text = """path: {rate: 50 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows: [{name: app, congestion: cubic, source: {rate: 4 Mbit/s}}]
"""
    run = stored(HEAD + text, tmp_path)
    write_capture(run, tmp_path / "trip.pcapng", snaplen=96)
    found = estimated(tmp_path / "trip.pcapng")
    assert found.rate.sure.startswith("at least this")
    assert found.buffer.sure.startswith("a guess")
    assert found.rtt.value == pytest.approx(0.040, rel=0.02)


def test_the_comments_say_how_and_how_sure(tmp_path: Path) -> None:
    known = Known(12_345_678, "counted", "a guess")
    file = "a\nb: {evil}.pcapng"
    estimate = Estimate(
        *(file, 3.0, 1400, 4, known, Known(0.0401, "h", "s"), Known(7.2, "h", "s")),
        *(Known(0.0, "h", "s"), (), ("a\nnote",)),
    )
    text = scenario_text(estimate, "x")
    assert "  # rate: counted; a guess\n  rate: 12.35 Mbit/s\n" in text
    assert "# a?note\n" in text
    assert "# Estimated from a?b: {evil}.pcapng: numbers to begin with" in text
    flows = "  - {name: f}\n"
    scenario = parse_scenario(text + flows, "x.yaml").resolved()
    assert scenario["tcp"]["mss_bytes"] == 1400
    assert scenario["tcp"]["initial_window"] == 4


def test_nothing_is_overwritten_and_names_are_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yaml").write_text("mine")
    folder = str(tmp_path)
    assert main(["new", "scenario", "x", "--from", "no.pcapng", "--dir", folder]) == 2
    assert "it is there already" in capsys.readouterr().err
    assert main(["new", "scenario", "../y", "--from", "no.pcapng", "--dir", folder]) == 2
    assert "expected a name of letters" in capsys.readouterr().err
    assert (tmp_path / "x.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["scenario"], "missing --from FILE"),
        (["algorithm"], "missing NAME"),
        (["object", "x", "--from", "y"], "expected with scenario, got it with object"),
    ],
)
def test_what_is_missing_is_asked_for(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["new", *arguments])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
