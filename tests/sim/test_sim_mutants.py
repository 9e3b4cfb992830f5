"""Planted bugs: each must be found by the same examples with which the fuzz finds none.

They are the kind that a vector engine grows: a window one service time too long, ties in another
order, a closed form that is off by one. A fuzz that no longer finds them is no longer a test.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ccsim.compiled import in_use

if in_use():
    pytest.skip("reaches into functions that are machine code here", allow_module_level=True)

import ccsim.sim.registry
from ccsim.catalog import algorithms_dir
from ccsim.cc import bbr_train as path_train
from ccsim.cc import rate_train
from ccsim.net import fifo, link, loss
from ccsim.sim import engine
from ccsim.sim.flow import receiving, sending
from ccsim.tcp import paced_train, receiver_train, rtt_train, train, window_train
from ccsim.verify.fuzz import equality as fuzz
from ccsim.verify.fuzz.scenarios import RandomDraw, make_example
from tests.planting import is_difference, plant
from tests.sim.directed import DIRECTED
from tests.sim.sim_rig import MS, template
from tests.sim.test_sim_equality import SEEDS, check_text


@dataclass(frozen=True)
class Mutant:
    """One planted bug: in which function, what stands there, what is put in its place.

    ``seeds`` are examples that are known to find it, tried before the others, and ``directed`` one
    that was written for it.
    """

    name: str
    function: Any
    old: str
    new: str
    seeds: tuple[int, ...] = ()
    directed: str = ""


MUTANTS = (
    Mutant(
        "the horizon lies a service time too far",
        engine.Engine.known_ns,
        "fifo.service_ns(ACK_BYTES)",
        "2 * fifo.service_ns(1500)",
        seeds=(1,),
    ),
    Mutant(
        "the horizon lies one nanosecond beyond what a full packet allows",
        engine.Engine.known_ns,
        "fifo.service_ns(ACK_BYTES)",
        "fifo.service_ns(1500) + 1",
        seeds=(7,),
    ),
    Mutant(
        "flows are merged in reversed order at ties",
        link.Link._serve_train,
        'np.argsort(arrivals, kind="stable")',
        'len(arrivals) - 1 - np.argsort(arrivals[::-1], kind="stable")',
        seeds=(8,),
    ),
    Mutant(
        "the merging sort is not stable",
        link.Link._serve_train,
        'np.argsort(arrivals, kind="stable")',
        "np.lexsort((np.arange(len(arrivals)) * 7919 % 64, arrivals))",
        seeds=(8,),
    ),
    Mutant(
        "a slot is not free at the instant of a departure, packet by packet",
        fifo.Fifo.serve,
        "first <= a",
        "first < a",
        seeds=(8,),
    ),
    Mutant(
        "the overflow is off by one in the closed form",
        fifo.Fifo._serve_until_full,
        "skip = self.limit - known",
        "skip = self.limit - known + 1",
        seeds=(0,),
    ),
    Mutant(
        "a slot is not free at the instant of a departure, once the queue has overflown",
        fifo.Fifo._serve_overflow,
        "before[first] > a",
        "before[first] >= a",
        seeds=(8,),
    ),
    Mutant(
        "the queue holds one packet too few, once it has overflown",
        fifo.Fifo._serve_overflow,
        "first = known - limit",
        "first = known - limit + 1",
        seeds=(8,),
    ),
    Mutant(
        "the queue holds one packet too many, packet by packet",
        fifo.Fifo.serve,
        "known - left >= limit",
        "known - left > limit",
        seeds=(0,),
    ),
    Mutant(
        "the remainder of a service time is lost between trains",
        fifo.Fifo._serve_until_full,
        "taken_bytes * BITS_NS - int(service[served - 1]) * self.rate_bps",
        "0",
        seeds=(0,),
    ),
    Mutant(
        "many draws advance the loss stream by one too few",
        loss.BernoulliLoss._generate,
        "n * GOLDEN",
        "(n - 1) * GOLDEN",
        seeds=(0,),
    ),
    Mutant(
        "a constant run of RTT samples always comes to rest",
        rtt_train._Runs.fold,
        "if steps > end - start:",
        "if False:",
        seeds=(3,),
    ),
    Mutant(
        "a round of RTT samples ends one ACK early in a train",
        rtt_train.fold_rounds,
        "bisect_right(numbers, sk.rtt_nxt, done)",
        "bisect_right(numbers, sk.rtt_nxt - 1, done)",
        seeds=(3,),
    ),
    Mutant(
        "a train does not lower the minimum RTT",
        train._fold,
        "fold_min_rtt(sk, acks.t[:k], acks.ca_rtt[:k])",
        "pass",
        directed="the least RTT falls when another flow leaves the queue",
    ),
    Mutant(
        "trains do not stop where the source ends",
        window_train._has_room,
        "2 * last + n + sk.snd_cwnd - una <= sk.write_limit",
        "True",
        seeds=(3,),
    ),
    Mutant(
        "a train of packets forgets the one that waits for its ACK",
        receiver_train.elicits,
        "1 - receiver.unacked",
        "1",
        seeds=(3,),
    ),
    Mutant(
        "the delayed ACK is sent before it is decided",
        receiving.ReceivingSide.flush,
        "self.flush_before(horizon_ns - self.path.back_ns)",
        "self.flush_before(horizon_ns)",
        seeds=(12,),
    ),
    Mutant(
        "a follower is told between ACKs of one instant, where a window ends",
        sending.SendingSide.one_event,
        "self._next_rows(), True",
        "None, True",
        directed="ACKs of several windows arrive at one instant while a policy holds the window",
    ),
    # --- trains of paced ACKs ---
    Mutant(
        "a rate sample counts the time of sending alone",
        paced_train._rates,
        "acks.t_us - prior_us",
        "acks.last_tx - packets.first_tx_us_np[rows]",
        seeds=(12,),
    ),
    Mutant(
        "paced packets are stamped with the ACK in place of what it acknowledges",
        train._stamp,
        "acks.last_tx.take",
        "acks.t_us.take",
        seeds=(12,),
    ),
    Mutant(
        "the window's use is noted up to what was acknowledged, not sent",
        paced_train._validate_window,
        "sk.cwnd_usage_nxt = int(nxt[end])",
        "sk.cwnd_usage_nxt = int(una[end])",
        seeds=(12,),
    ),
    Mutant(
        "a paced train does not lower the minimum RTT",
        train._fold,
        "fold_min_rtt(sk, acks.t[:k], acks.ca_rtt[:k])",
        "pass",
        directed="the least RTT of a paced flow falls",
    ),
    Mutant(
        "a sample misses the packet that leaves at its instant",
        train._fold,
        'searchsorted(wanted, "right")\n    flights',
        'searchsorted(wanted, "left")\n    flights',
        directed="samples fall on departures of paced packets",
    ),
    Mutant(
        "samples that the application limited count as the path's",
        paced_train.PacedRegime.plan,
        "int(una[-1]), UNPLAIN)",
        "int(una[-1]), MARKED)",
        directed="an application is silent, then fills the pipe again",
    ),
    Mutant(
        "a round begins one ACK late",
        path_train.PathTrain.round_start,
        "ca.next_rtt_delivered, row",
        "ca.next_rtt_delivered + 1, row",
        seeds=(12,),
    ),
    Mutant(
        "ACKs that arrive as expected begin no epoch of aggregation",
        path_train.PathTrain.take,
        "epoch_acked <= expected",
        "epoch_acked < expected",
        seeds=(12,),
    ),
    Mutant(
        "a sample as great as the greatest does not renew it",
        path_train.PathTrain.take,
        "if sample == best:",
        "if False:",
        directed="the filter of the bandwidth ages",
    ),
    Mutant(
        "a lower RTT is no reason to decide",
        path_train.PathTrain.take,
        " or rtts[k] < min_rtt",
        "",
        directed="the least RTT of a paced flow falls",
    ),
    Mutant(
        "a probe goes on until more is in flight than it aims at",
        rate_train.RateTrain.first_filled,
        ">= target",
        "> target",
        seeds=(12,),
    ),
    Mutant(
        "what is paced out before the next departure counts as in flight",
        rate_train.RateTrain._at_departure,
        "(bw * wait_us >> BW_SHIFT)",
        "0",
        seeds=(37,),
    ),
    Mutant(
        "a new pacing rate is not made known",
        path_train.ProbingTrain._decide,
        "if sk.pacing_rate != rate:",
        "if False:",
        seeds=(12,),
    ),
    Mutant(
        "paced trains do not stop where the source ends",
        rate_train.RateTrain._bound,
        "or int(nxt[-1]) >= self._limit:",
        "or False:",
        directed="a paced flow writes its last packet",
    ),
    Mutant(
        "what an ACK acknowledges is not in flight before it",
        rate_train.RateTrain.prior_in_flight,
        "before = self.una[first:stop] - self.acked[first:stop]",
        "before = self.una[first:stop]",
        seeds=(12,),
    ),
    Mutant(
        "the window grows beyond its target in a paced train",
        rate_train.RateTrain.grow,
        "np.minimum(grown, target)",
        "grown",
        seeds=(19,),
    ),
)


def found_by(seeds: Iterable[int]) -> int | None:
    """Return the first seed whose example shows a difference."""
    for seed in seeds:
        if is_difference(fuzz.check(make_example(RandomDraw(seed)), template())):
            return seed
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_the_fuzz_finds(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, mutant.function, mutant.old, mutant.new)
    if mutant.directed:
        assert is_difference(check_text(DIRECTED[mutant.directed], 7 * MS))
    else:
        assert found_by((*mutant.seeds, *SEEDS)) is not None


ALGORITHM_MUTANTS = (
    ("cubic", "ticks = ca.last_time + 1\n", "ticks = ca.last_time + 2\n"),
    ("cubic", "ticks += ca.idle_ticks", "ticks += ca.idle_ticks + 1"),
)


@pytest.mark.parametrize(("name", "old", "new"), ALGORITHM_MUTANTS)
def test_the_fuzz_finds_a_jump_one_tick_or_ack_too_long_in(
    name: str,
    old: str,
    new: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "algorithms"
    shutil.copytree(algorithms_dir(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = (folder / f"{name}.py").read_text()
    assert source.count(old) == 1
    (folder / f"{name}.py").write_text(source.replace(old, new))
    monkeypatch.setattr(ccsim.sim.registry, "algorithms_dir", lambda: folder)
    told = check_text(DIRECTED["several ACKs fall into a tick of CUBIC's clock"], 7 * MS)
    assert is_difference(told)


def test_a_piece_that_is_not_there_cannot_be_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="once"):
        plant(monkeypatch, engine.Engine.horizon, "no such piece", "")
