"""Limits that change: a picture says of capacity and base RTT what held, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ccsim.plot.run import run_picture
from ccsim.plot.style import CAPACITY
from ccsim.plot.view import view_of
from tests.plot.plot_runs import SECOND, Run, flow, link, result, scenario

MBIT = 1_000_000


def run(*links: Any, **keys: Any) -> Run:
    return Run(result([flow(100)], links), {**scenario(), **keys})


def test_the_capacity_is_that_of_the_slowest_hop_on_the_way_of_the_data() -> None:
    access = replace(link(100), name="access", rate_bps=50 * MBIT)
    core = replace(link(100), name="core", rate_bps=20 * MBIT)
    up = replace(link(100), name="up", rate_bps=MBIT)
    routes = {"main": {"out": ["access", "core"], "back": ["up"]}}
    assert view_of([run(access, core, up, routes=routes)]).capacities_bps == (20 * MBIT,)
    assert view_of([run(access, core, up)]).capacities_bps == (MBIT,)  # nobody says what leads back


def test_each_way_of_data_has_a_capacity_of_its_own() -> None:
    down = replace(link(100), name="down", rate_bps=50 * MBIT)
    up = replace(link(100), name="up", rate_bps=10 * MBIT)
    routes = {
        "download": {"out": ["down"], "back": ["up"]},
        "upload": {"out": ["up"], "back": ["down"]},
    }
    assert view_of([run(down, up, routes=routes)]).capacities_bps == (10 * MBIT, 50 * MBIT)


def test_a_line_that_changes_is_drawn_as_steps() -> None:
    changing = replace(link(100), rates=((0, 80 * MBIT), (SECOND // 4, 20 * MBIT)))
    view = view_of([run(changing)])
    assert (view.capacities_bps, view.rate.name) == ((), "Mbit/s")
    (panel, *_) = run_picture(run(changing)).panels
    (steps,) = [curve for curve in panel.curves if curve.look == CAPACITY]
    assert steps.t_s.tolist() == [0.0, 0.25, 0.25, 1.0]
    assert steps.y.tolist() == [80.0, 80.0, 20.0, 20.0]
    assert steps.low is not None
    assert steps.low.tolist() == [0.0] * 4  # shaded from the ground up
    assert panel.limits == ()


def test_of_hops_in_a_row_the_slowest_counts_at_every_instant() -> None:
    one = replace(link(100), name="a", rates=((0, 80 * MBIT), (SECOND // 4, 20 * MBIT)))
    other = replace(link(100), name="b", rates=((0, 50 * MBIT), (SECOND // 2, 10 * MBIT)))
    steps = ((0, 50 * MBIT), (SECOND // 4, 20 * MBIT), (SECOND // 2, 10 * MBIT))
    assert view_of([run(one, other)]).steps == (steps,)
    third = replace(link(100), name="c", rate_bps=5 * MBIT)  # always slower: nothing changes
    slow = view_of([run(one, other, third)])
    assert (slow.steps, slow.capacities_bps) == ((), (5 * MBIT,))


@pytest.mark.parametrize(
    ("change", "known"), [({"rate_bps": 5}, (40_000_000,)), ({"delay_ns": 5}, ())]
)
def test_a_base_rtt_that_changes_has_no_line(
    change: dict[str, int], known: tuple[int, ...]
) -> None:
    view = view_of([run(link(100), changes=[change])])
    assert view.steady_rtts_ns == known
    assert view.base_rtts_ns == (40_000_000,)  # what bins go by
