"""One scenario as machine code here and as Python in another process, compared byte by byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ccsim.compiled import some_imported
from ccsim.errors import CcsimError
from ccsim.jobs.worker import Progress, Worker, serve
from ccsim.verify.fuzz.equality import digests_of
from ccsim.verify.fuzz.scenarios import Example

__all__ = ["PureForm", "serve_digests"]


class PureForm:
    """A process without machine code, which simulates what it is asked to.

    CcsimError if this one has no machine code either: then there is nothing to compare.
    """

    def __init__(self) -> None:
        if not some_imported():
            raise CcsimError(
                "fuzz: --pure-vs-compiled: expected machine code, and this runs as Python; "
                "make it by `ccsim compile`, or leave CCSIM_PURE out of the environment"
            )
        self._worker = Worker(serve_digests, pure=True)

    def __enter__(self) -> PureForm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._worker.kill()
        self._worker.close()

    def difference(self, example: Example, template: Mapping[str, Any]) -> str:
        """Run an example in both forms; return the first column that differs, or nothing."""
        request = {"scenario": example.scenario, "template": template}
        self._worker.send(request)  # it simulates while this process does
        here = digests_of(example.scenario, template)
        there = json.loads(self._worker.receive(lambda t_ns: None))
        names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
        return f"pure and compiled: {names[0]}, and {len(names) - 1} more" if names else ""


def serve_digests() -> None:
    """Answer scenarios with the digests of their results, until standard input ends."""
    serve(_answer)


def _answer(request: Mapping[str, Any], progress: Progress) -> bytes:
    return json.dumps(digests_of(request["scenario"], request["template"])).encode()
