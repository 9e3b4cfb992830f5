"""Objects with what libbpf and Linux 6.18 said of them when they were loaded there."""

from __future__ import annotations

import json
import lzma
import tarfile
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@cache
def archive(name: str) -> dict[str, bytes]:
    """Return an archive's files by name."""
    raw = lzma.decompress((DATA / f"{name}.tar.xz").read_bytes())
    with tarfile.open(fileobj=BytesIO(raw)) as opened:
        found = {}
        for member in opened.getmembers():
            file = opened.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


def edge_files() -> dict[str, bytes]:
    """Return objects with one mistake each."""
    return archive("edge")


@cache
def cases(name: str) -> list[dict[str, Any]]:
    """Return what was said of an archive's objects: object, stage, errno, and the log or its end;
    at attach the errno of each map.
    """
    return [json.loads(line) for line in archive(name)["kernel.jsonl"].splitlines()]
