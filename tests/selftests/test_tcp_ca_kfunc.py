"""tcp_ca_kfunc: an object may call the functions that the kernel offers to congestion control.

The kernel's test only loads an object that calls those of bbr, dctcp and cubic. Here modules offer
nothing to objects, so the functions of ``tcp_cong.c`` are called, and the transfer must be Reno's.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from ccsim.sim.traces import FlowTrace
from tests.selftests.selftest_rig import bss, trace, world

SCENARIO = """\
objects: [tcp_ca_kfunc.py]
flows: [{name: bulk, congestion: NAME, size: 10 MiB}]
"""
PATH = "duration: 12 s\npath: {rate: 20 Mbit/s, rtt: 20 ms, buffer: 0.5 BDP}\ntwins: false\n"


def test_a_transfer_on_the_kernels_functions_is_renos_in_every_sample() -> None:
    traces: list[FlowTrace] = []
    for name in ("tcp_ca_kfunc", "reno"):
        run = world(SCENARIO.replace("NAME", name), PATH)
        run.run()
        traces.append(trace(run.result(), "bulk"))
        if name == "tcp_ca_kfunc":
            counted = dict(bss(run, "bulk"))
    assert counted["ssthresh"] == traces[0].counters["recoveries"] > 3
    assert counted["slow_start"] > 20
    assert counted["avoidance"] > 1000
    for field in fields(FlowTrace):
        ours, renos = getattr(traces[0], field.name), getattr(traces[1], field.name)
        if isinstance(ours, np.ndarray):
            assert np.array_equal(ours, renos), field.name
    assert traces[0].end_ns == traces[1].end_ns is not None
