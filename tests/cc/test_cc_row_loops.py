"""What compiled trains of paced ACKs find row by row is what the others find in columns."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ccsim.cc import bbr_train as path_train
from ccsim.cc import rate_train, row_loops
from ccsim.cc.bbr_model import PathModel
from ccsim.cc.bbr_train import PathTrain
from ccsim.cc.rate_train import RateTrain
from ccsim.cc.row_loops import depart, first_at_departure, first_at_least, follow
from ccsim.kernel.sock import Sock

MS = 1_000_000
SEEDS = range(40)


def column(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


@pytest.fixture
def by_rows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what lets trains do as if they were compiled, or not."""

    def choose(rows: bool) -> None:
        for module in (rate_train, path_train, row_loops):
            monkeypatch.setattr(module, "COMPILED", rows)

    return choose


def make_train(seed: int) -> RateTrain:
    """Return a train of random ACKs, at a random pacing rate; some of its samples are not valid."""
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 60))
    sk = Sock()
    sk.tcp_wstamp_ns = int(draw.integers(0, 4 * MS))
    sk.pacing_rate = int(draw.integers(200_000, 20_000_000))
    t_ns = np.cumsum(draw.integers(0, 2 * MS, n))
    acked = draw.integers(1, 4, n)
    una = np.cumsum(acked)
    first = int(una[-1]) + int(draw.integers(0, 20))
    delivered = una + 1000
    interval = draw.integers(1000, 40_000, n)
    interval[draw.random(n) < 0.1] = -1
    return RateTrain(
        (t_ns, una, acked, draw.integers(30_000, 50_000, n)),
        (delivered, delivered - draw.integers(1, 50, n), interval),
        sk,
        snd_nxt=first,
        limit=first + int(draw.integers(0, 2 * n + 2)),
        jiffy=(0, 4 * MS),
        arrive=lambda train, row: pytest.fail("nobody asked for a sample"),
    )


# At 10 ms a packet leaves, number 7, then one every 2 ms; an ACK of that instant comes before it:
#
#   ACK at  [ms]      9     10     13     14    100
#   una               5      5      6      7      8
#   next to leave     7      7      9      9     52
#   in flight         2      2      3      2     44
#   before it (+1)    3      3      4      3     45
T_NS = column(9 * MS, 10 * MS, 13 * MS, 14 * MS, 100 * MS)
UNA = column(5, 5, 6, 7, 8)
ONES = column(1, 1, 1, 1, 1)


def test_packets_leave_one_by_one_between_acks() -> None:
    nxt = column(0, 0, 0, 0, 0)
    assert depart(T_NS, UNA, ONES, nxt, 0, 10 * MS, 2 * MS, 7, 1000, 2) == (45, 5)
    assert nxt.tolist() == [7, 7, 9, 9, 52]


def test_rows_before_the_first_are_left_alone() -> None:
    nxt = column(-1, -1, 0, 0, 0)
    assert depart(T_NS, UNA, ONES, nxt, 2, 10 * MS, 2 * MS, 7, 1000, 2) == (45, 5)
    assert nxt.tolist() == [-1, -1, 9, 9, 52]


@pytest.mark.parametrize(
    ("limit", "least", "free"), [(10, 2, 4), (9, 2, 2), (1000, 3, 0), (53, 2, 5)]
)
def test_a_train_is_free_until_data_or_the_network_run_out(
    limit: int, least: int, free: int
) -> None:
    nxt = column(0, 0, 0, 0, 0)
    assert depart(T_NS, UNA, ONES, nxt, 0, 10 * MS, 2 * MS, 7, limit, least)[1] == free


@pytest.mark.pure
@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize(
    ("value", "row", "stop", "found"),
    [
        *((5, 0, 5, 0), (6, 0, 5, 2), (7, 0, 5, 3), (7, 4, 5, 4)),
        *((9, 0, 5, 5), (9, 5, 5, 5), (8, 0, 3, 3), (6, 0, 2, 2)),
    ],
)
def test_the_first_row_not_below_a_value(
    value: int, row: int, stop: int, found: int, rows: bool, by_rows: Any
) -> None:
    by_rows(rows)
    assert first_at_least(UNA, value, row, stop) == found


def test_what_waits_for_its_departure_has_left_the_network_by_then() -> None:
    """One packet a ms: ACKs 0 and 2 find the next packet 1 ms ahead, so that one less is in the
    network by then: 2, 3, 3, 3, 45."""
    nxt = column(7, 7, 9, 9, 52)
    bw = (1 << 24) // 1000 + 1
    found = [
        first_at_departure(T_NS, UNA, ONES, nxt, 0, 5, 10 * MS, 2 * MS, 7, bw, target, filled)
        for target, filled in ((2, True), (3, True), (4, True), (46, True), (2, False), (1, False))
    ]
    assert found == [0, 1, 4, 5, 0, 5]


def test_a_window_follows_up_to_its_target_or_falls_to_it() -> None:
    cwnd = column(0, 0, 0, 0, 0)
    assert follow(column(1, 2, 1, 2, 1), cwnd, 1, 4, 10, 14) == 14
    assert cwnd.tolist() == [0, 12, 13, 14, 0]
    assert follow(ONES, cwnd, 0, 2, 30, 14) == 14
    assert cwnd.tolist() == [14, 14, 13, 14, 0]


@pytest.mark.pure
@pytest.mark.parametrize("seed", SEEDS)
def test_a_train_is_the_same_by_rows_and_by_columns(seed: int, by_rows: Any) -> None:
    found = []
    for rows in (True, False):
        by_rows(rows)
        acks = make_train(seed)
        draw = np.random.default_rng(seed)
        start = int(draw.integers(0, acks.n))
        bw, target = int(draw.integers(0, 1 << 24)), int(draw.integers(0, 60))
        sk = Sock()
        sk.snd_cwnd, sk.pacing_rate = 20, int(draw.integers(200_000, 20_000_000))
        seen: list[Any] = [acks.nxt.tolist(), acks._most_in_flight, acks._free]
        seen += [acks.first_filled(start, acks.n, bw, target)]
        seen += [acks.first_drained(start, acks.n, bw, target)]
        acks.grow(sk, 0, acks.n, target + 2)
        seen += [acks.cwnd.tolist(), sk.snd_cwnd]
        acks.paced(sk, start)
        seen += [acks.nxt.tolist(), acks._most_in_flight, acks._free, acks.unlimited(start, target)]
        found.append(seen)
    assert found[0] == found[1]


@pytest.mark.pure
@pytest.mark.parametrize("seed", SEEDS)
def test_the_path_model_is_the_same_by_rows_and_by_columns(seed: int, by_rows: Any) -> None:
    found = []
    for rows in (True, False):
        by_rows(rows)
        acks = make_train(seed)
        draw = np.random.default_rng(seed)
        path = PathTrain(acks)
        ca = PathModel(
            samples=((1, 1 << 24), (1, 1 << 22), (1, int(draw.integers(0, 1 << 22)))),
            rtt_cnt=2,
            min_rtt_us=int(draw.integers(30_000, 33_000)),
            extra_acked=int(draw.integers(0, 100)),
            next_rtt_delivered=int(draw.integers(950, 1100)),
        )
        row = int(draw.integers(0, acks.n))
        seen: list[Any] = [path.round_start(ca, row), path.later_than(20_000, row)]
        seen += [path.take(ca, row, acks.n, int(draw.integers(0, 1 << 22)))]
        found.append([*seen, dataclasses.asdict(ca)])
    assert found[0] == found[1]
