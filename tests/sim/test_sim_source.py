"""Applications that write now and then, and the buffers on both sides that limit a flow.

The path of most tests: 120 Mbit/s and 20 ms, so that a full packet takes 100 µs, the SYN 4 µs, and
the connection is established at 20.004 ms.
"""

from __future__ import annotations

import pytest

from ccsim.sim.world import World
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, S, resolved, run, scenario_of

PATH = "path: {rate: 120 Mbit/s, rtt: 20 ms, buffer: 400 packets}\n"
AT_ONCE = "tcp: {delayed_ack: false}\n"  # every packet is acknowledged when it arrives


def one(flow: str, *, duration: str = "1 s", more: str = AT_ONCE) -> str:
    return f"duration: {duration}\n{PATH}flows:\n  - {{name: a, {flow}}}\n{more}"


# --- when and what is written ---


def test_a_rate_of_a_packet_a_millisecond_is_a_packet_a_millisecond() -> None:
    # 1448 B each ms are 11.584 Mbit/s. Write k is at 20.004 ms + k, its ACK 20.1 ms later: at
    # 1000 ms those up to k = 959 are acknowledged.
    flow = run(one("congestion: reno, source: {rate: 11.584 Mbit/s}")).flows[0]
    assert int(flow.delivered_bytes[-1]) == 960 * 1448
    # at a multiple of 10 ms the writes of the last 20.1 ms, of which the latest was 0.996 ms ago
    assert set(flow.in_flight[50:].tolist()) == {20}


def test_who_stops_when_all_is_acknowledged_is_done_then() -> None:
    # the only write, at 20.004 ms, is acknowledged at 40.1 ms; the FIN goes alone at 300 ms
    flow = run(one("congestion: reno, source: {write: 1448 B, every: 400 ms}, stop: 300 ms"))
    assert flow.flows[0].end_ns == 300 * MS


def test_a_rate_that_does_not_divide_is_met_in_the_long_run() -> None:
    # 7 Mbit/s of 1000 B: a write each 1.142857… ms, so 867 writes in the 990 ms from the first on
    world = World(scenario_of(one("congestion: reno, source: {rate: 7 Mbit/s, write: 1000 B}")))
    world.run()
    source = world.flows[0].application.source
    assert source is not None
    writes = (S - 20_004_000) * 7_000_000 // (8_000 * S) + 1
    assert source.written_bytes == writes * 1000 == 858_000


def test_the_last_packet_of_a_write_is_short_and_counted_with_its_own_bytes() -> None:
    # 5000 B are three full packets and one of 656 B; 96 writes, from 20 ms on each 10 ms, are
    # acknowledged at 1 s: the one at 970 ms by 990.4 ms, that at 980 ms not before 1000.3 ms
    result = run(one("congestion: cubic, source: {write: 5000 B, every: 10 ms}"))
    flow = result.flows[0]
    assert int(flow.delivered_bytes[-1]) == 96 * 5000
    assert int(flow.throughput_bps.sum()) * 10 * MS // (8 * S) == 96 * 5000
    wire = 60 + 52 + 98 * (5000 + 4 * 52)
    assert int(result.links[0].departed_bytes[-1]) == wire


def test_writes_that_cannot_leave_fill_one_packet() -> None:
    # A window of one packet: the first 100 B leave alone. What is written in the 20 ms until the
    # ACK, 2000 B, is two packets, which fill the window of two; so again; of the window of four
    # two are free when 100 B more are written twice, and the last 700 B wait for an ACK.
    text = one(
        "congestion: reno, source: {write: 100 B, every: 1 ms}, size: 5000 B",
        more="tcp: {initial_window: 1, delayed_ack: false}\n",
    )
    world = World(scenario_of(text))
    world.run()
    source = world.flows[0].application.source
    assert source is not None
    assert source.short == {0: 100, 2: 552, 4: 552, 5: 100, 6: 100, 7: 700}
    assert world.flows[0].sk.una == 8


