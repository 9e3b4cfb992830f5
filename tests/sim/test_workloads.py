"""Connections that come and go, against timelines worked out by hand.

client  SYN ─────┐              ┌── ACK, request ──┐          ┌── ACK ──┐ think ─ request ─┐
server           └── SYN-ACK ───┘                  └─ response ┘        └──────────────────└─
        0        5 ms           10.0048            15.0048     25.1248
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.flow.ends import NO_PACKETS
from ccsim.sim.implementation_history import history, servants
from ccsim.sim.traces import Completions, SimResult
from ccsim.sim.workloads import planned_flows
from ccsim.sim.world import World
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, S, resolved, run, scenario_of

US = 1_000
PATH = "duration: 1 s\npath: {rate: 100 Mbit/s, rtt: 10 ms, buffer: 100 packets}\n"
SERVER = "listeners: [{name: srv, congestion: reno}]\n"


def done(result: SimResult) -> Completions:
    assert result.completions is not None
    return result.completions


def test_a_connection_of_one_packet_takes_a_handshake_and_a_round() -> None:
    found = done(run(f"{PATH}workloads: [{{name: w, arrivals: {{at_once: 1}}, sizes: 1448 B}}]\n"))
    # SYN 60 B: 4.8 us; the handshake's ACK 52 B: 4.16 us; the packet 1500 B: 120 us
    assert found.start_ns.tolist() == [0]
    assert found.end_ns.tolist() == [20 * MS + 4_800 + 4_160 + 120_000]
    assert found.ideal_ns.tolist() == [20 * MS + 120_000]
    assert found.size_bytes.tolist() == [1448]


def test_the_last_packet_of_a_connection_is_acknowledged_at_once() -> None:
    text = f"{PATH}tcp: {{quickacks: 0}}\n"
    text += "workloads: [{name: w, arrivals: {at_once: 1}, sizes: 4344 B}]\n"
    assert done(run(text)).end_ns[0] == 20 * MS + 4_800 + 4_160 + 3 * 120_000


TALK = f"{PATH}{SERVER}workloads:\n  - {{name: w, listener: srv, arrivals: {{at_once: 1}}, "
ACCEPTED = 15 * MS + 4_800


def test_a_request_follows_a_response_by_a_round_and_the_time_to_think() -> None:
    text = f"{TALK}requests: {{response: 1448 B, think: 5 ms, count: 3}}}}\n"
    result = run(text)
    found = done(result)
    first = ACCEPTED
    later = first + 10 * MS + 120 * US + 5 * MS
    last = later + 10 * MS + 120 * US + 5 * MS
    assert found.start_ns.tolist() == [first, later, last]
    # The client answers so soon that ACKs ride on its requests from the second on; the last one
    # waits for the FIN, which leaves 52 bytes behind.
    taken = [10 * MS + 120 * US] * 2 + [10 * MS + 120 * US + 4160]
    assert (found.end_ns - found.start_ns).tolist() == taken
    assert found.ideal_ns.tolist() == [10 * MS + 120 * US] * 3
    assert result.flows[0].end_ns == last + taken[-1]


def test_a_sender_that_connects_itself_waits_for_the_first_request() -> None:
    text = TALK.replace("listener: srv, ", "") + "requests: {response: 1448 B, count: 1}}\n"
    assert done(run(text)).start_ns.tolist() == [20 * MS + 4_800]


def test_a_request_beyond_the_initial_window_takes_another_round() -> None:
    text = f"{TALK}requests: {{request: 14480 B, response: 1448 B, count: 1}}}}\n"
    assert done(run(text)).start_ns.tolist() == [ACCEPTED]
    assert done(run(text.replace("14480", "14481"))).start_ns.tolist() == [ACCEPTED + 10 * MS]
    # 10 packets, then 20: the 31st needs a third round
    assert done(run(text.replace("14480 B", "43441 B"))).start_ns.tolist() == [ACCEPTED + 20 * MS]


def test_a_life_ends_with_the_response_after_which_it_is_over() -> None:
    text = f"{TALK}requests: {{response: 1448 B, think: 5 ms}}, life: 20 ms}}\n"
    # the third would be written 30.24 ms after the first
    assert len(done(run(text)).end_ns) == 2
    assert len(done(run(text.replace("20 ms}", "31 ms}"))).end_ns) == 3


def test_a_response_beyond_the_send_buffer_ends_with_its_last_byte() -> None:
    text = f"{TALK}requests: {{response: 5 MB, count: 1}}}}\n"
    found = done(run(text))
    assert found.size_bytes.tolist() == [5_000_000]
    assert found.end_ns[0] - found.start_ns[0] > found.ideal_ns[0]
    assert found.end_ns[0] > 0


def test_an_on_off_source_writes_at_its_rate_and_is_silent_in_between() -> None:
    text = f"{PATH}workloads:\n  - name: w\n    arrivals: {{at_once: 1}}\n"
    text += "    on_off: {on: 10 ms, off: 20 ms, rate: 5792 kbit/s}\n    life: 60 ms\n"
    result = run(text + "record: {interval: 1 ms}\n")
    flow = result.flows[0]
    # a packet every 2 ms from 10.0048 ms on, five in a row; again 30 ms later; then life is over
    assert flow.counters["packets_sent"] == 13  # with SYN, ACK and FIN
    gained = np.diff(flow.delivered_bytes, prepend=0) // 1448
    at = flow.t_ns[gained > 0] // MS
    assert at.tolist() == [21, 23, 25, 27, 29, 51, 53, 55, 57]
    last = 10 * MS + 4_800 + 30 * MS + 8 * MS
    assert flow.end_ns == last + 120 * US + 10 * MS
    assert len(done(result).flow) == 0


# --- who serves whom ---

ROLL = """
duration: 6 s
path: {rate: 100 Mbit/s, rtt: 10 ms, buffer: 100 packets}
links: {fleet: cubic}
workloads:
  - name: w
    arrivals: {every: 1 s}
    max: 5
    requests: {response: 1448 B, think: 100 ms}
    life: 2 s
    congestion: fleet
