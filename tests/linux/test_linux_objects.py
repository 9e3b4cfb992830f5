"""BPF objects in this machine's kernel, and what they counted beside what they count simulated."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

import pytest

from ccsim.linux.host import missing_for
from ccsim.linux.kernel_object import KernelObject, running_target
from ccsim.linux.registered import Registered
from ccsim.linux.run import run_on_linux
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.spec import Scenario
from tests.bpf.edge_rig import archive, cases

DATA = Path(__file__).parent / "data"
OBJECTS = Path(__file__).resolve().parents[1] / "bpf" / "data" / "objects"
MISSING = missing_for(["reno"], bpf=True)
needs_bpf = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
UPDATE = f"""
name: update
duration: 3 s
path: {{rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP}}
kernel: {{default: reno}}
objects: ['{OBJECTS / "aimd.bpf.o"}']
links: {{fleet: aimd_one}}
flows:
  - {{name: old, congestion: fleet}}
  - {{name: new, congestion: fleet, start: 2 s}}
swaps: [{{at: 1 s, via: link_update, link: fleet, to: aimd_two}}]
"""


def resolved(text: str) -> Scenario:
    return parse_scenario(text, "live.yaml")


@needs_bpf
@pytest.mark.parametrize("name", ["aimd", "borrow", "leaver", "marks", "probe", "rate", "spy"])
def test_the_kernels_verifier_takes_what_our_loader_relocated(name: str) -> None:
    found = KernelObject(str(OBJECTS / f"{name}.bpf.o"), {}, 250)
    assert found.programs
    for table in found.tables:
        assert found.make_table(table, "ccsim_test") > 0


@needs_bpf
@pytest.mark.skipif(not platform.release().startswith("6.18."), reason="recorded on Linux 6.18")
def test_this_kernel_says_of_every_kind_what_it_said_to_libbpf(tmp_path: Path) -> None:
    """Socket storage, callbacks, locks, subprograms: loaded by libbpf when it was recorded."""
    for case in cases("kinds"):
        file = tmp_path / case["object"]
        file.write_bytes(archive("kinds")[case["object"]])
        if case["stage"] == "attach":
            KernelObject(str(file), {}, 250)
            continue
        with pytest.raises(OSError, match=re.escape(case["said"])) as refused:
            KernelObject(str(file), {}, 250)
        assert refused.value.errno == case["errno"]


@needs_bpf
def test_callbacks_and_socket_storage_count_here_as_they_do_simulated() -> None:
    """data/callback.bpf.c: each ACK adds 0 + … + 4 in a callback, and one to its socket's own."""
    scenario = resolved(
        "name: callback\nduration: 1 s\npath: {rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP}\n"
        f"kernel: {{default: reno}}\nobjects: ['{DATA / 'callback.bpf.o'}']\n"
        "flows: [{name: a, congestion: callback}]\n"
    )
    for result in (run_on_linux(scenario).result, simulate(scenario)):
        (objects,) = [event.detail for event in result.events if event.kind == "objects"]
        bss = objects["callback"]["bss"]
        assert bss["looped"] == 10
        assert 200 < bss["stored"] < 700  # ACKs of some 800 packets


@needs_bpf
def test_variables_are_set_before_loading_and_read_back() -> None:
    found = KernelObject(str(OBJECTS / "aimd.bpf.o"), {"increase": 5}, 250)
    values = found.variables()
    assert values["data"] == {"increase": 5, "kept_percent": 70}
    assert values["bss"]["one"]["init"] == 0


@needs_bpf
def test_connections_keep_what_they_were_opened_on_here_and_simulated() -> None:
    """The claim of the mechanism, counted by the object itself: one connection on each table."""
    here = run_on_linux(resolved(UPDATE)).result
    there = simulate(resolved(UPDATE))
    counted = []
    for result in (here, there):
        assert [flow.implementations for flow in result.flows] == [("aimd_one",), ("aimd_two",)]
        (objects,) = [event.detail for event in result.events if event.kind == "objects"]
        bss = objects["aimd"]["bss"]
        counted.append([(bss[key]["init"], bss[key]["release"]) for key in ("one", "two")])
        assert bss["one"]["cong_avoid"] > 500
        assert bss["two"]["cong_avoid"] > 100
    assert counted[0] == counted[1] == [(1, 0), (1, 0)]
    (swap,) = here.swaps
    assert (swap.old, swap.new, swap.errno, swap.flows) == ("aimd_one", "aimd_two", 0, ())


@needs_bpf
def test_an_update_amid_transfers_counts_here_as_it_does_simulated() -> None:
    """Of three connections opened before the update one ends before it, one after it, one never; of
    two opened after it one ends. So the old table is initialised thrice and released twice, the new
    one twice and once, however the transfers go."""
    text = UPDATE[: UPDATE.index("flows:")] + (
        "flows:\n"
        "  - {name: brief, congestion: fleet, size: 100 kB}\n"
        "  - {name: amid, congestion: fleet, size: 900 kB}\n"
        "  - {name: old, congestion: fleet}\n"
        "  - {name: next, congestion: fleet, start: 1200 ms, size: 100 kB}\n"
        "  - {name: new, congestion: fleet, start: 1500 ms}\n"
    )
    text += UPDATE[UPDATE.index("swaps:") :]
    for result in (run_on_linux(resolved(text)).result, simulate(resolved(text))):
        flows = {flow.name: flow for flow in result.flows}
        brief, amid = flows["brief"].end_ns, flows["amid"].end_ns
        assert brief is not None
        assert amid is not None
        assert brief < 1_000_000_000 < amid
        (objects,) = [event.detail for event in result.events if event.kind == "objects"]
        bss = objects["aimd"]["bss"]
        counted = [(bss[key]["init"], bss[key]["release"]) for key in ("one", "two")]
        assert counted == [(3, 2), (2, 1)]
        served = [flow.implementations for flow in result.flows]
        assert served == [("aimd_one",)] * 3 + [("aimd_two",)] * 2


@needs_bpf
def test_a_name_that_is_missing_for_a_time_is_not_found_and_comes_back() -> None:
    text = UPDATE.replace("start: 2 s", "start: 1200 ms").replace(
        "via: link_update, link: fleet", "via: reregister, gap: 500 ms, link: fleet"
    )
    flows = run_on_linux(resolved(text)).result.flows
    assert [flow.implementations for flow in flows] == [("aimd_one",), ("reno",)]


def plan(**more: Any) -> dict[str, Any]:
    return {"objects": [], "registered": {}, "token": "_ab12", "hz": 250, **more}


def test_names_are_unique_to_the_run_and_fit_the_kernel() -> None:
    ours = Registered(plan())
    ours.plan = plan(registered={"fleet": [], "a_rather_long_name": []})
    assert ours.kernel_name("fleet") == "fleet_ab12"
    assert ours.kernel_name("a_rather_long_name") == "a_rather_l_ab12"
    assert ours.kernel_name("cubic") == "cubic"
    assert ours.our_name("fleet_ab12") == "fleet"
    assert ours.our_name("cubic") == "cubic"


def test_what_is_no_registered_name_means_itself() -> None:
    assert Registered(plan()).meaning("cubic") == "cubic"


def test_the_running_kernel_is_told_as_numbers() -> None:
    target = running_target(1000)
    assert target.hz == 1000
    assert target.version >= (3, 0, 0)
