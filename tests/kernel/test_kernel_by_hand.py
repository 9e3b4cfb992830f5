"""Lines of the kernel's arithmetic that random changes would slip by, each worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ccsim.compiled import in_use

if in_use():
    pytest.skip("reaches into functions that are machine code here", allow_module_level=True)

from ccsim.cc.bbr3_bounds import UNBOUNDED, adapt_short_term
from ccsim.cc.hystart import _delay_has_grown
from ccsim.cc.pacing import wide_rate
from ccsim.cc.train import AckTrain
from ccsim.cc.window_laws import slow_start
from ccsim.kernel.sock import Sock


@pytest.mark.parametrize(
    ("before", "cwnd", "latest", "after"),
    [
        (UNBOUNDED, 100, 10, 70),  # the window, times 0.7
        (50, 100, 10, 35),  # what it was, times 0.7
        (50, 100, 40, 40),  # no less than the round delivered
        (UNBOUNDED, 100, 90, 90),
    ],
)
def test_the_short_term_bound_falls_back_by_beta(
    before: int, cwnd: int, latest: int, after: int
) -> None:
    sk = Sock()
    sk.snd_cwnd = cwnd
    ca: Any = SimpleNamespace(
        bw_shortterm=UNBOUNDED,
        max_bw=1000,
        bw_latest=300,
        inflight_shortterm=before,
        inflight_latest=latest,
    )
    adapt_short_term(sk, ca, 700)
    assert (ca.inflight_shortterm, ca.bw_shortterm) == (after, 700)
    adapt_short_term(sk, ca, 700)
    assert ca.bw_shortterm == 490  # 700 * 0.7


def train(acked: list[int]) -> AckTrain:
    packets = np.array(acked, dtype=np.int64)
    t = np.arange(len(acked), dtype=np.int64)
    una = 100 + np.cumsum(packets)
    return AckTrain(t, una, packets, t, snd_nxt=500, mss=1448, jiffies0_ns=0, jiffy_ns=4_000_000)


@pytest.mark.parametrize(
    ("ssthresh", "rows", "left_over", "windows"),
    [
        (14, 2, 0, [12, 14]),  # reached by the second ACK, with nothing left over
        (13, 2, 1, [12, 13]),
        (11, 1, 1, [11]),
        (100, 4, 0, [12, 14, 16, 18]),  # not reached
    ],
)
def test_slow_start_takes_the_acks_up_to_ssthresh_and_says_what_is_left_over(
    ssthresh: int, rows: int, left_over: int, windows: list[int]
) -> None:
    """A window of 10, two packets an ACK."""
    sk = Sock()
    sk.snd_cwnd, sk.snd_ssthresh = 10, ssthresh
    acks = train([2, 2, 2, 2])
    assert slow_start(sk, acks) == (rows, left_over)
    assert list(acks.cwnd[:rows]) == windows
    assert sk.snd_cwnd == windows[-1]


@pytest.mark.parametrize(
    ("delay_min", "delay", "grown"),
    [
        (40_000, 45_000, False),  # an eighth of 40 ms is 5 ms
        (40_000, 45_001, True),
        (8_000, 12_000, False),  # 4 ms at least
        (8_000, 12_001, True),
        (400_000, 416_000, False),  # 16 ms at most
        (400_000, 416_001, True),
    ],
)
def test_the_delay_has_grown_by_an_eighth_from_4_to_16_ms(
    delay_min: int, delay: int, grown: bool
) -> None:
    """``HYSTART_DELAY_THRESH`` and its clamps in ``tcp_cubic.c``."""
    ca: Any = SimpleNamespace(curr_rtt=delay, sample_cnt=8, delay_min=delay_min)
    assert _delay_has_grown(ca, delay) is grown


def test_the_first_eight_samples_of_a_round_only_count() -> None:
    ca: Any = SimpleNamespace(curr_rtt=1 << 30, sample_cnt=0, delay_min=10_000)
    assert [_delay_has_grown(ca, 99_000) for _ in range(9)] == [False] * 8 + [True]


def test_a_rate_beyond_64_bits_is_scaled_before_it_is_multiplied() -> None:
    """2^40 packets/us << 24 in units of 2^8: 2^40 * 1448 / 2^8 = 1448 * 2^32; times 990,000 us is
    1,433,520,000 * 2^32, below 2^64; / 2^24 = 1,433,520,000 * 2^8."""
    assert wide_rate(1 << 40, 1448) == 366_981_120_000
