"""ECN in a run: negotiation, marks, the two kinds of receivers, and what senders make of the echo.

sender ── ECT ──► queue above its threshold ── CE ──► receiver ── ECE ──► sender ── CWR ──► …
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from ccsim.net.batch import Batch
from ccsim.scenario import load_scenario
from ccsim.sim import simulate
from ccsim.sim.flow.flow import Flow
from ccsim.sim.flow.reception import Reception
from ccsim.sim.world import World
from ccsim.tcp.sack_blocks import EceBlocks
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.planting import is_difference, plant
from tests.sim.sim_rig import MS, resolved, run, scenario_of

DELAYED = "tcp: {quickacks: 0}\n"


def path(rate: str, rtt: str, threshold: str, buffer: str = "400 packets") -> str:
    ecn = f"ecn: {{mark_above: {threshold}}}"
    return f"path: {{rate: {rate}, rtt: {rtt}, buffer: {buffer}, {ecn}}}\n"


def receiving(congestion: str) -> Flow:
    """Return an established flow of which no packet has been sent yet; 10 ms each way."""
    flows = f"flows: [{{congestion: {congestion}, ecn: true}}]\n"
    world = World(
        scenario_of(f"duration: 1 s\n{path('12 Mbit/s', '20 ms', '5 packets')}{flows}{DELAYED}")
    )
    flow = world.flows[0]
    flow.socket.open()
    flow.on_syn(0)
    flow.sending.first_syn_answered = True
    flow.on_connected(0)
    return flow


def arrive(flow: Flow, *packets: tuple[int, int, bool]) -> None:
    """Let packets (time at the receiver [ms], number, marked) cross, sent 11 ms before."""
    out_ns = flow.path.out_ns
    times = [t * MS - out_ns - MS for t, _, _ in packets]
    seqs = [seq for _, seq, _ in packets]
    assert flow.sending.codepoints is not None
    flow.sending.codepoints.sent(times, seqs)
    batch = Batch(0, times, seqs, {}, [t + MS for t in times])
    batch.marks = np.array([mark for _, _, mark in packets])
    flow.deliver(batch)


def acks_of(flow: Flow) -> list[tuple[int, int, bool]]:
    """Return the ACKs so far: sent at [ms], packets, whether they bear ECE."""
    found = []
    for rows in flow.sending.acks:
        for k in range(len(rows)):
            t, una, _, blocks = rows.row(k)
            found.append(((t - flow.path.back_ns) // MS, una, type(blocks) is EceBlocks))
    return found


# --- receivers ---


def test_an_rfc_3168_receiver_echoes_from_the_mark_until_cwr() -> None:
    flow = receiving("reno")
    flow.sk.cwr_seqs = [5]
    arrive(flow, *((30 + k, k, k == 1) for k in range(8)))
    # 0 waits; 1 is marked, and from there each is acknowledged for two packets; 5 bears CWR and is
    # acknowledged at once without ECE; 6 and 7 are a pair
    assert acks_of(flow) == [
        (31, 2, True),
        (32, 3, True),
        (34, 5, True),
        (35, 6, False),
        (37, 8, False),
    ]


def test_a_dctcp_receiver_acknowledges_each_change_of_marks_at_once_and_exactly() -> None:
    # RFC 8257 section 3.2: when the marks change while an ACK is delayed, that is sent first, with
    # the old state; then one for the new packet; within a state ACKs are for two.
    flow = receiving("dctcp")
    arrive(flow, *((30 + k, k, k in (3, 4, 5)) for k in range(9)))
    assert acks_of(flow) == [
        (31, 2, False),
        (33, 3, False),  # what was delayed: packet 2, unmarked
        (33, 4, True),
        (35, 6, True),
        (36, 7, False),  # a change, and nothing was delayed
        (38, 9, False),
    ]


def test_a_mark_out_of_order_is_echoed_with_the_sack() -> None:
    for congestion in ("reno", "dctcp"):
        flow = receiving(congestion)
        arrive(flow, (30, 0, False), (31, 1, False), (32, 3, True))
        assert acks_of(flow) == [(31, 2, False), (32, 2, True)], congestion


@pytest.mark.parametrize(("congestion", "marked"), [("reno", 2), ("dctcp", 3)])
def test_a_retransmission_is_ecn_capable_only_where_the_algorithm_needs_ecn(
    congestion: str, marked: int
) -> None:
    flow = receiving(congestion)
    arrive(flow, (30, 0, True), (31, 2, True))
    arrive(flow, (50, 1, True))
    assert len(flow.marked_ns()) == marked


def test_cwr_on_a_packet_that_is_lost_is_not_repeated_by_its_retransmission() -> None:
    flow = receiving("reno")
    flow.sk.cwr_seqs = [2]
    arrive(flow, (30, 0, True), (31, 1, False))
    assert flow.sending.codepoints is not None
    flow.sending.codepoints.sent([21 * MS], [2])  # the first transmission never arrives
    arrive(flow, (50, 2, False))
    assert acks_of(flow)[-1] == (50, 3, True)


# --- negotiation ---

ASKED = [
    ("congestion: cubic", "", False),
    ("congestion: cubic, ecn: true", "", True),
    ("congestion: cubic", "tcp: {ecn: true}\n", True),
    ("congestion: cubic, ecn: false", "tcp: {ecn: true}\n", False),
    ("congestion: dctcp", "", True),
    ("congestion: dctcp, ecn: false", "", False),
]


@pytest.mark.parametrize(("flow", "tcp", "negotiated"), ASKED)
def test_ecn_is_negotiated_where_a_flow_its_host_or_its_algorithm_asks(
    flow: str, tcp: str, negotiated: bool
) -> None:
    text = f"duration: 500 ms\n{path('24 Mbit/s', '10 ms', '5 packets')}flows: [{{{flow}}}]\n{tcp}"
    counters = run(text).flows[0].counters
    assert ("packets_marked" in counters) is negotiated
    assert counters.get("packets_marked", 0) > 0 or not negotiated


def test_an_accepted_connection_asks_for_what_its_listener_runs() -> None:
    text = f"""
