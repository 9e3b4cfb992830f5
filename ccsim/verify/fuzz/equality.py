"""The equality that must hold on every scenario: neither cuts nor vector paths show in the result.

Scenarios come from `ccsim.verify.fuzz.scenarios`, one a seed; the first that breaks equality is
made smaller for as long as it still does.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from ccsim.sim.traces import SimResult
from ccsim.sim.world import World
from ccsim.spec import Scenario
from ccsim.tcp.sock import TcpSock
from ccsim.units import NS_PER_S
from ccsim.verify.fuzz.scenarios import (
    PACKET_BITS,
    Example,
    Plain,
    RandomDraw,
    complete,
    make_example,
)
from ccsim.verify.fuzz.swaps import last_ns

__all__ = ["Failure", "FuzzReport", "check", "difference", "digests_of", "fuzz", "shrink"]

MS = 1_000_000
HOPS_EVERY = 4  # scenarios: one of them has more on its way than a FIFO
LATE_EVERY = 5  # scenarios: one of them has late hosts


@dataclass(frozen=True)
class Failure:
    """An example that breaks equality: its seed, what differs, and the smallest that still does."""

    seed: int
    difference: str
    smallest: Example


@dataclass(frozen=True)
class FuzzReport:
    """What a fuzz run did: the seeds ``first_seed`` to ``first_seed + examples`` were tried."""

    first_seed: int
    examples: int
    packets: int
    failure: Failure | None


# --- equality ---


def check(example: Example, template: Mapping[str, Any]) -> str:
    """Run an example every way there is; return the first difference, empty if there is none.

    The plain run is repeated, its vector paths are switched off, and its windows are cut; all
    the while the conservation of packets is checked.
    """
    scenario = complete(example.scenario, template)
    runs: list[tuple[str, dict[str, Any]]] = [
        ("repeated", {}),
        ("scalar paths", {"vector": False}),
        *((f"windows of {cut} ns", {"lookahead_ns": cut}) for cut in example.cuts),
    ]
    try:
        plain = _run(scenario, paranoid=True)
        for name, options in runs:
            other = _run(scenario, paranoid=bool(options), **options)
            found = next(_differences("", plain, other), "")
            if found:
                return f"{name}: {found}"
    except Exception as error:  # whatever it is, the scenario that raises it is what is wanted
        return f"{type(error).__name__}: {error}"
    return ""


@dataclass(frozen=True)
class _Outcome:
    result: SimResult
    sockets: tuple[tuple[str, ...], ...]


def _run(scenario: Scenario, **options: Any) -> _Outcome:
    """Run a scenario; return its result, and the state in which it leaves its sockets."""
    world = World(scenario, **options)
    world.run()
    return _Outcome(world.result(), tuple(_state(flow.sk) for flow in world.flows))


def _state(sk: TcpSock) -> tuple[str, ...]:
    """Return a socket's state, less what is written before it is read."""
    names = {name for kind in type(sk).__mro__ for name in getattr(kind, "__slots__", ())}
    kept = sorted(names - SCRATCH)
    values = [f"{name}={getattr(sk, name)!r}" for name in kept if hasattr(sk, name)]
    return (*values, f"ca={sk.ca!r}")


SCRATCH = frozenset(
    (
        *("__dict__", "__weakref__", "ack_sample", "rate_sample", "out_seq", "out_t", "packets"),
        *("ca", "ca_ops", "host", "kernel_data", "on_event", "random"),
        # the retransmission timer, which may be left at a lower bound of when it is due
        *(
            "timer_ns",
            "timer_settled",
            "timer_resend",
            "timer_set_ns",
            "timer_delay_jiffies",
            "timer_delay_us",
            "timer_wstamp_ns",
        ),
    )
)


def kind_of(found: str) -> str:
    """Return what sort of failure `check` found: an exception's name, or which runs differ."""
    return found.split(" ")[0].rstrip(":")


def difference(a: SimResult, b: SimResult) -> str:
    """Return where two results first differ, such as ``flows.0.snd_cwnd.17: 10, 11``."""
    return next(_differences("", a, b), "")


