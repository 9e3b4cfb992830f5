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

import ccsim.sim.registry
from ccsim.catalog import algorithms_dir
from ccsim.net import fifo, link, loss
from ccsim.sim import engine, flow, fuzz
from ccsim.sim.fuzz_scenarios import RandomDraw, make_example
from ccsim.tcp import receiver, rtt, train
from tests.sim.sim_rig import plant, template
from tests.sim.test_sim_equality import SEEDS


@dataclass(frozen=True)
class Mutant:
    """One planted bug: in which function, what stands there, what is put in its place.

    ``seeds`` are examples that are known to find it, tried before the others.
    """

    name: str
    function: Any
    old: str
    new: str
    seeds: tuple[int, ...] = ()


MUTANTS = (
    Mutant(
        "the horizon lies a service time too far",
        engine.Engine.horizon,
        "fifo.service_ns(ACK_BYTES)",
        "2 * fifo.service_ns(1500)",
        seeds=(0,),
    ),
    Mutant(
        "the horizon lies one nanosecond beyond what a full packet allows",
        engine.Engine.horizon,
        "fifo.service_ns(ACK_BYTES)",
        "fifo.service_ns(1500) + 1",
        seeds=(7,),
    ),
    Mutant(
        "flows are merged in reversed order at ties",
        link.Link._serve_train,
        'np.argsort(arrivals, kind="stable")',
        'len(arrivals) - 1 - np.argsort(arrivals[::-1], kind="stable")',
        seeds=(2,),
    ),
    Mutant(
        "the merging sort is not stable",
        link.Link._serve_train,
        'np.argsort(arrivals, kind="stable")',
        "np.lexsort((np.arange(len(arrivals)) * 7919 % 64, arrivals))",
        seeds=(2,),
    ),
    Mutant(
        "a slot is not free at the instant of a departure, packet by packet",
        fifo.Fifo.serve,
        "backlog[0] <= a",
        "backlog[0] < a",
        seeds=(1,),
    ),
    Mutant(
        "the overflow is off by one in the closed form",
        fifo.Fifo._serve_until_full,
        "skip = self.limit - known",
        "skip = self.limit - known + 1",
        seeds=(1,),
    ),
    Mutant(
        "a slot is not free at the instant of a departure, once the queue has overflown",
        fifo.Fifo._serve_overflow,
        "before[first] > a",
        "before[first] >= a",
    ),
    Mutant(
        "the queue holds one packet too few, once it has overflown",
        fifo.Fifo._serve_overflow,
        "first = known - limit",
        "first = known - limit + 1",
    ),
    Mutant(
        "the queue holds one packet too many, packet by packet",
        fifo.Fifo.serve,
        "len(backlog) >= limit",
        "len(backlog) > limit",
        seeds=(1,),
    ),
    Mutant(
        "the remainder of a service time is lost between trains",
        fifo.Fifo._serve_until_full,
        "served * bits_ns - int(service[served - 1]) * self.rate_bps",
        "0",
        seeds=(5,),
    ),
    Mutant(
        "many draws advance the loss stream by one too few",
        loss.BernoulliLoss.draw_many,
        "n * GOLDEN",
        "(n - 1) * GOLDEN",
        seeds=(9,),
    ),
    Mutant(
        "a constant run of RTT samples is cut short once the deviation is still",
        rtt.rtt_train,
        "if m == 0 and new_srtt == srtt:",
        "if m == 0:",
        seeds=(3,),
    ),
    Mutant(
        "a round of RTT samples ends one ACK early in a train",
        train._fold_rtt,
        'una.searchsorted(sk.rtt_nxt, side="right")',
        "una.searchsorted(sk.rtt_nxt)",
        seeds=(3,),
    ),
    Mutant(
        "a train does not lower the minimum RTT",
        flow.ack_train,
        "sk.rtt_min_us = min(sk.rtt_min_us, int(ca_rtt[:k].min()))",
        "pass",
        seeds=(14,),
    ),
    Mutant(
        "trains do not stop where the source ends",
        flow.ack_train,
        "2 * last_una + len(una) + sk.snd_cwnd - una0 > sk.write_limit",
        "False",
        seeds=(3,),
    ),
    Mutant(
        "a train of packets forgets the one that waits for its ACK",
        receiver.Receiver.receive_train,
        "pending if quick == 0 else 0",
        "0",
        seeds=(2,),
    ),
    Mutant(
        "the delayed ACK is sent before it is decided",
        flow.Flow.flush_receiver,
        "self.receiver.delack_ns + self.path.back_ns < horizon_ns:",
        "self.receiver.delack_ns < horizon_ns:\n        horizon_ns += self.path.back_ns",
        seeds=(2,),
    ),
)


def found_by(seeds: Iterable[int]) -> int | None:
    """Return the first seed whose example shows a difference."""
    for seed in seeds:
        if fuzz.check(make_example(RandomDraw(seed)), template()):
            return seed
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_the_fuzz_finds(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, mutant.function, mutant.old, mutant.new)
    assert found_by((*mutant.seeds, *SEEDS)) is not None


ALGORITHM_MUTANTS = (
    ("cubic", "ticks = ca.last_time + 1\n", "ticks = ca.last_time + 2\n", (31,)),
    ("cubic", "ticks += ca.idle_ticks", "ticks += ca.idle_ticks + 1", (31,)),
)


@pytest.mark.parametrize(("name", "old", "new", "seeds"), ALGORITHM_MUTANTS)
def test_the_fuzz_finds_a_jump_one_tick_or_ack_too_long_in(
    name: str,
    old: str,
    new: str,
    seeds: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "algorithms"
    shutil.copytree(algorithms_dir(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = (folder / f"{name}.py").read_text()
    assert source.count(old) == 1
    (folder / f"{name}.py").write_text(source.replace(old, new))
    monkeypatch.setattr(ccsim.sim.registry, "algorithms_dir", lambda: folder)
    assert found_by((*seeds, *SEEDS)) is not None


def test_a_piece_that_is_not_there_cannot_be_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="once"):
        plant(monkeypatch, engine.Engine.horizon, "no such piece", "")
