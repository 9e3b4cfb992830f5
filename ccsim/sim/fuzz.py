"""Random scenarios, and the equality that must hold on each: neither cuts nor vector paths show.

A scenario is made from numbers that a source draws, so the same generator serves a plain seed, a
property test and its shrinking. Half of all scenarios have round, aligned rates and delays, for
otherwise no two things ever happen at the same instant.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from ccsim.sim import simulate
from ccsim.sim.traces import SimResult

__all__ = [
    "Draw",
    "Example",
    "Failure",
    "FuzzReport",
    "RandomDraw",
    "check",
    "difference",
    "fuzz",
    "make_example",
    "shrink",
    "to_yaml",
]

T = TypeVar("T")
Scenario = dict[str, Any]

MS = 1_000_000
NS_PER_S = 1_000_000_000
PACKET_BITS = 12_000  # 1448 bytes of payload and 52 of headers
PACKETS = (200, 2_000)  # what the link can carry within a scenario
DEEP_PACKETS = (1_500, 5_000)  # the same where long trains are meant to form
ONE_PACKET_CUTS = 900  # scenarios up to so many packets are also cut down to single packets
# At these rates a full packet takes a whole number of microseconds.
ROUND_RATES_BPS = (1_200_000, 2_400_000, 6_000_000, 12_000_000, 24_000_000, 60_000_000, 120_000_000)
ALGORITHMS = ("reno", "reno", "cubic", "cubic", "cubic", "bbr", "bbr", "vegas", "htcp", "westwood")
DEEP_ALGORITHMS = ("reno", "cubic", "cubic", "bbr")
LOSSES = (0.0, 0.0, 0.001, 0.01, 0.05, 0.2)
LINK = "fleet"


class Draw(Protocol):
    """Where the generator takes its choices from."""

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high]."""

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""