def _differences(path: str, a: Any, b: Any) -> Iterator[str]:
    """Yield the differences of two values of the same kind, walking their parts."""
    if is_dataclass(a) and type(a) is type(b):
        for field in fields(a):
            yield from _differences(
                _join(path, field.name), getattr(a, field.name), getattr(b, field.name)
            )
    elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        yield from _column_differences(path, a, b)
    elif isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _differences(_join(path, str(k)), x, y)
    elif type(a) is not type(b) or a != b:
        yield f"{path}: {a!r}, {b!r}"


def digests_of(scenario: Plain, template: Mapping[str, Any]) -> dict[str, str]:
    """Simulate; return a digest of every column and value of the result by name, or the error."""
    try:
        result = _run(complete(scenario, template), paranoid=True).result
    except Exception as error:  # whatever it is, both forms must end alike
        return {"error": f"{type(error).__name__}: {error}"}
    return dict(_digests("", result))


def _digests(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _digests(_join(path, field.name), getattr(value, field.name))
    elif isinstance(value, tuple | list) and any(map(is_dataclass, value)):
        for k, one in enumerate(value):
            yield from _digests(_join(path, str(k)), one)
    else:
        is_column = isinstance(value, np.ndarray)
        content = f"{value.dtype}".encode() + value.tobytes() if is_column else repr(value).encode()
        yield path, hashlib.sha256(content).hexdigest()


def _column_differences(path: str, a: np.ndarray, b: np.ndarray) -> Iterator[str]:
    if a.dtype != b.dtype or a.shape != b.shape:
        yield f"{path}: {a.dtype}[{len(a)}], {b.dtype}[{len(b)}]"
    elif a.tobytes() != b.tobytes():
        row = int(np.flatnonzero(a != b)[0])
        yield f"{path}.{row}: {a[row]}, {b[row]}"


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part


# --- shrinking ---


def shrink(
    example: Example, fails: Callable[[Example], object], *, seconds: float = 20.0
) -> Example:
    """Return a smaller example for which ``fails`` still holds, within a time.

    Steps are tried in turn, and whichever keeps the failure stays: half the time, fewer flows and
    swaps, plainer settings.
    """
    deadline = time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(example):
            if time.monotonic() > deadline:
                return example
            if fails(smaller):
                example, progress = smaller, True
                break
    return example


def _smaller(example: Example) -> Iterator[Example]:
    scenario = example.scenario
    for kind, least in (("changes", 0), ("swaps", 0), ("workloads", 0), ("flows", 1), ("links", 0)):
        count = len(scenario.get(kind, ()))
        for k in range(count if count > least else 0):
            yield Example(_without(scenario, kind, k), example.cuts)
    for part in (2, 4, 8, 20):
        yield from _shorter(example, scenario["duration_ns"] - scenario["duration_ns"] // part)
    for path, plain in PLAIN.items():
        yield from _with(example, path, plain)
    for k in range(len(scenario["flows"])):
        for key, plain in PLAIN_FLOW.items():
            yield from _with(example, ("flows", k, key), plain)
        yield from _with(example, ("flows", k, "rtt_ns"), scenario["path"]["rtt_ns"])
    for k in range(len(scenario["swaps"])):
        for key, plain in PLAIN_SWAP.items():
            yield from _with(example, ("swaps", k, key), plain)
    if len(example.cuts) > 1:
        for cut in example.cuts:
            yield Example(scenario, (cut,))


SHORTEST_NS = MS  # no scenario is made shorter

PLAIN: dict[tuple[str | int, ...], Any] = {
    ("path", "loss_probability"): 0.0,
    ("path", "ecn_mark_packets"): None,
    ("path", "ecn_mark_ns"): None,
    ("path", "ack_loss_probability"): 0.0,
    ("path", "ack_aggregation_ns"): 0,
    ("seed",): 1,
    ("kernel", "hz"): 250,
    ("tcp", "initial_window"): 10,
    ("tcp", "delayed_ack"): True,
    ("tcp", "tso"): False,
    ("tcp", "min_rto_ns"): 200 * MS,
    ("record", "interval_ns"): 10 * MS,
    ("record", "flows"): "all",
}
PLAIN_FLOW = {
    "access_delay_ns": 0,
    "stop_ns": None,
    "size_bytes": None,
    "start_ns": 0,
    "ecn": None,
    "source": None,
    "sndbuf_bytes": None,
    "receiver": {"rwnd_bytes": None, "gro_packets": 1, "gro_ns": 0},
}
REACHES = ("setsockopt", "sweep", "staged")  # mechanisms that set TCP_CONGESTION on sockets
PLAIN_SWAP = {"state": "linux", "trigger": None, "guard": None}


def _copy(scenario: Plain) -> Plain:
    copied: Plain = json.loads(json.dumps(scenario))
    return copied


def _without(scenario: Plain, kind: str, k: int) -> Plain:
    """Leave one flow or swap out, and with a flow the swaps that named it alone or wait for it."""
    smaller = _copy(scenario)
    gone = smaller[kind].pop(k)
    if kind in ("flows", "workloads"):
        for swap in smaller["swaps"]:
            swap["flows"] = [name for name in swap["flows"] if name != gone["name"]]
        smaller["swaps"] = [s for s in smaller["swaps"] if _has_sense(s, gone["name"])]
    return smaller


def _has_sense(swap: Plain, gone: str) -> bool:
    """Report whether a swap still reaches something, and waits for no flow that is gone."""
    if (swap.get("trigger") or {}).get("flow") == gone:
        return False
    aims = ("flows", "listeners") if swap["via"] in REACHES else ("link", "netns")
    return any(swap.get(aim) for aim in aims)


def _shorter(example: Example, duration_ns: int) -> Iterator[Example]:
    """End earlier; what would begin later goes."""
    smaller = _copy(example.scenario)
    smaller["duration_ns"] = duration_ns
    smaller["swaps"] = [s for s in smaller["swaps"] if last_ns(s) < duration_ns]
    loads = [workload["flow"] for workload in smaller.get("workloads", ())]
    started = all(flow["start_ns"] < duration_ns for flow in (*smaller["flows"], *loads))
    if started and duration_ns >= SHORTEST_NS:
        yield Example(smaller, example.cuts)


def _with(example: Example, path: tuple[str | int, ...], value: Any) -> Iterator[Example]:
    smaller = _copy(example.scenario)
    place: Any = smaller
    for key in path[:-1]:
        place = place[key]
    if path[-1] in place and place[path[-1]] != value:
        place[path[-1]] = value
        yield Example(smaller, example.cuts)


# --- the loop ---


def fuzz(
    first_seed: int,
    template: Mapping[str, Any],
    *,
    seconds: float = float("inf"),
    examples: int | None = None,
    progress: Callable[[int], None] | None = None,
    check: Callable[[Example, Mapping[str, Any]], str] = check,
) -> FuzzReport:
    """Try seeds in turn until one fails ``check``, the time is up or ``examples`` are done.

    ``template`` is `TEMPLATE_YAML` as the scenario layer, which this one may not import, resolves
    it.
    """
    deadline = time.monotonic() + seconds
    done = packets = 0
    while time.monotonic() < deadline and (examples is None or done < examples):
        seed = first_seed + done
        example = make_example(
            RandomDraw(seed),
            hops=seed % HOPS_EVERY == HOPS_EVERY - 1,
            late=seed % LATE_EVERY == LATE_EVERY - 1,
        )
        found = check(example, template)
        done += 1
        packets += (
            example.scenario["duration_ns"]
            * example.scenario["path"]["rate_bps"]
            // (PACKET_BITS * NS_PER_S)
        )
        if found:
            return FuzzReport(
                first_seed, done, packets, _failure(seed, example, found, template, check)
            )
        if progress is not None:
            progress(done)
    return FuzzReport(first_seed, done, packets, None)


def _failure(
    seed: int,
    example: Example,
    found: str,
    template: Mapping[str, Any],
    check: Callable[[Example, Mapping[str, Any]], str],
) -> Failure:
    kind = kind_of(found)
    smallest = shrink(example, lambda smaller: kind_of(check(smaller, template)) == kind)
    return Failure(seed, check(smallest, template) or found, smallest)
