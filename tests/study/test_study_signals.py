"""Signals that come while something is written act when it is done."""

from __future__ import annotations

import signal

import pytest

from ccsim.experiment.study.signals import signals_deferred


def test_ctrl_c_acts_when_the_block_is_done() -> None:
    done = []

    def write() -> None:
        with signals_deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("written")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert done == ["written"]


def test_without_a_signal_nothing_happens_and_handlers_are_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with signals_deferred():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
