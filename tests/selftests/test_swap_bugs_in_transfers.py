"""Bugs that swaps had in real kernels, each in a transfer that would show it again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.catalog import algorithm_files
from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, CaState
from ccsim.kernel.sock import Sock
from ccsim.sim.traces import Event, FlowTrace, SimResult
from ccsim.tcp.output import write_xmit
from ccsim.tcp.sender import Sender
from ccsim.tcp.sock import UNBOUNDED
from tests.selftests.selftest_rig import act_at, kernel_of, trace, world

# --- undo across a swap: Linux 44abafc4cc09 ---

# At 0.1 s 600 packets of others reach a queue of 5 Mbit/s at once: 1.4 s of waiting. The victim's
# RTO fires in the meantime, at 1.04 s, for nothing: at 1.86 s the ACKs show it, and it is undone.
SPURIOUS = """\
duration: 2.5 s
path: {rate: 5 Mbit/s, rtt: 10 ms, buffer: 3000 packets}
twins: false
"""
VICTIM = """\
flows:
  - {name: victim, congestion: reno}
  - {name: burst, congestion: reno, start: 100 ms, count: 60, size: 14480 B}
"""


def spurious(swaps: str = "") -> SimResult:
    run = world(VICTIM + swaps, SPURIOUS)
    run.run()
    return run.result()


def only(result: SimResult, kind: str) -> Event:
    (event,) = [each for each in result.events if each.kind == kind and each.flow == "victim"]
    return event


def test_without_a_swap_a_spurious_timeout_is_undone_to_the_window_before() -> None:
    result = spurious()
    assert only(result, "rto").detail["ssthresh"] == 86  # half of 172
    assert only(result, "undo").detail == {"snd_cwnd": 172, "ssthresh": TCP_INFINITE_SSTHRESH}


@pytest.mark.parametrize("new", ["cubic", "bbr", "vegas"])
def test_an_undo_does_not_cross_a_swap_that_came_in_between(new: str) -> None:
    swap = f"swaps: [{{at: 1.3 s, via: setsockopt, flows: [victim], to: {new}}}]\n"
    result = spurious(swap)
    flow = trace(result, "victim")
    at_swap = int(np.searchsorted(flow.t_ns, 1_300_000_000))
    assert only(result, "rto").t_ns < 1_300_000_000 < only(result, "undo").t_ns
    assert flow.ca_state[at_swap] == CaState.LOSS
    undo = only(result, "undo").detail
    assert undo["snd_cwnd"] < 86
    if new != "bbr":  # which sets it to infinity itself, in its init
        assert undo["ssthresh"] == 86


# --- BBR on a connection that has delivered billions of packets: Linux 6de035fec045 ---

TO_BBR = """\
flows: [{name: bulk, congestion: cubic}]
swaps: [{at: 2 s, via: setsockopt, flows: [bulk], to: bbr}]
"""
FAST = "duration: 6 s\npath: {rate: 20 Mbit/s, rtt: 20 ms}\ntwins: false\n"


def after_delivering(packets: int) -> FlowTrace:
    run = world(TO_BBR, FAST)
    run.flow("bulk").sk.delivered += packets
    run.run()
    return trace(run.result(), "bulk")


@pytest.mark.parametrize("packets", [3_000_000_000, 2**32 - 2_000, 2**32 + 5])
def test_bbr_counts_rounds_from_what_was_delivered_before_it_came(packets: int) -> None:
    young, old = after_delivering(0), after_delivering(packets)
    for column in ("snd_cwnd", "ssthresh", "pacing_rate_bps", "in_flight", "delivered_bytes"):
        assert np.array_equal(getattr(young, column), getattr(old, column)), column
    at_6_s = young.snd_cwnd[-1]
    assert 2 * 33 - 6 <= at_6_s <= 2 * 33 + 12  # 20 Mbit/s for 20 ms are 33 packets: out of Startup


# --- a pacing rate of zero in init: Linux 1d3648eb5d1f ---


class Watched(Sender):
    """A sender that remembers each pacing rate it was given."""

    __slots__ = ()
    rates: list[int] = []  # noqa: RUF012 (a slot cannot hold it; one test uses it)

    @property
    def pacing_rate(self) -> int:
        return int(Sock.__dict__["pacing_rate"].__get__(self))

    @pacing_rate.setter
    def pacing_rate(self, value: int) -> None:
        self.rates.append(value)
        Sock.__dict__["pacing_rate"].__set__(self, value)


@pytest.mark.pure
@pytest.mark.parametrize("start", ["0 s", "1.5 s"])
def test_the_pacing_rate_is_never_zero_not_even_within_init(start: str) -> None:
    swap = TO_BBR.replace("at: 2 s", "at: 10 ms" if start == "0 s" else "at: 2 s")
    run = world(swap.replace("cubic}", f"cubic, start: {start}}}"), FAST)
    Watched.rates.clear()
    run.flow("bulk").sk.__class__ = Watched
    run.run()
    assert len(Watched.rates) > 1000
    assert min(Watched.rates) > 0


@pytest.mark.parametrize("name", sorted(algorithm_files()))
def test_no_shipped_algorithm_leaves_pacing_at_zero_when_it_comes(name: str) -> None:
    if name == "dctcp-reno":
        pytest.skip("what DCTCP puts on a socket without ECN; no socket asks for it by name")
    text = TO_BBR.replace("to: bbr", f"to: {name}").replace("at: 2 s", "at: 1 s")
    run = world(text.replace("congestion: cubic", "congestion: bbr"), FAST)
    run.run()
    flow = trace(run.result(), "bulk")
    assert flow.implementations[0] == "bbr"
    assert int(flow.pacing_rate_bps[flow.t_ns > 100_000_000].min()) > 0
    # data goes on flowing: no 500 ms without delivery after the swap
    stalled = np.diff(flow.delivered_bytes[flow.t_ns >= 1_000_000_000][::50])
    assert (stalled > 0).all()


# --- ECN marking left on: Linux, November 2020 ---


def test_packets_are_marked_ecn_capable_exactly_while_an_ecn_algorithm_runs() -> None:
    run = world(
        "flows: [{name: bulk, congestion: reno}]\n"
        "swaps:\n"
        "  - {at: 1 s, via: setsockopt, flows: [bulk], to: dctcp}\n"
        "  - {at: 2 s, via: setsockopt, flows: [bulk], to: cubic}\n",
        FAST,
    )
    seen: list[tuple[str, bool]] = []

    def look() -> None:
        sk = run.flow("bulk").sk
        seen.append((sk.ca_ops.name, sk.kernel_data.ecn_xmit))

    for t_s in (0.9, 1.5, 2.5):
        act_at(run, t_s, look)
    run.run()
    assert seen[0] == ("reno", False)
    # without ECN on the connection DCTCP puts its Reno on the socket, which needs no marks
    assert seen[1] in (("dctcp", True), ("dctcp-reno", False))
    assert seen[2] == ("cubic", False)


# --- references and release: Linux ebfa00c57456 ---


def test_after_many_swaps_each_implementation_has_the_references_it_began_with() -> None:
    names = ["reno", "bbr", "vegas", "fleet", "cubic", "bbr", "fleet"]
    swaps = "".join(
        f"  - {{at: {k + 1}00 ms, via: setsockopt, flows: all, to: {name}}}\n"
        for k, name in enumerate(names)
    )
    run = world(
        "links: {fleet: illinois}\n"
        "listeners: [{name: web, congestion: fleet}]\n"
        "flows:\n"
        "  - {name: one, congestion: vegas, stop: 4 s}\n"
        "  - {name: two, listener: web, size: 1 MiB}\n"
        f"swaps:\n{swaps}",
        FAST,
    )
    run.run()
    assert all(flow.closed_ns for flow in run.flows)
    counts = {ca.name: ca.owner.refcnt for ca in kernel_of(run).tcp_cong.implementations()}
    # cubic: the default; fleet: its link and the listener; sockets hold none any longer
    assert counts == {"reno": 0, "cubic": 1, "fleet": 2, "bbr": 0, "vegas": 0}


# --- a stale CUBIC epoch: FreeBSD D23655, D25065 ---

PIPE = "duration: 30 s\npath: {rate: 20 Mbit/s, rtt: 40 ms}\ntwins: false\n"


def test_cubic_that_comes_back_after_another_starts_a_new_epoch() -> None:
    """With an epoch of 20 s the curve would be thousands of packets away, and growth half a window
    a round trip, which is the most there is: to sevenfold in five. A new one grows by a twentieth.
    """
    run = world(
        "flows: [{name: bulk, congestion: cubic}]\n"
        "swaps:\n"
        "  - {at: 5 s, via: setsockopt, flows: [bulk], to: reno}\n"
        "  - {at: 25 s, via: setsockopt, flows: [bulk], to: cubic}\n",
        PIPE,
    )
    run.run()
    result = run.result()
    flow = trace(result, "bulk")
    before = int(flow.snd_cwnd[np.searchsorted(flow.t_ns, 25_000_000_000)])
    soon = flow.snd_cwnd[(flow.t_ns > 25_000_000_000) & (flow.t_ns <= 25_200_000_000)]
    drops = result.links[0].drop_t_ns
    assert not ((drops > 25_000_000_000) & (drops <= 25_200_000_000)).any()
    assert before <= int(soon.max()) <= before * 1.05**5 + 1


def test_cubic_does_not_jump_after_an_idle_phase() -> None:
    """The application pauses for 15 s: time that must not count as time on the curve."""
    run = world("flows: [{name: bulk, congestion: cubic}]\n", PIPE)
    flow: Any = run.flow("bulk")
    sk, close, windows = flow.sk, flow.application.close, []

    def pause() -> None:
        windows.append(sk.snd_cwnd)
        flow.application.close = lambda t_ns: None  # the application stays
        sk.write_limit = sk.nxt

    def resume() -> None:
        flow.application.close = close
        sk.set_clock(int(run.env.now))
        sk.write_limit = UNBOUNDED
        write_xmit(sk)

    act_at(run, 10.0, pause)
    act_at(run, 25.0, resume)
    run.run()
    result = run.result()
    bulk = trace(result, "bulk")
    idle = (bulk.t_ns > 11_000_000_000) & (bulk.t_ns < 25_000_000_000)
    assert not bulk.in_flight[idle].any()
    after = (bulk.t_ns > 25_000_000_000) & (bulk.t_ns < 27_000_000_000)
    assert int(bulk.in_flight[after].max()) > 60  # it sends again
    assert int(bulk.snd_cwnd[after].max()) <= windows[0] + 5
    drops = result.links[0].drop_t_ns
    assert not ((drops > 25_000_000_000) & (drops < 27_000_000_000)).any()