swaps: [{at: 2.5 s, via: link_update, link: fleet, to: bbr}]
record: {flows: aggregate}
"""


def counts(result: SimResult, t_ns: int) -> dict[str, int]:
    """Return how many connections each implementation serves at a time."""
    return {g.implementation: int(g.flows[g.t_ns.searchsorted(t_ns)]) for g in result.groups}


def test_old_and_new_are_as_many_as_by_hand() -> None:
    """Connections live from 0, 1, 2, 3, 4 s on for about 2 s; the update is at 2.5 s."""
    result = run(ROLL)
    assert [flow.implementations for flow in result.flows] == [("cubic",)] * 3 + [("bbr",)] * 2
    assert counts(result, 500 * MS) == {"cubic": 1, "bbr": 0}
    assert counts(result, 2_500 * MS) == {"cubic": 2, "bbr": 0}
    assert counts(result, 3_500 * MS) == {"cubic": 1, "bbr": 1}
    assert counts(result, 4_500 * MS) == {"cubic": 0, "bbr": 2}
    assert counts(result, 5_500 * MS) == {"cubic": 0, "bbr": 1}


def test_a_connection_that_starts_with_the_swap_runs_the_new() -> None:
    result = run(ROLL.replace("at: 2.5 s", "at: 2 s"))
    assert [flow.implementations for flow in result.flows] == [("cubic",)] * 2 + [("bbr",)] * 3


def test_a_sweep_reaches_the_connections_that_run() -> None:
    text = ROLL.replace("link: fleet, to: bbr", "flows: [w], to: bbr").replace(
        "link_update", "sweep"
    )
    result = run(text)
    assert result.swaps[0].flows == ("w-2", "w-3")
    stories = [[name for _, name in history(flow)] for flow in result.flows]
    assert stories == [["cubic"], ["cubic", "bbr"], ["cubic", "bbr"], ["cubic"], ["cubic"]]
    assert history(result.flows[1])[1] == (2_500 * MS, "bbr")
    assert set(servants(result).tolist()) == {"cubic", "bbr"}  # no response was under way


def test_a_name_that_is_missing_makes_connections_fall_back() -> None:
    """From 2.5 to 3.5 s nobody is called "fleet": the connection of 3 s gets the default."""
    text = ROLL.replace("via: link_update", "via: reregister, gap: 1 s")
    result = run(f"{text}kernel: {{default: reno}}\n")
    names = [flow.implementations for flow in result.flows]
    assert names == [("cubic",)] * 3 + [("reno",)] + [("bbr",)]
    assert [event.flow for event in result.events if event.kind == "fallback"] == ["w-4"]
    assert counts(result, 4_500 * MS) == {"cubic": 0, "reno": 1, "bbr": 1}


def test_a_sweep_by_cohorts_takes_the_connections_in_turn() -> None:
    text = ROLL.replace("link: fleet, to: bbr", "flows: [w], to: bbr, cohort: 1, pause: 200 ms")
    result = run(text.replace("link_update", "sweep"))
    stories = [history(flow) for flow in result.flows]
    assert stories[1][-1] == (2_500 * MS, "bbr")
    assert stories[2][-1] == (2_700 * MS, "bbr")
    assert [len(story) for story in stories] == [1, 2, 2, 1, 1]


def test_the_connections_of_a_listener_inherit_from_it() -> None:
    text = ROLL.replace("congestion: fleet", "listener: srv") + "listeners: [{name: srv}]\n"
    text = text.replace("link: fleet, to: bbr", "listeners: [srv], to: bbr")
    result = run(text.replace("link_update", "setsockopt"))
    assert [flow.implementations for flow in result.flows] == [("cubic",)] * 3 + [("bbr",)] * 2


def test_twins_meet_the_same_connections() -> None:
    text = ROLL.replace("every: 1 s", "poisson: 5 /s").replace("max: 5", "max: 50")
    scenario = parse_scenario(f"name: t\n{text}", "t.yaml")
    met = [
        [(c.spec.name, c.spec.start_ns, c.life_ns) for c in planned_flows(twin)]
        for twin in (scenario, scenario.without_swaps(), scenario.with_b_twin())
    ]
    assert met[0] == met[1] == met[2]
    assert len(met[0]) > 20


def test_the_b_twin_of_a_sweep_starts_its_workload_on_the_new() -> None:
    text = ROLL.replace("link: fleet, to: bbr", "flows: [w], to: bbr").replace(
        "link_update", "sweep"
    )
    twin = parse_scenario(f"name: t\n{text}", "t.yaml").with_b_twin()
    assert {flow.implementations for flow in simulate(twin).flows} == {("bbr",)}


# --- what is kept, and what it costs ---

MANY = """
duration: 3 s
path: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 1 BDP, loss: 0.5 %}
links: {fleet: cubic}
listeners: [{name: srv, congestion: fleet}]
flows: [{name: bulk, congestion: reno}]
workloads:
  - {name: web, arrivals: {poisson: 12 /s}, sizes: {pareto: {min: 1 kB, shape: 1.1, max: 1 MB}},
     congestion: fleet}
  - {name: api, arrivals: {poisson: 4 /s}, requests: {think: {exponential: 50 ms},
     response: {exponential: 20 kB}, request: {exponential: 9 kB}}, life: {exponential: 1 s},
     listener: srv}
  - {name: video, arrivals: {every: 400 ms}, on_off: {on: {exponential: 100 ms},
     off: {exponential: 200 ms}, rate: 3 Mbit/s}, life: 1 s, congestion: bbr, access_delay: 5 ms}