duration: 500 ms
{path("24 Mbit/s", "10 ms", "5 packets")}
listeners: [{{name: web, congestion: dctcp}}]
flows: [{{listener: web}}]
"""
    assert run(text).flows[0].counters["packets_marked"] > 0


def test_dctcp_without_ecn_is_reno() -> None:
    text = f"duration: 2 s\n{path('24 Mbit/s', '20 ms', '5 packets', '20 packets')}"
    dctcp = run(f"{text}flows: [{{congestion: dctcp, ecn: false}}]\n").flows[0]
    reno = run(f"{text}flows: [{{congestion: reno}}]\n").flows[0]
    assert dctcp.counters["packets_dropped"] > 0
    assert (dctcp.snd_cwnd == reno.snd_cwnd).all()


def test_a_flow_without_ecn_passes_a_marking_queue_untouched() -> None:
    text = f"duration: 2 s\n{path('24 Mbit/s', '20 ms', '5 packets', '60 packets')}"
    flows = "flows: [{congestion: cubic}]\n"
    marking = run(text + flows)
    plain = run((text + flows).replace(", ecn: {mark_above: 5 packets}", ""))
    assert (marking.flows[0].snd_cwnd == plain.flows[0].snd_cwnd).all()
    assert (marking.links[0].queue_packets == plain.links[0].queue_packets).all()


# --- senders ---


@pytest.mark.parametrize(
    ("rate", "rtt", "bdp", "threshold", "flows"),
    [
        ("100 Mbit/s", "10 ms", 83.3, 20, 1),
        ("200 Mbit/s", "5 ms", 83.3, 40, 1),
        ("100 Mbit/s", "10 ms", 83.3, 40, 2),
    ],
)
def test_dctcps_queue_oscillates_at_the_threshold_as_its_analysis_says(
    rate: str, rtt: str, bdp: float, threshold: int, flows: int
) -> None:
    # Alizadeh et al. 2010: queue from K + N - A to K + N (8, 10), where
    # A = sqrt(2 N (C RTT + K)) / 2.
    # Delayed ACKs let out two packets at once, which adds N or so at both ends.
    entry = f"flows: [{{congestion: dctcp, count: {flows}, start_every: 7 ms}}]\n"
    sampled = "record: {interval: 1 ms}\n"
    result = run(f"duration: 3 s\n{path(rate, rtt, f'{threshold} packets')}{entry}{sampled}")
    queue = result.links[0].queue_packets[1500:]
    amplitude = math.sqrt(2 * flows * (bdp + threshold)) / 2
    top = threshold + flows
    assert top <= int(queue.max()) <= top + 2 * flows
    assert top - amplitude - 2 * flows - 1 <= int(queue.min()) <= top - amplitude
    assert int(result.links[0].drops[-1]) == 0
    assert float(result.links[0].utilisation_ppm[1500:].mean()) > 999_000


@pytest.mark.parametrize(("congestion", "kept"), [("reno", 0.5), ("cubic", 717 / 1024)])
def test_a_mark_reduces_the_window_as_a_loss_does_and_once_a_round_trip(
    congestion: str, kept: float
) -> None:
    # C RTT = 100 packets and K = 100, so that Reno's half still fills the pipe
    text = f"duration: 8 s\n{path('60 Mbit/s', '20 ms', '100 packets')}"
    result = run(
        f"{text}flows: [{{congestion: {congestion}, ecn: true}}]\nrecord: {{interval: 1 ms}}\n"
    )
    flow = result.flows[0]
    entries = [e.t_ns for e in result.events if e.kind == "ca_state" and e.detail["to"] == 2]
    assert len(entries) > 3
    assert min(np.diff(entries)) > 40 * MS  # the RTT with a queue of K
    assert flow.counters["retransmissions"] == flow.counters["packets_dropped"] == 0
    for t in entries[1:]:
        before = int(flow.snd_cwnd[flow.t_ns.searchsorted(t) - 1])
        after = int(flow.ssthresh[flow.t_ns.searchsorted(t + 10 * MS)])
        assert after == pytest.approx(kept * before, abs=2)


def test_a_dctcp_receiver_stays_when_its_sender_is_swapped() -> None:
    result = simulate(load_scenario("dctcp", ["duration=8 s"]))
    queue, link = result.links[0].queue_packets, result.links[0]
    assert 30 <= int(queue[100:500].min()) <= int(queue[100:500].max()) <= 43
    assert int(link.drops[-1]) == 0
    # what the scenario's comment says of CUBIC: an empty queue after a mark, and a link not full
    assert int(queue[520:].min()) == 0
    assert 0.92 < float(link.utilisation_ppm[520:].mean()) / 1e6 < 0.97


# --- equality ---

EQUAL = {
    "dctcp alone and then in company": f"""
