"""Triggers: a swap comes at the very ACK or timer that makes its condition true.

own socket alone     ACK → condition → setsockopt            (the same instant)
anything further     ACK → condition … delay … link update   (a later window)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.sim.engine import Engine
from ccsim.sim.traces import Event, SimResult
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.sim.sim_rig import MS, S, flow_of, resolved, run

HEAD = """\
duration: 3 s
path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
links: {fleet: cubic}
flows:
  - {name: a, congestion: fleet}
  - {name: b, congestion: OLD, start: 200 ms}
"""


def waits(
    when: str, rest: str = "via: setsockopt, flows: [b], to: vegas", old: str = "reno"
) -> str:
    return HEAD.replace("OLD", old) + f"swaps: [{{when: {{flow: b, {when}}}, {rest}}}]\n"


def events(result: SimResult, kind: str, flow: str = "b") -> list[Event]:
    return [each for each in result.events if each.kind == kind and each.flow == flow]


def plain(old: str = "reno") -> SimResult:
    """Return the same run without a swap."""
    return run(HEAD.replace("OLD", old))


def first_after(result: SimResult, state: int, t_ns: int) -> int:
    found = (e.t_ns for e in events(result, "ca_state") if e.detail["to"] == state)
    return next(t for t in found if t >= t_ns)


@pytest.mark.parametrize("after_ms", [0, 1000])
def test_a_swap_in_recovery_comes_at_the_ack_that_starts_it(after_ms: int) -> None:
    result = run(waits(f"state: Recovery, after: {after_ms} ms"))
    (swap,) = events(result, "swap")
    assert swap.t_ns == first_after(plain(), 3, after_ms * MS)
    assert result.swaps[0].t_ns == swap.t_ns
    assert result.swaps[0].label == "reno → vegas, setsockopt, in Recovery"
    (trigger,) = events(result, "trigger")
    assert (trigger.t_ns, trigger.detail["acts_ns"]) == (swap.t_ns, swap.t_ns)


def test_until_the_swap_the_run_is_that_without_one() -> None:
    swapped, untouched = run(waits("state: Recovery, after: 1 s")), plain()
    before = swapped.swaps[0].t_ns
    for name in ("a", "b"):
        ours, theirs = flow_of(swapped, name), flow_of(untouched, name)
        rows = slice(0, int(ours.t_ns.searchsorted(before)))
        for column in ("snd_cwnd", "delivered_bytes", "srtt_us", "in_flight"):
            assert np.array_equal(getattr(ours, column)[rows], getattr(theirs, column)[rows])


def test_what_reaches_further_acts_a_base_rtt_later_or_when_told() -> None:
    at = first_after(plain(), 3, S)
    both = "via: setsockopt, flows: [a, b], to: vegas"
    for delay, later in (("", 40 * MS), (", delay: 3 ms", 3 * MS)):
        result = run(waits(f"state: Recovery, after: 1 s{delay}", both))
        assert {e.t_ns for e in result.events if e.kind == "swap"} == {at + later}
        assert events(result, "trigger")[0].detail["acts_ns"] == at + later


def test_cwnd_above_is_the_first_ack_that_takes_it_there() -> None:
    result = run(waits("cwnd_above: 40"))
    (swap,) = events(result, "swap")
    assert swap.detail["before"]["snd_cwnd"] in (41, 42)  # two packets an ACK in slow start
    flow = flow_of(plain(), "b")
    assert flow.snd_cwnd[flow.t_ns < swap.t_ns].max() <= 40


def test_the_kth_loss_event_is_counted_from_when_it_is_looked_for() -> None:
    entered = [e.t_ns for e in events(plain(), "ca_state") if e.detail["to"] == 3]
    assert run(waits("loss: 2")).swaps[0].t_ns == entered[1]
    after = entered[0] // MS + 1
    assert run(waits(f"loss: 1, after: {after} ms")).swaps[0].t_ns == entered[1]


def test_acked_is_the_ack_that_covers_the_nth_byte() -> None:
    result = run(waits("acked: 500 kB"))
    t = result.swaps[0].t_ns
    flow = flow_of(run(waits("acked: 500 kB") + "record: {interval: 100 us}\n"), "b")
    before = flow.delivered_bytes[flow.t_ns < t]
    after = flow.delivered_bytes[flow.t_ns >= t]
    assert before[-1] < 500_000 <= after[0] < 500_000 + 3 * 1448


def test_what_is_so_already_when_it_is_first_looked_for_fires_at_once() -> None:
    result = run(waits("state: slow-start, after: 300 ms"))
    assert result.swaps[0].t_ns == 300 * MS
    remote = run(
        waits("state: slow-start, after: 300 ms", "via: link_update, link: fleet, to: bbr")
    )
    assert remote.swaps[0].t_ns == 340 * MS


PROBE = """\
duration: 14 s
path: {rate: 4 Mbit/s, rtt: 20 ms, buffer: 2 BDP}
flows: [{name: b, congestion: ALG}]
swaps: [{when: {flow: b, state: ProbeRTT}, via: setsockopt, flows: [b], to: reno}]
"""


@pytest.mark.parametrize(("algorithm", "window_s"), [("bbr", 10), ("bbr3", 5)])
def test_probe_rtt_is_seen_when_its_window_runs_out(algorithm: str, window_s: int) -> None:
    """The least RTT was measured within the first round trips: it holds for so many seconds."""
    result = run(PROBE.replace("ALG", algorithm))
    assert window_s * S < result.swaps[0].t_ns < (window_s + 2) * S


def test_a_timeout_is_seen_at_its_timer() -> None:
    text = """
