"""Signals that come while something is under way act where it may be stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from ccsim.jobs.signals import signals_held


def interrupted(block: Callable[[Callable[[], None]], None]) -> None:
    """Run a block under held signals that ends with KeyboardInterrupt, and leaves no handler."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), signals_held() as act:
        block(act)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_acts_where_it_may() -> None:
    done = []

    def work(act: Callable[[], None]) -> None:
        act()
        signal.raise_signal(signal.SIGINT)
        done.append("written")
        act()
        done.append("not reached")

    interrupted(work)
    assert done == ["written"]


def test_ctrl_c_acts_at_the_end_at_the_latest() -> None:
    done = []

    def work(act: Callable[[], None]) -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("written")

    interrupted(work)
    assert done == ["written"]


def test_a_second_ctrl_c_acts_at_once() -> None:
    done = []

    def work(act: Callable[[], None]) -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("the first is noted")
        signal.raise_signal(signal.SIGINT)
        done.append("not reached")

    interrupted(work)
    assert done == ["the first is noted"]


def test_a_signal_acts_once_and_not_again_at_the_end() -> None:
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        with signals_held() as act:
            signal.raise_signal(signal.SIGTERM)
            assert came == []
            act()
            act()
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals_held() as act:
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            act()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_without_a_signal_nothing_happens_and_handlers_are_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with signals_held() as act:
        assert signal.getsignal(signal.SIGINT) is not before
        act()
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_than_the_main_one_holds_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with signals_held() as act:
            seen.append(signal.getsignal(signal.SIGINT))
            act()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