swaps:
  - {at: 1 s, via: link_update, link: fleet, to: bbr}
  - {at: 1.5 s, via: sweep, flows: [bulk, web, api], to: fleet, over: 1 s}
"""


@pytest.mark.parametrize("kept", ["all", "aggregate", "[bulk, api]"])
def test_neither_cuts_nor_vector_paths_show_in_workloads(kept: str) -> None:
    plain = resolved(f"{MANY}record: {{flows: {kept}}}\n")
    assert check(Example(plain, (3 * MS, 700 * US)), plain) == ""


def test_what_is_kept_changes_nothing_else() -> None:
    results = {k: run(f"{MANY}record: {{flows: {k}}}\n") for k in ("all", "aggregate", "none")}
    ends = {tuple(done(result).end_ns.tolist()) for result in results.values()}
    assert len(ends) == 1
    queues = {result.links[0].queue_packets.tobytes() for result in results.values()}
    assert len(queues) == 1
    assert not any(len(flow.t_ns) for flow in results["aggregate"].flows)
    assert results["none"].groups == ()
    for ours, theirs in zip(results["all"].groups, results["aggregate"].groups, strict=True):
        assert (ours.throughput_bps == theirs.throughput_bps).all()


def test_samples_of_named_flows_and_workloads_are_kept() -> None:
    result = run(f"{MANY}record: {{flows: [bulk, video]}}\n")
    sampled = {flow.workload or flow.name for flow in result.flows if len(flow.t_ns)}
    assert sampled == {"bulk", "video"}


def test_the_sums_hold_all_payload_that_was_delivered() -> None:
    result = run(f"{MANY}record: {{flows: aggregate}}\n".replace("loss: 0.5 %", "loss: 0"))
    summed = sum(int(group.throughput_bps.sum()) for group in result.groups) // 800
    # The link carried the same and headers; at the end some is under way.
    carried = int(result.links[0].departed_bytes[-1])
    assert 0.93 * carried < summed * 1500 / 1448 < carried


def test_no_sum_shrinks_when_a_response_follows_needless_retransmissions() -> None:
    # An ACK that is lost makes the sender repeat what has arrived, which counts as delivered. That
    # the next packet would be short was not known when it had been counted as a full one already.
    result = run(
        """
