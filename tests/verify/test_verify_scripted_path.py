"""The scripted path: times worked out by hand at 10 Mbit/s and 20 ms each way."""

from __future__ import annotations

import pytest

from ccsim.verify.episode_script import ScriptError, parse_script
from ccsim.verify.scripted_path import ScriptedPath

MS = 1_000_000


def path(*lines: str, limit: int = 100) -> ScriptedPath:
    return ScriptedPath(parse_script(lines), 10_000_000, limit, 20 * MS)


def test_a_packet_of_1500_bytes_takes_1200_microseconds_and_the_delay() -> None:
    assert path().data(0, 0, 1500) == ([21_200_000], False)


def test_packets_queue_one_behind_the_other() -> None:
    one = path()
    assert [one.data(0, seq, 1500)[0][0] for seq in range(3)] == [
        21_200_000,
        22_400_000,
        23_600_000,
    ]


def test_a_full_queue_drops_and_takes_no_link_time() -> None:
    one = path(limit=2)
    assert [bool(one.data(0, seq, 1500)[0]) for seq in range(3)] == [True, True, False]
    assert one.data(1_200_000, 3, 1500)[0] == [23_600_000]  # the first has just left


def test_a_retransmission_is_named_by_its_packet_and_its_count() -> None:
    one = path("O 1 2 drop")
    assert [bool(one.data(t * MS, 0, 1500)[0]) for t in (0, 50, 100)] == [True, False, True]


def test_delay_dup_and_ce() -> None:
    one = path("D 1 delay 5000", "D 2 dup 300", "D 3 ce")
    assert one.data(0, 0, 1500) == ([26_200_000], False)
    assert one.data(0, 1, 1500) == ([22_400_000, 22_700_000], False)
    assert one.data(0, 2, 1500) == ([23_600_000], True)


def test_a_blackout_holds_from_its_start_to_before_its_end() -> None:
    one = path("blackout ack 0.1 0.2")
    assert [bool(one.ack(t * MS)) for t in (99, 100, 199, 200)] == [True, False, False, True]


def test_held_acks_arrive_together_when_the_stall_ends() -> None:
    one = path("hold ack 0.1 0.2")
    assert [one.ack(t * MS) for t in (70, 90, 185)] == [[90 * MS], [200 * MS], [205 * MS]]


def test_a_stalled_link_begins_to_serve_at_its_end() -> None:
    one = path("hold data 0.0 0.5")
    assert [one.data(0, seq, 1500)[0] for seq in (0, 1)] == [[521_200_000], [522_400_000]]


def test_the_rate_changes_for_what_starts_to_be_served_later() -> None:
    one = path("ratechange 0.001 5000000")
    assert one.data(0, 0, 1500)[0] == [21_200_000]
    assert one.data(0, 1, 1500)[0] == [23_600_000]


@pytest.mark.parametrize(
    "line",
    ["X 1 drop", "D drop", "D 1 vanish", "D 1 delay", "swap_state 3", "write now 5", "hold data 1"],
)
def test_a_line_that_means_nothing_is_refused(line: str) -> None:
    with pytest.raises(ScriptError, match=r"script: line 1: expected an action such as .*, got "):
        parse_script([line])
