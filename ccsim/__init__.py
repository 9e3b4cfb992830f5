"""ccsim: what it costs to hot-swap TCP congestion control while traffic runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ccsim.startup import is_command as _is_command
from ccsim.startup import mind_signals as _mind_signals

if _is_command():
    _mind_signals()  # before what takes longer

from ccsim.compiled import use as _use_compiled

if TYPE_CHECKING:
    from ccsim.api import (
        AlgorithmReport,
        Run,
        Scenario,
        StoredStudy,
        check_algorithm,
        load,
        load_object,
        load_run,
        load_study,
        run,
        sweep,
    )
    from ccsim.errors import AlgorithmError, CcsimError, ResultsError, ScenarioError

__version__ = "0.5.0"

__all__ = [
    "AlgorithmError",
    "AlgorithmReport",
    "CcsimError",
    "ResultsError",
    "Run",
    "Scenario",
    "ScenarioError",
    "StoredStudy",
    "__version__",
    "check_algorithm",
    "load",
    "load_object",
    "load_run",
    "load_study",
    "run",
    "sweep",
]

_ERRORS = ("AlgorithmError", "CcsimError", "ResultsError", "ScenarioError")

_use_compiled()


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import ccsim` alone stays cheap."""
    if name not in __all__:
        raise AttributeError(f"module 'ccsim' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module("ccsim.errors" if name in _ERRORS else "ccsim.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
