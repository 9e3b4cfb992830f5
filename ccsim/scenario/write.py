"""Plain data as the YAML of a scenario, laid out as people write it, and read back the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ccsim.errors import ScenarioError
from ccsim.scenario.document import parse_value

__all__ = ["scenario_text"]

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _./%+-]*\Z")
_COMMENT_WIDTH = 98


def scenario_text(data: Mapping[str, Any], comment: Sequence[str] = ()) -> str:
    """Return a YAML document of a scenario's keys, after lines of comment.

    Sections stand on a line each, lists have a line for each entry. `parse_document` gives the same
    data again. TypeError for what YAML's plain types do not hold.
    """
    lines = [f"# {' '.join(line.split())}".rstrip()[:_COMMENT_WIDTH] for line in comment]
    lines += [""] if lines else []
    for key, value in data.items():
        if isinstance(value, list | tuple) and value:
            lines += [f"{_scalar(key)}:", *(f"  - {_inline(item)}" for item in value)]
        else:
            lines.append(f"{_scalar(key)}: {_inline(value)}")
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    """Return a value in flow style."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_scalar(k)}: {_inline(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Return one value: a text bare where YAML then still reads that text, else in quotes."""
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        return repr(value) if abs(value) < float("inf") else f"{'-' * (value < 0)}.inf"
    if not isinstance(value, str):
        raise TypeError(f"scenario: expected plain data, got {type(value).__name__}")
    if _PLAIN.match(value) and value == value.strip() and _reads_as(value):
        return value
    return json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=1024)  # a search writes the same words hundreds of times
def _reads_as(text: str) -> bool:
    try:
        return bool(parse_value(f"[{text}]", "") == [text])
    except ScenarioError:
        return False
