"""State policies: what the new implementation finds, and what a phase does on the wire.

    before() | release, init | after() | ACK on_ack() ACK on_ack() … end()
             ^ the swap                  ^ only of a policy with a phase

One flow on 20 Mbit/s and 40 ms: a packet of 1500 bytes takes 600 us, so the path holds 66.7.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import ScenarioError
from ccsim.kernel import TCP_RENO
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH
from ccsim.kernel.policy import PathSample, StatePolicy
from ccsim.kernel.sock import PACING_NEEDED, PACING_NONE, Sock
from ccsim.scenario import parse_scenario
from ccsim.scenario.vocabulary import STATE_POLICIES
from ccsim.sim import simulate
from ccsim.sim.swap.policies import POLICIES
from ccsim.sim.traces import SimResult
from ccsim.sim.world import World
from ccsim.spec import Scenario
from ccsim.tcp.host import Host
from ccsim.tcp.sock import TcpSock
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, S, flow_of, resolved, run, scenario_of

ONE = """\
duration: 3 s
path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
record: {interval: 1 ms}
flows: [{name: a, congestion: OLD}]
swaps: [{at: 2 s, via: setsockopt, flows: [a], to: NEW, state: POLICY}]
"""
BDP_PACKETS = 66.7
RATE_BPS = 2_413_333  # payload bytes a second of a full link: 20 Mbit/s / 8 * 1448 / 1500


def one(old: str, new: str, policy: str) -> str:
    return ONE.replace("OLD", old).replace("NEW", new).replace("POLICY", policy)


def swapped(old: str, new: str, policy: str) -> tuple[SimResult, dict[str, Any]]:
    """Return a run, and the detail of its swap."""
    result = run(one(old, new, policy))
    (event,) = [each for each in result.events if each.kind == "swap"]
    return result, event.detail


def told(result: SimResult) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return what a policy told: when, and its numbers, by phase."""
    events = [each for each in result.events if each.kind == "policy"]
    return {each.detail["phase"]: (each.t_ns, each.detail) for each in events}


def test_the_kernels_way_leaves_the_windows_on_the_socket() -> None:
    _, detail = swapped("cubic", "reno", "linux")
    assert detail["after"] == detail["before"]
    assert detail["before"]["snd_cwnd"] > 66


def test_cold_restarts_from_the_initial_window_in_slow_start() -> None:
    result, detail = swapped("cubic", "reno", "cold")
    assert detail["after"]["snd_cwnd"] == 10
    assert detail["after"]["ssthresh"] == TCP_INFINITE_SSTHRESH
    assert result.swaps[0].label == "cubic → reno, setsockopt, cold"
    assert result.swaps[0].state == detail["state"] == "cold"


def test_keep_cwnd_keeps_it_and_ends_slow_start_there() -> None:
    _, detail = swapped("bbr", "cubic", "keep_cwnd")
    assert detail["after"]["snd_cwnd"] == detail["before"]["snd_cwnd"] > 66
    assert detail["after"]["ssthresh"] == detail["after"]["snd_cwnd"]


@pytest.mark.parametrize("old", ["cubic", "bbr", "reno"])
def test_rate_starts_from_the_bdp_that_was_measured(old: str) -> None:
    _, detail = swapped(old, "vegas", "rate")
    assert detail["before"]["snd_cwnd"] > 1.1 * BDP_PACKETS
    assert 0.93 * BDP_PACKETS < detail["after"]["snd_cwnd"] < 1.04 * BDP_PACKETS
    assert detail["after"]["ssthresh"] == detail["after"]["snd_cwnd"]


def test_the_new_implementations_init_has_the_last_word() -> None:
    _, detail = swapped("cubic", "bbr", "keep_cwnd")
    assert detail["after"]["ssthresh"] == TCP_INFINITE_SSTHRESH  # bbr_init


@pytest.mark.parametrize("policy", [*POLICIES])
def test_a_swap_that_fails_or_changes_nothing_leaves_everything_as_it_was(policy: str) -> None:
    plain = run(one("cubic", "reno", "linux").split("swaps:", maxsplit=1)[0])
    for to in ("cubic", "nowhere"):
        scenario = resolved(one("cubic", "cubic", policy))
        scenario["swaps"][0]["to"] = to
        result = simulate(Scenario.from_resolved(scenario))
        assert result.swaps[0].flows == ()
        assert not told(result)
        ours, theirs = flow_of(result, "a"), flow_of(plain, "a")
        assert ours.snd_cwnd.tolist() == theirs.snd_cwnd.tolist()
        assert ours.delivered_bytes.tolist() == theirs.delivered_bytes.tolist()


# --- in the middle of a recovery ---

RECOVERING = """\
duration: 3 s
path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 20 packets}
flows: [{name: a, congestion: cubic}]
swaps:
  - {when: {flow: a, state: Recovery}, via: setsockopt, flows: [a], to: reno, state: POLICY}
"""


