"""Corners of the arithmetic that algorithms share, which recordings do not reach."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import numpy as np
import pytest

from ccsim.cc.bbr_model import Policer, policer_found
from ccsim.cc.fixed_point import cubic_root
from ccsim.cc.hystart import HyStart, HyStartParams, ends_slow_start
from ccsim.cc.minmax import running_max
from ccsim.cc.train import AckTrain
from ccsim.kernel.sock import Sock
from ccsim.verify.cc_vectors import load_algorithm, replay

RECORDINGS = Path(__file__).parent.parent / "algorithms" / "data" / "linux"


@pytest.mark.parametrize(("cube", "root"), [(0, 0), (1, 1), (8, 2), (27, 3), (63, 4)])
def test_the_root_of_a_small_number_comes_from_the_table(cube: int, root: int) -> None:
    # 63 lies a sixty-fourth below 4 cubed: the table rounds to nearest
    assert cubic_root(cube) == root


@pytest.mark.parametrize(("now_us", "ends"), [(20_000, False), (20_001, True)])
def test_without_a_pacing_rate_a_train_of_half_the_least_rtt_ends_slow_start(
    now_us: int, ends: bool
) -> None:
    # least RTT 40 ms, unpaced: half of it is 20 ms, and no allowance for delayed ACKs is added
    sk = Sock()
    sk.snd_cwnd, sk.pacing_rate, sk.tcp_mstamp = 16, 0, now_us
    ca = HyStart(delay_min=40_000, last_ack=now_us - 1_000, end_seq=10, curr_rtt=40_000)
    assert ends_slow_start(sk, ca, HyStartParams(), 40_000) is ends


def test_a_maximum_and_its_runner_up_that_are_both_too_old_leave_the_third() -> None:
    samples = ((0, 9), (1, 8), (10, 7))
    assert running_max(samples, 10, 12, 5) == ((10, 7), (12, 5), (12, 5))


def test_a_policer_interval_longer_than_its_clock_can_tell_is_forgotten() -> None:
    # 2**32 // 1000 = 4,294,967 ms, about 72 minutes; 30 of 100 packets lost, in the fifth round
    sk = Sock()
    sk.delivered, sk.lost, sk.delivered_mstamp = 100, 30, 4_294_967_000
    ca = Policer(lt_is_sampling=True, lt_rtt_cnt=4, lt_bw=77)
    assert policer_found(sk, ca, losses=1, new_round=True, app_limited=False) is False
    assert (ca.lt_is_sampling, ca.lt_bw, ca.lt_last_delivered) == (False, 0, 100)


def test_the_ticks_of_a_train_are_those_of_its_times() -> None:
    # ticks of 4 ms, the first edge 0.5 ms before zero: 3.4 ms lies in tick 0, 3.5 ms in tick 1
    t_ns = np.array([3_400_000, 3_500_000, 7_500_000])
    ones = np.ones(3, dtype=np.int64)
    train = AckTrain(
        t_ns, ones, ones, ones, snd_nxt=9, mss=1448, jiffies0_ns=500_000, jiffy_ns=4_000_000
    )
    assert train.jiffies.tolist() == [0, 1, 2]


def test_a_recorded_host_call_that_is_not_made_is_a_difference(tmp_path: Path) -> None:
    with lzma.open(RECORDINGS / "reno" / "small.jsonl.xz", "rt") as file:
        lines = [json.loads(line) for line in file]
    lines[3]["host"] = [{"call": "send_ack"}]
    path = tmp_path / "altered.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)
    difference = replay(path, load_algorithm("reno")).difference
    assert difference is not None
    assert "host" in str(difference)
