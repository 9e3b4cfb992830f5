"""What holds for every algorithm beyond Linux's: file, transfers, swaps in and out."""

from __future__ import annotations

import ast

import pytest

from ccsim.kernel.ops import TcpCongestionOps
from ccsim.sim.traces import SimResult
from ccsim.verify.fuzz.equality import check
from ccsim.verify.fuzz.scenarios import Example
from tests.algorithms.shipped_rig import ROOT, shipped
from tests.sim.sim_rig import MS, resolved, run

NAMES = ("bbr3", "copa", "fixed", "ledbatpp", "prague")
MIXED = """
duration: 1500 ms
path:
  {{rate: 20 Mbit/s, rtt: 20 ms, buffer: 25 packets, loss: 0.1 %, ecn: {{mark_above: 15 packets}}}}
flows:
  - {{name: a, congestion: {name}}}
  - {{name: b, congestion: {name}, start: 200 ms, size: 400 KB, rtt: 31 ms}}
  - {{name: c, congestion: cubic, start: 100 ms}}
tcp: {{ecn: true}}
"""
SWAPS = """
swaps:
  - {{at: 437 ms, via: setsockopt, flows: [a], to: reno}}
  - {{at: 612 ms, via: setsockopt, flows: [a, c], to: {name}}}
  - {{at: 1031 ms, via: sweep, flows: [a, c], to: cubic, over: 90 ms}}
  - {{at: 1290 ms, via: setsockopt, flows: [c], to: {name}}}
"""


def smallest(result: SimResult, column: str) -> int:
    return min(int(getattr(flow, column).min()) for flow in result.flows)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_declares_one_table_named_as_the_file_and_stays_readable(name: str) -> None:
    tables = {k: v for k, v in vars(shipped(name)).items() if isinstance(v, TcpCongestionOps)}
    public = {k: v for k, v in tables.items() if not k.startswith("_")}
    assert {k: v.name for k, v in public.items()} == {name: name}
    assert name in shipped(name).__all__
    assert len((ROOT / "algorithms" / f"{name}.py").read_text().splitlines()) <= 400


@pytest.mark.parametrize("name", NAMES)
def test_a_file_imports_kernel_toolkit_numpy_and_the_standard_library_alone(name: str) -> None:
    tree = ast.parse((ROOT / "algorithms" / f"{name}.py").read_text())
    froms = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    allowed = {"__future__", "collections.abc", "dataclasses", "math", "typing"}
    assert {
        m for m in froms - allowed if not (m or "").startswith(("ccsim.kernel", "ccsim.cc"))
    } == set()
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import)]


@pytest.mark.parametrize("name", NAMES)
def test_no_two_sockets_share_a_private_area(name: str) -> None:
    private = vars(shipped(name))[name].private
    assert private is None or private() is not private()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("swaps", ["", SWAPS], ids=["alone", "swapped"])
def test_neither_cuts_nor_vector_paths_show(name: str, swaps: str) -> None:
    scenario = resolved((MIXED + swaps).format(name=name))
    assert check(Example(scenario, (7 * MS, 1 * MS)), scenario) == ""


@pytest.mark.parametrize("name", NAMES)
def test_swaps_into_and_out_of_it_leave_a_window_and_a_pacing_rate(name: str) -> None:
    result = run((MIXED + SWAPS).format(name=name) + "record: {interval: 1 ms}\n")
    assert result.failed == ""
    assert [swap.errno for swap in result.swaps] == [0] * 4
    assert smallest(result, "snd_cwnd") >= 1
    assert not any((flow.pacing_rate_bps == 0).any() for flow in result.flows)
    for flow in result.flows:
        if flow.name != "b":  # its SYN may be lost
            assert int(flow.delivered_bytes[-1]) > 50_000


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_drops_nearly_everything_breaks_nothing(name: str) -> None:
    result = run(
        "duration: 6 s\npath: {rate: 2 Mbit/s, rtt: 30 ms, buffer: 1 packet, loss: 20 %}\n"
        f"flows:\n  - {{name: a, congestion: {name}}}\n"
    )
    assert result.failed == ""
    assert result.flows[0].counters["rtos"] > 0
    assert smallest(result, "snd_cwnd") >= 1
