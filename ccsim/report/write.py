"""Writing a page: to a file that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from ccsim.errors import ResultsError
from ccsim.experiment.stored import load_run
from ccsim.experiment.stored_confirmation import CONFIRMATION
from ccsim.experiment.study.listing import find_study_folder
from ccsim.files import write_whole
from ccsim.report.confirmation_html import confirmation_page
from ccsim.report.run_html import run_page
from ccsim.report.study_html import study_page

__all__ = ["write_page", "write_report"]

NAME = "report.html"


def write_report(
    folder: str | Path, out: str | Path | None = None, *, verify: bool = False
) -> Path:
    """Write the report of a stored run, study or confirmation and return its path.

    ``out`` is the file (default: ``report.html`` in the folder). ResultsError if the folder cannot
    be read or the file not be written.
    """
    place = Path(folder)
    return write_page(_page_of(place, verify=verify), Path(out) if out else place / NAME)


def _page_of(place: Path, *, verify: bool) -> str:
    if (place / CONFIRMATION).is_file():
        return confirmation_page(place, verify=verify)
    study = find_study_folder(str(place), place) is not None
    return (study_page if study else _page_of_run)(place, verify=verify)


def _page_of_run(folder: Path, *, verify: bool) -> str:
    return run_page(load_run(folder, verify=verify))


def write_page(text: str, out: Path) -> Path:
    """Write a page as UTF-8, whole or not at all; ResultsError if it cannot be written.

    Through a link it is written to where that leads, and to a device as it is.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, text.encode())
    except OSError as error:
        reason = f"cannot write: {error.strerror or error}; choose another file with -o FILE"
        raise ResultsError(str(out), reason) from error
    return out
