"""dctcp_fallback: without ECN an init chooses another algorithm, and recursion comes to an end."""

from __future__ import annotations

import inspect

import numpy as np

from ccsim.kernel import ENOTSUPP, TCP_CONGESTION
from tests.selftests.selftest_rig import act_at, kernel_of, trace, world

SCENARIO = """\
objects: [bpf_dctcp.py]
flows: [{name: bulk, congestion: NAME, ecn: false, size: 10 MiB}]  # the peer does not speak ECN
"""
PATH = "duration: 12 s\npath: {rate: 20 Mbit/s, rtt: 20 ms}\ntwins: false\n"


def test_the_connection_runs_the_fallback_and_the_inner_calls_are_busy() -> None:
    run = world(SCENARIO.replace("NAME", "bpf_dctcp"), PATH)
    names: list[str] = []
    sk = run.flow("bulk").sk
    act_at(run, 1.0, lambda: names.append(kernel_of(run).getsockopt(sk, TCP_CONGESTION)))
    table = run.registry.kernel.tcp_cong.find("bpf_dctcp")
    assert table is not None
    assert table.ops.init is not None
    bss = inspect.unwrap(table.ops.init).__globals__["bss"]
    run.run()
    # the outer init calls four times; its second call runs init again, whose first three are busy
    assert bss == {"ebusy_cnt": 3, "cdg_res": -ENOTSUPP, "cc_res": "cubic"}
    assert names == ["cubic"]
    assert table.owner.refcnt == 1  # the registration's: no socket holds it any longer
    flow = trace(run.result(), "bulk")
    assert (flow.congestion, flow.implementations) == ("bpf_dctcp", ("bpf_dctcp", "cubic"))


def test_the_transfer_is_cubics_from_the_first_packet_on() -> None:
    windows = []
    for name in ("bpf_dctcp", "cubic"):
        run = world(SCENARIO.replace("NAME", name), PATH)
        run.run()
        flow = trace(run.result(), "bulk")
        windows.append((flow.snd_cwnd, flow.delivered_bytes, flow.end_ns))
    assert np.array_equal(windows[0][0], windows[1][0])
    assert np.array_equal(windows[0][1], windows[1][1])
    assert windows[0][2] == windows[1][2] is not None
