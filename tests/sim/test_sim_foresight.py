"""Windows beyond the horizon: a flow alone on a link that never rests takes ACKs before they are
sent, and no byte shows it.

    horizon:    |--- one window ---|
    foreseen:   |--- one window ---|---|---|---|---|---| up to the first packet that would find
                                                         the link idle or the queue full
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ccsim.net.fifo import Fifo
from ccsim.sim import foresight
from ccsim.sim.world import World
from ccsim.tcp import long_train, receiver_train
from ccsim.tcp.host import Host
from ccsim.tcp.receiver import Receiver
from ccsim.tcp.receiver_train import elicits
from tests.planting import is_difference, plant
from tests.sim.sim_rig import MS, scenario_of
from tests.sim.test_sim_equality import check_text

ALONE = """
duration: 6 s
path: {rate: 24 Mbit/s, rtt: 40 ms, buffer: 2 BDP}
flows:
  - {name: a, congestion: cubic}
tcp: {quickacks: 16}
"""
CASES = {
    "CUBIC fills the queue up to an overflow, again and again": ALONE,
    "Reno halves a window of twice the pipe, and the link just goes on": ALONE.replace(
        "cubic", "reno"
    ).replace("2 BDP", "1 BDP"),
    "every packet is acknowledged": ALONE.replace("quickacks: 16", "delayed_ack: false"),
    "the quick phase ends in the middle": ALONE.replace("quickacks: 16", "quickacks: 2000"),
    "packets take time to the queue": ALONE.replace("cubic}", "cubic, access_delay: 7 ms}"),
    "packets that took the long way wait when the short way is not taken": ALONE.replace(
        "cubic}", "cubic, access_delay: 7 ms}\n  - {name: b, congestion: reno, stop: 1 s}"
    ),
    "a rate that no whole number of nanoseconds serves": ALONE.replace("24 Mbit", "23.456789 Mbit"),
    "the flow's last packets come": ALONE.replace("cubic}", "cubic, size: 12000001 B}"),
    "the flow is told to stop": ALONE.replace("cubic}", "cubic, stop: 3333 ms}"),
    "another flow starts": ALONE.replace(
        "tcp:", "  - {name: b, congestion: reno, start: 2345678 us, size: 1 MB}\ntcp:"
    ),
    "swaps come, one at the instant of an ACK": ALONE
    + """swaps:
  - {at: 2 s, via: setsockopt, flows: [a], to: scalable}
  - {at: 3 s, via: setsockopt, flows: [a], to: highspeed}
  - {at: 4 s, via: setsockopt, flows: [a], to: bic}
  - {at: 4700 ms, via: setsockopt, flows: [a], to: bbr}
""",
    "what another flow has left behind is less than a window": """
duration: 6 s
path: {rate: 24 Mbit/s, rtt: 40 ms, buffer: 1 BDP}
flows:
  - {name: a, congestion: reno, start: 1 s}
  - {name: b, congestion: cubic, stop: 2 s}
tcp: {quickacks: 16}
""",
    "the queue that another flow has left empties": """
duration: 6 s
path: {rate: 24 Mbit/s, rtt: 40 ms, buffer: 6 BDP}
flows:
  - {name: a, congestion: cubic, start: 1 s}
  - {name: b, congestion: cubic, stop: 2 s}
tcp: {quickacks: 16}
""",
}


def leaps(text: str, **options: Any) -> tuple[int, int]:
    """Return how many windows a scenario's run has, and how many ACKs were taken early."""
    world = World(scenario_of(text), **options)
    rows = 0
    confirm = foresight.confirm

    def counting(sending: Any, foreseen: foresight.Foreseen) -> None:
        nonlocal rows
        rows += foreseen.rows
        confirm(sending, foreseen)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ccsim.sim.flow.flow.confirm", counting)
        world.run()
    return world.engine.windows, rows


@pytest.mark.pure
@pytest.mark.parametrize("name", CASES)
def test_no_byte_shows_it_where(name: str) -> None:
    assert leaps(CASES[name])[1] > 100
    assert check_text(CASES[name], 500 * MS, 7 * MS) == ""


