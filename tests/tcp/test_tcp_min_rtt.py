"""The least RTT of the last so many seconds (``tcp_min_rtt_wlen``), after ``lib/minmax.c``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim.scenario import parse_scenario
from ccsim.sim.world import World
from ccsim.tcp.host import Host
from ccsim.tcp.rtt import update_min_rtt, update_rtt
from ccsim.tcp.rtt_train import fold_min_rtt
from ccsim.tcp.sock import TcpSock

S = 1_000_000_000


def state(sk: TcpSock) -> tuple[int, ...]:
    best = sk.rtt_min_us, sk.min_rtt_2_us, sk.min_rtt_3_us
    return *best, sk.min_rtt_tick, sk.min_rtt_2_tick, sk.min_rtt_3_tick, sk.min_rtt_due_ns


def sample(sk: TcpSock, t_s: float, rtt_ms: int, *, delayed: bool = False) -> int:
    sk.set_clock(int(t_s * S))
    update_rtt(sk, rtt_ms * 1000, rtt_ms * 1000, delayed)
    return sk.rtt_min_us // 1000


def test_the_least_rtt_is_forgotten_after_300_seconds_and_the_next_best_takes_its_place() -> None:
    """The three best, by hand [ms @ s]:

    40@0               40@0     40@0      the first is all three
    90@80              90@80    90@80     a quarter of the window is over
    80@160             80@160   80@160    better than the second
    85@240                      85@240    half is over
    100@300  nothing: 40 is 300 s old, not older
    100@301  80@160    85@240   100@301   40 is too old
    120@461  85@240    100@301  120@461   80 is
    """
    sk = TcpSock(Host())
    found = [
        sample(sk, t, rtt)
        for t, rtt in ((0, 40), (80, 90), (160, 80), (240, 85), (300, 100), (301, 100), (461, 120))
    ]
    assert found == [40, 40, 40, 40, 40, 80, 85]
    assert (sk.min_rtt_2_us, sk.min_rtt_3_us) == (100_000, 120_000)


def test_a_sample_stands_in_for_a_later_one_until_a_quarter_and_a_half_of_the_window_are_over() -> (
    None
):
    """Of 300 s: at 75 s a quarter is not over, at 76 s it is; likewise half of it at 150 and
    151 s."""
    sk = TcpSock(Host())
    found = []
    for t, rtt in ((0, 40), (75, 90), (76, 90), (150, 95), (151, 95)):
        sample(sk, t, rtt)
        found.append((sk.min_rtt_2_us // 1000, sk.min_rtt_3_us // 1000))
    assert found == [(40, 40), (40, 40), (90, 90), (90, 90), (90, 95)]


def test_two_samples_that_are_too_old_go_at_once() -> None:
    """At 400 s 40@0 is too old, and so is 50@90 that would follow; 60@200 is not."""
    sk = TcpSock(Host())
    assert [sample(sk, t, rtt) for t, rtt in ((0, 40), (90, 50), (200, 60))] == [40, 40, 40]
    assert sample(sk, 400, 70) == 60


def test_after_a_silence_longer_than_the_window_the_next_sample_is_the_least() -> None:
    sk = TcpSock(Host())
    assert [sample(sk, t, rtt) for t, rtt in ((0, 40), (299, 70), (600, 90))] == [40, 40, 90]


def test_what_a_delayed_ack_may_have_made_longer_never_raises_the_least_rtt() -> None:
    sk = TcpSock(Host(min_rtt_wlen_s=1))
    assert sample(sk, 0, 40) == 40
    assert sample(sk, 5, 80, delayed=True) == 40
    assert sample(sk, 5, 30, delayed=True) == 30
    assert sample(sk, 10, 80) == 80


def test_with_a_window_of_nothing_the_least_rtt_lasts_for_the_tick_it_was_taken_in() -> None:
    sk = TcpSock(Host(min_rtt_wlen_s=0))
    assert [sample(sk, t, rtt) for t, rtt in ((1, 40), (1.0001, 50), (2, 60))] == [40, 40, 60]


@given(
    st.lists(st.tuples(st.integers(0, 700_000_000), st.integers(1, 12)), min_size=1, max_size=60),
    st.integers(0, 4),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_a_train_of_samples_leaves_what_they_leave_one_by_one(
    samples: list[tuple[int, int]], window_s: int, lengths: list[int]
) -> None:
    t = np.cumsum([gap for gap, _ in samples]).astype(np.int64)
    rtt = np.array([value for _, value in samples], dtype=np.int64)
    one, many = (TcpSock(Host(min_rtt_wlen_s=window_s)) for _ in range(2))
    done = 0
    while done < len(t):
        end = min(done + lengths[done % len(lengths)], len(t))
        fold_min_rtt(many, t[done:end], rtt[done:end])
        for row in range(done, end):
            update_min_rtt(one, int(t[row]), int(rtt[row]))
        assert state(many) == state(one)
        done = end


MOVED = """
name: moved
duration: {duration}
path: {{rate: 10 Mbit/s, rtt: 20 ms, buffer: 100 packets}}
changes: [{{at: 5 s, rtt: 60 ms}}]
tcp: {{min_rtt_wlen: {window}}}
flows: [{{name: a, congestion: {congestion}, source: {{write: 1448 B, every: 100 ms}}}}]
"""


def least_rtt(duration: str, window: str, congestion: str = "cubic", **options: bool) -> int:
    text = MOVED.format(duration=duration, window=window, congestion=congestion)
    world = World(parse_scenario(text, "moved.yaml"), **options)  # type: ignore[arg-type]
    world.run()
    return int(world.flows[0].sk.rtt_min_us)


@pytest.mark.parametrize(
    ("duration", "window", "expected"),
    [("14.8 s", "10 s", 21_200), ("15.2 s", "10 s", 61_200), ("20 s", "300 s", 20_048)],
)
def test_where_a_path_gets_longer_the_least_rtt_follows_when_its_window_is_over(
    duration: str, window: str, expected: int
) -> None:
    """At 10 Mbit/s 1500 bytes take 1.2 ms, the 60 of a SYN 48 us. The last over the short way
    leaves at 4.9 s and its ACK comes at 4.9212; ten seconds and a tick later the next sample is
    another's. In 300 s that of the handshake stays."""
    assert least_rtt(duration, window) == expected


@pytest.mark.parametrize("congestion", ["cubic", "bbr", "reno"])
def test_the_least_rtt_of_a_bulk_flow_is_the_same_by_rows_and_by_trains(congestion: str) -> None:
    text = f"""
name: bulk
duration: 8 s
path: {{rate: 50 Mbit/s, rtt: 20 ms, buffer: 1 BDP}}
changes: [{{at: 3 s, rtt: 45 ms}}]
tcp: {{min_rtt_wlen: 1 s}}
flows: [{{name: a, congestion: {congestion}}}]
"""
    found = []
    for vector in (True, False):
        world = World(parse_scenario(text, "bulk.yaml"), vector=vector)
        world.run()
        found.append(state(world.flows[0].sk))
    assert found[0] == found[1]
    assert found[0][0] > 45_000
