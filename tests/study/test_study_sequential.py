"""More seeds until an interval is narrow: how many, when it stops, and that it can be resumed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ccsim.experiment.statistics import Interval, bca_interval
from ccsim.experiment.study.query import query
from ccsim.experiment.study.read import read_study
from ccsim.experiment.study.samples import read_samples
from ccsim.experiment.study.sequential import Target, seeds_wanted, until_ci
from ccsim.experiment.study.summary import summarise
from ccsim.experiment.study.sweep import run_study
from tests.study.study_rig import TINY, ccsim, digests, done, write


def interval(half: float, n: int, estimate: float = 1.0) -> Interval:
    """Return an interval of that half width."""
    return Interval(estimate, estimate - half, estimate + half, n)


@pytest.mark.parametrize(
    ("half", "n", "wanted"),
    [
        (0.04, 10, 10),  # narrow enough: 4 % of 1
        (0.0499, 10, 10),
        (0.06, 10, 15),  # 10 · 1.44, rounded up
        (0.051, 10, 12),  # at least two more
        (0.50, 10, 20),  # at most twice as many at once
        (0.50, 90, 100),  # at most the maximum
        (0.50, 100, 100),
        (0.00, 3, 6),  # never fewer than 6
    ],
)
def test_so_many_seeds_as_the_width_asks_for(half: float, n: int, wanted: int) -> None:
    assert seeds_wanted(interval(half, n), Target("5%"), 100) == wanted


def test_a_target_is_a_share_of_the_mean_or_a_number() -> None:
    assert Target("5 %").half_width(interval(1, 9, -4.0)) == pytest.approx(0.2)
    assert Target("0.5").half_width(interval(1, 9, -4.0)) == 0.5
    assert seeds_wanted(interval(0.1, 10, 0.0), Target("5%"), 100) == 20  # 5 % of 0 is never met


@pytest.mark.parametrize("text", ["0%", "-1", "narrow", "nan", "inf", "101%"])
def test_a_target_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--until-ci: expected a share such as 5% or a number"):
        Target(text)


def test_an_unknown_metric_is_refused_before_the_first_run(tmp_path: Path) -> None:
    write(tmp_path)
    status, _, err = ccsim(tmp_path, "sweep", "tiny.yaml", "--until-ci", "5%", "--metric", "speed")
    assert (status, (tmp_path / "results").exists()) == (2, False)
    assert err.startswith("metric: no metric 'speed'")


STUDY = TINY.replace("    path.rate: [2 Mbit/s, 5 Mbit/s]\n", "")


def test_points_get_seeds_until_they_are_narrow_and_no_more(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, STUDY))
    rounds = until_ci("5%", "goodput_bps", 10)
    argv = ["ccsim", "sweep", "tiny.yaml", "--until-ci", "5%"]
    outcome = run_study(study, out=tmp_path, workers=1, rounds=rounds, argv=argv)
    assert summarise(outcome.path, "goodput_bps").notes[-1].startswith("Seeds were added until")
    for sample in read_samples(outcome.path, "goodput_bps"):
        n, found = len(sample.numbers), bca_interval(sample.numbers)
        assert sample.seeds == tuple(range(1, n + 1))
        assert 6 <= n <= 10
        assert found.half_width <= 0.05 * abs(found.estimate) or n == 10
    assert set(done(outcome.path).values()) == {1}
    again = run_study(study, out=tmp_path, workers=1, rounds=until_ci("5%", "goodput_bps", 10))
    assert again.simulated == 0
    assert again.runs == outcome.runs


def test_the_rounds_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, STUDY))
    one, two = (
        run_study(
            study,
            out=tmp_path / str(workers),
            workers=workers,
            rounds=until_ci("2%", "goodput_bps", 7),
        )
        for workers in (1, 2)
    )
    assert one.runs == two.runs > 4
    assert digests(one.path) == digests(two.path)


def test_a_metric_without_values_asks_for_nothing(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, STUDY))
    rounds = until_ci("5%", "last_old_closed_s", 50)
    outcome = run_study(study, out=tmp_path, workers=1, rounds=rounds)
    assert outcome.runs == 4
    sql = "select count(last_old_closed_s) from runs"
    assert query("tiny", sql, tmp_path).rows == [(0,)]
    assert math.isnan(bca_interval([]).estimate)
