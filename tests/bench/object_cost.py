"""What a compiled object costs: opening it, and an ACK (two hooks) in each form.

``python tests/bench/object_cost.py [OBJECT TABLE]``; without arguments rfc_cubic.bpf.o, whose ACKs
take 82 instructions in congestion avoidance. CPU time, the least of many short rounds, so that
other processes of the machine matter little. ``machine`` is there after ``ccsim compile``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from ccsim.bpf.kernel_btf import Target
from ccsim.bpf.live import LiveObject, load_object
from ccsim.bpf.object import open_object
from ccsim.bpf.runtime import FORMS, Runtime
from ccsim.kernel.ops import AckSample
from ccsim.kernel.sock import Sock

OBJECT = Path(__file__).parents[1] / "bpf" / "data" / "objects" / "rfc_cubic.bpf.o"
ROUNDS = {"interpreter": (60, 100), "python": (150, 1500), "machine": (150, 1500)}
GAP_NS = 230_000  # between ACKs: 100 Mbit/s, two packets each


def sender(live: LiveObject, table: str) -> Sock:
    """Return a socket in congestion avoidance, a loss behind it."""
    ops, sk = live.tables[table], Sock()
    sk.ca, sk.ca_ops = live.runtime.area(), ops
    sk.sk_state, sk.ca_initialized, sk.is_cwnd_limited = 1, True, True
    sk.snd_cwnd = sk.packets_out = sk.max_packets_out = 500
    sk.snd_ssthresh, sk.srtt_us = 300, 40_000 << 3
    sk.tcp_clock_cache, sk.tcp_mstamp = 10_000_000_000, 10_000_000
    if ops.init is not None:
        ops.init(sk)
    assert ops.ssthresh is not None
    sk.snd_cwnd = sk.snd_ssthresh = ops.ssthresh(sk)
    return sk


def acks(live: LiveObject, table: str, sk: Sock, count: int, *, hooks: bool) -> float:
    """Return the CPU time of an ACK [s]; without hooks that of the loop around them."""
    ops, sample = live.tables[table], AckSample(2, 40_500, 724_000)
    pkts_acked, cong_avoid = ops.pkts_acked, ops.cong_avoid
    assert pkts_acked is not None
    assert cong_avoid is not None
    now = 10_000_000_000
    start = time.process_time()
    for number in range(count):
        now += GAP_NS
        sk.tcp_clock_cache, sk.tcp_mstamp = now, now // 1000
        sk.tcp_jiffies32 = now // 4_000_000
        sample.rtt_us = 40_500 + (number & 7)
        if hooks:
            pkts_acked(sk, sample)
            cong_avoid(sk, number, 2)
    return (time.process_time() - start) / count


def cost_of_ack(path: Path, table: str, form: str) -> float:
    """Return what an ACK costs in a form [s]."""
    rounds, count = ROUNDS[form]
    whole = loop = float("inf")
    for _ in range(rounds):
        live = load_object(path, form=form)
        sk = sender(live, table)
        acks(live, table, sk, 20, hooks=True)
        whole = min(whole, acks(live, table, sk, count, hooks=True))
        loop = min(loop, acks(live, table, sk, count, hooks=False))
    return whole - loop


def timed(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start


def opened(path: Path) -> None:
    """Open, relocate, verify and translate an object."""
    runtime = Runtime(open_object(path.read_bytes(), path.name).load(Target()), form="python")
    for name in runtime.codes:
        for member in runtime.members_of(name):
            runtime.function(name, member)


def main(arguments: list[str]) -> None:
    path, table = (Path(arguments[0]), arguments[1]) if arguments else (OBJECT, "rfc_cubic")
    first = timed(lambda: opened(path))
    again = min(timed(lambda: opened(path)) for _ in range(5))
    print(f"{path.name}: opened and translated in {first * 1e3:.0f} ms, {again * 1e3:.0f} ms again")
    for form in FORMS:
        print(f"{form:11}  {cost_of_ack(path, table, form) * 1e6:6.2f} us per ACK")


if __name__ == "__main__":
    main(sys.argv[1:])
