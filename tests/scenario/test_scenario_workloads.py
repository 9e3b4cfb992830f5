"""Workloads as written: what they resolve to, and what is refused where."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import Scenario, Workload, parse_scenario
from ccsim.spec import Distribution

HEAD = "name: t\nduration: 10 s\npath: {rate: 100 Mbit/s, rtt: 40 ms}\n"
SERVER = "listeners: [{name: srv, netns: init}]\n"


def load(text: str) -> Scenario:
    return parse_scenario(HEAD + text, "t.yaml")


def one(fields: str, more: str = "") -> Workload:
    return load(f"{more}workloads:\n  - {{name: w, {fields}}}\n").workloads[0]


def refusal(fields: str, more: str = "") -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        one(fields, more)
    return [str(problem) for problem in caught.value.problems]


WEB = "arrivals: {poisson: 20 /s}, sizes: web_search"


def test_a_workload_resolves_to_integers() -> None:
    found = one(f"{WEB}, congestion: {{name: cubic, beta: 717}}, start: 1 s, until: 5 s, max: 9")
    assert found.arrivals.kind == "poisson"
    assert found.arrivals.gap_ns == 50_000_000
    assert found.size_bytes is not None
    assert found.size_bytes.points[-1] == (29_200_000, 1.0)
    assert (found.until_ns, found.most) == (5_000_000_000, 9)
    assert found.flow.start_ns == 1_000_000_000
    assert found.flow.rtt_ns == 40_000_000
    assert found.flow.congestion_params == {"beta": 717}


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ("{poisson: 3 /s}", ("poisson", 333_333_333, 0)),
        ("{poisson: 30 / min}", ("poisson", 2_000_000_000, 0)),
        ("{every: 20 ms}", ("every", 20_000_000, 0)),
        ("{at_once: 12}", ("at_once", 0, 12)),
        ("{load: 5 %}", ("poisson", 1_600_000, 0)),  # 8 * 1 kB / 5 Mbit/s
    ],
)
def test_arrivals_are_gaps_or_a_count(arrivals: str, expected: tuple[str, int, int]) -> None:
    found = one(f"arrivals: {arrivals}, sizes: 1 kB").arrivals
    assert (found.kind, found.gap_ns, found.count) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ("64 KiB", {"kind": "fixed", "value": 65_536}),
        ("{exponential: 100 kB}", {"kind": "exponential", "value": 100_000}),
        (
            "{pareto: {min: 1 kB, shape: 1.2, max: 10 MB}}",
            {"kind": "pareto", "value": 1_000, "shape": 1.2, "top": 10_000_000},
        ),
        (
            "[{bytes: 1 kB, cdf: 0.5}, {bytes: 3000, cdf: 1}]",
            {"kind": "table", "points": ((1_000, 0.5), (3_000, 1.0))},
        ),
    ],
)
def test_sizes_are_written_in_four_ways(sizes: str, expected: dict[str, Any]) -> None:
    found = one(f"arrivals: {{at_once: 1}}, sizes: {sizes}").size_bytes
    assert found is not None
    assert found == Distribution(**expected)


def test_requests_and_silences_have_defaults_and_distributions() -> None:
    found = one("arrivals: {at_once: 1}, requests: {response: data_mining}, life: 3 s")
    assert found.requests is not None
    assert found.requests.think_ns.value == 0
    assert found.requests.request_bytes.value == 500
    assert found.life_ns is not None
    assert found.life_ns.value == 3_000_000_000
    video = one(
        "arrivals: {at_once: 1}, on_off: {on: {exponential: 1 s}, off: 2 s, rate: 5 Mbit/s}"
    )
    assert video.on_off is not None
    assert (video.on_off.on_ns.kind, video.on_off.off_ns.kind) == ("exponential", "fixed")
    assert video.on_off.rate_bps == 5_000_000


def test_accepted_connections_are_in_their_listeners_namespace() -> None:
    more = "namespaces: {box: cubic}\nlisteners: [{name: srv, netns: box}]\n"
    assert one(f"{WEB}, listener: srv", more).flow.netns == "box"


def test_a_resolved_scenario_reads_back() -> None:
    scenario = load(f"workloads:\n  - {{name: w, {WEB}}}\nrecord: {{flows: [w]}}\n")
    assert Scenario.from_resolved(scenario.resolved()) == scenario
    assert scenario.record.flows == ("w",)


def test_all_in_a_sweep_are_the_workloads_too() -> None:
    scenario = load(
        f"flows: [{{name: f}}]\nworkloads:\n  - {{name: w, {WEB}}}\n"
        f"  - {{name: late, {WEB}, start: 6 s}}\n"
        "swaps: [{at: 5 s, via: sweep, to: reno}]\n"
    )
    assert scenario.swaps[0].flows == ("f", "w")


def test_a_twin_reads_back_too() -> None:
    swaps = "swaps: [{at: 5 s, via: sweep, flows: [w], to: reno}]\n"
    twin = load(f"workloads:\n  - {{name: w, {WEB}}}\n{swaps}").with_b_twin()
    assert twin.workloads[0].flow.congestion == "reno"
    assert Scenario.from_resolved(twin.resolved()) == twin


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            "arrivals: {poisson: 20 /s}",
            "expected one of 'sizes', 'on_off' or 'requests', got none",
        ),
        (
            f"{WEB}, requests: {{response: 1 kB}}",
            "expected one of 'sizes', 'on_off' or 'requests', got 'sizes' and 'requests'",
        ),
        (f"{WEB}, life: 1 s", "expected a life beside on_off or requests, got it beside sizes"),
        (
            "arrivals: {load: 10 %}, requests: {response: 1 kB}",
            "expected sizes, of which arrivals.load is a share, got none",
        ),
    ],
)
def test_what_a_workload_does_must_be_one_thing(fields: str, expected: str) -> None:
    assert refusal(fields) == [f"t.yaml:5:5: workloads.0: {expected}"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            "arrivals: {poisson: 20}, sizes: 1 kB",
            'arrivals.poisson: expected a frequency such as "20 /s", got 20',
        ),
        (
            "arrivals: {poisson: 20 Hz}, sizes: 1 kB",
            'arrivals.poisson: expected a frequency such as "20 /s", got "20 Hz"; '
            "known units: /s, /min, /h",
        ),
        (
            "arrivals: {poisson: 0 /s}, sizes: 1 kB",
            'arrivals.poisson: expected a frequency such as "20 /s" above 0, got "0 /s"',
        ),
        (
            "arrivals: {}, sizes: 1 kB",
            "arrivals: expected one of 'poisson', 'load', 'every' or 'at_once', got none",
        ),
        (
            "arrivals: {every: 1 s, at_once: 2}, sizes: 1 kB",
            "arrivals: expected one of 'poisson', 'load', 'every' or 'at_once', got 'every' or "
            "'at_once'",
        ),
        (
            "arrivals: {poison: 20 /s}, sizes: 1 kB",
            "arrivals.poison: unknown key 'poison'; did you mean 'poisson'?",
        ),
        ("arrivals: {load: 0}, sizes: 1 kB", "arrivals.load: expected a load above 0"),
        (
            "arrivals: {poisson: 100000 /s}, sizes: 1 kB",
            "arrivals: expected at most 50000 connections, got about 1000000; bound them with max",
        ),
    ],
)
def test_arrivals_are_refused_where_they_stand(fields: str, expected: str) -> None:
    found = refusal(fields)
    assert any(problem.endswith(f"workloads.0.{expected}") for problem in found), found


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ("web_serch", "no table of sizes 'web_serch'; did you mean 'web_search'?"),
        ("12", 'expected a size with a unit such as "64 KiB", got 12; write "12 B" or "12 KiB"'),
        ("[{bytes: 1 kB, cdf: 1}]", "expected two points or more, got 1"),
        (
            "[{bytes: 1 kB, cdf: 0.5}, {bytes: 2 kB, cdf: 0.9}]",
            "expected cdf 1 at the last point, got 0.9",
        ),
        (
            "[{bytes: 3 kB, cdf: 0.5}, {bytes: 2 kB, cdf: 1}]",
            "expected sizes and shares that do not fall, got 2000 at 1",
        ),
        (
            "[{size: 3 kB, cdf: 0.5}, {bytes: 2 kB, cdf: 1}]",
            "expected points such as {bytes: 10 kB, cdf: 0.5}, got a mapping",
        ),
        ("[{bytes: 3 kB, cdf: 2}, {bytes: 4 kB, cdf: 1}]", "expected a cdf from 0 to 1, got 2"),
        ("{normal: 3 kB}", "expected one of 'exponential' or 'pareto', got 'normal'"),
        (
            "{pareto: {min: 3 kB, max: 1 kB, shape: 1.2}}",
            'expected a min above 0 and below max, got "3 kB"',
        ),
        (
            "{pareto: {min: 1 kB, max: 3 kB, shape: 0}}",
            "expected a shape above 0 and up to 100, got 0",
        ),
        ("0 B", 'expected a size of at least 1 B, got "0 B"'),
    ],
)
def test_sizes_are_refused_where_they_stand(sizes: str, expected: str) -> None:
    found = refusal(f"arrivals: {{at_once: 1}}, sizes: {sizes}")
    assert found == [f"t.yaml:5:46: workloads.0.sizes: {expected}"]


@pytest.mark.parametrize(
    ("fields", "more", "expected"),
    [
        (f"{WEB}, start: 10 s", "", "start: expected a time before the end of the run at 10 s"),
        (f"{WEB}, start: 2 s, until: 2 s", "", "until: expected a time after the start at 2 s"),
        (
            f"{WEB}, listener: srv, congestion: cubic",
            SERVER,
            "congestion: expected no congestion beside a listener",
        ),
        (f"{WEB}, listener: srv, netns: init", SERVER, "netns: expected no netns beside a"),
        (f"{WEB}, listener: nobody", SERVER, "listener: no listener 'nobody'"),
        (f"{WEB}, congestion: brr", "", "congestion: no algorithm 'brr'; did you mean 'bbr'"),
        (f"{WEB}, congestion: {{name: cubic, alpha: 1}}", "", "congestion.alpha: 'cubic' has no"),
        (f"{WEB}, rtt: 1 ms, access_delay: 2 ms", "", "access_delay: expected a part of the RTT"),
        (f"{WEB}, count: 5", "", "count: unknown key 'count'"),
        (f"{WEB}, max: 0", "", "max: expected at least 1, got 0"),
    ],
)
def test_what_does_not_agree_is_refused(fields: str, more: str, expected: str) -> None:
    found = refusal(fields, more)
    words = expected.split(": ", 1)
    assert any(f"workloads.0.{words[0]}" in p and words[1] in p for p in found), found


@pytest.mark.parametrize("name", ["w", "w-12"])
def test_no_flow_is_named_like_a_workloads_connection(name: str) -> None:
    with pytest.raises(ScenarioError, match=f"a flow (or workload )?is named '{name}' already"):
        load(f"flows: [{{name: {name}}}]\nworkloads:\n  - {{name: w, {WEB}}}\n")


def test_a_name_that_only_looks_like_a_connections_is_a_flows() -> None:
    flows = "flows: [{name: w-x}, {name: w-}, {name: ab1}, {name: w1}]"
    assert len(load(f"{flows}\nworkloads:\n  - {{name: w, {WEB}}}\n").flows) == 4


def test_two_workloads_have_two_names() -> None:
    with pytest.raises(ScenarioError, match=r"workloads\.1\.name: a flow or workload is named 'w'"):
        load(f"workloads:\n  - {{name: w, {WEB}}}\n  - {{name: w, {WEB}}}\n")


def test_a_scenario_has_flows_or_workloads() -> None:
    with pytest.raises(ScenarioError, match="missing key 'flows': the connections"):
        load("seed: 2\n")


def test_a_swap_before_a_workload_begins_is_refused() -> None:
    with pytest.raises(ScenarioError, match="flow 'w' has not started; it starts at 6 s"):
        load(
            f"workloads:\n  - {{name: w, {WEB}, start: 6 s}}\n"
            "swaps: [{at: 5 s, via: setsockopt, flows: [w], to: reno}]\n"
        )


@pytest.mark.parametrize(
    ("swap", "expected"),
    [
        (
            "via: sweep, flows: [w], to: reno, cohort: 10 %, pause: 1 s",
            "swaps.0.cohort: expected a number of flows, since 'w' is a workload, got a share",
        ),
        (
            "via: setsockopt, flows: [w], to: reno, when: {flow: w, loss: 1}",
            "swaps.0.when.flow: expected one flow, got 'w', which is a workload",
        ),
    ],
)
def test_what_needs_known_flows_takes_no_workload(swap: str, expected: str) -> None:
    at = "" if "when" in swap else "at: 5 s, "
    with pytest.raises(ScenarioError) as caught:
        load(f"workloads:\n  - {{name: w, {WEB}}}\nswaps: [{{{at}{swap}}}]\n")
    assert str(caught.value.problems[0]).endswith(expected)


@pytest.mark.parametrize("kept", ["some", "[]", "[nobody]", "7"])
def test_whose_samples_are_kept_is_a_word_or_a_list_of_flows(kept: str) -> None:
    with pytest.raises(ScenarioError, match=r"record\.flows: (expected|no flow)"):
        load(f"workloads:\n  - {{name: w, {WEB}}}\nrecord: {{flows: {kept}}}\n")
