"""Optuna's side of a search: proposals from all answers so far, the same after an interruption.

The sampler is TPE (Bergstra et al. 2011). Each round of proposals has a sampler of its own, seeded
by search and round: what a round proposes depends on the answers before it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ccsim.errors import CcsimError
from ccsim.experiment.search.space import SearchRange

__all__ = ["ROUND", "Answer", "CandidateSampler"]

ROUND = 4
"""Candidates a round: they run at once, the same number whatever the number of workers."""
_SEEDS_APART = 1_000_003

Answer = tuple[dict[str, float], float | None]
"""The numbers of a candidate by key, and its metric; None: it has none."""


class CandidateSampler:
    """Proposes candidates; told what they cost, it looks closer where that was most.

    ``fixed`` are instants to begin with. CcsimError if Optuna is not installed.
    """

    def __init__(self, ranges: Sequence[SearchRange], seed: int, fixed: Sequence[float]) -> None:
        self.optuna = _import()
        self.ranges = ranges
        self.seed = seed
        self.fixed = fixed
        self.study = self.optuna.create_study(direction="maximize")
        self.asked: list[Any] = []

    @property
    def told(self) -> int:
        """How many candidates have been answered."""
        return len(self.study.trials) - len(self.asked)

    def remember(self, answers: Sequence[Answer]) -> None:
        """Add what an earlier search was told."""
        state = self.optuna.trial.TrialState
        for numbers, value in answers:
            self.study.add_trial(
                self.optuna.trial.create_trial(
                    params=self._typed(numbers),
                    distributions={one.key: self._distribution(one) for one in self.ranges},
                    value=value,
                    state=state.PRUNED if value is None else state.COMPLETE,
                )
            )

    def ask(self, most: int) -> list[dict[str, float]]:
        """Return the candidates of the next round, at most that many."""
        done = self.told
        self.study.sampler = self.optuna.samplers.TPESampler(
            seed=(self.seed * _SEEDS_APART + done) % 2**32, constant_liar=True
        )
        for number in range(done, done + min(ROUND, most)):
            if number < len(self.fixed):
                self.study.enqueue_trial({self.ranges[0].key: self.fixed[number]})
            self.asked.append(self.study.ask())
            for one in self.ranges:
                self._suggest(self.asked[-1], one)
        return [dict(trial.params) for trial in self.asked]

    def tell(self, values: Sequence[float | None]) -> None:
        """Answer the candidates asked for last, in their order."""
        state = self.optuna.trial.TrialState
        for trial, value in zip(self.asked, values, strict=True):
            if value is None:
                self.study.tell(trial, state=state.PRUNED)
            else:
                self.study.tell(trial, value)
        self.asked = []

    def _suggest(self, trial: Any, one: SearchRange) -> None:
        if one.whole:
            trial.suggest_int(one.key, int(one.low), int(one.high))
        else:
            trial.suggest_float(one.key, one.low, one.high, log=one.log)

    def _distribution(self, one: SearchRange) -> Any:
        kinds = self.optuna.distributions
        if one.whole:
            return kinds.IntDistribution(int(one.low), int(one.high))
        return kinds.FloatDistribution(one.low, one.high, log=one.log)

    def _typed(self, numbers: dict[str, float]) -> dict[str, float]:
        whole = {one.key for one in self.ranges if one.whole}
        return {key: int(n) if key in whole else float(n) for key, n in numbers.items()}


def _import() -> Any:
    try:
        import optuna
    except ImportError as error:
        message = "search: expected Optuna, which is not installed; pip install 'ccsim[search]'"
        raise CcsimError(message) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
