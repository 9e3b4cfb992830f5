"""How a command starts: without what short runs have no use for, and without a trace of that."""

from __future__ import annotations

import argparse
import gc
import os

import pytest

from ccsim import cli_verbs
from ccsim.cli import LEAN, main


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What a command finds: the settings of `LEAN`, and when the collector looks."""
    found: dict[str, object] = {}

    def note(args: argparse.Namespace) -> int:
        found.update({name: os.environ.get(name) for name in LEAN}, young=gc.get_threshold()[0])
        return 0

    monkeypatch.setattr(cli_verbs, "list_verb", note)
    for name in LEAN:
        monkeypatch.delenv(name, raising=False)
    return found


def test_a_command_starts_no_threads_for_matrices_and_searches_no_packages(
    seen: dict[str, object],
) -> None:
    before = gc.get_threshold()
    assert main(["list", "qdiscs"]) == 0
    assert seen == {
        "OPENBLAS_NUM_THREADS": "1",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        "young": 100_000,
    }
    assert [os.environ.get(name) for name in LEAN] == [None, None]
    assert gc.get_threshold() == before


def test_what_the_environment_says_stays(
    seen: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert main(["list", "qdiscs"]) == 0
    assert seen["OPENBLAS_NUM_THREADS"] == "2"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
    assert "PYDANTIC_DISABLE_PLUGINS" not in os.environ
