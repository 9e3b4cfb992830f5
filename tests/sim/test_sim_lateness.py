"""Hosts that are late: stalls have the stated quantiles, what falls due in one waits for its end,
and no cut of windows changes a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.kernel import Kernel
from ccsim.kernel.sock import PACING_NEEDED
from ccsim.scenario import parse_scenario
from ccsim.sim.lateness import DRAWS, Handover, LateHost, LateHosts
from ccsim.sim.stalls import HostStalls, lengths_ns, mean_gap_ns
from ccsim.sim.traces import SimResult
from ccsim.sim.workloads import PlannedFlow
from ccsim.sim.world import World
from ccsim.spec import Distribution, Flow, Hosts, Lateness, Stalls
from ccsim.tcp.delack import DelayedAck
from ccsim.tcp.host import Host
from ccsim.tcp.pacing import pacing_due
from ccsim.tcp.sender import Sender
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import TEMPLATE_YAML, RandomDraw, complete, make_example, to_yaml
from tests.digests.digests import digest

US, MS, SECOND = 1_000, 1_000_000, 1_000_000_000

TEMPLATE = parse_scenario(TEMPLATE_YAML, "fuzz.yaml").resolved()
QUANTILES = Stalls(p99_ns=50 * US, p999_ns=2 * MS, max_ns=8 * MS)
"""Of what falls due 1 % is late by more than 50 us, 0.1 % by more than 2 ms, nothing by 8 ms."""


class Exact(HostStalls):
    """Stalls where a test wants them."""

    def __init__(self, *stalls: tuple[int, int]) -> None:
        self.where = stalls

    def awake(self, t_ns: int) -> int:
        return next((end for start, end in self.where if start <= t_ns < end), t_ns)

    def awake_column(self, t_ns: np.ndarray) -> np.ndarray:
        return np.array([self.awake(int(t)) for t in t_ns])


def host(*stalls: tuple[int, int]) -> LateHost:
    """Return a host that stalls then, and takes no time else."""
    return LateHost(Exact(*stalls), np.zeros(DRAWS, dtype=np.int64), 1)


def test_the_shares_of_late_times_are_those_stated() -> None:
    stalls = HostStalls(QUANTILES, 1)
    times = np.arange(0, 400 * SECOND, 400_000)
    late = stalls.awake_column(times) - times
    assert (late > 80 * US).mean() == pytest.approx(0.0075, rel=0.15)  # 0.01 * (80 / 50) ** -0.624
    assert (late > 2 * MS).mean() == pytest.approx(0.001, rel=0.5)
    assert late.max() < 8_100_000


def test_stalls_are_as_many_and_as_long_as_the_quantiles_ask() -> None:
    # rate of stalls beyond x: power * S(x) / x, power = ln 10 / ln 40 = 0.624
    assert SECOND / mean_gap_ns(QUANTILES) == pytest.approx(0.624 * 0.01 / 50e-6, rel=0.001)
    # share beyond 2 ms: 0.624 * 0.001 / 2e-3 / 124.8 = 0.0025; from there it falls to 0 at 8 ms as
    # (1 - (x - 2 ms) / 6 ms) ** 0.872, so that its integral is 0.001: at 3 ms it is 0.00213
    lengths = lengths_ns(QUANTILES, np.array([1.0, 0.0025, 0.00213, 0.0]))
    assert lengths[0] == 50 * US
    assert lengths[1:3].tolist() == pytest.approx([2 * MS, 3 * MS], rel=0.01)
    assert lengths[3] == pytest.approx(8 * MS, rel=0.01)


def test_a_longest_stall_no_longer_than_the_99_9th_percentile_bounds_all() -> None:
    bounded = Stalls(p99_ns=50 * US, p999_ns=2 * MS, max_ns=2 * MS)
    assert lengths_ns(bounded, np.array([1e-9])).tolist() == [2 * MS]


def test_stalls_of_a_rate_and_a_length_are_so_many_and_so_long() -> None:
    """5 a second of 10 ms each: a twentieth of all times falls into one, but for overlaps, which
    leave 1 - exp(-0.05) = 4.88 %."""
    length = Distribution(kind="fixed", value=10 * MS)
    stalls = HostStalls(Stalls(gap_ns=200 * MS, length_ns=length), 3)
    times = np.arange(0, 400 * SECOND, MS)
    late = stalls.awake_column(times) - times
    assert (late > 0).mean() == pytest.approx(0.0488, rel=0.07)


def test_a_stall_that_lasts_into_the_next_second_is_felt_there() -> None:
    """Stalls of 1 s, one in 10 s: where one begins at x.4 s, x+1.1 s falls into it."""
    length = Distribution(kind="fixed", value=SECOND)
    stalls = HostStalls(Stalls(gap_ns=10 * SECOND, length_ns=length), 5)
    ends = {end for k in range(60) if (end := stalls.awake(k * SECOND)) != k * SECOND}
    assert ends
    for end in ends:
        assert stalls.awake(end - SECOND) == end  # where it began
        assert stalls.awake(end) == end
    again = HostStalls(stalls.stalls, 5)  # asked in another order
    assert [again.awake(k * SECOND) for k in reversed(range(60))] == [
        stalls.awake(k * SECOND) for k in reversed(range(60))
    ]


def test_one_time_and_a_column_of_times_wake_up_alike() -> None:
    stalls = HostStalls(QUANTILES, 9)
    times = np.sort(np.random.default_rng(1).integers(0, 7 * SECOND, 5_000))
    assert stalls.awake_column(times).tolist() == [stalls.awake(int(t)) for t in times]


def test_the_same_seed_draws_the_same() -> None:
    times = np.arange(0, 2 * SECOND, 100_000)
    one, two, other = (HostStalls(QUANTILES, seed).awake_column(times) for seed in (7, 7, 8))
    assert one.tolist() == two.tolist() != other.tolist()


def test_what_falls_due_in_a_stall_comes_at_its_end_and_in_order() -> None:
    packets = Handover(host((10 * MS, 14 * MS)), 0)
    assert packets.times([9 * MS, 11 * MS, 13 * MS, 15 * MS]) == [
        *(9 * MS, 14 * MS),
        *(14 * MS, 15 * MS),
    ]


def test_nothing_overtakes_what_came_before_it() -> None:
    """The first takes 30 us, the second 5: it waits for the first."""
    late = host()
    late.drawn[:2] = late.delays[:2] = [30 * US, 5 * US]
    assert Handover(late, 0).times([100 * US, 110 * US]) == [130 * US, 130 * US]
    assert Handover(late, 0).column(np.array([100 * US, 110 * US])).tolist() == [130 * US, 130 * US]


def test_how_many_are_handed_over_in_one_go_does_not_matter() -> None:
    hosts = LateHosts(Hosts(sender=Lateness(delay_ns=EXPONENTIAL, stalls=QUANTILES)), 4)
    late, _ = hosts.of(connection(), 0)
    assert late is not None
    times = list(range(0, 3 * SECOND, 500 * US))
    one = Handover(late, 4000)
    one_by_one = [done for t in times for done in one.times([t])]
    two = Handover(late, 4000)
    mixed = [*two.times(times[:7]), *two.column(np.array(times[7:5000])).tolist()]
    assert mixed + two.times(times[5000:]) == one_by_one
    assert len(set(one_by_one)) > 5_000


EXPONENTIAL = Distribution(kind="exponential", value=40 * US)


def test_delays_have_the_mean_that_is_given() -> None:
    late, none = LateHosts(Hosts(sender=Lateness(delay_ns=EXPONENTIAL)), 1).of(connection(), 0)
    assert none is None
    assert late is not None
    assert np.mean(late.drawn) == pytest.approx(40 * US, rel=0.05)


def connection(*hosts: str, workload: str = "") -> PlannedFlow:
    return PlannedFlow(Flow(name="a", rtt_ns=0, hosts=hosts), workload)


def test_flows_of_one_host_stall_together_and_those_of_others_do_not() -> None:
    lateness = Lateness(stalls=QUANTILES)
    hosts = LateHosts(Hosts(sender=lateness, receiver=lateness), 1)
    assert hosts.of(connection("x", "y"), 0)[0] is hosts.of(connection("x", "z"), 1)[0]
    assert hosts.of(connection("x", "y"), 0)[1] is hosts.of(connection("y", "x"), 1)[0]
    assert hosts.of(connection(), 0)[0] is not hosts.of(connection(), 1)[0]
    assert hosts.of(connection(workload="web"), 5)[0] is hosts.of(connection(workload="web"), 6)[0]


def test_a_pacing_timer_that_falls_due_in_a_stall_runs_at_its_end() -> None:
    late = host((10 * MS, 14 * MS))
    for one, runs in ((Host(), 12 * MS), (Host(awake_ns=late.sees_to), 14 * MS)):
        sk = Sender(one)
        sk.tcp_wstamp_ns = 12 * MS
        assert pacing_due(sk) == runs


def test_a_timer_of_the_wheel_that_falls_due_in_a_stall_runs_at_its_end() -> None:
    """A delayed ACK is due 40 ms ahead, 10 ticks and one more: between 40 and 48 ms."""
    late = host((20 * MS, 90 * MS))
    assert DelayedAck(Host(awake_ns=late.sees_to), 0).expiry(0) == 90 * MS
    assert 40 * MS <= DelayedAck(Host(), 0).expiry(0) <= 48 * MS


def test_a_stall_costs_a_paced_sender_all_of_it_but_half_a_gap() -> None:
    """At 1448 kB/s a packet leaves each ms; those due at 11 to 15 ms wait for 15.2 ms. The pacer
    makes up for half a gap, so the next leaves 0.5 ms later and the others 1 ms apart."""
    sk = Sender(Host(awake_ns=host((10_500_000, 15_200_000)).sees_to))
    sk.set_clock(0)
    Kernel(profile="linux", default="reno").socket(sk)
    sk.handshake_done(0, -40 * MS)
    sk.pacing_status, sk.pacing_rate, sk.snd_cwnd = PACING_NEEDED, 1_448_000, 100
    sk.data_segs_out = 10  # the first ten are never paced
    sk.begin()
    while sk.pacing_ns < 20 * MS:
        t = sk.pacing_ns
        sk.set_clock(t)
        sk.on_pacing(t)
    sent = [t / MS for t in sk.out_t]
    assert sent[:11] == pytest.approx(range(11))
    assert sent[11:15] == pytest.approx([15.2, 15.7, 16.7, 17.7])


SCENARIO = """
name: late
duration: 4 s
{seed}
path: {{rate: 20 Mbit/s, rtt: 30 ms, buffer: 1 BDP{path}}}
{hosts}
flows:
  - {{name: a, congestion: {congestion}, ecn: true}}
  - {{name: b, congestion: reno, start: 500 ms, size: 2 MB}}