duration: 7 s
seed: 2
path: {rate: 2 Mbit/s, rtt: 400 ms, buffer: 50 packets, ack_loss: 0.3}
workloads:
  - {name: w, congestion: cubic, arrivals: {at_once: 2}, requests: {response: 200 B, think: 600 ms}}
tcp: {min_rto: 40 ms}
"""
    )
    (group,) = result.groups
    assert group.throughput_bps.min() == 0
    # nobody has closed, so the sums are those of the flows
    flows = sum(int(flow.throughput_bps.sum()) for flow in result.flows)
    assert int(group.throughput_bps.sum()) == flows > 0


def test_samples_before_a_listener_accepts_count_for_what_serves_the_flow_then() -> None:
    # 500 samples, more than are packed at once, before the handshake of 3 s is over or the run is
    late = """
duration: {} s
path: {{rate: 2 Mbit/s, rtt: 3 s, buffer: 100 packets}}
listeners: [{{name: web, congestion: bbr}}]
flows: [{{name: a, listener: web}}]
record: {{interval: 6 ms, flows: aggregate}}
"""
    for duration_s, samples in ((2, 2000 // 6 + 1), (4, 4000 // 6 + 1)):
        (group,) = run(late.format(duration_s)).groups
        assert group.implementation == "bbr"
        assert group.flows.tolist() == [1] * samples


def test_flows_leave_the_windows_when_they_close_and_keep_no_packets() -> None:
    world = World(scenario_of(ROLL), paranoid=True)
    assert world.engine.live == []
    assert all(flow.sk.packets is NO_PACKETS for flow in world.flows)
    most = 0
    check = world.engine._check

    def watch() -> None:
        nonlocal most
        most = max(most, len(world.engine.live))
        if check is not None:
            check()

    world.engine._check = watch
    world.run()
    assert most == 3  # the third has come when the first is about to close
    assert world.engine.live == world.flows[4:]  # the last lives on
    assert all(flow.sk.packets is NO_PACKETS for flow in world.flows[:4])
    assert world.flows[4].sk.packets is not NO_PACKETS


def test_a_start_cuts_no_window() -> None:
    """A hundred flows of one packet on an idle path: windows are about a round long, not a start
    apart."""
    text = "duration: 10 s\npath: {rate: 1 Gbit/s, rtt: 100 ms, buffer: 100 packets}\n"
    plain = scenario_of(
        f"{text}workloads: [{{name: w, arrivals: {{every: 10 ms}}, sizes: 1 kB}}]\n"
    )
    world = World(plain)
    world.run()
    assert len(world.flows) == 1_000
    assert world.engine.windows < 110


def test_a_run_that_fails_keeps_what_had_completed(tmp_path: Any) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    text = f"name: t\n{ROLL}objects: [bad.py]\n".replace("to: bbr", "to: bad")
    result = simulate(parse_scenario(text, "t.yaml", tmp_path))
    assert "planted" in result.failed
    found = done(result)
    assert (found.end_ns >= 0).any()
    assert found.end_ns.max() <= result.duration_ns


BAD = '''"""An algorithm that fails at once."""
from ccsim.kernel import TcpCongestionOps


def init(sk):
    raise RuntimeError("planted")


def ssthresh(sk):
    return 2


def undo_cwnd(sk):
    return sk.snd_cwnd


def cong_avoid(sk, ack, acked):
    pass


bad = TcpCongestionOps(
    name="bad", init=init, ssthresh=ssthresh, undo_cwnd=undo_cwnd, cong_avoid=cong_avoid
)
'''


def test_ten_seconds_have_ten_times_the_starts_of_one() -> None:
    """What is due after the end of the run never begins."""
    text = "duration: 1 s\npath: {rate: 10 Mbit/s, rtt: 10 ms, buffer: 10 packets}\n"
    result = run(f"{text}workloads: [{{name: w, arrivals: {{every: 100 ms}}, sizes: 1 kB}}]\n")
    assert [flow.start_ns for flow in result.flows] == [k * S // 10 for k in range(10)]