@pytest.mark.parametrize("policy", [*POLICIES])
def test_in_a_recovery_no_policy_widens_the_window(policy: str) -> None:
    result = run(RECOVERING.replace("POLICY", policy))
    (event,) = [each for each in result.events if each.kind == "swap"]
    before, after = event.detail["before"], event.detail["after"]
    assert after["snd_cwnd"] <= before["snd_cwnd"]
    assert after["ssthresh"] < TCP_INFINITE_SSTHRESH  # where the reduction ends
    assert after["pacing_rate"] > 0


# --- model ---


def test_model_hands_over_bandwidth_and_least_rtt() -> None:
    result, detail = swapped("bbr", "bbr3", "model")
    assert detail["to"] == "bbr3"
    imported = told(result)["imported"][1]
    assert imported["bw_bps"] == pytest.approx(8 * RATE_BPS, rel=0.03)
    assert 40_000 <= imported["min_rtt_us"] <= 41_000


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("vegas", "bbr", "linux: the old implementation exports no model"),
        ("bbr", "vegas", "linux: the new implementation imports no model"),
    ],
)
def test_model_without_hooks_is_the_kernels_way_and_says_so(old: str, new: str, why: str) -> None:
    result, _ = swapped(old, new, "model")
    assert [*told(result)] == [why]
    plain, _ = swapped(old, new, "linux")
    assert flow_of(result, "a").snd_cwnd.tolist() == flow_of(plain, "a").snd_cwnd.tolist()


# --- safe_retreat ---


@pytest.mark.parametrize("new", ["reno", "bbr"])
def test_safe_retreat_holds_half_the_window_until_a_round_trip_has_validated_it(new: str) -> None:
    result, detail = swapped("cubic", new, "safe_retreat")
    half = detail["before"]["snd_cwnd"] // 2
    assert detail["after"]["snd_cwnd"] == half
    phases = told(result)
    assert [*phases] == ["unvalidated", "validating", "validated"]
    assert phases["validating"][0] - 2 * S >= 40 * MS
    assert phases["validated"][0] - phases["validating"][0] >= 40 * MS
    flow = flow_of(result, "a")
    held = (flow.t_ns >= 2 * S) & (flow.t_ns <= phases["validated"][0])
    assert flow.snd_cwnd[held].max() <= half
    assert flow.snd_cwnd[flow.t_ns > phases["validated"][0]].max() > half


CROWDED = """\
duration: 4 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 12 packets}
flows:
  - {name: a, congestion: cubic}
  - {name: burst, congestion: reno, start: 1960 ms, count: 8}
swaps: [{at: 2 s, via: setsockopt, flows: [a], to: reno, state: safe_retreat}]
"""


