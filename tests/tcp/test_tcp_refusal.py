"""Which ACKs go as trains, and why the others do not, counted in scenarios worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.sim import simulate
from ccsim.tcp.refusal import Refusal, Tally
from tests.sim.sim_rig import scenario_of

COST = Path(__file__).parents[2] / "docs" / "cost.md"

# At 12 Mbit/s a packet takes 1 ms. The window leaves when the handshake is over, at 100 ms; its
# ACKs, one a packet as the flow is young, come from 201 ms on, those of the next from 302 ms on:
#
#     100 ms   window     201 .. 240 ms   40 ACKs      302 .. 341 ms   40 ACKs      390 ms   end
TEXT = """
duration: 390 ms
path: {rate: 12 Mbit/s, rtt: 100 ms, buffer: 100 packets}
flows: [{name: f, congestion: {name: fixed, cwnd: CWND}}]
"""


def trains(cwnd: int, *, explain: bool = True) -> list[tuple[str, int, int]]:
    scenario = scenario_of(TEXT.replace("CWND", str(cwnd)))
    return list(simulate(scenario, explain_trains=explain).trains)


@pytest.mark.pure
def test_the_second_window_of_acks_is_a_train_and_the_first_is_not() -> None:
    """The kernel takes the first packets of a connection for limited by the application
    (``tcp_init_sock``)."""
    assert trains(40) == [
        ("taken at once: window", 1, 40),
        (Refusal.APP_LIMITED.value, 1, 40),
    ]


@pytest.mark.pure
def test_fewer_packets_than_columns_are_made_of_are_acknowledged_one_by_one() -> None:
    """11 packets are fewer than the 12 of which a receiver makes columns."""
    assert trains(11) == [(Refusal.NOT_IN_COLUMNS.value, 2, 22)]


def test_nothing_is_counted_unless_asked_for() -> None:
    assert trains(40, explain=False) == []


def test_trains_come_first_then_what_kept_most_acks() -> None:
    tally = Tally()
    for way, acks in ((Refusal.TIMER, 3), (Refusal.ECN, 5), ("paced", 1), (Refusal.TIMER, 4)):
        tally.add(way, acks)
    tally.add(Refusal.PACER, 0)
    assert tally.rows() == (
        ("taken at once: paced", 1, 1),
        (Refusal.TIMER.value, 2, 7),
        (Refusal.ECN.value, 1, 5),
    )


def test_each_condition_is_documented() -> None:
    text = COST.read_text(encoding="utf-8")
    assert [one.name for one in Refusal if f"| `{one.name}` | {one.value} |" not in text] == []