def test_a_flow_that_writes_closes_when_its_size_is_acknowledged() -> None:
    # 3 writes of 1448 B at 20.004, 120.004 and 220.004 ms; the last's ACK comes 20.1 ms later
    text = "congestion: reno, source: {write: 1448 B, every: 100 ms}, size: 4344 B"
    result = run(one(text))
    assert result.flows[0].end_ns == 240_104_000
    # the FIN follows it at once: 52 B are 3.467 us
    assert [e.t_ns for e in result.events if e.kind == "end"] == [240_107_467]


def test_an_application_that_stops_has_its_last_write_delivered() -> None:
    # 10 packets each 100 ms; stopped at 221 ms, when those of 220.004 ms are on the way: the last
    # of them is at the receiver 1 ms after the first could have been
    text = "congestion: reno, source: {write: 14480 B, every: 100 ms}, stop: 221 ms"
    flow = run(one(text)).flows[0]
    assert flow.end_ns == 220_004_000 + 20 * MS + 10 * 100_000
    assert flow.counters["packets_delivered"] == 2 + 30 + 1  # SYN, ACK and FIN


# --- what an application's pauses do to the window ---


def test_a_window_that_lay_idle_restarts_from_the_initial_one() -> None:
    # 60 packets each 2 s: the RTO is 200 ms and more, so cwnd is halved down to 10 in the pause
    # (RFC 5681 section 4.1); what leaves at the write's instant is one initial window.
    text = one("congestion: reno, source: {write: 86880 B, every: 2 s}", duration="4500 ms")
    cwnd = run(text).flows[0].snd_cwnd
    before, after = int(cwnd[201]), int(cwnd[203])
    assert before > 40
    assert after == 10


def test_without_a_pause_the_window_stays() -> None:
    text = one("congestion: reno, source: {write: 86880 B, every: 200 ms}", duration="2 s")
    assert int(run(text).flows[0].snd_cwnd[-1]) > 40


def test_a_window_that_is_not_used_does_not_grow() -> None:
    # slow start ends at twice what is in flight (RFC 2861, RFC 7661)
    flow = run(one("congestion: reno, source: {rate: 11.584 Mbit/s}", duration="5 s")).flows[0]
    assert int(flow.snd_cwnd[-1]) == int(flow.snd_cwnd[20]) <= 2 * int(flow.in_flight.max())


def test_bbr_does_not_take_the_applications_rate_for_the_paths() -> None:
    # Samples of a flow without data to send do not end Startup; those of a full one do.
    for source, startup in (("source: {rate: 5 Mbit/s}", True), ("sndbuf: 4 MiB", False)):
        world = World(scenario_of(one(f"congestion: bbr, {source}", duration="2 s")))
        world.run()
        assert (world.flows[0].sk.ca.mode == 0) is startup, source


# --- buffers ---


def test_the_receive_window_bounds_what_is_in_flight() -> None:
    # 40 packets each 20.1 ms: 40 · 11584 bit / 20.1 ms = 23.05 Mbit/s
    flow = run(one("congestion: cubic, receiver: {rwnd: 57920 B}", duration="3 s")).flows[0]
    assert int(flow.in_flight.max()) == 40
    gained = int(flow.delivered_bytes[-1] - flow.delivered_bytes[100])
    assert gained * 8 / 2 == pytest.approx(40 * 11584 / 20.1e-3, rel=0.01)
    # and does not count as a use of the whole window, so that cwnd ends below twice of it
    assert int(flow.snd_cwnd.max()) <= 80


def test_a_window_below_a_packet_is_refused() -> None:
    from ccsim.errors import ScenarioError

    with pytest.raises(ScenarioError) as refused:
        resolved(one("congestion: cubic, receiver: {rwnd: 1000 B}"))
    assert "flows.0.receiver.rwnd: expected at least one packet of 1448 B" in str(refused.value)


def test_the_send_buffer_bounds_what_is_not_acknowledged() -> None:
    flow = run(one("congestion: bbr, sndbuf: 43440 B", duration="2 s")).flows[0]
    assert 20 <= int(flow.in_flight.max()) <= 30


