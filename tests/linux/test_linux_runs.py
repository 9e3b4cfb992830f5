"""Short runs on this machine's kernel, where that is possible; what they leave behind: nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccsim.cli.entry import main
from ccsim.experiment.metrics import counted
from ccsim.experiment.stored import load_run
from ccsim.linux import run as linux_run
from ccsim.linux.host import missing_for
from ccsim.linux.run import LinuxError, run_on_linux
from ccsim.scenario import parse_scenario
from ccsim.spec import Scenario

S = 1_000_000_000
MISSING = missing_for(["reno", "cubic"])
needs_kernel = pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))
PATH = "path: {rate: 10 Mbit/s, rtt: 20 ms, buffer: 1 BDP}\nkernel: {default: reno}\n"


def resolved(text: str, duration: str = "1500 ms") -> Scenario:
    text = f"name: live\nduration: {duration}\n{PATH}{text}"
    return parse_scenario(text, "live.yaml")


@needs_kernel
def test_a_bulk_flow_fills_the_path_and_never_more() -> None:
    measured = run_on_linux(resolved("flows: [{name: a, congestion: reno}]"))
    (flow,), (link,) = measured.result.flows, measured.result.links
    assert flow.implementations == ("reno",)
    assert 1_000_000 < flow.delivered_bytes[-1] < 1_875_000 * 1448 / 1500  # 10 Mbit/s for 1.5 s
    assert flow.srtt_us[-1] >= 20_000
    assert link.utilisation_ppm.max() <= 1_200_000  # a packet more or less in 10 ms
    assert link.departed_bytes[-1] >= flow.delivered_bytes[-1]
    assert np.array_equal(flow.t_ns, np.arange(0, 1_500_000_001, 10_000_000))
    assert measured.reports["path"]["refused"] == 0


@needs_kernel
def test_a_swap_changes_the_implementation_and_nothing_of_the_sockets_window() -> None:
    scenario = resolved(
        "flows: [{name: a, congestion: reno}]\n"
        "swaps: [{at: 700 ms, via: setsockopt, flows: [a], to: cubic}]"
    )
    result = run_on_linux(scenario).result
    (flow,), (swap,) = result.flows, result.swaps
    assert (swap.old, swap.new, swap.errno, swap.flows) == ("reno", "cubic", 0, ("a",))
    assert 0 <= swap.t_ns - 700_000_000 < 50_000_000
    event = next(event for event in result.events if event.kind == "swap")
    assert event.detail["before"]["snd_cwnd"] == event.detail["after"]["snd_cwnd"]
    served = [flow.implementations[k] for k in flow.implementation]
    assert (served[0], served[-1]) == ("reno", "cubic")


@needs_kernel
def test_counts_are_exact_where_a_swap_and_the_end_are() -> None:
    """Of both flows at the swap of one, from TCP_INFO at that instant and not from samples."""
    scenario = resolved(
        "flows: [{name: a, congestion: reno}, {name: b, congestion: reno}]\n"
        "swaps: [{at: 703 ms, via: setsockopt, flows: [a], to: cubic}]"
    )
    measured = run_on_linux(scenario)
    (swap,) = measured.result.swaps
    for flow in measured.result.flows:
        assert flow.borders is not None
        assert flow.borders.t_ns.tolist() == [swap.t_ns, 1_500_000_000]
        bytes_then, resent = counted(flow, swap.t_ns)
        after = int(flow.t_ns.searchsorted(swap.t_ns))
        assert flow.delivered_bytes[after - 1] <= bytes_then <= flow.delivered_bytes[after]
        assert flow.retransmissions[after - 1] <= resent <= flow.retransmissions[after]
    (mark,) = [m for m in measured.reports["senders"]["flows"][0]["marks"] if m[1] == "swap_pre"]
    assert counted(measured.result.flows[0], swap.t_ns)[0] == mark[3]["bytes_acked"] - 1


@needs_kernel
def test_an_accepted_flow_inherits_from_its_listener() -> None:
    scenario = resolved(
        "listeners: [{name: web, congestion: reno}]\n"
        "flows: [{name: a, listener: web, size: 50 kB}, {name: b, listener: web, start: 700 ms}]\n"
        "swaps: [{at: 500 ms, via: setsockopt, listeners: [web], to: cubic}]"
    )
    flows = run_on_linux(scenario).result.flows
    assert [flow.implementations for flow in flows] == [("reno",), ("cubic",)]
    assert flows[0].counters["packets_delivered"] == 35  # 50,000 bytes of 1448
    assert flows[0].end_ns is not None


@needs_kernel
def test_requests_are_answered_and_sized_connections_end() -> None:
    scenario = resolved(
        "workloads:\n"
        "  - {name: web, arrivals: {at_once: 2}, sizes: 100 kB, congestion: reno}\n"
        "  - {name: rpc, arrivals: {at_once: 1}, congestion: reno,\n"
        "     requests: {think: 50 ms, response: 20 kB, count: 3}}\n"
    )
    result = run_on_linux(scenario).result
    assert result.completions is not None
    done = result.completions
    assert sorted(done.size_bytes.tolist()) == [20_000] * 3 + [100_000] * 2
    assert (done.end_ns > done.start_ns).all()


@needs_kernel
def test_what_the_application_writes_now_and_then_is_what_arrives() -> None:
    text = "flows: [{name: a, congestion: reno, source: {rate: 1 Mbit/s, write: 10 kB}}]"
    (flow,) = run_on_linux(resolved(text, "2 s")).result.flows
    assert 230_000 <= flow.delivered_bytes[-1] <= 260_000  # 250 kB, by writes of 10 kB


@needs_kernel
def test_a_run_is_stored_like_a_simulated_one(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "live.yaml"
    file.write_text(f"name: live\nduration: 1 s\n{PATH}flows: [{{name: a, congestion: reno}}]\n")
    argv = ["run", str(file), "--on", "linux", "--out", str(tmp_path / "r"), "--no-plot"]
    assert main([*argv, "--repeat", "2"]) == 0
    folders = sorted((tmp_path / "r" / "live").iterdir())
    assert [folder.name.split(".", 1)[1] for folder in folders] == ["linux.1", "linux.2"]
    run = load_run(folders[0], verify=True)
    assert run.manifest["backend"] == "linux"
    assert run.manifest["host"]["kernel"]
    assert run.flows["a"].delivered_bytes[-1] > 500_000
    assert "Linux" in capsys.readouterr().out


def test_repetitions_without_a_kernel_are_refused(capsys: Any) -> None:
    assert main(["run", "cubic_to_bbr", "--repeat", "2"]) == 2
    assert "--on linux" in capsys.readouterr().err


def test_what_is_missing_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux_run, "missing_for", lambda names, bpf: ["TUN devices: not here"])
    monkeypatch.setattr(linux_run, "make_plan", lambda scenario: pytest.fail("it started"))
    with pytest.raises(LinuxError, match="on linux: TUN devices: not here"):
        run_on_linux(resolved("flows: [{name: a, congestion: reno}]"))


@needs_kernel
def test_an_algorithm_that_the_kernel_has_not_is_named_with_the_remedy() -> None:
    with pytest.raises(LinuxError, match=r"algorithm copa: this kernel has .*choose another"):
        run_on_linux(resolved("flows: [{name: a, congestion: copa}]"))