duration: 800 ms
{path("60 Mbit/s", "10 ms", "15 packets")}
flows:
  - {{name: a, congestion: dctcp}}
  - {{name: b, congestion: dctcp, start: 200 ms, size: 1000001 B}}
  - {{name: c, congestion: cubic, ecn: true, start: 300 ms}}
""",
    "marks and losses, cubic in a long pipe": """
duration: 2 s
path: {rate: 60 Mbit/s, rtt: 60 ms, buffer: 2 BDP, loss: 0.05 %, ecn: {mark_above: 0.5 BDP}}
flows:
  - {name: a, congestion: cubic, ecn: true}
""",
    "swaps into and out of dctcp, with an access delay": f"""
duration: 1 s
{path("24 Mbit/s", "20 ms", "10 ms", "60 packets")}
flows:
  - {{name: a, congestion: cubic, ecn: true, access_delay: 7 ms}}
  - {{name: b, congestion: dctcp, access_delay: 3 ms}}
  - {{name: c, congestion: bbr, ecn: true}}
swaps:
  - {{at: 333 ms, via: sweep, flows: [a, b], to: dctcp}}
  - {{at: 666 ms, via: sweep, flows: [a, b, c], to: reno}}
""",
    "a buffer that overflows although it marks": """
duration: 1 s
path: {rate: 24 Mbit/s, rtt: 20 ms, buffer: 12 packets, ecn: {mark_above: 8 packets}}
flows:
  - {name: a, congestion: reno, ecn: true}
  - {name: b, congestion: dctcp, start: 100 ms}
""",
}


@pytest.mark.parametrize("name", EQUAL)
def test_equality_holds_with(name: str) -> None:
    scenario = resolved(EQUAL[name])
    assert check(Example(scenario, (7 * MS, 2 * MS)), scenario) == ""


def test_a_run_that_swallows_marks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, Reception._special, "special = ce | (seqs < 0)", "special = seqs < 0")
    scenario = resolved(EQUAL["marks and losses, cubic in a long pipe"])
    assert is_difference(check(Example(scenario, ()), scenario))
