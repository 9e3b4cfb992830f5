"""What is shown of hops and routes: in the terminal, and on the page of a run."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.cli import main
from ccsim.plot.topology import topology_of, topology_text
from ccsim.report.topology import topology_section
from ccsim.scenario import parse_scenario

DUMBBELL = """
duration: 1 s
hops:
  near: {rate: 100 Mbit/s, delay: 1 ms, buffer: 9 packets}
  far:  {rate: 1 Gbit/s, qdisc: codel}
  core: {rate: 20 Mbit/s, delay: 10 ms, buffer: 50 packets, netem: {delay: 1 ms}}
  up:   {rate: 500 kbit/s, delay: 1 ms, buffer: 9 packets}
  last: {trace: lte.down, delay: 1 ms, buffer: 9 packets}
routes:
  a: {out: [near, core], back: [up, last]}
  b: {out: [far, core]}
flows: [{name: x, congestion: reno}, {name: y, congestion: reno, route: b}]
"""


def resolved(text: str) -> dict[str, Any]:
    return parse_scenario(text, "t.yaml").resolved()


def test_each_hop_lies_right_of_those_before_it_and_ways_back_below() -> None:
    places = {box.name: (box.column, box.row) for box in topology_of(resolved(DUMBBELL)).boxes}
    assert places == {"near": (0, 0), "core": (1, 0), "far": (0, 1), "last": (0, 2), "up": (1, 2)}


def test_the_terminal_shows_routes_as_chains_and_what_each_hop_is() -> None:
    assert topology_text(topology_of(resolved(DUMBBELL))).splitlines() == [
        "a (x)",
        "  forth  sender ──▶ [near] ──▶ [core] ──▶ receiver",
        "  back   receiver ──▶ [up] ──▶ [last] ──▶ sender",
        "b (y)",
        "  forth  sender ──▶ [far] ──▶ [core] ──▶ receiver",
        "  back   receiver ──▶ sender, never queued",
        "near  100 Mbit/s, 1 ms, fifo, 9 packets",
        "core  20 Mbit/s, 10 ms, fifo, 50 packets, netem",
        "far   1000 Mbit/s, codel",
        "last  as a trace, 1 ms, fifo, 9 packets",
        "up    500 kbit/s, 1 ms, fifo, 9 packets",
    ]


def test_a_path_is_one_hop() -> None:
    text = "duration: 1 s\npath: {rate: 8 Mbit/s, rtt: 9 ms, buffer: 5 packets}\n"
    topology = topology_of(resolved(text + "flows: [{name: x, congestion: reno}]\n"))
    assert topology_text(topology).splitlines() == [
        "path (x)",
        "  forth  sender ──▶ [bottleneck] ──▶ receiver",
        "  back   receiver ──▶ sender, never queued",
        "bottleneck  8 Mbit/s, RTT 9 ms, fifo, 5 packets",
    ]


def test_ways_in_a_circle_have_places_too() -> None:
    text = (
        "duration: 1 s\nhops:\n"
        "  p: {rate: 8 Mbit/s, delay: 5 ms}\n  q: {rate: 8 Mbit/s, delay: 5 ms}\n"
        "routes: {a: {out: [p, q]}, b: {out: [q, p]}}\n"
        "flows: [{name: x, congestion: reno, route: a}, {name: y, congestion: reno, route: b}]\n"
    )
    places = {(box.column, box.row) for box in topology_of(resolved(text)).boxes}
    assert len(places) == 2


def test_the_page_draws_boxes_and_arrows_of_hops_and_nothing_of_a_path() -> None:
    picture = topology_section(resolved(DUMBBELL))
    assert picture is not None
    assert picture.count("<rect") == 5
    # forth 3 + 3 steps, back 3 of one route, and 2 lines in the legend
    assert picture.count("<path") == 11
    assert "ACKs never queue" in picture
    text = "duration: 1 s\npath: {rate: 8 Mbit/s, rtt: 9 ms, buffer: 5 packets}\n"
    plain = resolved(text + "flows: [{name: x, congestion: reno}]\n")
    assert topology_section(plain) is None


def test_names_on_the_page_are_escaped() -> None:
    scenario = resolved(DUMBBELL)
    scenario["flows"][0]["name"] = "<script>"
    assert "<script>" not in str(topology_section(scenario))


def test_show_prints_the_topology_of_a_file(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "d.yaml"
    file.write_text("name: d\n" + DUMBBELL, encoding="utf-8")
    assert main(["show", "--topology", str(file)]) == 0
    assert capsys.readouterr().out.startswith("a (x)\n  forth  sender ──▶ [near]")
