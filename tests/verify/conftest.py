"""Checks of an algorithm file with faults planted in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ccsim.verify.torture import AlgorithmReport, check_algorithm
from tests.verify.torture_rig import GOOD


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., AlgorithmReport]:
    """Check GOOD with replacements, all of which must apply."""

    def checked(*replacements: tuple[str, str]) -> AlgorithmReport:
        text = GOOD
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "good.py"
        file.write_text(text)
        return check_algorithm(file)

    return checked
