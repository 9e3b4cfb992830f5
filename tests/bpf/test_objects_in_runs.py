"""Compiled objects where algorithm files stand: in scenarios, swaps, results."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ccsim
from ccsim.bpf.handshake import tell_before_accept
from ccsim.bpf.live import load_object
from ccsim.bpf.memory import PrivateArea
from ccsim.bpf.runtime import FORMS
from ccsim.errors import ScenarioError
from ccsim.kernel import TCP_CONGESTION, Implementation, Kernel, Sock, TcpCongestionOps
from ccsim.kernel.objects import TcpOwner
from ccsim.scenario import parse_scenario
from ccsim.sim import simulate
from ccsim.sim.traces import FlowTrace, SimResult
from ccsim.spec import Scenario
from tests.bpf.bpf_rig import DATA
from tests.bpf.edge_rig import archive, edge_files

HEAD = "name: t\nduration: 3 s\npath: {rate: 10 Mbit/s, rtt: 40 ms}\n"
TWO = """
objects: [{file: aimd.bpf.o, set: {increase: 3}}]
links: {aimd: aimd_one}
flows:
  - {name: bulk, congestion: aimd}
  - {name: later, congestion: aimd, start: 2 s}
swaps:
  - {at: 1 s, via: link_update, link: aimd, to: aimd_two}
"""


def resolved(text: str) -> Scenario:
    return parse_scenario(HEAD + text, "t.yaml", DATA / "objects")


def run(text: str) -> SimResult:
    return simulate(resolved(text))


def held(result: SimResult) -> dict[str, Any]:
    """Return what objects held at the end."""
    return next(event.detail for event in result.events if event.kind == "objects")


def serving(flow: FlowTrace) -> str:
    """Return what serves a flow at the end."""
    return flow.implementations[int(flow.implementation[-1])]


def test_a_link_update_moves_new_connections_to_the_other_table() -> None:
    result = run(TWO)
    assert list(map(serving, result.flows)) == ["aimd_one", "aimd_two"]
    bss = held(result)["aimd"]["bss"]
    assert (bss["one"]["init"], bss["two"]["init"]) == (1, 1)
    assert bss["one"]["in_ack_event"] > 1000
    assert bss["two"]["in_ack_event"] == 0, "aimd_two has no such operation"
    assert bss["two"]["cong_avoid"] > 100


def test_variables_are_set_before_loading_and_change_what_the_object_does() -> None:
    flows = "flows: [{name: bulk, congestion: aimd}]\n"
    slow = run("objects: [{file: aimd.bpf.o, set: {increase: 1}}]\n" + flows)
    fast = run("objects: [{file: aimd.bpf.o, set: {increase: 30}}]\n" + flows)
    assert held(slow)["aimd"]["data"] == {"increase": 1, "kept_percent": 70}
    assert (
        held(fast)["aimd"]["bss"]["one"]["ssthresh"] > held(slow)["aimd"]["bss"]["one"]["ssthresh"]
    )


def test_the_hooks_of_the_handshake_run_before_init() -> None:
    """The SYN-ACK's RTT sample is 40 ms and its ACK counts; the window is as ever at init."""
    cut = simulate(
        replace(
            resolved("objects: [aimd.bpf.o]\nflows: [{name: bulk, congestion: aimd}]\n"),
            duration_ns=60_000_000,
        )
    )
    early = held(cut)["aimd"]["bss"]["one"]
    assert (early["pkts_acked"], early["in_ack_event"], early["cong_avoid"]) == (1, 1, 0)
    assert 40_000 <= early["last_rtt_us"] < 40_500
    assert int(cut.flows[0].snd_cwnd[-1]) == 10


def test_an_accepted_connection_begins_as_on_the_receiving_end_that_was_recorded() -> None:
    """In the recording the accepted socket has set_state(Open), in_ack_event(3), then init, all in
    state 3 (SYN_RECV)."""
    calls: list[tuple[str, int, object]] = []
    sk = Sock()
    kernel = Kernel()
    ops = TcpCongestionOps(
        name="seen",
        ssthresh=lambda sk: 2,
        undo_cwnd=lambda sk: 2,
        cong_avoid=lambda sk, ack, acked: None,
        pkts_acked=lambda sk, sample: calls.append(("pkts_acked", sk.sk_state, 0)),
        set_state=lambda sk, state: calls.append(("set_state", sk.sk_state, state)),
        in_ack_event=lambda sk, flags: calls.append(("in_ack_event", sk.sk_state, flags)),
        init=lambda sk: calls.append(("init", sk.sk_state, sk.ca_initialized)),
        private=PrivateArea,
    )
    kernel.tcp_cong.register(Implementation(ops, TcpOwner()))
    kernel.socket(sk)
    kernel.setsockopt(sk, TCP_CONGESTION, "seen")
    kernel.came_in(sk, tell_before_accept)
    assert calls == [("set_state", 3, 0), ("in_ack_event", 3, 3), ("init", 3, False)]
    assert sk.sk_state == 1


