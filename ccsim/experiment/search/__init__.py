"""Searches for what hurts most: the instant of a swap, and if asked the path around it.

Optuna proposes, the simulator answers, and every answer is kept in a journal, so that a search that
was interrupted goes on where it stopped.
"""

from __future__ import annotations

from ccsim.experiment.search.driver import Found, Search, search_worst_swap
from ccsim.experiment.search.objective import METRICS
from ccsim.experiment.search.space import SearchError, SearchRange, instants, parse_range

__all__ = [
    "METRICS",
    "Found",
    "Search",
    "SearchError",
    "SearchRange",
    "instants",
    "parse_range",
    "search_worst_swap",
]
