"""Writing a page: to a file that is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from ccsim.errors import ResultsError
from ccsim.experiment.stored import load_run
from ccsim.report.run_html import run_page

__all__ = ["write_page", "write_report"]

NAME = "report.html"


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a stored run and return its path.

    ``out`` is the file (default: ``report.html`` in the run's folder). ResultsError if the run
    cannot be read or the file not be written.
    """
    run = load_run(folder)
    return write_page(run_page(run), Path(out) if out else run.path / NAME)


def write_page(text: str, out: Path) -> Path:
    """Write a page as UTF-8, aside first; ResultsError if it cannot be written."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(out)
    except OSError as error:
        reason = f"cannot write: {error.strerror or error}; choose another file with -o FILE"
        raise ResultsError(str(out), reason) from error
    finally:
        partial.unlink(missing_ok=True)
    return out
