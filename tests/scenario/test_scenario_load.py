"""Tests of whole scenarios: what they resolve to, and how files are found and read."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import Flow, Scenario, Swap, load_scenario, parse_scenario

pytestmark = pytest.mark.usefixtures("three_algorithms")

GOOD = """\
name: cubic-to-bbr
duration: 60 s
seed: 1
path: {rate: 100 Mbit/s, rtt: 40 ms, buffer: 1 BDP, qdisc: fifo}
flows:
  - {name: bulk,  congestion: cubic}
  - {name: rival, congestion: reno, start: 5 s}
swaps:
  - {at: 20 s, via: setsockopt, flows: [bulk], to: bbr, state: linux}
record: {interval: 10 ms}
"""


HOSTS = {  # a bulk writer, and buffers that never are the limit
    "source": None,
    "sndbuf_bytes": None,
    "receiver": {"rwnd_bytes": None, "gro_packets": 1, "gro_ns": 0},
    "ecn": None,
}
SOUND = {  # a path without marks, and nothing the matter with its way back
    "ecn_mark_packets": None,
    "ecn_mark_ns": None,
    "ack_loss_probability": 0.0,
    "ack_aggregation_ns": 0,
}


def test_a_scenario_resolves_to_integers() -> None:
    scenario = parse_scenario(GOOD, "s.yaml")
    assert scenario.resolved() == {
        "name": "cubic-to-bbr",
        "description": "",
        "duration_ns": 60_000_000_000,
        "seed": 1,
        "path": {
            "rate_bps": 100_000_000,
            "rtt_ns": 40_000_000,
            "buffer_packets": 333,
            "qdisc": "fifo",
            "loss_probability": 0.0,
            **SOUND,
        },
        "flows": [
            {
                "name": "bulk",
                "congestion": "cubic",
                "congestion_params": {},
                "listener": "",
                "netns": "init",
                "start_ns": 0,
                "stop_ns": None,
                "size_bytes": None,
                "rtt_ns": 40_000_000,
                "access_delay_ns": 0,
                **HOSTS,
            },
            {
                "name": "rival",
                "congestion": "reno",
                "congestion_params": {},
                "listener": "",
                "netns": "init",
                "start_ns": 5_000_000_000,
                "stop_ns": None,
                "size_bytes": None,
                "rtt_ns": 40_000_000,
                "access_delay_ns": 0,
                **HOSTS,
            },
        ],
        "listeners": [],
        "namespaces": [],
        "sysctls": [],
        "objects": [],
        "objects_sha256": [],
        "objects_set": {},
        "links": [],
        "swaps": [
            {
                "at_ns": 20_000_000_000,
                "via": "setsockopt",
                "to": "bbr",
                "to_params": {},
                "flows": ["bulk"],
                "listeners": [],
                "link": "",
                "netns": "",
                "over_ns": 0,
                "cohort": 0,
                "pause_ns": 0,
                "gap_ns": 0,
                "steps_ppm": [],
                "guard": None,
                "state": "linux",
                "trigger": None,
            }
        ],
        "workloads": [],
        "record": {"interval_ns": 10_000_000, "flows": "all"},
        "kernel": {"profile": "linux", "default": "cubic", "hz": 250},
        "tcp": {
            "initial_window": 10,
            "mss_bytes": 1448,
            "quickack_packets": 1465,
            "min_rto_ns": 200_000_000,
            "delayed_ack": True,
            "ecn": False,
            "tso": False,
        },
        "twins": True,
    }


def test_what_is_resolved_can_be_read_back() -> None:
    scenario = parse_scenario(GOOD, "s.yaml")
    assert Scenario.from_resolved(scenario.resolved()) == scenario


def test_a_resolved_scenario_that_was_changed_is_refused() -> None:
    plain = parse_scenario(GOOD, "s.yaml").resolved()
    with pytest.raises(ScenarioError, match=r'resolved scenario: seed: .* got "1"'):
        Scenario.from_resolved({**plain, "seed": "1"})
    with pytest.raises(ScenarioError, match="resolved scenario: sneed: "):
        Scenario.from_resolved({**plain, "sneed": 1})
    with pytest.raises(ScenarioError, match="resolved scenario: name: "):
        Scenario.from_resolved({**plain, "name": "../../etc"})


def test_a_scenario_is_frozen() -> None:
    scenario = parse_scenario(GOOD, "s.yaml")
    with pytest.raises(FrozenInstanceError):
        scenario.seed = 2  # type: ignore[misc]


def test_the_identity_forgets_what_cannot_change_a_result() -> None:
    scenario = parse_scenario(GOOD, "s.yaml")
    described = parse_scenario(GOOD + "description: same\n", "elsewhere.yaml")
    assert described.identity() == scenario.identity()
    assert described.resolved() != scenario.resolved()


def test_the_file_stands_for_a_name_that_is_not_given() -> None:
    text = GOOD.replace("name: cubic-to-bbr\n", "")
    assert parse_scenario(text, "dir/my_run.yaml").name == "my_run"


def test_a_file_whose_name_is_none_for_a_scenario_asks_for_one() -> None:
    text = GOOD.replace("name: cubic-to-bbr\n", "")
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "my run.yaml")
    assert str(caught.value) == (
        "my run.yaml:1:1: name: missing key 'name': name of the scenario: its folder under results"
    )


def test_a_flow_may_have_its_own_path_size_and_end() -> None:
    flow = "{name: far, congestion: reno, rtt: 80 ms, access_delay: 5 ms, size: 10 MB, stop: 9 s}"
    scenario = parse_scenario(
        GOOD.replace("{name: bulk,  congestion: cubic}", flow).replace(
            "flows: [bulk]", "flows: [rival]"
        ),
        "s.yaml",
    )
    assert scenario.flows[0] == Flow(
        name="far",
        congestion="reno",
        stop_ns=9_000_000_000,
        size_bytes=10_000_000,
        rtt_ns=80_000_000,
        access_delay_ns=5_000_000,
    )


def test_a_count_makes_several_flows_one_after_another() -> None:
    text = GOOD.replace(
        "{name: bulk,  congestion: cubic}",
        "{name: bulk, congestion: cubic, count: 3, start_every: 100 ms, start: 1 s}",
    )
    scenario = parse_scenario(text, "s.yaml")
    assert [(flow.name, flow.start_ns) for flow in scenario.flows[:3]] == [
        ("bulk-1", 1_000_000_000),
        ("bulk-2", 1_100_000_000),
        ("bulk-3", 1_200_000_000),
    ]
    assert scenario.swaps[0].flows == ("bulk-1", "bulk-2", "bulk-3")


def test_flows_without_a_name_are_numbered_by_their_place() -> None:
    text = GOOD.replace("name: rival, ", "").replace("[bulk]", "[flow-2]")
    scenario = parse_scenario(text, "s.yaml")
    assert [flow.name for flow in scenario.flows] == ["bulk", "flow-2"]
    assert scenario.swaps[0].flows == ("flow-2",)


def test_parameters_travel_beside_the_name() -> None:
    text = GOOD.replace("congestion: reno", "congestion: {name: cubic, beta: 717, hystart: false}")
    flow = parse_scenario(text, "s.yaml").flows[1]
    assert (flow.congestion, flow.congestion_params) == ("cubic", {"beta": 717, "hystart": False})


def test_random_loss_and_jumbo_frames_and_hz_are_read() -> None:
    text = GOOD.replace("qdisc: fifo", "loss: 0.1 %") + (
        "tcp: {mss: 8948 B, initial_window: 20, quickacks: 0, min_rto: 1 s, delayed_ack: false}\n"
        "kernel: {profile: v2, default: reno, hz: 1000}\ntwins: false\n"
    )
    scenario = parse_scenario(text, "s.yaml")
    assert scenario.path.loss_probability == 0.001
    assert scenario.path.buffer_packets == 56  # 500,000 bytes in packets of 9,000: 55.6
    assert (scenario.tcp.mss_bytes, scenario.tcp.quickack_packets) == (8948, 0)
    assert (scenario.kernel.profile, scenario.kernel.default) == ("v2", "reno")
    assert not scenario.twins


def test_a_link_update_names_a_map_and_a_sweep_reaches_those_that_run() -> None:
    text = GOOD.replace("congestion: cubic", "congestion: fleet, stop: 21 s").replace(
        "swaps:\n",
        "links: {fleet: cubic}\nswaps:\n"
        "  - {at: 30 s, via: link_update, link: fleet, to: bbr}\n"
        "  - {at: 40 s, via: sweep, to: fleet, over: 5 s}\n",
    )
    scenario = parse_scenario(text, "s.yaml")
    assert [(link.name, link.map) for link in scenario.links] == [("fleet", "cubic")]
    assert scenario.swaps[0] == Swap(
        at_ns=30_000_000_000, via="link_update", link="fleet", to="bbr"
    )
    assert scenario.swaps[1].flows == ("rival",)  # bulk has stopped by then
    assert scenario.swaps[1].over_ns == 5_000_000_000


def test_a_file_is_loaded_by_path_and_remembers_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    scenario = load_scenario(file, seed=7)
    assert (scenario.seed, scenario.source) == (7, str(file))
    assert "source" not in scenario.resolved()


def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScenarioError, match="no file and no shipped scenario of this name"):
        load_scenario("x" * 5000)
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD + "#" * 300_000)
    with pytest.raises(ScenarioError, match="expected at most 256 KiB of YAML, got more"):
        load_scenario(file)

    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ccsim.scenario.load.read_bounded", deny)
    with pytest.raises(ScenarioError, match=r"mine\.yaml: cannot be read: Permission denied"):
        load_scenario(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such file"):
        load_scenario(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="expected a scenario file, got a folder"):
        load_scenario(tmp_path)
