"""What is handed on in ``ccsim.tcp`` is not changed by who gets it."""

from __future__ import annotations

from tests.facts import changeable


def test_dataclasses_are_frozen() -> None:
    assert changeable("ccsim.tcp") == set()
