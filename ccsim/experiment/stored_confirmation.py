"""A confirmation as it is stored: a file of JSON beside the picture, and the runs that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.errors import ResultsError
from ccsim.experiment.stored import StoredRun, load_run
from ccsim.files import write_whole

__all__ = [
    "CONFIRMATION",
    "StoredConfirmation",
    "load_confirmation",
    "overlaid",
    "store_confirmation",
]

CONFIRMATION = "confirmation.json"
FOLDER = "confirmations"
OVERLAID = 5  # kernel runs in a picture, beside the simulated one
NEEDED = ("simulated", "kernel", "rows", "sentence")


@dataclass(frozen=True, eq=False)
class StoredConfirmation:
    """What came out, as `ccsim.experiment.confirm.Confirmation.plain` has it, and the runs: the
    simulated one and the kernel's."""

    told: Mapping[str, Any]
    simulated: StoredRun
    kernel: Sequence[StoredRun]


def store_confirmation(told: Mapping[str, Any], out: Path) -> Path:
    """Write a confirmation below the results folder; return its own. OSError if that fails."""
    folder = out / FOLDER / str(told["simulated"]).rsplit("/", 1)[-1]
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / CONFIRMATION, text.encode())
    return folder


def overlaid(
    kernel: Sequence[StoredRun], simulated: StoredRun
) -> tuple[list[StoredRun], list[str]]:
    """Return the runs that a picture shows, the simulated one on top, and what they are called."""
    runs = [*kernel[:OVERLAID], simulated]
    return runs, [*(f"kernel {k + 1}" for k in range(len(runs) - 1)), "simulated"]


def load_confirmation(folder: Path, *, verify: bool = False) -> StoredConfirmation:
    """Read a confirmation and its runs; ResultsError for what is missing or is none."""
    path = folder / CONFIRMATION
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(str(path), f"cannot read: {error.strerror or error}") from error
    except ValueError as error:
        raise ResultsError(str(path), f"expected JSON, got {error}") from error
    missing = [key for key in NEEDED if not isinstance(told, dict) or key not in told]
    if missing:
        raise ResultsError(str(path), f"expected a confirmation with {', '.join(missing)}")
    results = folder.parent.parent
    simulated = load_run(_below(results, told["simulated"], path), verify=verify)
    kernel = [load_run(_below(results, name, path), verify=verify) for name in told["kernel"]]
    return StoredConfirmation(told, simulated, kernel)


def _below(results: Path, name: object, path: Path) -> Path:
    """Return the folder of a run of these results: a name leads nowhere else."""
    parts = str(name).split("/")
    if len(parts) != 2 or any(part in ("", ".", "..") for part in parts):
        raise ResultsError(str(path), f"expected SCENARIO/RUN as the name of a run, got {name!r}")
    return results.joinpath(*parts)
