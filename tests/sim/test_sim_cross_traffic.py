"""Cross traffic: when datagrams leave, how long they take, what probes measure, and that windows
may be cut as one likes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ccsim.cli.output import run_text
from ccsim.errors import ScenarioError
from ccsim.experiment.measure import measure
from ccsim.scenario import parse_scenario
from ccsim.sim.cross_traffic import times_of
from ccsim.sim.result_tables import describe
from ccsim.sim.traces import SimResult, TrafficTrace
from ccsim.sim.world import World
from ccsim.spec import Scenario
from tests.digests.digests import digest

MS, S = 1_000_000, 1_000_000_000


def scenario(
    traffic: str, flow: str = "{name: a, size: 1 kB}", more: str = "", duration: str = "2 s"
) -> Scenario:
    return parse_scenario(
        f"name: x\nduration: {duration}\npath: {{rate: 8 Mbit/s, rtt: 20 ms{more}}}\n"
        f"flows: [{flow}]\ntraffic: [{traffic}]\n",
        "x.yaml",
    )


def run(made: Scenario, **options: Any) -> SimResult:
    world = World(made, **options)
    world.run()
    return world.result()


def times(traffic: str) -> np.ndarray:
    made = scenario(traffic)
    return times_of(made.traffic[0], made.seed, made.duration_ns)


def only(made: Scenario) -> TrafficTrace:
    (one,) = run(made, paranoid=True).traffic
    return one


def test_a_constant_rate_is_met_exactly_and_rounded_up() -> None:
    """700 bytes at 3 Mbit/s: each 1 866 666 2/3 ns, 1071.4 in two seconds."""
    found = times("{name: u, size: 700 B, rate: 3 Mbit/s}")
    assert found[:4].tolist() == [0, 1_866_667, 3_733_334, 5_600_000]
    assert len(found) == 1072


def test_poisson_has_the_mean_and_the_spread_of_exponential_gaps() -> None:
    """1000 packets a second: gaps of a millisecond in the mean, and as much their deviation."""
    gaps = np.diff(times("{name: u, size: 500 B, poisson: 4 Mbit/s}"))
    assert gaps.mean() == pytest.approx(MS, rel=0.08)
    assert gaps.std() == pytest.approx(MS, rel=0.12)


def test_on_and_off_send_while_they_are_on() -> None:
    """A packet each millisecond for 100 ms, then silence for 400 ms, four times in two seconds."""
    found = times("{name: u, size: 500 B, rate: 4 Mbit/s, on_off: {on: 100 ms, off: 400 ms}}")
    assert len(found) == 400
    assert set((found // (100 * MS)).tolist()) == {0, 5, 10, 15}


def test_a_trace_is_sent_as_it_stands_from_the_start_on() -> None:
    found = times("{name: u, start: 1 s, packets: [[0 ms, 100 B], [5 ms, 1 kB], [1500 ms, 1 kB]]}")
    assert found.tolist() == [S, S + 5 * MS]


def test_a_probe_on_an_idle_line_takes_the_round_trip_and_its_own_transmission() -> None:
    """100 bytes take 0.1 ms at 8 Mbit/s; the answer never queues. The last of 20, at 1900 ms, is
    back by 2 s."""
    ping = only(scenario("{name: ping, size: 100 B, probe: 100 ms}", "{name: a, start: 1999 ms}"))
    assert (ping.packets_sent, ping.packets_arrived, ping.packets_dropped) == (20, 20, 0)
    assert ping.delays_ns == (20_100_000,) * 4
    assert ping.rtts_ns[1] == (100 * MS, 20_100_000)


def test_datagrams_beyond_the_rate_are_dropped_and_accounted_for() -> None:
    """16 Mbit/s into 8: half arrive, but for the ten in the queue."""
    flood = only(
        scenario(
            "{name: u, size: 1000 B, rate: 16 Mbit/s}",
            "{name: a, start: 1999 ms}",
            ", buffer: 10 packets",
        )
    )
    assert flood.packets_sent == 4000
    assert flood.packets_arrived == pytest.approx(2000 - 10, abs=3)
    assert flood.packets_arrived + flood.packets_dropped == pytest.approx(4000, abs=21)
    # 10 ms there, a full queue of ten packets of 1 ms
    assert flood.delays_ns[0] == pytest.approx(20 * MS, abs=MS)


def test_a_probe_feels_a_full_queue_and_fq_codel_spares_it() -> None:
    """100 packets of 1500 bytes are 150 ms at 8 Mbit/s; fq_codel lets a sparse flow wait for one of
    them, 1.5 ms, and another that has begun."""
    probe = "{name: ping, size: 100 B, probe: 50 ms, start: 2 s}"
    bulk = "{name: a, congestion: cubic}"
    deep, fair = (
        only(scenario(probe, bulk, more, "8 s"))
        for more in (", buffer: 100 packets", ", qdisc: fq_codel")
    )
    assert deep.delays_ns[0] > 100 * MS
    assert fair.delays_ns[3] <= 20_100_000 + 2 * 1_500_000 + 100_000


def test_answers_to_probes_queue_on_the_way_back() -> None:
    """Behind 10 packets of 1000 bytes at once on a way back of 8 Mbit/s a probe waits for 10 ms."""
    made = parse_scenario(
        "name: x\nduration: 1 s\n"
        "hops: {there: {rate: 80 Mbit/s, delay: 5 ms}, back: {rate: 8 Mbit/s, delay: 5 ms,"
        " buffer: 50 packets}}\n"
        "routes: {a: {out: [there], back: [back]}, b: {out: [back]}}\n"
        "flows: [{name: a, start: 999 ms, route: a}]\n"
        "traffic: [{name: ping, route: a, size: 100 B, probe: 2 s},"
        f" {{name: burst, route: b, packets: [{', '.join(['[5 ms, 1000 B]'] * 10)}]}}]\n",
        "x.yaml",
    )
    ping = run(made, paranoid=True).traffic[0]
    assert ping.delays_ns[0] == 10_000 + 5 * MS + 10 * MS - 10_000 + 100_000 + 5 * MS


MIXED = (
    "{name: ping, size: 84 B, probe: 20 ms}, {name: p, size: 1200 B, poisson: 2 Mbit/s},"
    " {name: o, size: 600 B, rate: 6 Mbit/s, on_off: {on: {exponential: 50 ms}, off: 100 ms}}"
)


@pytest.mark.parametrize("more", ["", ", qdisc: fq_codel", ", netem: {delay: 2 ms, jitter: 1 ms}"])
def test_neither_cuts_nor_vector_paths_change_a_byte(more: str) -> None:
    made = scenario(MIXED, "{name: a, congestion: cubic}", more)
    options: tuple[dict[str, Any], ...] = (
        *({}, {"vector": False}),
        {"lookahead_ns": 1_234_567, "paranoid": True},
    )
    assert len({digest(run(made, **one)) for one in options}) == 1


def test_metrics_have_a_row_for_each_source_and_say_what_was_drawn() -> None:
    result = run(scenario(MIXED, "{name: a, congestion: cubic}"))
    rows = measure(result)["traffic"]
    assert [(row["name"], row["kind"]) for row in rows] == [
        *(("ping", "probe"), ("p", "poisson"), ("o", "on_off"))
    ]
    assert rows[0]["packets_sent"] == 100
    assert rows[0]["p50_ms"] <= rows[0]["p95_ms"] <= rows[0]["p99_ms"] <= rows[0]["max_ms"]
    assert rows[1]["rate_bps"] == pytest.approx(2e6, rel=0.2)
    assert result.drew == ("traffic p", "traffic o")
    assert describe(result)["traffic"][0]["name"] == "ping"


def test_the_terminal_shows_a_line_for_each_source() -> None:
    result = run(scenario("{name: ping, size: 100 B, probe: 100 ms}", "{name: a, start: 1999 ms}"))
    text = run_text("x", measure(result))
    (line,) = (line for line in text.splitlines() if line.startswith("ping"))
    assert line.split()[:5] == ["ping", "probe", "20", "20", "0"]
    assert line.split()[-4:] == ["20.10"] * 4


def test_a_run_without_traffic_has_no_row_of_it() -> None:
    made = parse_scenario(
        "name: x\nduration: 1 s\npath: {rate: 8 Mbit/s, rtt: 20 ms}\nflows: [{name: a}]\n", "x.yaml"
    )
    assert "traffic" not in made.resolved()
    assert "traffic" not in measure(run(made))


def test_resolved_traffic_reads_back() -> None:
    made = scenario(MIXED)
    assert Scenario.from_resolved(made.resolved()).traffic == made.traffic


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        ("{name: u, size: 100 B}", "expected one of 'rate', 'poisson', 'packets' or 'probe', got"),
        ("{name: u, rate: 1 Mbit/s}", "expected a size, or packets that have theirs"),
        ("{name: a, size: 100 B, probe: 1 s}", "named 'a' already"),
        ("{name: u, size: 100 kB, probe: 1 s}", "expected a size of at most"),
        ("{name: u, size: 100 B, poisson: 1 Mbit/s, on_off: {on: 1 s, off: 1 s}}", "beside a rate"),
        ("{name: u, size: 1 B, rate: 1 Gbit/s}", "expected at most 5000000 packets"),
        ("{name: u, size: 100 B, probe: 1 s, start: 3 s}", "before the end of the run at 2 s"),
        ("{name: u, size: 100 B, probe: 1 s, route: z}", "no route 'z'"),
        ("{name: u, packets: [[2 ms, 1 kB], [1 ms, 1 kB]]}", "expected packets in order of time"),
        ("{name: u, packets: [[2 ms]]}", "expected a time and a size"),
        ("{name: u, sise: 100 B, probe: 1 s}", "did you mean 'size'"),
    ],
)
def test_traffic_that_cannot_be_is_refused(traffic: str, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenario(traffic)
    assert message in str(error.value)