duration: 8 s
path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 1 BDP, loss: 100 %}
flows: [{name: b, congestion: cubic}]
swaps: [{when: {flow: b, loss: 1}, via: setsockopt, flows: [b], to: reno}]
"""
    result = run(text)
    first = events(result, "rto")[0].t_ns if events(result, "rto") else None
    assert [swap.t_ns for swap in result.swaps] == ([] if first is None else [first])
    assert result.swaps or result.events[-1].detail == {"swap": 0, "fired": False}


def test_a_trigger_that_never_fires_is_told_at_the_end() -> None:
    result = run(waits("state: ProbeRTT"))
    assert result.swaps == ()
    assert result.events[-1].kind == "trigger"
    assert result.events[-1].detail == {"swap": 0, "fired": False}
    assert flow_of(result, "b").delivered_bytes.tolist() == (
        flow_of(plain(), "b").delivered_bytes.tolist()
    )


def test_a_flow_that_ends_first_never_fires() -> None:
    text = HEAD.replace("OLD, start: 200 ms", "reno, size: 100 kB")
    swap = "{when: {flow: b, acked: 10 MB}, via: link_update, link: fleet, to: bbr}"
    result = run(text + f"swaps: [{swap}]\n")
    assert flow_of(result, "b").end_ns is not None
    assert result.swaps == ()


def test_a_reaction_after_the_end_does_not_come() -> None:
    last = first_after(plain(), 3, S)
    delay = 3 * S - last + 1
    result = run(
        waits(
            f"state: Recovery, after: 1 s, delay: {delay} ns",
            "via: link_update, link: fleet, to: bbr",
        )
    )
    assert events(result, "trigger")[0].t_ns == last
    assert result.swaps == ()


def test_two_reactions_of_one_instant_come_in_the_scenarios_order() -> None:
    when = "when: {flow: b, state: Recovery, after: 1 s, delay: 5 ms}"
    swaps = [f"{{{when}, via: link_update, link: fleet, to: {to}}}" for to in ("bbr", "reno")]
    result = run(HEAD.replace("OLD", "reno") + f"swaps: [{', '.join(swaps)}]\n")
    assert [(swap.index, swap.old, swap.new) for swap in result.swaps] == [
        (0, "cubic", "bbr"),
        (1, "bbr", "reno"),
    ]


CUT = {
    "its own socket": waits("state: Recovery, after: 500 ms"),
    "its own, with a phase": waits(
        "cwnd_above: 40", "via: setsockopt, flows: [b], to: bbr, state: safe_retreat"
    ),
    "everybody": waits("loss: 1", "via: sweep, flows: all, to: bbr, cohort: 1, pause: 20 ms"),
    "a link, soon": waits("loss: 1, delay: 2 ms", "via: link_update, link: fleet, to: bbr"),
    "a phase of BBR": waits("state: Drain", "via: setsockopt, flows: [a, b], to: reno", "bbr"),
    "two that wait for each other": HEAD.replace("OLD", "reno")
    + """swaps:
  - {when: {flow: b, loss: 1}, via: setsockopt, flows: [a, b], to: bbr}
  - {when: {flow: a, loss: 1}, via: setsockopt, flows: [a, b], to: reno}
""",
    "never": waits("state: ProbeRTT", "via: setsockopt, flows: [a, b], to: reno"),
}


@pytest.mark.parametrize("text", CUT.values(), ids=CUT)
def test_neither_cuts_nor_vector_paths_show_where_a_trigger_waits(text: str) -> None:
    scenario = resolved(text.replace("duration: 3 s", "duration: 1 s"))
    assert not check(Example(scenario, (2_345_678,)), scenario)


class Forgetful(dict[int, int]):
    """Delays of waiting triggers that nobody notes."""

    def __setitem__(self, key: int, value: int) -> None:
        pass


@pytest.mark.pure
def test_a_reaction_that_a_window_has_gone_past_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Windows must be no longer than the delay: the planted bug forgets it."""
    both = "via: setsockopt, flows: [a, b], to: vegas"
    scenario = resolved(waits("state: Recovery, delay: 1 ms", both).replace("3 s", "1 s"))
    example = Example(scenario, (7 * MS,))
    assert not check(example, scenario)
    original = Engine.__init__

    def init(self: Engine, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self.reactions_ns = Forgetful()

    monkeypatch.setattr(Engine, "__init__", init)
    assert check(example, scenario)
