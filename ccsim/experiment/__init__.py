"""Experiments: runs with their twins, the metrics of what a swap cost, and the result store.

Names are imported on first use: a worker process needs the simulator alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.experiment.run import run_scenario
    from ccsim.experiment.stored import StoredRun, export, find_run, load_run

__all__ = ["StoredRun", "export", "find_run", "load_run", "run_scenario"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'ccsim.experiment' has no attribute {name!r}")
    home = "run" if name == "run_scenario" else "stored"
    return getattr(import_module(f"ccsim.experiment.{home}"), name)
