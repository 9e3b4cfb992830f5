"""What is handed on in ``ccsim.scenario`` is not changed by who gets it."""

from __future__ import annotations

from tests.facts import changeable


def test_dataclasses_are_frozen_but_for_what_is_under_way() -> None:
    assert changeable("ccsim.scenario") == {"Document"}
