"""What a host's sysctls and a socket's options say of its TCP: each shows in what the flow does."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.kernel.sock import PACING_FQ, PACING_NEEDED
from ccsim.scenario import parse_scenario
from ccsim.sim.source import Source
from ccsim.sim.traces import SimResult
from ccsim.sim.world import World
from ccsim.spec import Scenario, Sysctls
from ccsim.tcp.host import Host
from tests.digests.digests import digest

S = 1_000_000_000


def scenario(path: str, flow: str, tcp: str = "", *, duration: str = "6 s", more: str = "") -> str:
    return (
        f"name: x\nduration: {duration}\npath: {{{path}}}\ntcp: {{{tcp}}}\n{more}"
        f"flows: [{{name: a, {flow}}}]\n"
    )


def run(*args: str, **options: object) -> SimResult:
    keys = {name: str(options.pop(name)) for name in ("duration", "more") if name in options}
    world = World(parse_scenario(scenario(*args, **keys), "x.yaml"), **options)  # type: ignore[arg-type]
    world.run()
    return world.result()


TEN = "rate: 10 Mbit/s, rtt: 40 ms, buffer: 200 packets"


def test_a_tail_that_is_lost_is_probed_for_unless_probes_are_off() -> None:
    """Eight packets at once into a queue of five: three are lost at the end of the write, and no
    duplicate tells of them."""
    short = "rate: 10 Mbit/s, rtt: 40 ms, buffer: 5 packets"
    writes = "congestion: reno, source: {write: 12 kB, every: 1 s}"
    probed, timed_out = (run(short, writes, tcp).flows[0] for tcp in ("", "early_retrans: 0"))
    assert (probed.counters["tlps"], probed.counters["rtos"]) == (1, 0)
    assert (timed_out.counters["tlps"], timed_out.counters["rtos"]) == (0, 1)


@pytest.mark.parametrize(("tcp", "spurious"), [("", 1), (", frto: 0", 0), (", frto: 2", 1)])
def test_a_timeout_that_was_too_soon_is_found_out_by_f_rto(tcp: str, spurious: int) -> None:
    """The round trip grows from 20 to 900 ms: RTOs fire though nothing is lost. Without timestamps
    only F-RTO finds out; without it all of a window, 20 packets, is sent again."""
    path = "rate: 10 Mbit/s, rtt: 20 ms, buffer: 200 packets"
    change = "changes: [{at: 2 s, rtt: 900 ms}]\n"
    window = "congestion: reno, receiver: {rwnd: 30 kB}"
    counters = run(path, window, f"timestamps: 0{tcp}", more=change).flows[0].counters
    assert counters["packets_dropped"] == 0
    assert counters["spurious_rtos"] == spurious
    assert (counters["retransmissions"] >= 20) == (not spurious)


def test_an_idle_window_starts_anew_unless_that_is_off() -> None:
    """42 packets a second, at once: after the first second's slow start from 10 the window is 52;
    kept over the silence it grows by the 32 that found it full, and then it never is again."""
    writes = "congestion: reno, source: {write: 60 kB, every: 1 s}"
    restarted, kept = (
        run(TEN, writes, tcp).flows[0].snd_cwnd for tcp in ("", "slow_start_after_idle: 0")
    )
    assert restarted.max() == 52
    assert kept[-1] == 84


def test_without_sack_losses_are_repaired_one_a_round_trip() -> None:
    """27 packets are lost in the overshoot of slow start. NewReno repairs one a round trip, some 25
    of them in the 40 ms and more that the queue adds nothing to."""
    small = "rate: 10 Mbit/s, rtt: 40 ms, buffer: 20 packets"
    ends = [run(small, "congestion: reno, size: 3 MB", tcp).flows[0] for tcp in ("", "sack: 0")]
    assert [flow.counters["packets_dropped"] for flow in ends] == [27, 27]
    late_ns = [flow.end_ns or 0 for flow in ends]
    assert late_ns[1] - late_ns[0] == pytest.approx(0.25 * S, rel=0.2)


@pytest.mark.parametrize("congestion", ["cubic", "bbr"])
def test_so_max_pacing_rate_bounds_what_a_socket_sends(congestion: str) -> None:
    """5 Mbit/s are a packet of 1448 bytes each 2.3168 ms."""
    flow = run(TEN, f"congestion: {congestion}, max_pacing_rate: 5 Mbit/s").flows[0]
    sent = flow.delivered_bytes[flow.t_ns >= 2 * S]
    packets = int(sent[-1] - sent[0]) / 1448
    assert packets == pytest.approx(4 * S / 2_316_800, abs=14)


def test_fq_paces_every_socket_and_so_max_pacing_rate_the_one_that_sets_it() -> None:
    statuses = []
    for tcp, flow in (("pacing: fq", ""), ("", ", max_pacing_rate: 1 Mbit/s"), ("", "")):
        world = World(parse_scenario(scenario(TEN, f"congestion: reno{flow}", tcp), "x.yaml"))
        world.run()
        statuses.append(world.flows[0].sk.pacing_status)
    assert statuses == [PACING_FQ, PACING_NEEDED, 0]


def test_behind_fq_a_window_of_ten_never_queues_more_than_its_pace_lets_it() -> None:
    """Initial windows are never paced; but of a window of 60 packets every tenth second, paced at
    cwnd / srtt, the queue of a line five times as fast holds next to nothing."""
    fast = "rate: 100 Mbit/s, rtt: 40 ms, buffer: 400 packets"
    writes = "congestion: reno, source: {write: 85 kB, every: 1 s}"
    keep = "slow_start_after_idle: 0"
    queues = []
    for pacing in ("internal", "fq"):
        result = run(fast, writes, f"pacing: {pacing}, {keep}", more="record: {interval: 1 ms}\n")
        queues.append(int(result.links[0].queue_packets[-2000:].max()))
    assert queues[0] > 40
    assert queues[1] <= 2


def notsent(lowat: int) -> Source:
    world = World(
        parse_scenario(
            scenario(TEN, "sndbuf: 1 MiB", f"notsent_lowat: {lowat} B", duration="1 s"), "x.yaml"
        )
    )
    world.run()
    source = world.flows[0].application.source
    assert source is not None
    return source


def test_no_more_waits_to_be_sent_than_notsent_lowat() -> None:
    """Ten packets of 1448 bytes: the last is begun while less than that waits, so at most ten do,
    and a write is woken when fewer than five do."""
    source = notsent(14_480)
    waits = source.sk.write_limit - source.sk.nxt
    assert 5 <= waits <= 10
    assert source.sk.nospace


def test_without_notsent_lowat_the_buffer_is_the_limit() -> None:
    source = notsent(1 << 30)
    held = source.sk.write_limit - source.sk.una
    assert 2 * source.capacity // 3 <= held <= source.capacity


@pytest.mark.parametrize(
    "tcp",
    [
        *("sack: 0", "timestamps: 0", "frto: 0, early_retrans: 0", "recovery: 7", "pacing: fq"),
        *("notsent_lowat: 16 KiB", "min_rtt_wlen: 1 s"),
    ],
)
def test_neither_cuts_nor_trains_change_a_byte(tcp: str) -> None:
    path = "rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP, loss: 0.2 %"
    made = {
        digest(run(path, "congestion: cubic, sndbuf: 1 MiB", tcp, duration="3 s", **options))
        for options in ({}, {"vector": False}, {"lookahead_ns": 1_234_567, "paranoid": True})
    }
    assert len(made) == 1


def test_what_linux_does_anyway_is_not_stored_and_what_it_does_not_is_read_back() -> None:
    plain = parse_scenario(scenario(TEN, "congestion: reno", "sack: 1, frto: 2"), "x.yaml")
    assert plain.tcp.sysctls is None
    assert "sysctls" not in plain.resolved()["tcp"]
    other = parse_scenario(scenario(TEN, "congestion: reno", "sack: 0, recovery: 3"), "x.yaml")
    assert other.tcp.sysctls == Sysctls(sack=False, recovery=3)
    assert Scenario.from_resolved(other.resolved()) == other


def test_the_sysctls_defaults_are_the_hosts() -> None:
    for name in Sysctls.__dataclass_fields__:
        if name != "pacing":
            assert getattr(Host(), name) == getattr(Sysctls(), name), name


@pytest.mark.parametrize(
    ("tcp", "message"),
    [
        ("sack: 2", "tcp.sack: expected true, false, 0 or 1, got 2"),
        ("early_retrans: 1", "tcp.early_retrans: expected true, false, 0 or 3 or 4, got 1"),
        ("recovery: 0", "tcp.recovery: expected 1, 3, 5 or 7, got 0"),
        ("pacing: tbf", "tcp.pacing: expected 'internal' or 'fq', got"),
        ("notsent_lowat: 0 B", "tcp.notsent_lowat"),
        ("reordering: 10, max_reordering: 5", "expected a reordering of at most max_reordering, 5"),
        ("min_rtt_wlen: 1500 ms", "expected whole seconds, at most 86400 s, got 1.5 s"),
        ("min_rtt_wlen: 86401 s", "expected whole seconds, at most 86400 s, got 86401 s"),
        ("pacing_ss_ratio: 0", "tcp.pacing_ss_ratio: expected at least 1, got 0"),
        ("slow_start: 0", "unknown key 'slow_start'"),
    ],
)
def test_what_no_kernel_takes_is_refused(tcp: str, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse_scenario(scenario(TEN, "congestion: reno", tcp), "x.yaml")
    assert message in str(error.value)