@pytest.mark.pure
def test_a_lone_flow_needs_a_fraction_of_the_windows() -> None:
    """6 s at 24 Mbit/s are 12,000 packets of 1,500 bytes; with the queue full every window is a
    round trip of up to 120 ms, so there are 50 at least."""
    windows, rows = leaps(ALONE)
    cut, none = leaps(ALONE, lookahead_ns=10_000 * MS)
    assert none == 0
    assert cut > 50
    assert windows < 0.6 * cut
    assert rows > 2000


NOT_ALONE: dict[str, tuple[str, dict[str, Any]]] = {
    "vector paths are off": (ALONE, {"vector": False}),
    "windows are cut": (ALONE, {"lookahead_ns": 10_000 * MS}),
    "two flows share the link": (
        ALONE.replace("tcp:", "  - {name: b, congestion: cubic}\ntcp:"),
        {},
    ),
    "packets are lost at random": (ALONE.replace("2 BDP", "2 BDP, loss: 0.0001 %"), {}),
    "ACKs are lost at random": (ALONE.replace("2 BDP", "2 BDP, ack_loss: 0.0001 %"), {}),
    "the queue marks": (ALONE.replace("cubic}", "dctcp}"), {}),
    "packets are merged": (ALONE.replace("cubic}", "cubic, receiver: {gro: 4}}"), {}),
    "the application writes now and then": (
        ALONE.replace("cubic}", "cubic, source: {write: 500 kB, every: 100 ms}}"),
        {},
    ),
    "RTTs mean something to the algorithm": (ALONE.replace("cubic", "vegas"), {}),
    "the algorithm paces": (ALONE.replace("cubic", "bbr"), {}),
    "the algorithm takes no trains": (ALONE.replace("cubic", "copa"), {}),
    "a buffer of five packets overflows in every round": (ALONE.replace("2 BDP", "5 packets"), {}),
}


@pytest.mark.parametrize("name", NOT_ALONE)
def test_nothing_is_foreseen_where(name: str) -> None:
    text, options = NOT_ALONE[name]
    assert leaps(text, **options)[1] == 0


@pytest.mark.pure
def test_what_comes_otherwise_than_foreseen_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, Fifo.back_to_back, "+ self.last_ns", "+ self.last_ns + 1")
    assert "as foreseen, but they came otherwise" in check_text(ALONE)


# --- the pieces ---


def test_packets_leave_back_to_back() -> None:
    """1,500 bytes at 7 Mbit/s take 1,714,285 5/7 ns: the remainders add up."""
    fifo = Fifo(7_000_000, 10)
    fifo.serve([0], [1500])
    assert fifo.back_to_back(4, 1500).tolist() == [3428571, 5142857, 6857142, 8571428]
    assert (fifo.last_ns, fifo.remainder) == (1714285, 5_000_000)


