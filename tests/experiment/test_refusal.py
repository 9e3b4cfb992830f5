"""Swaps that fail: the errno's name, what it means, and whom it refused."""

from __future__ import annotations

import pytest

from ccsim.experiment.measure import measure
from ccsim.experiment.refusal import explain, refused_flows
from tests.experiment.synthetic import event, flow, result, swap


@pytest.mark.parametrize(
    ("errno", "flows", "text"),
    [
        (0, [], ""),
        (9, ["a", "b"], "EBADF: the socket is closed, since the flow has ended (a, b)"),
        (2, [], "ENOENT: nothing is registered under this name"),
        (22, [], "EINVAL: the kernel does not take this implementation"),
        (5, [], "5: the kernel refused it"),  # a number that the emulated kernel never gives
    ],
)
def test_an_errno_is_named_and_explained(errno: int, flows: list[str], text: str) -> None:
    assert explain(errno, flows) == text


def test_refused_are_the_flows_whose_event_at_that_instant_has_an_errno() -> None:
    events = [
        event(10, "swap", "early", errno=9, via="setsockopt"),
        event(20, "swap", "done", errno=9, via="setsockopt"),
        event(20, "swap", "bulk", errno=0, via="setsockopt"),
        event(20, "swap", "", errno=2, via="link_update"),
        event(20, "rto", "bulk", errno=9),
        event(21, "swap", "later", errno=9, via="setsockopt"),
    ]
    run = result(events=events)
    assert refused_flows(run, swap(20, errno=9)) == ["done"]
    assert refused_flows(run, swap(20)) == []


def test_a_sweep_refuses_flows_later_too() -> None:
    events = [event(at, "swap", f"f{at}", errno=1, via="sweep") for at in (19, 20, 25)]
    assert refused_flows(result(events=events), swap(20, errno=1, via="sweep")) == ["f20", "f25"]


def test_the_metrics_of_a_swap_say_why_it_failed_in_part() -> None:
    run = result(
        flow("bulk"),
        flow("done", end_s=10),
        events=[event(20, "swap", "done", errno=9, via="setsockopt")],
        swaps=[swap(errno=9)],
    )
    row = measure(run, run, run)["swaps"][0]
    assert row["error"] == "EBADF: the socket is closed, since the flow has ended (done)"
    assert row["refused_flows"] == ["done"]
    assert [one["flow"] for one in row["flows"]] == ["bulk"]


def test_a_swap_that_worked_has_no_error() -> None:
    row = measure(result(swaps=[swap()]))["swaps"][0]
    assert (row["errno"], row["error"], row["refused_flows"]) == (0, None, [])
