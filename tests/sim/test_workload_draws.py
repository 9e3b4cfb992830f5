"""Random numbers of workloads against numbers worked out by hand or known of the distributions."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ccsim.sim.distributions import Uniform, draw, mean
from ccsim.sim.flow_sizes import TABLES
from ccsim.sim.workloads import arrivals_ns, planned_flows
from ccsim.spec import Distribution, Scenario
from tests.sim.sim_rig import MS, S, scenario_of


def of(kind: Any, **fields: Any) -> Distribution:
    return Distribution(kind=kind, **fields)


WEB = of("table", points=TABLES["web_search"])
MINING = of("table", points=TABLES["data_mining"])


@pytest.mark.parametrize(
    ("u", "size"),
    [
        (0.0, 8_760),  # 6 packets of 1460
        (0.1, 8_760),  # 15 % are that small
        (0.15, 8_760),
        (0.2, 18_980),  # 13 packets
        (0.25, 23_360),  # half-way from 13 to 19 packets: 16
        (0.5, 70_642),  # 33 + 20 * 10/13 packets, rounded up to a byte
        (0.65, 584_000),  # half-way from 133 to 667: 400 packets
        (0.9, 4_866_180),  # 3333 packets
        (0.985, 19_466_910),  # half-way from 6667 to 20000: 13333.5 packets
    ],
)
def test_the_quantiles_of_web_search_are_those_of_its_table(u: float, size: int) -> None:
    assert draw(WEB, u) == pytest.approx(size, abs=1)


@pytest.mark.parametrize(
    ("u", "size"),
    [(0.0, 1_460), (0.5, 1_460), (0.65, 3_650), (0.85, 200_020), (0.95, 3_076_220)],
)
def test_the_quantiles_of_data_mining_are_those_of_its_table(u: float, size: int) -> None:
    assert draw(MINING, u) == pytest.approx(size, abs=1)


def test_no_draw_leaves_the_table() -> None:
    last = 1.0 - 2.0**-53
    assert draw(WEB, last) == 20_000 * 1_460
    assert draw(MINING, last) == pytest.approx(666_667 * 1_460, rel=1e-9)


def test_the_means_of_the_tables_are_those_summed_by_hand() -> None:
    packets = 0.9 + 0.475 + 1.6 + 2.6 + 5.59 + 6.51 + 40 + 100 + 233.3 + 350 + 400.005
    assert mean(WEB) == pytest.approx(packets * 1_460)  # 1.67 MB
    packets = 0.5 + 0.15 + 0.25 + 0.5 + 13.7 + 59.35 + 1_375.48 + 3_666.67
    assert mean(MINING) == pytest.approx(packets * 1_460)


def test_an_exponential_draw_is_the_mean_times_the_logarithm() -> None:
    one = of("exponential", value=1_000_000)
    assert draw(one, 0.0) == 0
    assert draw(one, 0.5) == 693_148  # ln 2 = 0.6931471…
    assert draw(one, 0.9) == 2_302_586  # ln 10 = 2.302585…
    assert mean(one) == 1_000_000


def test_a_pareto_draw_lies_between_its_bounds_and_halves_where_it_should() -> None:
    one = of("pareto", value=1_000, shape=1.0, top=10**15)
    assert draw(one, 0.0) == 1_000
    assert draw(one, 0.5) == 2_000  # P(X > x) = 1000 / x
    assert draw(one, 0.75) == 4_000
    assert draw(of("pareto", value=1_000, shape=1.2, top=5_000), 1 - 2.0**-53) == 5_000


def test_the_mean_of_a_bounded_pareto_is_the_integral_by_hand() -> None:
    # shape 1 on [1, e]: density 1/x² over 1 - 1/e; mean ln(e) / (1 - 1/e)
    top = 1_000 * math.e
    one = of("pareto", value=1_000, shape=1.0, top=top)
    assert mean(one) == pytest.approx(1_000 / (1 - 1 / math.e))
    # shape 2 on [1, 2]: density 2/x³ over 3/4; mean 2 (1 - 1/2) / (3/4) = 4/3
    assert mean(of("pareto", value=3_000, shape=2.0, top=6_000)) == pytest.approx(4_000)


def test_uniform_numbers_are_even_and_repeat_with_their_seed() -> None:
    stream, again = Uniform(7), Uniform(7)
    values = np.array([stream() for _ in range(20_000)])
    assert values[:100].tolist() == [again() for _ in range(100)]
    assert values.min() >= 0
    assert values.max() < 1
    assert abs(values.mean() - 0.5) < 3 / math.sqrt(12 * 20_000)
    assert Uniform(8)() != values[0]


# --- arrivals ---

BASE = "duration: 100 s\npath: {rate: 12 Mbit/s, rtt: 20 ms, buffer: 10 packets}\n"


def load(text: str, *, seed: int = 1) -> Scenario:
    return scenario_of(f"{BASE}seed: {seed}\nworkloads:\n{text}")


def starts(scenario: Scenario, k: int = 0) -> list[int]:
    return list(arrivals_ns(scenario.workloads[k], scenario.seed))


def test_poisson_gaps_are_exponential_with_the_mean_that_was_asked_for() -> None:
    times = starts(load("  - {name: w, arrivals: {poisson: 50 /s}, sizes: 1 kB}\n"))
    gaps = np.diff([0, *times]) / (20 * MS)  # in means
    n = len(gaps)
    assert abs(n - 5_000) < 4 * math.sqrt(5_000)
    assert abs(gaps.mean() - 1) < 4 / math.sqrt(n)
    for means, share in ((0.5, 0.6065), (1, 0.3679), (2, 0.1353), (3, 0.0498)):
        spread = math.sqrt(share * (1 - share) / n)
        assert abs((gaps > means).mean() - share) < 4 * spread
    # neighbours know nothing of one another
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4 / math.sqrt(n)


def test_arrivals_one_after_another_and_at_once_are_where_they_must_be() -> None:
    scenario = load(
        "  - {name: e, arrivals: {every: 30 s}, sizes: 1 kB, start: 5 s}\n"
        "  - {name: a, arrivals: {at_once: 3}, sizes: 1 kB, start: 7 s}\n"
        "  - {name: u, arrivals: {every: 10 s}, sizes: 1 kB, until: 30 s}\n"
        "  - {name: m, arrivals: {every: 1 s}, sizes: 1 kB, max: 2}\n"
    )
    assert starts(scenario) == [5 * S, 35 * S, 65 * S, 95 * S]
    assert starts(scenario, 1) == [7 * S] * 3
    assert starts(scenario, 2) == [0, 10 * S, 20 * S]
    assert starts(scenario, 3) == [0, 1 * S]


def test_a_load_is_the_share_of_the_rate_that_the_sizes_ask_for() -> None:
    scenario = load("  - {name: w, arrivals: {load: 60 %}, sizes: 90 kB}\n")
    # 0.6 * 12 Mbit/s / (8 * 90 kB) = 10 a second
    assert scenario.workloads[0].arrivals.gap_ns == 100 * MS


TWO = (
    "  - {name: w, arrivals: {poisson: 5 /s}, sizes: web_search, congestion: cubic}\n"
    "  - {name: v, arrivals: {poisson: 5 /s}, requests: {response: 1 kB}, life: {exponential: 1 s},"
    " congestion: reno}\n"
)


def known(scenario: Scenario, workload: str) -> list[tuple[Any, ...]]:
    return [
        (one.spec.name, one.spec.start_ns, one.spec.size_bytes, one.life_ns)
        for one in planned_flows(scenario)
        if one.workload == workload
    ]


def test_a_workload_does_not_change_with_what_is_beside_it() -> None:
    both, alone = load(TWO), load(TWO.splitlines()[1] + "\n")
    assert known(both, "v") == known(alone, "v")
    assert len(known(both, "w")) > 100


def test_another_seed_brings_other_connections() -> None:
    assert known(load(TWO), "w") != known(load(TWO, seed=2), "w")
    assert known(load(TWO), "w") == known(load(TWO), "w")


def test_streams_of_two_workloads_are_not_the_same() -> None:
    scenario = load(
        "  - {name: a, arrivals: {poisson: 5 /s}, sizes: 1 kB}\n"
        "  - {name: b, arrivals: {poisson: 5 /s}, sizes: 1 kB}\n"
    )
    assert not set(starts(scenario)) & set(starts(scenario, 1))
    assert all(before < after for before, after in pairwise(starts(scenario)))
