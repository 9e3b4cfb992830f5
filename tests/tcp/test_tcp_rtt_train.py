"""A train of RTT samples leaves the estimator as its samples leave it one by one."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccsim.tcp import rtt_train
from ccsim.tcp.host import Host
from ccsim.tcp.rtt import rtt_estimator
from ccsim.tcp.rtt_train import BLOCK, as_folded, fold_rounds
from ccsim.tcp.sender import Sender
from tests.planting import found_by_assertion, plant

runs = st.lists(
    st.tuples(st.integers(1, 400_000), st.integers(1, 70)).map(lambda run: [run[0]] * run[1]),
    min_size=1,
    max_size=12,
).map(lambda runs: [sample for run in runs for sample in run])


@st.composite
def wavering(draw: st.DrawFn) -> list[int]:
    """Return samples that grow slowly and waver by a microsecond, as at 10 Gbit/s."""
    start, each = draw(st.integers(1, 80_000)), draw(st.sampled_from([90, 400, 3000]))
    share, jump = draw(st.sampled_from([0.05, 0.3, 0.9])), draw(st.integers(0, 900))
    random = Random(draw(st.integers(0, 999)))
    samples = [start + i // each + (random.random() < share) for i in range(900)]
    return [sample + 3 * (i >= jump) for i, sample in enumerate(samples)]


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    st.one_of(runs, wavering()),
    st.one_of(st.none(), st.integers(1_000, 500_000)),
    st.sampled_from([200_000, 4_000, 1]),
    st.lists(st.floats(0, 0.999), max_size=5),
    st.integers(1, 1200),
)
def test_a_train_of_samples_leaves_what_the_estimator_leaves(
    values: list[int], first: int | None, rto_min_us: int, asked: list[float], window: int
) -> None:
    stops = sorted(int(part * len(values)) for part in asked)
    one, other = (Sender(Host(rto_min_us=rto_min_us)) for _ in "ab")
    for sk in (one, other):
        rtt_estimator(sk, values[0] if first is None else first)
        sk.nxt = sk.rtt_nxt = window // 2
    una = 2 * np.arange(1, len(values) + 1)
    passed = []
    for number, value in zip(una.tolist(), values, strict=True):
        one.una, one.nxt = number, number + window
        rtt_estimator(one, value)
        passed.append(one.srtt_us)
    found = fold_rounds(other, una, as_folded(np.array(values)), una + window, stops)
    assert found == [passed[stop] for stop in stops]
    for name in ("srtt_us", "mdev_us", "mdev_max_us", "rttvar_us", "rtt_nxt"):
        assert getattr(other, name) == getattr(one, name), name


@pytest.mark.pure
@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (rtt_train._Runs.fold, "if steps > end - start", "if False"),
        (rtt_train._Runs.fold, "if count >= steps", "if count >= 4"),
        ("ccsim.tcp.rtt_train:_steps", "m == 0 and", ""),
        ("ccsim.tcp.rtt_train:_steps", "and next_mdev == mdev", ""),
        (rtt_train._Blocks._skip, "high[block] <= r + 1", "high[block] <= r + 2"),
    ],
)
def test_a_rest_that_is_none_would_be_noticed(
    function: object, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, function, old, new)
    with found_by_assertion():
        test_a_train_of_samples_leaves_what_the_estimator_leaves()


def settled(srtt_us: int, mdev_us: int) -> Sender:
    sk = Sender(Host())
    rtt_estimator(sk, 1)
    sk.srtt_us, sk.mdev_us = srtt_us, mdev_us
    return sk


@pytest.mark.parametrize(
    ("latest", "srtt_us", "mdev_us"),
    [
        ((50, 50, 50), 8 * 50 + 7, 3),
        ((50, 50, 51), 8 * 50 + 8, 4),
        ((51, 51, 51), 8 * 50 + 8, 3),
        ((50, 51, 50), 8 * 50 + 7, 4),  # the step down keeps what the step up left
        ((51, 51, 50), 8 * 50 + 7, 3),
    ],
)
def test_samples_of_two_neighbouring_values_leave_what_the_latest_three_say(
    latest: tuple[int, int, int], srtt_us: int, mdev_us: int
) -> None:
    """By hand: 407 >> 3 is 50 and 408 >> 3 is 51, so that a sample of 50 leads from either to 407,
    one of 51 to 408; the error is 1 after a step up, which takes 3 to 4, and 0 after two equal
    samples, which takes 4 to 3; -1 >> 3 of a step down changes neither."""
    samples = [50, 51] * (20 * BLOCK) + [50] * (BLOCK - 3) + list(latest)
    sk = settled(8 * 50 + 7, 3)
    as_folded(np.array(samples)).fold(sk, 0, len(samples), (), [])
    assert (sk.srtt_us, sk.mdev_us) == (srtt_us, mdev_us)


def test_a_deviation_above_three_falls_even_where_samples_are_equal() -> None:
    """9 loses its quarter, rounded down: 7, 6, 5, 4, 3; 3 has no quarter to lose."""
    sk = settled(8 * 50, 9)
    rtt_train._Blocks(np.array([50] * 2 * BLOCK)).fold_part(sk, 0, 2 * BLOCK)
    assert (sk.srtt_us, sk.mdev_us) == (8 * 50, 3)