"""


def simulated(hosts: str = "", seed: int = 1, path: str = "", **options: Any) -> SimResult:
    congestion = options.pop("congestion", "cubic")
    written = f"hosts: {hosts}" if hosts else ""
    text = SCENARIO.format(seed=f"seed: {seed}", path=path, hosts=written, congestion=congestion)
    world = World(parse_scenario(text, "late.yaml"), **options)
    world.run()
    return world.result()


HARSH = "{delay: {exponential: 300 us}, stalls: {rate: 20 /s, length: {exponential: 5 ms}}}"


@pytest.mark.parametrize("congestion", ["cubic", "bbr"])
@pytest.mark.parametrize(
    "path",
    [
        "",
        ", ecn: {mark_above: 20 packets}",
        ", qdisc: fq_codel",
        ", ack_aggregation: 1 ms, ack_loss: 1 %",
    ],
    ids=["fifo", "marks", "hop", "acks"],
)
def test_neither_cuts_nor_trains_change_a_byte(congestion: str, path: str) -> None:
    hosts = f"{{lateness: {HARSH}}}"
    made = {
        digest(simulated(hosts, path=path, congestion=congestion, **options))
        for options in ({}, {"vector": False}, {"lookahead_ns": 1_234_567, "paranoid": True})
    }
    assert len(made) == 1


def test_seeds_differ_with_late_hosts_and_without_do_not() -> None:
    assert digest(simulated(seed=1)) == digest(simulated(seed=2))
    quiet = [digest(simulated("{lateness: quiet}", seed=seed)) for seed in (1, 1, 2)]
    assert quiet[0] == quiet[1] != quiet[2]


def test_exact_hosts_are_as_none_at_all() -> None:
    assert digest(simulated("{lateness: exact}")) == digest(simulated())


def test_a_result_tells_that_lateness_was_drawn() -> None:
    assert simulated("{receiver: {lateness: quiet}}").drew == ("lateness of hosts",)
    assert simulated().drew == ()


def test_a_host_that_takes_5_ms_of_each_packet_and_ack_lengthens_the_round_trip_by_10() -> None:
    """The handshake finds an empty queue: both its ends take 5 ms, and its SYN and ACK are as long
    as ever."""
    slow, exact = (simulated(hosts).flows[0].srtt_us for hosts in ("{lateness: {delay: 5 ms}}", ""))
    assert slow[slow > 0].min() - exact[exact > 0].min() == pytest.approx(10_000, abs=600)


@pytest.mark.parametrize("seed", [1, 2, 3, 8, 12, 17])
def test_neither_cuts_nor_vector_paths_show_with_random_lateness(seed: int) -> None:
    assert check(make_example(RandomDraw(seed), hops=seed % 4 == 3, late=True), TEMPLATE) == ""


@pytest.mark.parametrize("seed", [1, 2, 4, 5, 6, 8, 9])
def test_a_random_scenario_with_late_hosts_reads_back(seed: int) -> None:
    drawn = make_example(RandomDraw(seed), late=True).scenario
    read = parse_scenario(to_yaml(drawn), "fuzz")
    whole = complete(drawn, TEMPLATE)
    assert read.hosts == whole.hosts
    assert [flow.hosts for flow in read.flows] == [flow.hosts for flow in whole.flows]
