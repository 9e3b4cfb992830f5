"""Tests of listeners and network namespaces: what they resolve to, and what may not be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import Flow, Listener, Namespace, Scenario, Swap, Sysctl, parse_scenario

pytestmark = pytest.mark.usefixtures("three_algorithms")

OPS = "ssthresh=f, undo_cwnd=f, cong_avoid=f"
GOOD = """\
duration: 60 s
path: {rate: 100 Mbit/s, rtt: 40 ms}
links: {fleet: cubic}
namespaces: {edge: cubic}
listeners:
  - {name: web, congestion: fleet, netns: edge}
  - {name: db}
flows:
  - {name: a, listener: web, start: 1 s}
  - {name: b, netns: edge}
  - {name: c}
swaps:
  - {at: 20 s, via: setsockopt, listeners: [web], to: fleet}
  - {at: 21 s, via: sysctl, netns: edge, to: bbr}
"""


def load(text: str = GOOD) -> Scenario:
    return parse_scenario(text, "s.yaml")


def refused(old: str, new: str) -> list[str]:
    assert old in GOOD
    with pytest.raises(ScenarioError) as caught:
        load(GOOD.replace(old, new))
    return str(caught.value).splitlines()


def test_an_accepted_flow_has_its_listeners_namespace_and_chooses_nothing() -> None:
    assert load().flows[0] == Flow(
        name="a",
        congestion="",
        listener="web",
        netns="edge",
        start_ns=1_000_000_000,
        rtt_ns=40_000_000,
    )


def test_a_flow_without_a_name_has_its_namespaces_default() -> None:
    _, b, c = load().flows
    assert (b.congestion, b.netns, c.congestion, c.netns) == ("", "edge", "", "init")


def test_listeners_and_namespaces_resolve_in_their_order() -> None:
    scenario = load()
    assert scenario.listeners == (
        Listener(name="web", congestion="fleet", netns="edge"),
        Listener(name="db", congestion="", netns="init"),
    )
    assert scenario.namespaces == (Namespace(name="edge", default="cubic"),)


def test_swaps_of_listeners_and_sysctls_name_nothing_else() -> None:
    assert load().swaps == (
        Swap(at_ns=20_000_000_000, via="setsockopt", listeners=("web",), to="fleet"),
        Swap(at_ns=21_000_000_000, via="sysctl", netns="edge", to="bbr"),
    )


def test_a_sysctl_is_the_initial_namespaces_without_another() -> None:
    scenario = load(GOOD.replace("netns: edge, to: bbr", "to: bbr"))
    assert scenario.swaps[1].netns == "init"


def test_one_setsockopt_may_reach_flows_and_listeners() -> None:
    both = "flows: [c], listeners: [web, db, web], to: bbr"
    swap = load(GOOD.replace("listeners: [web], to: fleet", both)).swaps[0]
    assert (swap.flows, swap.listeners) == (("c",), ("web", "db"))


def test_what_is_resolved_can_be_read_back_and_identifies_the_run() -> None:
    scenario = load()
    assert Scenario.from_resolved(scenario.resolved()) == scenario
    other = load(GOOD.replace("{name: db}", "{name: db, congestion: reno}"))
    assert other.identity() != scenario.identity()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("listener: web,", "listener: wbe,", "9:25: flows.0.listener: no listener 'wbe'; did you "
         "mean 'web'?"),
        ("listener: web,", "listener: x,", "9:25: flows.0.listener: no listener 'x'; expected "
         "'db' or 'web'"),
        ("{name: b, netns: edge}", "{name: b, netns: egde}", "10:22: flows.1.netns: no network "
         "namespace 'egde'; did you mean 'edge'?"),
        ("fleet, netns: edge", "fleet, netns: zone", "6:43: listeners.0.netns: no network "
         "namespace 'zone'; expected 'edge' or 'init'"),
        ("congestion: fleet", "congestion: flet", "6:29: listeners.0.congestion: no algorithm "
         "'flet'; did you mean 'fleet'?"),
        ("{name: db}", "{}", "7:5: listeners.1.name: missing key 'name': its name"),
        ("{name: db}", "{name: db, conegstion: reno}", "7:16: listeners.1.conegstion: unknown key "
         "'conegstion'; did you mean 'congestion'?"),
        ("{name: db}", "{name: web}", "7:12: listeners.1.name: another listener is named 'web' "
         "already"),
        ("start: 1 s", "congestion: cubic", "9:30: flows.0.congestion: expected no congestion "
         "beside a listener: a connection accepted by 'web' inherits from it"),
        ("start: 1 s", "netns: edge", "9:30: flows.0.netns: expected no netns beside a listener: "
         "a connection accepted by 'web' inherits from it"),
        ("{edge: cubic}", "{edge: cubik}", "4:20: namespaces.edge: no algorithm 'cubik'; did you "
         "mean 'cubic'?"),
        ("{edge: cubic}", "{edge: bbr}", "4:20: namespaces.edge: 'bbr' is restricted (no "
         "TCP_CONG_NON_RESTRICTED): only the initial namespace may default to it (EPERM)"),
        ("{edge: cubic}", "{edge: fleet}", "4:20: namespaces.edge: 'fleet' is restricted (no "
         "TCP_CONG_NON_RESTRICTED): only the initial namespace may default to it (EPERM)"),
        ("{edge: cubic}", "{edge: cubic, init: reno}", "4:27: namespaces.init: 'init' is the "
         "initial namespace; its default is kernel.default"),
        ("{edge: cubic}", "{edge: cubic, a/b: reno}", "4:27: namespaces.a/b: expected a name of 1 "
         'to 64 of A-Z a-z 0-9 _ . -, got "a/b"'),
        ("listeners: [web]", "listeners: [wep]", "13:44: swaps.0.listeners: no listener 'wep'; "
         "did you mean 'web'?"),
        ("listeners: [web]", "listeners: all", "13:44: swaps.0.listeners: expected a list of "
         'listeners such as [web], got "all"'),
        ("listeners: [web], ", "", "13:5: swaps.0: missing key 'flows' or 'listeners': the "
         "sockets to swap"),
        ("netns: edge, to: bbr", "netns: eddge, to: bbr", "14:36: swaps.1.netns: no network "
         "namespace 'eddge'; did you mean 'edge'?"),
        ("netns: edge, to: bbr", "to: bbr, flows: [a]", "14:38: swaps.1.flows: unknown key "
         "'flows'; expected 'at', 'every', 'until', 'when', 'via', 'netns' or 'to'"),
    ],
)  # fmt: skip
def test_what_does_not_exist_or_agree_is_told_with_its_place(
    old: str, new: str, message: str
) -> None:
    assert refused(old, new) == [f"s.yaml:{message}"]


def test_a_scenario_without_listeners_says_so() -> None:
    text = "duration: 1 s\npath: {rate: 1 Mbit/s, rtt: 1 ms}\nflows: [{listener: web}]\n"
    with pytest.raises(ScenarioError, match="no listener 'web'; the scenario has no listeners"):
        load(text)


# --- twins ---


def test_twin_b_of_a_listeners_swap_starts_the_listener_on_what_it_ends_on() -> None:
    text = GOOD.replace("  - {at: 21", "  - {at: 30 s, via: setsockopt, listeners: [db], to: bbr}\n"
                        "  - {at: 21")  # fmt: skip
    twin = load(text).with_b_twin()
    assert twin.swaps == ()
    assert {each.name: each.congestion for each in twin.listeners} == {"web": "fleet", "db": "bbr"}
    assert twin.flows == load().flows


def test_twin_b_of_a_link_update_behind_a_listener_has_the_new_map_from_the_start() -> None:
    text = GOOD.replace(
        "swaps:\n", "swaps:\n  - {at: 5 s, via: link_update, link: fleet, to: bbr}\n"
    )
    twin = load(text).with_b_twin()
    assert [(link.name, link.map) for link in twin.links] == [("fleet", "bbr")]


def test_twin_b_of_sysctls_writes_them_before_the_run_in_order_of_time() -> None:
    text = GOOD + "  - {at: 5 s, via: sysctl, to: reno}\n"
    twin = load(text).with_b_twin()
    assert twin.sysctls == (Sysctl(netns="init", to="reno"), Sysctl(netns="edge", to="bbr"))
    assert (twin.kernel, twin.namespaces) == (load().kernel, load().namespaces)
    assert load(text).without_swaps().sysctls == ()


def test_twin_b_of_an_accepted_flow_that_is_swapped_has_the_new_one_from_the_start() -> None:
    text = GOOD.replace("listeners: [web], to: fleet", "flows: [a], to: bbr")
    flow = load(text).with_b_twin().flows[0]
    assert (flow.listener, flow.congestion) == ("web", "bbr")


def test_whether_a_namespaces_default_is_restricted_is_read_in_a_users_file_too(
    tmp_path: Path,
) -> None:
    text = GOOD.replace("{edge: cubic}", "{edge: mine}").replace(
        "links:", "objects: [o.py]\nlinks:"
    )
    table = 'm = TcpCongestionOps(name="mine", ssthresh=f, undo_cwnd=f, cong_avoid=f{})\n'
    (tmp_path / "o.py").write_text(table.format(", flags=TCP_CONG_NON_RESTRICTED"))
    assert parse_scenario(text, "s.yaml", tmp_path).namespaces[0].default == "mine"
    for flags in (", flags=ops.TCP_CONG_NON_RESTRICTED | 2", ", flags=3", ", flags=FLAGS"):
        (tmp_path / "o.py").write_text(table.format(flags))
        assert parse_scenario(text, "s.yaml", tmp_path)
    for flags in ("", ", flags=0", ", flags=TCP_CONG_NEEDS_ECN"):
        (tmp_path / "o.py").write_text(table.format(flags))
        with pytest.raises(ScenarioError, match="'mine' is restricted"):
            parse_scenario(text, "s.yaml", tmp_path)


def test_a_namespaces_default_may_be_a_link_to_an_unrestricted_map(tmp_path: Path) -> None:
    text = GOOD.replace("{edge: cubic}", "{edge: fleet}").replace(
        "links: {fleet: cubic}", "objects: [o.py]\nlinks: {fleet: m}"
    )
    (tmp_path / "o.py").write_text(
        f'n = TcpCongestionOps(name="other", {OPS})\n'
        f'm = TcpCongestionOps(name="mine", flags=1, {OPS})\n'
    )
    assert parse_scenario(text, "s.yaml", tmp_path).namespaces[0].default == "fleet"
