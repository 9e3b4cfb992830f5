"""The fixed window by hand: Little's law and what it says of link and queue.

Path: 10 Mbit/s, 40 ms. A packet of 1448 bytes takes 1500 on the link, 1.2 ms; 33 fill the pipe.
"""

from __future__ import annotations

import numpy as np
import pytest

from ccsim.cc.train import AckTrain
from tests.algorithms.shipped_rig import HostSock, connect, shipped
from tests.sim.sim_rig import S, flow_of, run

fixed = shipped("fixed")
PATH = "duration: 10 s\npath: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 40 packets}\ntwins: false\n"


def sender(cwnd: int, **fields: int) -> HostSock:
    return connect("fixed", {"cwnd": cwnd}, **fields)


def test_the_window_is_taken_at_once_without_slow_start() -> None:
    sk = sender(25, snd_cwnd=10)
    assert (sk.snd_cwnd, sk.snd_ssthresh) == (25, 25)


def test_neither_acks_nor_losses_nor_undos_change_it() -> None:
    sk = sender(25)
    for _ in range(100):
        fixed.cong_avoid(sk, 0, 2)
    assert (sk.snd_cwnd, fixed.ssthresh(sk), fixed.undo_cwnd(sk)) == (25, 25, 25)


def test_an_ack_restores_what_a_timeout_took() -> None:
    sk = sender(25)
    sk.snd_cwnd = 1
    fixed.cong_avoid(sk, 0, 1)
    assert sk.snd_cwnd == 25


def test_the_clamp_limits_the_window() -> None:
    sk = sender(25, snd_cwnd_clamp=7)
    assert sk.snd_cwnd == 7
    fixed.cong_avoid(sk, 0, 1)
    assert sk.snd_cwnd == 7


def test_a_train_that_begins_above_the_window_is_left_to_the_hooks() -> None:
    sk = sender(25)
    sk.snd_cwnd = 26
    rows = np.arange(1, 4, dtype=np.int64)
    acks = AckTrain(rows, rows, rows, rows, snd_nxt=20, mss=1448, jiffies0_ns=0, jiffy_ns=4_000_000)
    assert (fixed.train(sk, acks), sk.snd_cwnd) == (0, 26)
    sk.snd_cwnd = 1
    assert fixed.train(sk, acks) == 3
    assert (acks.cwnd.tolist(), sk.snd_cwnd) == ([25, 25, 25], 25)


@pytest.mark.parametrize("cwnd", [0, -1, 1 << 25])
def test_a_window_out_of_range_is_refused(cwnd: int) -> None:
    with pytest.raises(ValueError, match=f"fixed: cwnd: expected 1 to 16777216, got {cwnd}"):
        fixed.Params(cwnd=cwnd)


@pytest.mark.parametrize(
    ("cwnd", "mbit_per_s", "queue"),
    [
        # 8 packets a round of 40 + 1.2 ms: 8 * 1448 * 8 / 41.2 ms
        (8, 2.249, 0.2),
        # the link is full: 1448 / 1500 of 10 Mbit/s; 60 packets less 33.3 on the way
        (60, 9.653, 26.7),
    ],
)
def test_throughput_and_queue_are_what_littles_law_says(
    cwnd: int, mbit_per_s: float, queue: float
) -> None:
    text = f"{PATH}flows:\n  - {{name: f, congestion: {{name: fixed, cwnd: {cwnd}}}}}\n"
    result = run(text + "tcp: {delayed_ack: false}\n")
    flow, link = flow_of(result, "f"), result.links[0]
    begin = int(flow.t_ns.searchsorted(2 * S))
    carried = int(flow.delivered_bytes[-1] - flow.delivered_bytes[begin])
    span_s = int(flow.t_ns[-1] - flow.t_ns[begin]) / S
    assert carried * 8e-6 / span_s == pytest.approx(mbit_per_s, rel=0.003)
    steady = link.queue_packets[link.t_ns > 2 * S]
    assert float(steady.mean()) == pytest.approx(queue, abs=0.7)
    assert not (link.drop_t_ns > S).any()  # the first burst may be too much for the buffer


def test_a_window_above_pipe_and_buffer_loses_packets_for_ever() -> None:
    text = f"{PATH}flows:\n  - {{name: f, congestion: {{name: fixed, cwnd: 100}}}}\n"
    drops = run(text).links[0].drop_t_ns
    for second in range(1, 9):  # 33 + 40 + 1 fit
        assert ((drops >= second * S) & (drops < (second + 1) * S)).any()
