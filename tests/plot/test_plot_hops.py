"""The panels of hops, and what of a hop's trace is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ccsim.plot.hops import hop_panels, marks_per_s, probability
from ccsim.plot.run import run_picture
from ccsim.plot.view import view_of
from ccsim.plot.window import cropped
from ccsim.sim.result_tables import columns_of, describe, from_tables, to_tables
from ccsim.sim.traces import LinkTrace, SimResult, TrafficTrace
from tests.plot.plot_runs import MS, Run, flow, link, result, scenario


def hop(name: str, waited_us: int, *, marked: bool = False, chance: int | None = None) -> LinkTrace:
    column = np.full(100, waited_us, dtype=np.int64)
    gauges: tuple[tuple[str, Any], ...] = (("sojourn_us", column),)
    if chance is not None:
        gauges += (("prob_ppm", np.full(100, chance, dtype=np.int64)),)
    marks = np.array([5, 6, 7], dtype=np.int64) * MS if marked else np.empty(0, dtype=np.int64)
    return replace(
        link(100), name=name, gauges=gauges, mark_t_ns=marks, mark_flow=np.zeros_like(marks)
    )


def test_a_link_that_is_no_hop_has_no_panels_of_one() -> None:
    run = Run(result([flow(100)], [link(100)]), scenario())
    assert hop_panels(run.result, view_of([run])) == []


def test_hops_have_panels_for_what_was_sampled_of_them() -> None:
    hops = [hop("a", 7000, marked=True, chance=25_000), hop("b", 3000)]
    run = Run(result([flow(100)], hops), scenario())
    panels = run_picture(run).panels[-3:]
    assert [panel.label for panel in panels] == ["Sojourn (ms)", "Marks (1/s)", "Probability (%)"]
    assert [curve.y.max() for curve in panels[0].curves] == [7.0, 3.0]
    assert [len(panel.curves) for panel in panels] == [2, 1, 1]
    assert panels[2].curves[0].y.max() == 2.5  # 25,000 of a million


def probe(name: str, *rtts_ms: int) -> TrafficTrace:
    rtts = tuple((k * 100 * MS, rtt * MS) for k, rtt in enumerate(rtts_ms))
    return TrafficTrace(name, "probe", 3, 3, 0, 252, (0, 0, 0, 0), rtts)


def test_probes_have_a_panel_with_the_rtt_of_each_when_it_left() -> None:
    call = TrafficTrace("call", "cbr", 3, 3, 0, 600, (0, 0, 0, 0))
    given = replace(
        result([flow(100)], [link(100)]), traffic=(probe("ping", 20, 90, 40), call, probe("far"))
    )
    picture = run_picture(Run(given, scenario()))
    panel = picture.panels[-1]
    assert (panel.key, panel.label) == ("probes", "Probe RTT (ms)")
    assert [curve.t_s.tolist() for curve in panel.curves] == [[0.0, 0.1, 0.2], []]
    assert panel.curves[0].y.tolist() == [20.0, 90.0, 40.0]
    assert [text for _, text in picture.legend][-2:] == ["probe ping", "probe far"]
    assert "probes" not in {one.key for one in run_picture(_without(given)).panels}


def _without(given: SimResult) -> Run:
    return Run(replace(given, traffic=()), scenario())


def test_of_a_part_of_the_time_the_probes_that_left_in_it_are_drawn() -> None:
    given = replace(result([flow(100)], [link(100)]), traffic=(probe("ping", 20, 90, 40),))
    part = cropped(Run(given, scenario()), 100 * MS, 150 * MS).result
    assert part.traffic[0].rtts_ns == ((0, 90 * MS),)


def test_marks_are_counted_in_bins() -> None:
    one = hop("a", 0, marked=True)
    view = view_of([Run(result([flow(100)], [one]), scenario())])
    edges, rates = marks_per_s(one, view)
    counts = rates * np.diff(edges) / 1e9
    assert np.isclose(counts.sum(), 3)
    assert counts[0] == 3  # all within the first bin, of 40 ms or longer
    assert probability(one) is None


def test_what_was_sampled_of_hops_comes_back_from_tables() -> None:
    hops = [hop("a", 7000, chance=25_000), link(50), hop("b", 3000)]
    given = result([flow(100)], hops)
    table = to_tables(given)["gauges"]
    assert [len(column) for column in table.values()] == [300] * 4
    assert table["link"].tolist() == [0] * 200 + [2] * 100
    assert table["gauge"].tolist() == [0] * 100 + [1] * 100 + [0] * 100
    back = from_tables(describe(given), columns_of(given), ())
    assert [[name for name, _ in one.gauges] for one in back.links] == [
        ["sojourn_us", "prob_ppm"],
        [],
        ["sojourn_us"],
    ]
    assert back.links[2].gauges[0][1].tolist() == [3000] * 100
