"""From a scenario to what the processes do: delays, defaults, steps of swaps; and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.linux.plan import make_plan, used_algorithms, why_not_on_linux
from ccsim.scenario import parse_scenario
from ccsim.spec import Scenario

MS = 1_000_000
S = 1_000_000_000
PATH = "path: {rate: 20 Mbit/s, rtt: 40 ms, buffer: 1 BDP}\n"


def resolved(text: str) -> Scenario:
    return parse_scenario(f"name: test\nduration: 10 s\n{PATH}{text}", "test.yaml")


def test_a_flows_delays_are_those_of_the_simulated_one() -> None:
    plan = make_plan(
        resolved("flows: [{name: a, rtt: 30 ms, access_delay: 4 ms}, {name: b, rtt: 10 ms}]")
    )
    assert [flow["delays_ns"] for flow in plan["flows"]] == [
        [4 * MS, 11 * MS, 15 * MS],
        [0, 5 * MS, 5 * MS],
    ]


def test_packets_are_as_long_as_the_simulators() -> None:
    plan = make_plan(resolved("flows: [{name: a}]\ntcp: {mss: 1000 B}"))
    assert plan["mtu"] == 1052


def test_a_sweep_is_a_setsockopt_on_one_flow_after_another() -> None:
    plan = make_plan(
        resolved(
            "flows: [{name: a, count: 3}]\n"
            "swaps: [{at: 2 s, via: sweep, flows: all, to: bbr, over: 1 s}]"
        )
    )
    steps = [(action["t_ns"], action["flows"]) for action in plan["actions"]]
    assert steps == [(2 * S, [0]), (2 * S + S // 2, [1]), (3 * S, [2])]
    assert all(action["running_only"] for action in plan["actions"])


def test_a_namespace_has_its_own_default_and_an_accepted_flow_its_listeners_namespace() -> None:
    plan = make_plan(
        resolved(
            "namespaces: {blue: reno}\n"
            "listeners: [{name: web, netns: blue}]\n"
            "flows: [{name: a}, {name: b, listener: web}]\n"
            "swaps: [{at: 1 s, via: sysctl, netns: blue, to: bbr}]"
        )
    )
    assert [one["default"] for one in plan["namespaces"]] == ["cubic", "reno"]
    assert [(flow["namespace"], flow["listener"]) for flow in plan["flows"]] == [(0, None), (1, 0)]
    (action,) = plan["actions"]
    assert (action["do"], action["namespace"], action["to"]) == ("sysctl", 1, "bbr")


def test_a_route_carries_what_is_not_the_kernels_default() -> None:
    usual = make_plan(resolved("flows: [{name: a}]"))["namespaces"][0]["metrics"]
    other = make_plan(
        resolved("flows: [{name: a}]\ntcp: {initial_window: 4, min_rto: 50 ms, delayed_ack: false}")
    )
    assert usual == {}
    assert other["namespaces"][0]["metrics"] == {"initcwnd": 4, "rto_min": 50}
    assert other["receiver_metrics"] == {"quickack": 1}


def test_connections_of_a_workload_are_those_that_are_simulated() -> None:
    text = "workloads: [{name: web, arrivals: {every: 1 s}, sizes: 100 kB, until: 3 s}]"
    plan = make_plan(resolved(text))
    rows = [(flow["name"], flow["start_ns"], flow["size_bytes"]) for flow in plan["flows"]]
    assert rows == [("web-1", 0, 100_000), ("web-2", S, 100_000), ("web-3", 2 * S, 100_000)]


def test_algorithms_are_named_once_each() -> None:
    scenario = resolved(
        "flows: [{name: a, congestion: reno}]\n"
        "swaps: [{at: 1 s, via: setsockopt, flows: [a], to: bbr}]"
    )
    assert used_algorithms(scenario) == ["cubic", "reno", "bbr"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flows: [{name: a}]\nkernel: {profile: v2}", "kernel.profile"),
        ("flows: [{name: a, congestion: {name: cubic, hystart: false}}]", "flows.0.congestion"),
        ("flows: [{name: a, receiver: {gro: 8}}]", "flows.0.receiver.gro"),
        ("flows: [{name: a}]\ntcp: {quickacks: 3}", "tcp.quickacks"),
        ("flows: [{name: a}]\nlinks: {fleet: reno}", "links"),
        (
            "flows: [{name: a}]\n"
            "swaps: [{at: 1 s, via: setsockopt, flows: [a], to: bbr, state: cold}]",
            "swaps.0.state: a kernel knows one policy, linux; got cold",
        ),
        (
            "flows: [{name: a}]\n"
            "swaps: [{when: {flow: a, loss: 2}, via: setsockopt, flows: [a], to: bbr}]",
            "swaps.0.when.loss",
        ),
        (
            "flows: [{name: a, congestion: bbr}]\n"
            "swaps: [{when: {flow: a, state: Drain}, via: setsockopt, flows: [a], to: cubic}]",
            "TCP_INFO does not show Drain",
        ),
    ],
)
def test_what_a_kernel_cannot_do_is_named_with_its_place(text: str, words: str) -> None:
    found = why_not_on_linux(resolved(text))
    assert any(words in one for one in found), found


OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "data" / "objects" / "aimd.bpf.o"
LINKED = f"objects: ['{OBJECT}']\nlinks: {{fleet: aimd_one}}\n"


def test_a_links_tables_are_those_it_may_come_to_mean() -> None:
    plan = make_plan(
        resolved(
            f"{LINKED}flows: [{{name: a, congestion: fleet, count: 4}}]\n"
            "swaps:\n"
            "  - {at: 1 s, via: link_update, link: fleet, to: aimd_two}\n"
            "  - {at: 2 s, via: reregister, link: fleet, to: aimd_one, gap: 200 ms}\n"
            "  - {at: 4 s, via: staged, link: fleet, to: aimd_two, steps: [25 %, 100 %]}"
        )
    )
    assert plan["registered"] == {"fleet": ["aimd_one", "aimd_two"]}
    steps = [(action["t_ns"], action["do"], action.get("flows")) for action in plan["actions"]]
    assert steps == [
        (1 * S, "link_update", None),
        (2 * S, "unregister", None),
        (2 * S + 200 * MS, "register", None),
        (4 * S, "link_update", None),
        (6 * S, "check", None),  # one pause after the last step it is complete
        (4 * S, "setsockopt", [0]),
        (5 * S, "setsockopt", [1, 2, 3]),
    ]


def test_a_table_that_no_link_means_is_registered_under_its_own_name() -> None:
    plan = make_plan(resolved(f"objects: ['{OBJECT}']\nflows: [{{name: a}}]"))
    assert list(plan["registered"].values()) == [["aimd_one"]]


def test_a_guard_of_drops_is_refused_and_so_is_a_link_to_python(tmp_path: Path) -> None:
    guarded = resolved(
        f"{LINKED}flows: [{{name: a, congestion: fleet}}]\n"
        "swaps: [{at: 1 s, via: staged, link: fleet, to: aimd_two,\n"
        "         guard: {metric: drops, threshold: 20 %}}]"
    )
    assert any(
        "swaps.0.guard.metric: hosts do not see drops" in one for one in why_not_on_linux(guarded)
    )
    mixed = resolved(
        f"{LINKED}flows: [{{name: a, congestion: fleet}}]\n"
        "swaps: [{at: 1 s, via: link_update, link: fleet, to: reno}]"
    )
    assert any("fleet may mean reno" in one for one in why_not_on_linux(mixed))


def test_an_ordinary_scenario_has_nothing_against_it() -> None:
    text = (
        "flows: [{name: a, congestion: reno, size: 1 MB}]\n"
        "swaps: [{when: {flow: a, state: slow-start}, via: setsockopt, flows: [a], to: bbr}]"
    )
    assert why_not_on_linux(resolved(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "path: {rate: 10 Mbit/s, rtt: 20 ms, qdisc: {kind: codel}}",
        "path: {rate: 10 Mbit/s, rtt: 20 ms, netem: {loss: 1 %}}",
        "path: {rate: 10 Mbit/s, rtt: 20 ms, trace: lte.down}",
        "path: {rate: 10 Mbit/s, rtt: 20 ms}\nchanges: [{at: 1 s, rate: 5 Mbit/s}]",
    ],
)
def test_a_path_of_more_than_a_constant_line_is_planned_as_hops(text: str) -> None:
    flows = "flows: [{name: a, congestion: cubic}]"
    scenario = parse_scenario(f"name: test\nduration: 3 s\n{text}\n{flows}\n", "test.yaml")
    assert why_not_on_linux(scenario) == []
    assert make_plan(scenario)["hops"] == scenario.resolved()


def test_a_fifo_behind_a_constant_line_needs_no_hops() -> None:
    assert make_plan(resolved("flows: [{name: a}]"))["hops"] is None
