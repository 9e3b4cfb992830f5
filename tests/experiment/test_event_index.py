"""Events grouped once: spans, order, and that a thousand flows cost little."""

from __future__ import annotations

import time

from ccsim.experiment.event_index import Instants
from ccsim.experiment.measure import measure
from ccsim.sim.traces import Event
from tests.experiment.synthetic import S, event, flow, result, swap

LOG = [event(5, "rto"), event(1, "rto"), event(3, "rto"), event(3, "rto", "rival"), event(4, "tlp")]


def test_a_span_holds_its_start_but_not_its_end() -> None:
    instants = Instants(LOG)
    assert instants.count("rto", "bulk", 1 * S, 5 * S) == 2
    assert instants.count("rto", "bulk", 0, 5 * S + 1) == 3
    assert instants.count("rto", "bulk", 5 * S, 1 * S) == 0


def test_events_of_another_kind_or_flow_do_not_count() -> None:
    instants = Instants(LOG)
    assert instants.count("rto", "rival", 0, 9 * S) == 1
    assert instants.count("undo", "bulk", 0, 9 * S) == 0
    assert Instants([]).count("rto", "bulk", 0, 9 * S) == 0


def test_the_first_instant_from_a_time_on_may_be_that_time() -> None:
    instants = Instants(LOG)
    assert instants.first("rto", "bulk", 0) == 1 * S
    assert instants.first("rto", "bulk", 3 * S) == 3 * S
    assert instants.first("rto", "bulk", 3 * S + 1) == 5 * S
    assert instants.first("rto", "bulk", 5 * S + 1) is None


def test_a_thousand_flows_with_a_hundred_thousand_events_are_measured_in_seconds() -> None:
    names = [f"f{number}" for number in range(1000)]
    flows = [flow(name, duration_s=10) for name in names]
    swaps = [Event(5 * S + number, "swap", name, {}) for number, name in enumerate(names)]
    timers = [Event(6 * S + k, "rto", names[k % 1000], {}) for k in range(99_000)]
    run = result(
        *flows, events=[*swaps, *timers], swaps=[swap(5, names, via="sweep")], duration_s=10
    )
    steady = result(*flows, duration_s=10)
    started = time.process_time()
    rows = measure(run, steady, steady)["swaps"][0]["flows"]
    assert time.process_time() - started < 10  # 0.5 s; scanning all events took minutes
    assert [row["rtos"] for row in rows] == [99] * 1000
    assert rows[999]["at_s"] == 5.000001  # 999 ns later, rounded
