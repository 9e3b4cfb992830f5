"""Bad input at run time: what fails, how it says so, and what is kept."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from ccsim.errors import AlgorithmError
from ccsim.kernel import KernelError
from ccsim.sim import simulate
from ccsim.spec import Scenario
from tests.sim.sim_rig import MS, S, at, flow_of, resolved, run

PATH = "path: {rate: 10 Mbit/s, rtt: 40 ms, buffer: 33 packets}\n"
TABLE = '''"""A test's own congestion control."""

from ccsim.kernel.kfuncs import tcp_reno_cong_avoid, tcp_reno_ssthresh, tcp_reno_undo_cwnd
from ccsim.kernel.ops import TcpCongestionOps


def ssthresh(sk):
    return tcp_reno_ssthresh(sk)


def cong_avoid(sk, ack, acked):
    tcp_reno_cong_avoid(sk, ack, acked)


mine = TcpCongestionOps(
    name="mine",
    ssthresh=ssthresh,
    cong_avoid=cong_avoid,
    undo_cwnd=tcp_reno_undo_cwnd,
)
'''


def with_objects(file: Path, source: str, text: str) -> dict[str, Any]:
    """Return a scenario that loads ``source`` from a file, as plain values; nothing checks it."""
    file.write_text(source)
    return {**resolved(text), "objects": [str(file)]}


def my_flow(congestion: str = "reno") -> str:
    return f"duration: 4 s\n{PATH}flows:\n  - {{name: f, congestion: {congestion}}}\n"


def mine(file: Path, source: str) -> Scenario:
    scenario = with_objects(file, source, my_flow())
    scenario["flows"][0]["congestion"] = "mine"
    return Scenario.from_resolved(scenario)


def test_a_users_own_algorithm_runs(tmp_path: Path) -> None:
    result = simulate(mine(tmp_path / "mine.py", TABLE))
    assert result.failed == ""
    assert flow_of(result, "f").implementations == ("mine",)
    assert int(flow_of(result, "f").delivered_bytes[-1]) > 3_500_000  # of 5 MB in 4 s


def test_an_algorithm_that_raises_ends_the_run_with_file_and_line_and_keeps_the_traces(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.py"
    source = TABLE.replace(
        "    return tcp_reno_ssthresh(sk)", '    raise ZeroDivisionError("no window to divide")'
    )
    line = source.splitlines().index('    raise ZeroDivisionError("no window to divide")') + 1
    result = simulate(mine(file, source))
    assert f"{file}:{line}" in result.failed
    assert "ZeroDivisionError: no window to divide" in result.failed
    # The first loss comes when 10 * 2**n packets no longer fit into 33 + 33: in the first second
    assert 0 < result.duration_ns < 1 * S
    flow = flow_of(result, "f")
    assert flow.t_ns[-1] <= result.duration_ns
    assert len(flow.t_ns) >= 20
    assert at(flow, "snd_cwnd", 0) == 10
    assert int(flow.delivered_bytes[-1]) > 0
    assert len(result.links[0].t_ns) >= 20


@pytest.mark.parametrize("vector", [True, False])
def test_a_hook_that_raises_at_the_first_ack_is_blamed_too(tmp_path: Path, vector: bool) -> None:
    wrong = "    sk.snd_cwnd += getattr(sk, 'rate_delivered')"  # where no look at the code finds it
    source = TABLE.replace("    tcp_reno_cong_avoid(sk, ack, acked)", wrong)
    line = source.splitlines().index(wrong) + 1
    result = simulate(mine(tmp_path / "mine.py", source), vector=vector)
    assert f"mine.py:{line}" in result.failed
    assert "ccsim does not keep rate_delivered: the best rate sample is not kept" in result.failed


FORESEEN = """
def train(sk, acks):
    return reno_train(sk, acks)


def rtt_floor(sk):
    raise ZeroDivisionError("no RTT to divide")


mine = TcpCongestionOps(
    train=train,
    rtt_floor=rtt_floor,
"""


def test_what_raises_in_windows_that_are_foreseen_is_blamed_too(tmp_path: Path) -> None:
    laws = "from ccsim.cc.window_laws import reno_train"
    source = TABLE.replace("mine = TcpCongestionOps(\n", FORESEEN.lstrip()).replace(
        "from ccsim.kernel.ops", f"{laws}\nfrom ccsim.kernel.ops"
    )
    line = source.splitlines().index('    raise ZeroDivisionError("no RTT to divide")') + 1
    result = simulate(mine(tmp_path / "mine.py", source))
    assert f"mine.py:{line}" in result.failed
    assert "ZeroDivisionError: no RTT to divide" in result.failed
    # Reno avoids congestion from the first loss on, which comes in the first second
    assert 0 < result.duration_ns < 2 * S
    assert len(flow_of(result, "f").t_ns) >= 20


def test_an_init_that_raises_in_a_swap_fails_the_run(tmp_path: Path) -> None:
    source = TABLE.replace('    name="mine",', '    name="mine",\n    init=lambda sk: [].pop(),')
    swap = "swaps:\n  - {at: 1 s, via: setsockopt, flows: [f], to: reno}\n"
    scenario = with_objects(tmp_path / "mine.py", source, my_flow("cubic") + swap)
    scenario["swaps"][0]["to"] = "mine"
    result = simulate(Scenario.from_resolved(scenario))
    assert "pop from empty list" in result.failed
    assert result.duration_ns == 1 * S


@pytest.mark.pure
def test_a_bug_of_ccsims_own_is_not_blamed_on_an_algorithm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("not the algorithm's fault")

    monkeypatch.setattr("ccsim.sim.sender_events.on_ack", broken)
    with pytest.raises(ZeroDivisionError):
        simulate(mine(tmp_path / "mine.py", TABLE))


@pytest.mark.parametrize("operation", ["ssthresh", "cong_avoid", "undo_cwnd"])
def test_a_file_that_lacks_a_required_operation_is_refused_by_name(
    tmp_path: Path, operation: str
) -> None:
    lines = [line for line in TABLE.splitlines() if not line.startswith(f"    {operation}=")]
    with pytest.raises((KernelError, AlgorithmError)) as caught:
        simulate(mine(tmp_path / "mine.py", "\n".join(lines)))
    assert operation in str(caught.value)
    assert getattr(caught.value, "errno", errno.EINVAL) == errno.EINVAL


# --- swaps that the kernel refuses ---

ENDED = f"""
duration: 3 s
{PATH}flows:
  - {{name: short, congestion: cubic, size: 14480 B}}
  - {{name: long, congestion: cubic}}
swaps:
  - {{at: 2 s, via: setsockopt, flows: [short], to: bbr}}
"""


def test_a_swap_of_a_flow_that_has_ended_is_ebadf_and_the_run_goes_on() -> None:
    result = run(ENDED)
    assert result.failed == ""
    assert result.duration_ns == 3 * S
    assert flow_of(result, "short").end_ns is not None
    assert result.swaps[0].errno == errno.EBADF
    assert result.swaps[0].flows == ()
    assert flow_of(result, "short").implementations == ("cubic",)
    assert int(flow_of(result, "long").t_ns[-1]) == 3 * S


def test_a_swap_of_an_ended_and_a_running_flow_reaches_the_one_that_runs() -> None:
    result = run(ENDED.replace("[short]", "[short, long]"))
    assert result.swaps[0].errno == errno.EBADF
    assert result.swaps[0].flows == ("long",)
    assert flow_of(result, "long").implementations == ("cubic", "bbr")


def test_a_sweep_passes_over_a_flow_that_has_ended() -> None:
    result = run(ENDED.replace("setsockopt, flows: [short]", "sweep, flows: all"))
    assert result.swaps[0].errno == 0
    assert result.swaps[0].flows == ("long",)


def test_a_swap_to_a_name_that_is_registered_nowhere_is_enoent_and_changes_nothing() -> None:
    scenario = resolved(ENDED.replace("[short]", "[long]"))
    scenario["swaps"][0]["to"] = "nowhere"
    result = simulate(Scenario.from_resolved(scenario))
    assert result.failed == ""
    assert result.swaps[0].errno == errno.ENOENT
    assert result.swaps[0].flows == ()
    assert flow_of(result, "long").implementations == ("cubic",)
    control = run(ENDED.split("swaps:", maxsplit=1)[0])
    ours, theirs = (flow_of(r, "long").delivered_bytes.tolist() for r in (result, control))
    assert ours == theirs


@pytest.mark.pure
def test_conservation_is_checked_after_every_window(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccsim.sim.flow.receiving import ReceivingSide

    original = ReceivingSide.deliver

    def forgetful(self: ReceivingSide, batch: Any) -> None:
        original(self, batch)
        self.delivered -= len(batch.seqs) > 5  # one packet gets lost in the accounts

    monkeypatch.setattr(ReceivingSide, "deliver", forgetful)
    with pytest.raises(AssertionError, match="accounted for"):
        run(my_flow(), paranoid=True)
    monkeypatch.setattr("ccsim.sim.world.World.always_paranoid", False)
    run(my_flow())  # and only if asked for


def test_counters_conserve_packets_at_the_end_too() -> None:
    result = run(my_flow())
    counters = flow_of(result, "f").counters
    ends = ("packets_delivered", "packets_dropped", "packets_in_flight")
    assert counters["packets_sent"] == sum(counters[end] for end in ends)
    assert counters["packets_dropped"] == int(result.links[0].drops[-1])


def test_the_same_scenario_and_seed_give_the_same_result_and_another_seed_another() -> None:
    text = my_flow().replace("33 packets", "33 packets, loss: 1 %")
    one, same = (flow_of(run(text), "f").snd_cwnd.tolist() for _ in range(2))
    other = flow_of(run("seed: 2\n" + text), "f").snd_cwnd.tolist()
    assert one == same != other


def test_progress_is_told_in_simulated_time() -> None:
    told: list[int] = []
    run(my_flow(), progress=told.append, lookahead_ns=1 * MS)
    assert told == sorted(told)
    assert len(told) > 10
    assert 0 < told[-1] <= 4 * S
