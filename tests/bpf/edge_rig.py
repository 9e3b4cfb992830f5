"""Recorded edge cases: objects with one mistake each, and what Linux 6.18 said of them."""

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
def edge_files() -> dict[str, bytes]:
    """Return the archive's files by name."""
    raw = lzma.decompress((DATA / "edge.tar.xz").read_bytes())
    with tarfile.open(fileobj=BytesIO(raw)) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


@cache
def edge_cases() -> list[dict[str, Any]]:
    """Return what was recorded: object, stage, errno, log; at attach the errno of each map."""
    return [json.loads(line) for line in edge_files()["kernel.jsonl"].splitlines()]