class RandomDraw:
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high]."""
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return self._random.choice(options)


@dataclass(frozen=True)
class Example:
    """A resolved scenario, and lookaheads [ns] that must not change its result."""

    scenario: Scenario
    cuts: tuple[int, ...]


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


class _Maker:
    """One scenario in the making: the scale of its times, and the numbers drawn for it.

    ``deep`` ones have long pipes and little trouble, so that trains of ACKs form.
    """

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.aligned = draw.pick((True, False))
        self.rate_bps = self._rate()
        self.service_ns = PACKET_BITS * NS_PER_S // self.rate_bps
        self.deep = draw.pick((True, False))
        self.packets = draw.between(*(DEEP_PACKETS if self.deep else PACKETS))
        self.duration_ns = self.packets * self.service_ns

    def _rate(self) -> int:
        if self.aligned:
            return self.draw.pick(ROUND_RATES_BPS)
        return self.draw.pick((1, 10, 100)) * self.draw.between(100_000, 2_000_000) + 900_000

    def time(self, low: int, high: int) -> int:
        """Draw a time [ns]; an aligned one is a multiple of the service time of a packet."""
        if self.aligned:
            unit = self.service_ns
            return self.draw.between(-(-low // unit), max(high // unit, -(-low // unit))) * unit
        return self.draw.between(low, max(low, high))

    def rtt(self) -> int:
        if self.deep:
            return self.time(40 * self.service_ns, self.duration_ns // 12)
        return self.time(self.service_ns, min(self.duration_ns // 6, 200 * MS))

    def buffer(self, bdp: int) -> int:
        draw = self.draw
        if self.deep:
            return draw.between(bdp // 4, 2 * bdp)
        return draw.pick((draw.between(1, 12), draw.between(2, 2 * bdp + 2)))

    def algorithm(self) -> str:
        return self.draw.pick((*(DEEP_ALGORITHMS if self.deep else ALGORITHMS), LINK))

    def scenario(self) -> Scenario:
        draw, rtt_ns = self.draw, self.rtt()
        bdp = rtt_ns // self.service_ns
        path = {
            "rate_bps": self.rate_bps,
            "rtt_ns": rtt_ns,
            "buffer_packets": self.buffer(bdp),
            "qdisc": "fifo",
            "loss_probability": 0.0 if self.deep else draw.pick(LOSSES),
        }
        flows = [self.flow(k, rtt_ns) for k in range(draw.pick((1, 1, 2, 2, 3, 4)))]
        swaps = [self.swap(flows) for _ in range(draw.pick((0, 1, 1, 2, 3)))]
        uses_link = any(flow["congestion"] == LINK for flow in flows)
        linked = uses_link or any(swap["link"] or swap["to"] == LINK for swap in swaps)
        return {
            "name": "fuzz",
            "description": "",
            "duration_ns": self.duration_ns,
            "seed": draw.between(0, 99),
            "path": path,
            "flows": flows,
            "objects": [],
            "objects_sha256": [],
            "links": [{"name": LINK, "map": "cubic"}] if linked else [],
            "swaps": sorted(swaps, key=lambda swap: swap["at_ns"]),
            "record": {"interval_ns": self.interval()},
            "kernel": {"profile": "linux", "default": "cubic", "hz": draw.pick((250, 250, 1000))},
            "tcp": self.tcp(),
            "twins": True,
        }

    def interval(self) -> int:
        shortest = max(self.duration_ns // 400, 1)
        return self.draw.pick((self.time(shortest, self.duration_ns // 8), 10 * MS))

    def tcp(self) -> dict[str, Any]:
        draw = self.draw
        return {
            "initial_window": draw.pick((10, 10, 10, 1, 4, 40)),
            "mss_bytes": 1448,
            "quickack_packets": draw.pick((1465, 16, 16, 0, draw.between(0, 300))),
            "min_rto_ns": draw.pick((200 * MS, 200 * MS, 40 * MS, 4 * MS)),
            "delayed_ack": draw.pick((True, True, True, True, False)),
        }

    def flow(self, index: int, path_rtt_ns: int) -> dict[str, Any]:
        draw = self.draw
        start = draw.pick((0, 0, self.time(0, self.duration_ns // 3)))
        rtt = draw.pick((path_rtt_ns, path_rtt_ns, self.rtt()))
        # The delay behind the queue is what windows are long by: without any they are many.
        access = draw.pick((rtt // 2, max(rtt - 2 * self.service_ns, 0)))
        stop = self.time(start + 1, self.duration_ns)
        size = draw.pick((draw.between(1, 1448 * 40), 1448 * draw.between(1, self.packets)))
        return {
            "name": f"flow-{index + 1}",
            "congestion": self.algorithm(),
            "congestion_params": {},
            "start_ns": start,
            "stop_ns": draw.pick((None, None, None, stop)),
            "size_bytes": draw.pick((None, None, size)),
            "rtt_ns": rtt,
            "access_delay_ns": draw.pick((0, 0, 0, self.time(0, access))),
        }

    def swap(self, flows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        draw = self.draw
        at = self.time(1, self.duration_ns - 1)
        running = [f["name"] for f in flows if f["start_ns"] < at and (f["stop_ns"] or at + 1) > at]
        via = draw.pick(("setsockopt", "setsockopt", "link_update", "sweep"))
        swap = {"at_ns": at, "via": via, "to": self.algorithm(), "flows": []}
        swap |= {"link": "", "over_ns": 0, "state": "linux"}
        if via == "link_update" or not running:
            return swap | {"via": "link_update", "link": LINK, "to": draw.pick(ALGORITHMS)}
        if via == "sweep":
            over = draw.pick((0, self.time(0, self.duration_ns - 1 - at)))
            return swap | {"flows": running, "over_ns": min(over, self.duration_ns - 1 - at)}
        return swap | {"flows": [draw.pick(running)]}


def make_example(draw: Draw) -> Example:
    """Make a scenario, of 0.02 to 30 s and up to `PACKETS` packets, and the cuts to try on it."""
    maker = _Maker(draw)
    scenario = maker.scenario()
    cuts = [draw.between(maker.service_ns, max(scenario["path"]["rtt_ns"], 8 * maker.service_ns))]
    if maker.packets <= ONE_PACKET_CUTS:
        cuts.append(maker.service_ns)
    return Example(scenario, tuple(cuts))


# --- equality ---


def check(example: Example) -> str:
    """Run an example every way there is; return the first difference, empty if there is none.

    The plain run is repeated, its vector paths are switched off, and its windows are cut; all
    the while the conservation of packets is checked.
    """
    scenario = example.scenario
    runs: list[tuple[str, dict[str, Any]]] = [
        ("repeated", {}),
        ("scalar paths", {"vector": False}),
        *((f"windows of {cut} ns", {"lookahead_ns": cut}) for cut in example.cuts),
    ]
    try:
        plain = simulate(scenario, paranoid=True)
        for name, options in runs:
            found = difference(plain, simulate(scenario, paranoid=bool(options), **options))
            if found:
                return f"{name}: {found}"
    except Exception as error:  # whatever it is, the scenario that raises it is what is wanted
        return f"{type(error).__name__}: {error}"
    return ""


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
    """Return a smaller example for which ``fails`` still holds, after at most so long.

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
    for kind in ("swaps", "flows"):
        for k in range(len(scenario[kind])):
            yield Example(_without(scenario, kind, k), example.cuts)
    for part in (2, 4, 8, 20):
        yield from _shorter(example, scenario["duration_ns"] - scenario["duration_ns"] // part)
    for path, plain in PLAIN.items():
        yield from _with(example, path, plain)
    for k in range(len(scenario["flows"])):
        for key, plain in PLAIN_FLOW.items():
            yield from _with(example, ("flows", k, key), plain)
        yield from _with(example, ("flows", k, "rtt_ns"), scenario["path"]["rtt_ns"])
    if len(example.cuts) > 1:
        for cut in example.cuts:
            yield Example(scenario, (cut,))


PLAIN: dict[tuple[str | int, ...], Any] = {
    ("path", "loss_probability"): 0.0,
    ("seed",): 1,
    ("kernel", "hz"): 250,
    ("tcp", "initial_window"): 10,
    ("tcp", "delayed_ack"): True,
    ("tcp", "min_rto_ns"): 200 * MS,
    ("record", "interval_ns"): 10 * MS,
}
PLAIN_FLOW = {"access_delay_ns": 0, "stop_ns": None, "size_bytes": None, "start_ns": 0}


def _copy(scenario: Scenario) -> Scenario:
    copied: Scenario = json.loads(json.dumps(scenario))
    return copied


def _without(scenario: Scenario, kind: str, k: int) -> Scenario:
    """Leave one flow or swap out, and with a flow the swaps that named it alone."""
    smaller = _copy(scenario)
    gone = smaller[kind].pop(k)
    if kind == "flows":
        for swap in smaller["swaps"]:
            swap["flows"] = [name for name in swap["flows"] if name != gone["name"]]
        smaller["swaps"] = [s for s in smaller["swaps"] if s["flows"] or s["link"]]
    return smaller if smaller["flows"] else scenario | {"duration_ns": 1}


def _shorter(example: Example, duration_ns: int) -> Iterator[Example]:
    """End earlier; what would begin later goes."""
    smaller = _copy(example.scenario)
    smaller["duration_ns"] = duration_ns
    smaller["swaps"] = [s for s in smaller["swaps"] if s["at_ns"] + s["over_ns"] < duration_ns]
    if all(flow["start_ns"] < duration_ns for flow in smaller["flows"]):
        yield Example(smaller, example.cuts)


def _with(example: Example, path: tuple[str | int, ...], value: Any) -> Iterator[Example]:
    smaller = _copy(example.scenario)
    place: Any = smaller
    for key in path[:-1]:
        place = place[key]
    if place[path[-1]] != value:
        place[path[-1]] = value
        yield Example(smaller, example.cuts)


def to_yaml(scenario: Mapping[str, Any]) -> str:
    """Return a scenario file that resolves to ``scenario``, objects and parameters excepted."""
    path, tcp = scenario["path"], scenario["tcp"]
    lines = [
        f"name: {scenario['name']}",
        f"duration: {scenario['duration_ns']} ns",
        f"seed: {scenario['seed']}",
        f"path: {{rate: {path['rate_bps']} bit/s, rtt: {path['rtt_ns']} ns, "
        f"buffer: {path['buffer_packets']} packets, loss: {path['loss_probability']}}}",
    ]
    lines += [f"links: {{{link['name']}: {link['map']}}}" for link in scenario["links"]]
    lines += ["flows:", *(f"  - {{{_flow_text(flow)}}}" for flow in scenario["flows"])]
    if scenario["swaps"]:
        lines += ["swaps:", *(f"  - {{{_swap_text(swap)}}}" for swap in scenario["swaps"])]
    lines += [
        f"record: {{interval: {scenario['record']['interval_ns']} ns}}",
        f"kernel: {{hz: {scenario['kernel']['hz']}}}",
        f"tcp: {{initial_window: {tcp['initial_window']}, quickacks: {tcp['quickack_packets']}, "
        f"min_rto: {tcp['min_rto_ns']} ns, delayed_ack: {str(tcp['delayed_ack']).lower()}}}",
    ]
    return "\n".join(lines) + "\n"


def _flow_text(flow: Mapping[str, Any]) -> str:
    parts = [f"name: {flow['name']}, congestion: {flow['congestion']}"]
    parts += [f"start: {flow['start_ns']} ns, rtt: {flow['rtt_ns']} ns"]
    parts += [f"access_delay: {flow['access_delay_ns']} ns"]
    if flow["stop_ns"] is not None:
        parts.append(f"stop: {flow['stop_ns']} ns")
    if flow["size_bytes"] is not None:
        parts.append(f"size: {flow['size_bytes']} B")
    return ", ".join(parts)


def _swap_text(swap: Mapping[str, Any]) -> str:
    text = f"at: {swap['at_ns']} ns, via: {swap['via']}, to: {swap['to']}"
    if swap["link"]:
        return f"{text}, link: {swap['link']}"
    text += f", flows: [{', '.join(swap['flows'])}]"
    return f"{text}, over: {swap['over_ns']} ns" if swap["via"] == "sweep" else text


# --- the loop ---


def fuzz(
    first_seed: int,
    *,
    seconds: float = float("inf"),
    examples: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> FuzzReport:
    """Try one seed after another until one fails, the time is up or ``examples`` are done."""
    deadline = time.monotonic() + seconds
    done = packets = 0
    while time.monotonic() < deadline and (examples is None or done < examples):
        seed = first_seed + done
        example = make_example(RandomDraw(seed))
        found = check(example)
        done += 1
        packets += example.scenario["duration_ns"] * example.scenario["path"]["rate_bps"] // (
            PACKET_BITS * NS_PER_S
        )
        if found:
            smallest = shrink(example, check)
            failure = Failure(seed, check(smallest) or found, smallest)
            return FuzzReport(first_seed, done, packets, failure)
        if progress is not None:
            progress(done)
    return FuzzReport(first_seed, done, packets, None)