@pytest.mark.parametrize(
    ("delayed", "quick", "unacked", "expected"),
    [
        (True, 0, 0, [1, 3, 5]),
        (True, 0, 1, [0, 2, 4, 6]),
        (True, 3, 0, [0, 1, 2, 4, 6]),
        (True, 9, 1, [0, 1, 2, 3, 4, 5, 6]),
        (False, 0, 0, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_packets_elicit_acks(delayed: bool, quick: int, unacked: int, expected: list[int]) -> None:
    receiver = Receiver(Host(), quick, delayed=delayed)
    receiver.unacked = unacked
    assert elicits(receiver, 7).tolist() == expected


@pytest.mark.parametrize(
    ("first_ms", "gap_ms", "expected"),
    [(39, 19, True), (39, 20, False), (40, 19, False)],  # the delayed ACK is due after 40 ms
)
def test_a_delayed_ack_is_due_before_a_packet_that_is_late(
    first_ms: int, gap_ms: int, expected: bool
) -> None:
    receiver = Receiver(Host(), 0)
    receiver.delack_ns = 40 * MS
    receiver.lrcv_ns = 20 * MS
    assert receiver.is_prompt(first_ms * MS, gap_ms * MS) is expected


def path(limit: int, waiting: list[int], queue: list[int]) -> Any:
    """Return the path of packets at 10 ns each, behind those that leave at the times given."""
    found: Any = object.__new__(foresight._Path)
    found.sending = SimpleNamespace(path=SimpleNamespace(access_ns=5), waiting=(waiting,))
    found.limit, found.before, found.last_ns = limit, len(queue), queue[-1]
    found.inside = np.array([*queue, *range(queue[-1] + 10, queue[-1] + 101, 10)])
    return found


@pytest.mark.parametrize(
    ("limit", "waiting", "sent", "expected"),
    [
        (9, [], [95, 105, 115], 3),  # each arrives at the instant at which the line would rest
        (9, [], [96, 105, 115], 0),  # the first comes too late
        (9, [], [95, 105, 116], 2),  # the third
        (9, [100], [105], 2),  # one was on its way
        (2, [], [85, 95, 105], 3),  # each finds the one in service, at the other's departure
        (2, [], [84, 95, 105], 0),  # the first finds the queue full
        (2, [], [85, 94, 105], 1),
        (9, [], [], 0),
    ],
)
def test_packets_come_as_foreseen_until_one_finds_the_line_idle_or_the_queue_full(
    limit: int, waiting: list[int], sent: list[int], expected: int
) -> None:
    """The line's last packets leave at 90 and 100 ns, packets take 5 ns to the queue."""
    there = path(limit, waiting, [90, 100])
    assert there.as_foreseen(np.array(sent, dtype=np.int64)) == expected


def test_no_more_packets_are_foreseen_than_were_thought_of() -> None:
    assert path(9, [], [90, 100]).as_foreseen(np.full(30, 85)) == 8  # with the one in service 9
    assert path(90, [], [90, 100]).as_foreseen(np.full(30, 85)) == 10


# --- planted bugs ---

MUTANTS = (
    (
        "packets that find the line idle count as foreseen",
        foresight._Path.as_foreseen,
        "int(rests.argmax()) + 1 if rests.any() else n",
        "n",
        CASES["what another flow has left behind is less than a window"],
    ),
    (
        "the queue holds one packet more",
        foresight._Path.as_foreseen,
        "skip = self.limit - self.before",
        "skip = self.limit - self.before + 1",
        ALONE,
    ),
    (
        "the ACK beside a gap is forgotten",
        foresight._take,
        "path.next_ack_ns(int(una[taken - 1]))",
        "int(t[taken])",
        ALONE,
    ),
    (
        "a plan that is not carried out leaves its mark on the algorithm",
        long_train.LongTrain.undo,
        "copy.copy(ca)",
        "sk.ca",
        ALONE,
    ),
    (
        "a plan that is not carried out leaves packets counted",
        long_train.LongTrain.undo,
        "(sk.snd_cwnd, sk.snd_cwnd_cnt,",
        "(sk.snd_cwnd, _,",
        ALONE,
    ),
    (
        "RTTs that mean something are not looked at",
        long_train.LongTrain.take,
        "int(acks.ca_rtt[self.known :].min()) < self._floor",
        "False",
        CASES["the queue that another flow has left empties"],
    ),
    (
        "long trains do not stop where the source ends",
        long_train.LongTrain._has_room,
        "end < sk.write_limit",
        "True",
        CASES["the flow's last packets come"],
    ),
    (
        "a swap comes in the middle",
        "ccsim.sim.engine:Engine._leap",
        "until = min(until, self._instants[0])",
        "pass",
        CASES["swaps come, one at the instant of an ACK"],
    ),
    (
        "another flow starts in the middle",
        "ccsim.sim.engine:Engine._leap",
        "until = min(until, self._to_come[0][0])",
        "pass",
        CASES["another flow starts"],
    ),
    (
        "the delayed ACK is sent of a packet that another follows",
        "ccsim.sim.engine:Engine._open",
        "if self._foreseen is None:",
        "if True:",
        ALONE,
    ),
    (
        "samples before the first ACK see the window of the last",
        foresight._take,
        "sending.recorder.catch_up(sk, int(t[0]))",
        "pass",
        ALONE + "record: {interval: 1 ms}\n",
    ),
    (
        "a packet that waits for its ACK is forgotten",
        receiver_train.elicits,
        "1 - receiver.unacked",
        "1",
        ALONE,
    ),
)


@pytest.mark.pure
@pytest.mark.parametrize(
    ("function", "old", "new", "text"),
    [mutant[1:] for mutant in MUTANTS],
    ids=[mutant[0].replace(" ", "-") for mutant in MUTANTS],
)
def test_a_planted_bug_shows(
    function: Any, old: str, new: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, function, old, new)
    assert is_difference(check_text(text, 500 * MS))