def test_a_blocked_writer_goes_on_when_a_third_of_the_buffer_is_free() -> None:
    # 30 packets written at once, 10 of them sent. The ACK of packet 10 finds a third free.
    world = World(scenario_of(one("congestion: reno, sndbuf: 43440 B", duration="41 ms")))
    world.run()
    assert world.flows[0].sk.una == 9  # of the ACKs each 0.1 ms from 40.107 ms on
    assert world.flows[0].sk.write_limit == 30
    world = World(scenario_of(one("congestion: reno, sndbuf: 43440 B", duration="41008 us")))
    world.run()
    assert world.flows[0].sk.una == 10
    assert world.flows[0].sk.write_limit == 40


def test_what_is_written_while_blocked_is_owed_and_comes_later() -> None:
    # 50 Mbit/s into a link of 24: at the end all of the buffer is full, and nothing is lost of it
    text = """
duration: 2 s
path: {rate: 24 Mbit/s, rtt: 20 ms, buffer: 200 packets}
flows: [{name: a, congestion: cubic, source: {rate: 50 Mbit/s}, sndbuf: 100 KiB}]
"""
    world = World(scenario_of(text))
    world.run()
    flow = world.flows[0]
    assert flow.application.source is not None
    assert flow.sk.write_limit - flow.sk.una > 46  # of 70, two thirds at least
    total = flow.application.source.written_bytes + flow.application.source.owed_bytes
    assert total == pytest.approx(50e6 / 8 * 1.98, rel=0.001)
    assert int(world.result().links[0].utilisation_ppm[-50:].mean()) > 990_000


# --- equality ---

EQUAL = {
    "sources below, at and above what the link gives": """
duration: 2 s
path: {rate: 24 Mbit/s, rtt: 30 ms, buffer: 30 packets}
flows:
  - {name: a, congestion: cubic, source: {rate: 8 Mbit/s}}
  - {name: b, congestion: bbr, source: {rate: 5 Mbit/s, write: 5000 B}}
  - {name: c, congestion: reno, source: {write: 100 KB, every: 500 ms}, size: 350001 B}
  - {name: d, congestion: cubic, source: {rate: 50 Mbit/s}, sndbuf: 256 KiB, stop: 1700 ms}
""",
    "one long pipe with a source that never runs dry": """
duration: 3 s
path: {rate: 60 Mbit/s, rtt: 60 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: cubic, source: {rate: 90 Mbit/s}}
""",
    "windows and buffers of every kind": """
duration: 2 s
path: {rate: 24 Mbit/s, rtt: 30 ms, buffer: 100 packets, loss: 0.2 %}
flows:
  - {name: a, congestion: cubic, receiver: {rwnd: 40 KiB}}
  - {name: b, congestion: bbr, receiver: {rwnd: 20 KiB}}
  - {name: c, congestion: bbr, sndbuf: 40 KiB}
  - {name: d, congestion: reno, sndbuf: 1448 B}
  - {name: e, congestion: reno, receiver: {rwnd: 1448 B}}
""",
    "a receive window that binds only later": """
duration: 2 s
path: {rate: 60 Mbit/s, rtt: 40 ms, buffer: 4 BDP}
flows:
  - {name: a, congestion: reno, receiver: {rwnd: 500 KiB}}
""",
}


@pytest.mark.parametrize("name", EQUAL)
def test_equality_holds_with(name: str) -> None:
    scenario = resolved(EQUAL[name])
    assert check(Example(scenario, (7 * MS, 1 * MS)), scenario) == ""


def test_equality_holds_where_a_write_and_an_ack_and_a_sample_fall_on_one_instant() -> None:
    # writes each ms, ACKs 20.1 ms after: 0.1 ms apart; at 12 Mbit/s service takes 1 ms as well
    text = """
duration: 1 s
path: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 40 packets}
flows:
  - {name: a, congestion: cubic, source: {write: 1448 B, every: 1 ms}}
  - {name: b, congestion: bbr, source: {write: 1448 B, every: 3 ms}}
record: {interval: 1040 us}
"""
    scenario = resolved(text)
    assert check(Example(scenario, (3 * MS, 1 * MS)), scenario) == ""
