"""The answers of a search on disk: a line of JSON each, so that a search goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from ccsim.errors import ResultsError
from ccsim.experiment.search.sampler import Answer
from ccsim.experiment.store import explained
from ccsim.files import open_here

__all__ = ["Journal"]


class Journal:
    """Answers in ``file``; a line that a killed process left unfinished is dropped."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> list[Answer]:
        """Return all answers; ResultsError if the file holds something else."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error
        whole, _, rest = text.rpartition("\n")
        if rest:
            self._cut(len(text.encode()) - len(rest.encode()))
        try:
            return [_answer(line) for line in whole.splitlines()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(error) from error

    def add(self, answers: Sequence[Answer]) -> None:
        """Append answers; they are on the disk when this returns."""
        lines = "".join(
            json.dumps({"params": numbers, "value": value}) + "\n" for numbers, value in answers
        )
        with explained(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            fd = open_here(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            with os.fdopen(fd, "a", encoding="utf-8") as stream:
                stream.write(lines)
                stream.flush()
                os.fsync(stream.fileno())

    def _cut(self, size: int) -> None:
        with explained(self.file):
            os.truncate(self.file, size)

    def _damaged(self, error: Exception) -> ResultsError:
        return ResultsError(str(self.file), f"cannot read the search: {error}; remove its folder")


def _answer(line: str) -> Answer:
    plain = json.loads(line)
    value = plain["value"]
    return (
        {str(key): float(number) for key, number in plain["params"].items()},
        None if value is None else float(value),
    )
