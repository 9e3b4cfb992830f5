"""A worker process of a study: answers one request after the other, imports paid once."""

from __future__ import annotations

from typing import Any

from ccsim.files import to_json
from ccsim.jobs.worker import Progress, serve

__all__ = ["serve_study"]


def serve_study() -> None:
    """Answer requests from standard input; trouble of the machine is an answer too."""
    from ccsim.experiment.study.work import answer
    from ccsim.kernel.loader import ObjectFileChanged

    def carry_out(request: dict[str, Any], progress: Progress) -> bytes:
        try:
            found = answer(request, progress)
        except ObjectFileChanged as error:
            found = {"trouble": str(error)}
        except (OSError, MemoryError) as error:
            found = {"trouble": f"{type(error).__name__}: {error}"}
        return to_json(found).encode()

    serve(carry_out)