def test_a_listener_gives_an_object_that_is_told_before_init() -> None:
    result = run(
        "objects: [aimd.bpf.o]\nlisteners: [{name: web, congestion: aimd}]\n"
        "flows: [{name: bulk, listener: web}]\n"
    )
    one = held(result)["aimd"]["bss"]["one"]
    assert (one["init"], one["set_state"] >= 1, one["in_ack_event"] > 100) == (1, True, True)


def test_an_object_that_moves_itself_goes_on_as_its_successor() -> None:
    """After its third loss `leaver` is served by cubic, and the old name is kept no longer."""
    result = run("objects: [leaver.bpf.o]\nflows: [{name: bulk, congestion: leaver}]\n")
    bss = held(result)["leaver"]["bss"]
    assert (bss["left"], bss["seen_setsockopt"], bss["seen_getsockopt"]) == (1, 0, 0)
    assert serving(result.flows[0]) == "cubic"


@pytest.mark.parametrize("via", ["setsockopt", "sweep"])
@pytest.mark.parametrize(("first", "then"), [("aimd", "cubic"), ("cubic", "aimd")])
def test_running_connections_swap_to_and_from_an_object(via: str, first: str, then: str) -> None:
    swap = f"swaps: [{{at: 1 s, via: {via}, flows: [bulk], to: {then}}}]\n"
    text = f"objects: [aimd.bpf.o]\nflows: [{{name: bulk, congestion: {first}}}]\n" + swap
    result = run(text)
    assert serving(result.flows[0]) == {"aimd": "aimd_one"}.get(then, then)
    one = held(result)["aimd"]["bss"]["one"]
    assert (one["init"], one["release"]) == (1, 1 if first == "aimd" else 0)


def test_ecn_marks_reach_an_object_at_both_ends() -> None:
    text = HEAD.replace("rtt: 40 ms}", "rtt: 40 ms, ecn: {mark_above: 10 packets}}")
    text += "objects: [marks.bpf.o]\nflows: [{name: bulk, congestion: marks}]\n"
    result = simulate(parse_scenario(text, "t.yaml", DATA / "objects"))
    assert held(result)["marks"]["bss"]["reductions"] > 3
    assert result.flows[0].counters["packets_marked"] > 10


def test_a_stored_run_gives_variables_maps_and_metrics(tmp_path: Path) -> None:
    shutil.copy(DATA / "objects" / "rate.bpf.o", tmp_path)
    file = tmp_path / "rate.yaml"
    file.write_text(HEAD + "objects: [rate.bpf.o]\nflows: [{name: bulk, congestion: rate}]\n")
    stored = ccsim.run(file, out=tmp_path / "results")
    assert stored.failed == ""
    assert stored.objects["rate"].bss["calls"] > 1000
    gains = stored.objects["rate"].maps["gains"]
    assert gains == [[f"0{i}000000", "0" * 16] for i in range(4)]
    assert stored.metrics["objects"]["rate"]["bss"] == stored.objects["rate"].bss


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        ("[{file: aimd.bpf.o, set: {no_such: 3}}]", "no_such"),
        ("[{file: aimd.bpf.o, set: {increase: many}}]", "increase"),
        ("[{file: aimd.bpf.o, sets: {increase: 3}}]", "sets"),
        ("[missing.bpf.o]", "no such file 'missing.bpf.o'"),
        ("[3]", "expected a file such as"),
    ],
)
def test_an_entry_that_is_wrong_is_told_with_its_place(objects: str, sentence: str) -> None:
    text = HEAD + f"objects: {objects}\nflows: [{{name: bulk, congestion: cubic}}]\n"
    with pytest.raises(ScenarioError) as raised:
        parse_scenario(text, "t.yaml", DATA / "objects")
    assert str(raised.value).startswith("t.yaml:4:")
    assert sentence in str(raised.value)


