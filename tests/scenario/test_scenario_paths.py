"""Paths of qdiscs, hops, routes and changes that do not agree with themselves are refused, each at
its place."""

from __future__ import annotations

import pytest

from ccsim.errors import ScenarioError
from ccsim.scenario import parse_scenario
from ccsim.spec.path import Path, Qdisc, Trace

BULK = "flows: [{name: bulk, congestion: cubic}]\n"
PATH = "path: {rate: 20 Mbit/s, rtt: 40 ms"
HOPS = "hops: {a: {rate: 50 Mbit/s, delay: 5 ms}, b: {rate: 20 Mbit/s, delay: 10 ms}}\n"
ROUTES = "routes: {main: {out: [a, b]}}\n"
OVER = HOPS + ROUTES + BULK


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(f"name: it\nduration: 10 s\n{text}", "it.yaml")
    return [(problem.path, problem.message) for problem in caught.value.problems]


def path_of(preset: str) -> Path:
    return parse_scenario(f"name: it\nduration: 10 s\npath: {{{preset}}}\n{BULK}", "s").path


def test_less_than_a_packet_is_no_buffer_but_a_qdisc_without_one_has_its_own_limit() -> None:
    short = "rate: 10 kbit/s, rtt: 1 ms"  # 10 bits
    assert path_of(f"{short}, qdisc: codel").buffer_packets == 1000
    for refused in (short, f"{short}, qdisc: codel, buffer: 0.5 BDP"):
        ((place, message),) = problems(f"path: {{{refused}}}\n{BULK}")
        assert place.startswith("path")
        assert message.startswith("expected a buffer of 1 to ")


def test_a_preset_gives_what_is_not_given() -> None:
    cable = path_of("preset: cable")
    assert (cable.rate_bps, cable.rtt_ns) == (200_000_000, 20_000_000)
    assert isinstance(cable.qdisc, Qdisc)
    assert (cable.qdisc.kind, cable.qdisc.values["target_us"]) == ("pie", 15_000)
    slower = path_of("preset: cable, rate: 20 Mbit/s, qdisc: fifo")
    assert (slower.rate_bps, slower.rtt_ns, slower.qdisc) == (20_000_000, 20_000_000, "fifo")


def test_a_preset_that_follows_a_trace_does_not_where_a_rate_is_given() -> None:
    assert path_of("preset: lte").trace == Trace(preset="lte.down")
    steady = path_of("preset: lte, rate: 5 Mbit/s")
    assert (steady.trace, steady.rate_bps, steady.buffer_packets) == (None, 5_000_000, 1000)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (PATH + ", qdisc: codell}\n" + BULK, "path.qdisc", "did you mean 'codel'"),
        (PATH + ", qdisc: {kind: codel, limt: 9}}\n" + BULK, "path.qdisc", "limt"),
        (PATH + ", qdisc: {kind: codel, target: 5}}\n" + BULK, "path.qdisc", "target"),
        (
            PATH + ", buffer: 9 packets, qdisc: {kind: codel, limit: 9}}\n" + BULK,
            "path.buffer",
            "either a buffer or the qdisc's limit",
        ),
        (PATH + ", qdisc: codel, ecn: {mark_above: 1 ms}}\n" + BULK, "path.ecn", "a fifo"),
        (PATH + "}\n" + OVER, "path", "either a path or hops"),
        (HOPS + BULK, "hops", "expected routes too"),
        (PATH + "}\n" + ROUTES + BULK, "routes", "expected hops too"),
        (HOPS + "routes: {main: {out: []}}\n" + BULK, "routes.main.out", "at least one hop"),
        (HOPS + "routes: {main: {out: [c]}}\n" + BULK, "routes.main.out", "no hop 'c'"),
        (HOPS + "routes: {main: {out: [a, a]}}\n" + BULK, "routes.main.out", "each hop once"),
        (HOPS + ROUTES + "flows: [{route: up}]\n", "flows.0.route", "no route 'up'"),
        # 5 + 10 ms forth, and as much back
        (HOPS + ROUTES + "flows: [{rtt: 29 ms}]\n", "flows.0.rtt", "30000000 ns, got 29000000 ns"),
    ],
)
def test_a_path_that_cannot_be_is_refused_at_its_place(text: str, place: str, words: str) -> None:
    found = problems(text)
    assert any(path == place and words in message for path, message in found), found


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ("{at: 10 s, rate: 1 Mbit/s}", ".at", "before the end of the run at 10 s, got 10 s"),
        ("{at: 1 s, rate: 1 Mbit/s, hop: a}", ".hop", "there are no hops"),
        ("{at: 1 s, rte: 1 Mbit/s}", ".rte", "did you mean 'rate'"),
        ("{at: 1 s, qdisc: {target: 1 ms}}", ".qdisc", "got a fifo"),
        (
            "{at: 1 s, walk: {step: 1 Mbit/s, every: 1 s, min: 30 Mbit/s, max: 40 Mbit/s}}",
            ".walk",
            "about the hop's rate",
        ),
    ],
)
def test_a_change_that_cannot_be_is_refused(change: str, place: str, words: str) -> None:
    found = problems(f"{PATH}}}\nchanges: [{change}]\n{BULK}")
    assert any(p == f"changes.0{place}" and words in message for p, message in found), found


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ("{at: 1 s, rate: 1 Mbit/s}", ".hop", "expected one of 'a' or 'b', got none"),
        ("{at: 1 s, hop: c, rate: 1 Mbit/s}", ".hop", "no hop 'c'"),
        ("{at: 1 s, hop: a, rtt: 9 ms}", ".rtt", "a hop has no RTT"),
    ],
)
def test_a_change_of_hops_names_one_of_them(change: str, place: str, words: str) -> None:
    found = problems(f"{OVER}changes: [{change}]\n")
    assert any(p == f"changes.0{place}" and words in message for p, message in found), found


def test_a_line_that_a_trace_drives_has_no_other_rate() -> None:
    text = f"path: {{trace: lte.down, rtt: 40 ms}}\nchanges: [{{at: 1 s, rate: 1 Mbit/s}}]\n{BULK}"
    assert [path for path, _ in problems(text)] == ["changes.0"]


def test_a_change_at_the_last_instant_of_a_run_is_one() -> None:
    text = f"{PATH}}}\nchanges: [{{at: 9999 ms, rate: 1 Mbit/s}}]\n{BULK}"
    scenario = parse_scenario(f"name: it\nduration: 10 s\n{text}", "it.yaml")
    assert [change.at_ns for change in scenario.changes] == [9_999_000_000]