def test_a_loss_before_validation_is_the_retreat() -> None:
    result = run(CROWDED)
    phases = told(result)
    assert [*phases] == ["unvalidated", "retreat", "retreated"]
    retreat = phases["retreat"][1]
    jump = phases["unvalidated"][1]["snd_cwnd"]
    assert retreat["pipe_packets"] <= jump
    assert retreat["snd_cwnd"] <= max(retreat["pipe_packets"] // 2, 5)
    assert retreat["ssthresh"] <= jump // 2 + 1


def test_another_swap_cuts_a_phase_short_and_the_window_is_free() -> None:
    text = (
        one("cubic", "reno", "safe_retreat").replace("POLICY}]", "}]")[:-2]
        + ", {at: 2010 ms, via: setsockopt, flows: [a], to: vegas}]\n"
    )
    world = World(scenario_of(text))
    world.run()
    assert "validated" not in told(world.result())
    sk = world.flow("a").sk
    assert sk.snd_cwnd_clamp == 0xFFFFFFFF
    assert world.flow("a").followers.present == []


# --- pacing_ramp ---


def test_pacing_ramp_grows_from_the_measured_rate_to_the_new_ones_own_in_four_rtts() -> None:
    result, detail = swapped("cubic", "bbr", "pacing_ramp")
    start, ramp = told(result)["ramp"]
    assert start == 2 * S
    assert ramp["rate_Bps"] == pytest.approx(RATE_BPS, rel=0.05)
    assert ramp["own_Bps"] > 2.5 * RATE_BPS  # bbr_init: 2.89 windows per RTT
    assert detail["after"]["pacing_rate"] == ramp["rate_Bps"]
    flow = flow_of(result, "a")
    srtt_us = int(flow.srtt_us[flow.t_ns.searchsorted(2 * S) - 1])
    assert ramp["length_us"] == 4 * srtt_us
    rates = flow.pacing_rate_bps // 8
    middle = flow.t_ns.searchsorted(2 * S + ramp["length_us"] * 500) - 1
    assert rates[middle] <= (ramp["rate_Bps"] + ramp["own_Bps"]) / 2
    assert rates[middle] > 1.3 * RATE_BPS


def test_what_is_not_paced_is_paced_for_the_ramp_alone() -> None:
    world = World(scenario_of(one("cubic", "reno", "pacing_ramp")))
    seen: list[int] = []
    sk = world.flow("a").sk
    world.env.timeout(2_050 * MS).callbacks.append(lambda _: seen.append(sk.pacing_status))
    world.run()
    assert seen == [PACING_NEEDED]
    assert sk.pacing_status == PACING_NONE
    assert sk.max_pacing_rate == (1 << 64) - 1
    assert "own rate" in told(world.result())


def test_there_is_no_ramp_down() -> None:
    policy = POLICIES["pacing_ramp"]()
    sk = TcpSock(Host())
    sk.ca_ops = TCP_RENO
    sk.srtt_us, sk.snd_cwnd = 40_000 << 3, 10
    sample = PathSample(10, 10, 100, 1_000, 40_000, 40_000, 1448, 10)  # far above its own rate
    policy.before(sk, sample)
    assert policy.after(sk) is False
    assert sk.pacing_status == PACING_NONE


# --- a user's own ---

MINE = '''
from ccsim.kernel.policy import StatePolicy

class Third(StatePolicy):
    """Start from a third of the window; count three events."""
    name = "third"

    def __init__(self):
        super().__init__()
        self.left = 3

    def before(self, sk, path):
        sk.snd_cwnd = max(path.snd_cwnd // 3, 1)

    def after(self, sk):
        return True

    def on_ack(self, sk):
        self.left -= 1
        if not self.left:
            self.note("done", snd_cwnd=sk.snd_cwnd)
        return self.left > 0
'''


def mine(folder: Path, source: str = MINE, state: str = "third") -> Scenario:
    (folder / "mine.py").write_text(source, encoding="utf-8")
    text = "name: t\nobjects: [mine.py]\n" + one("cubic", "reno", state)
    return parse_scenario(text, "s.yaml", folder)


def test_a_file_beside_the_scenario_may_hold_a_policy(tmp_path: Path) -> None:
    scenario = mine(tmp_path)
    result = simulate(scenario)
    (event,) = [each for each in result.events if each.kind == "swap"]
    before = event.detail["before"]["snd_cwnd"]
    assert event.detail["after"]["snd_cwnd"] == before // 3
    assert [*told(result)] == ["done"]
    plain = scenario.resolved()
    assert not check(Example(plain, (7 * MS,)), plain)


def test_a_policy_that_is_in_no_file_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(
        ScenarioError, match=r"swaps.0.state: no state policy 'thirt'; did you mean"
    ):
        mine(tmp_path, state="thirt")


def test_a_policy_may_not_take_a_shipped_ones_name(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="state policy 'rate', on line 4, ships with ccsim"):
        mine(tmp_path, MINE.replace('"third"', '"rate"'), "rate")


def test_a_policy_that_raises_ends_the_run_and_is_named(tmp_path: Path) -> None:
    scenario = mine(tmp_path, MINE.replace("self.left -= 1", "self.left -= sk.nothing"))
    result = simulate(scenario)
    assert "mine.py:" in result.failed
    assert "nothing" in result.failed


def test_the_words_of_scenarios_are_the_policies_that_there_are() -> None:
    assert [*STATE_POLICIES] == [*POLICIES]
    for name, policy in POLICIES.items():
        assert policy.name == name
        assert policy.__doc__


def test_a_plain_policy_does_nothing() -> None:
    sk = Sock()
    policy = StatePolicy()
    policy.before(sk, PathSample(10, 0, 0, 0, 0xFFFFFFFF, 0, 1448, 10))
    assert policy.after(sk) is False
    assert policy.on_ack(sk) is False
    policy.note("heard by nobody")
    policy.end(sk)
    assert sk.snd_cwnd == 10


# --- cuts and vector paths ---


@pytest.mark.parametrize(
    ("policy", "old", "new"),
    [
        ("cold", "cubic", "reno"),
        ("keep_cwnd", "bbr", "cubic"),
        ("rate", "cubic", "bbr"),
        ("model", "bbr", "bbr3"),
        ("safe_retreat", "bbr", "cubic"),
        ("safe_retreat", "cubic", "bbr"),
        ("pacing_ramp", "cubic", "reno"),
        ("pacing_ramp", "cubic", "bbr"),
    ],
)
def test_neither_cuts_nor_vector_paths_show_in_a_policys_phase(
    policy: str, old: str, new: str
) -> None:
    text = f"""
duration: 1100 ms
path: {{rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP}}
flows:
  - {{name: a, congestion: {old}}}
  - {{name: b, congestion: cubic, start: 100 ms}}
swaps: [{{at: 800 ms, via: setsockopt, flows: [a], to: {new}, state: {policy}}}]
"""
    scenario = resolved(text)
    assert not check(Example(scenario, (2_345_678,)), scenario)