def test_a_python_file_has_no_variables_to_set(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    text = HEAD + "objects: [{file: a.py, set: {x: 2}}]\nflows: [{name: b, congestion: cubic}]\n"
    with pytest.raises(ScenarioError, match="only compiled objects have variables to set"):
        parse_scenario(text, "t.yaml", tmp_path)


def test_a_file_that_is_cut_short_is_refused_with_stage_and_errno(tmp_path: Path) -> None:
    whole = (DATA / "objects" / "aimd.bpf.o").read_bytes()
    (tmp_path / "short.bpf.o").write_bytes(whole[:1000])
    text = HEAD + "objects: [short.bpf.o]\nflows: [{name: bulk, congestion: cubic}]\n"
    with pytest.raises(ScenarioError, match=r"t\.yaml:4:11: objects\.0: short\.bpf\.o: open: "):
        parse_scenario(text, "t.yaml", tmp_path)


@pytest.mark.parametrize("table", ["no_cong_avoid", "no_ssthresh", "no_undo_cwnd"])
def test_a_table_that_linux_would_not_register_matters_to_those_who_ask_for_it(
    table: str, tmp_path: Path
) -> None:
    """Loading an object attaches nothing: the self-tests have such tables beside good ones."""
    (tmp_path / "half.bpf.o").write_bytes(edge_files()[f"{table}.bpf.o"])
    text = HEAD + "objects: [half.bpf.o]\nflows: [{name: bulk, congestion: NAME}]\n"
    plain = parse_scenario(text.replace("NAME", "reno"), "t.yaml", tmp_path)
    assert simulate(plain).flows[0].delivered_bytes[-1] > 1_000_000
    with pytest.raises(ScenarioError, match="EINVAL: bad: required operation missing"):
        parse_scenario(text.replace("NAME", "bad"), "t.yaml", tmp_path)


def test_an_object_that_returns_no_window_ends_the_run_by_name(tmp_path: Path) -> None:
    """Its ssthresh returns an address, whose lower half is 0 here."""
    (tmp_path / "x.bpf.o").write_bytes(archive("kinds")["retptr.v3.bpf.o"])
    text = HEAD.replace("rtt: 40 ms}", "rtt: 40 ms, loss: 1 %}")
    text += "objects: [x.bpf.o]\nflows: [{name: bulk, congestion: x}]\n"
    result = simulate(parse_scenario(text, "t.yaml", tmp_path))
    assert re.search(r"program x_ssthresh: ssthresh: expected a number from 1 to", result.failed)


@pytest.mark.parametrize("form", FORMS)
def test_of_what_ssthresh_leaves_in_r0_the_upper_half_is_nobodys(form: str) -> None:
    live = load_object(DATA / "objects" / "borrow.bpf.o", form=form)
    run = live.runtime.function
    live.runtime.function = lambda *key: lambda sk: run(*key)(sk) | 7 << 32  # type: ignore[method-assign]
    sk = Sock()
    sk.snd_cwnd = 40
    hook = live._table("borrow").ssthresh
    assert hook is not None
    assert hook(sk) == 20


def test_the_older_signature_of_cong_control_is_another_kernel() -> None:
    """An object of today is refused by a kernel before 6.10: its program reads a fourth argument,
    which is not there; so is an older one by a kernel of today."""
    text = "kernel: {profile: linux-6.9}\nobjects: [borrow.bpf.o]\n"
    result = run(text + "flows: [{name: bulk, congestion: borrow}]\n")
    assert result.flows[0].delivered_bytes[-1] > 1_000_000


def test_twins_and_repeats_have_objects_of_their_own() -> None:
    once, twice = run(TWO), run(TWO)
    assert held(once) == held(twice)
    assert (once.flows[0].snd_cwnd == twice.flows[0].snd_cwnd).all()


def test_a_fault_in_a_program_ends_the_run_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccsim.bpf import helpers, runtime
    from ccsim.bpf.memory import BpfFault

    def fail(self: helpers.Host, sk: object) -> int:
        raise BpfFault("no clock")

    monkeypatch.setattr(helpers.Host, "ktime_ns", fail)
    monkeypatch.setattr(runtime, "FORMS", ("interpreter",))
    result = run("objects: [rate.bpf.o]\nflows: [{name: bulk, congestion: rate}]\n")
    assert re.search(r"program rate_init.*no clock", result.failed)


def test_cubic_as_the_rfc_writes_it_keeps_seven_tenths_of_its_window() -> None:
    """At a loss at W packets the window falls to 0.7 W (RFC 9438, section 4.6)."""
    text = HEAD.replace("duration: 3 s", "duration: 30 s").replace("10 Mbit/s", "20 Mbit/s")
    text += "objects: [rfc_cubic.bpf.o]\nflows: [{name: bulk, congestion: rfc_cubic}]\n"
    (flow,) = simulate(parse_scenario(text, "t.yaml", DATA / "objects")).flows
    (ends,) = ((flow.ca_state[1:] == 0) & (flow.ca_state[:-1] != 0)).nonzero()
    assert len(ends) > 2
    for end in ends:
        begin = int((flow.ca_state[: end + 1] == 0).nonzero()[0][-1])
        kept = 0.7 * int(flow.snd_cwnd[begin])
        assert int(flow.snd_cwnd[end + 1]) == pytest.approx(kept, abs=2)
