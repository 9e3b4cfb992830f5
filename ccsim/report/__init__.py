"""Reports: one HTML page for a stored run or study, whole in itself, read offline from disk.

The layer between the command line and the experiments: pages draw on stored results, on their
statistics and on the colours of `ccsim.plot`, and nothing below knows of them. It prints nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ccsim.report.run_html import run_page
    from ccsim.report.write import write_report

__all__ = ["run_page", "write_report"]

_HOMES = {"run_page": "run_html", "write_report": "write"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ccsim.report' has no attribute {name!r}")
    return getattr(import_module(f"ccsim.report.{_HOMES[name]}"), name)
