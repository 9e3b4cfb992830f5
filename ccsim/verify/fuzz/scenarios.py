"""Random scenarios that are small, quick and full of trouble, and how they read as YAML.

A scenario is made from numbers that a source draws, so the same generator serves a plain seed, a
property test and its shrinking. Half of all scenarios have round, aligned rates and delays, for
otherwise no two things ever happen at the same instant; more than half have long pipes, for
otherwise no trains form. A fifth gives pacing time to settle, for otherwise no paced ones do, and a
fifth has recoveries of many packets, for otherwise their SACKs hardly do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccsim.spec import Scenario
from ccsim.units import NS_PER_S
from ccsim.verify.fuzz.draw import Draw, RandomDraw
from ccsim.verify.fuzz.features import add_features, flow_text, path_text
from ccsim.verify.fuzz.hops import add_hops, buffer_text, hops_text, queue_text, resolved_hops
from ccsim.verify.fuzz.lateness import add_lateness, lateness_text
from ccsim.verify.fuzz.swaps import LINK, add_swaps, congestion_text, hosts_text, swap_text
from ccsim.verify.fuzz.workloads import draw_workloads, workload_text

__all__ = [
    "PACKET_BITS",
    "TEMPLATE_YAML",
    "Draw",
    "Example",
    "Plain",
    "RandomDraw",
    "complete",
    "make_example",
    "to_yaml",
]

Plain = dict[str, Any]

MS = 1_000_000
PACKET_BITS = 12_000  # 1448 bytes of payload and 52 of headers
ONE_PACKET_CUTS = 900  # scenarios up to that many packets are also cut down to single packets
# At these rates a full packet takes a whole number of microseconds.
ROUND_RATES_BPS = (1_200_000, 2_400_000, 6_000_000, 12_000_000, 24_000_000, 60_000_000, 120_000_000)
LOSSES = (0.0, 0.0, 0.001, 0.01, 0.05, 0.2)


@dataclass(frozen=True)
class Example:
    """A scenario, and lookaheads [ns] that must not change its result.

    ``scenario`` has the keys of a resolved one as far as they are drawn: `complete` fills in the
    rest, and `to_yaml` writes it down.
    """

    scenario: Plain
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class _Kind:
    """What a scenario is for: how many packets its link can carry, its algorithms, the longest RTT
    as a part of the duration, how much of a pipe's BDP its buffer holds [percent], and how many
    flows and swaps it has."""

    packets: tuple[int, int]
    algorithms: tuple[str, ...]
    rounds: int
    buffer: tuple[int, int]
    flows: tuple[int, ...] = (1, 1, 2, 2, 3, 4)
    swaps: tuple[int, ...] = (0, 1, 1, 2, 3)


SHORT = _Kind(
    packets=(200, 2_000),
    algorithms=(
        *("reno", "reno", "cubic", "cubic", "cubic", "bbr", "bbr"),
        *("vegas", "htcp", "westwood"),
    ),
    rounds=6,
    buffer=(0, 200),
)
# long pipes and little trouble, so that trains of ACKs form
DEEP = _Kind(
    packets=(1_500, 5_000),
    algorithms=("reno", "cubic", "cubic", "bbr"),
    rounds=12,
    buffer=(25, 200),
)
# the same, and time for BBR to find its rate, so that trains of paced ones form
PACED = _Kind(
    packets=(5_000, 9_000),
    algorithms=("bbr", "bbr", "bbr", "bbr", "cubic"),
    rounds=40,
    buffer=(100, 300),
    flows=(1, 1, 1, 2),
    swaps=(0, 0, 1),
)
# the same, and time to fill the buffer again, so that recoveries have trains of SACKs
SACKED = _Kind(
    packets=(5_000, 9_000),
    algorithms=("reno", "cubic", "cubic", "cubic"),
    rounds=40,
    buffer=(50, 150),
    flows=(1, 1, 1, 2),
    swaps=(0, 0, 1, 2),
)
# one flow, and a queue that never empties, so that windows reach beyond the horizon
ALONE = _Kind(
    packets=(3_000, 9_000),
    algorithms=("reno", "cubic", "cubic", "bic", "scalable", "highspeed"),
    rounds=40,
    buffer=(80, 250),
    flows=(1, 1, 1, 1, 2),
    swaps=(0, 0, 1, 2),
)
KINDS = (SHORT, SHORT, DEEP, SACKED, PACED)
SETTLED = (SACKED, PACED, ALONE)  # with time for what they are for


class _Maker:
    """One scenario in the making: the scale of its times, and the numbers drawn for it."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.aligned = draw.pick((True, False))
        self.rate_bps = self._rate()
        self.service_ns = PACKET_BITS * NS_PER_S // self.rate_bps
        self.kind = draw.pick(KINDS)
        if self.kind is DEEP:
            self.kind = draw.pick((DEEP, ALONE))
        self.packets = draw.between(*self.kind.packets)
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
        longest_ns = self.duration_ns // self.kind.rounds
        if self.kind is SHORT:
            return self.time(self.service_ns, min(longest_ns, 200 * MS))
        return self.time((80 if self.kind in SETTLED else 40) * self.service_ns, longest_ns)

    def buffer(self, bdp: int) -> int:
        least, most = (percent * bdp // 100 for percent in self.kind.buffer)
        if self.kind is SHORT:
            return self.draw.pick((self.draw.between(1, 12), self.draw.between(2, most + 2)))
        return self.draw.between(least, most)

    def algorithm(self) -> str:
        return self.draw.pick((*self.kind.algorithms, LINK))

    def scenario(self) -> Plain:
        draw, rtt_ns = self.draw, self.rtt()
        bdp = rtt_ns // self.service_ns
        path = {
            "rate_bps": self.rate_bps,
            "rtt_ns": rtt_ns,
            "buffer_packets": self.buffer(bdp),
            "loss_probability": draw.pick(LOSSES) if self.kind is SHORT else 0.0,
        }
        flows = [self.flow(k, rtt_ns) for k in range(draw.pick(self.kind.flows))]
        swaps = [self.swap(flows) for _ in range(draw.pick(self.kind.swaps))]
        workloads = self.workloads(rtt_ns)
        swaps = [self.reaching(swap, workloads) for swap in swaps]
        uses_link = any(one["congestion"] == LINK for one in (*flows, *_templates(workloads)))
        linked = uses_link or any(swap["link"] or swap["to"] == LINK for swap in swaps)
        return {
            "name": "fuzz",
            "duration_ns": self.duration_ns,
            "seed": draw.between(0, 99),
            "path": path,
            "flows": flows,
            "workloads": workloads,
            "links": [{"name": LINK, "map": "cubic"}] if linked else [],
            "swaps": sorted(swaps, key=lambda swap: swap["at_ns"]),
            "record": {
                "interval_ns": self.interval(),
                "flows": draw.pick(("all", "all", "aggregate", "none") if workloads else ("all",)),
            },
            "kernel": {"hz": draw.pick((250, 250, 1000))},
            "tcp": self.tcp(),
        }

    def workloads(self, rtt_ns: int) -> list[Plain]:
        if self.kind in SETTLED:
            return []
        return draw_workloads(self.draw, self.duration_ns, rtt_ns, self.algorithm)

    def interval(self) -> int:
        shortest = max(self.duration_ns // 400, 1)
        return self.draw.pick((self.time(shortest, self.duration_ns // 8), 10 * MS))

    def tcp(self) -> dict[str, Any]:
        draw = self.draw
        return {
            "initial_window": draw.pick((10, 10, 10, 1, 4, 40)),
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
        if self.kind is SACKED:  # the longer a window, the longer its trains
            access, size = 0, max(size, 1448 * self.packets // 2)
        return {
            "name": f"flow-{index + 1}",
            "congestion": self.algorithm(),
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
        swap |= {"link": "", "over_ns": 0}
        if via == "link_update" or not running:
            return swap | {"via": "link_update", "link": LINK, "to": draw.pick(SHORT.algorithms)}
        if via == "sweep":
            over = draw.pick((0, self.time(0, self.duration_ns - 1 - at)))
            return swap | {"flows": running, "over_ns": min(over, self.duration_ns - 1 - at)}
        return swap | {"flows": [draw.pick(running)]}

    def reaching(self, swap: dict[str, Any], workloads: Sequence[Plain]) -> dict[str, Any]:
        """Let a swap of flows reach the connections of a workload too, now and then."""
        begun = [one for one in workloads if one["flow"]["start_ns"] < swap["at_ns"]]
        if not swap["flows"] or not begun or not self.draw.pick((True, False)):
            return swap
        return swap | {"flows": [*swap["flows"], self.draw.pick(begun)["name"]]}


def _templates(workloads: Sequence[Plain]) -> list[Plain]:
    return [workload["flow"] for workload in workloads]


def make_example(draw: Draw, *, hops: bool = False, late: bool = False) -> Example:
    """Make a scenario, of 0.02 to 30 s and up to 9,000 packets, and the cuts to try on it; with
    ``hops`` its way is more than one FIFO, and with ``late`` its hosts are."""
    maker = _Maker(draw)
    scenario = maker.scenario()
    cuts = [draw.between(maker.service_ns, max(scenario["path"]["rtt_ns"], 8 * maker.service_ns))]
    if maker.packets <= ONE_PACKET_CUTS:
        cuts.append(maker.service_ns)
    if maker.kind not in SETTLED or draw.pick((True, False, False)):
        add_features(draw, scenario, maker.time)
        add_swaps(draw, scenario, maker.time)
    if hops:
        add_hops(draw, scenario, maker.time)
    if late:
        add_lateness(draw, scenario, maker.time)
    return Example(scenario, tuple(cuts))


TEMPLATE_YAML = """\
name: fuzz
duration: 1 s
path: {rate: 12 Mbit/s, rtt: 40 ms, buffer: 20 packets}
links: {fleet: cubic}
flows:
  - {congestion: cubic}
swaps:
  - {at: 500 ms, via: link_update, link: fleet, to: reno}
"""
"""What `complete` takes the defaults from, once it is resolved."""


def complete(scenario: Mapping[str, Any], template: Mapping[str, Any]) -> Scenario:
    """Return a scenario; what is not drawn is as in ``template``, resolved."""
    scenario = {**scenario, **resolved_hops(scenario)}
    whole: Plain = {**template, **scenario}
    for part in ("path", "tcp", "kernel", "record"):
        whole[part] = {**template[part], **scenario[part]}
    for kind in ("flows", "links", "swaps"):
        whole[kind] = [{**template[kind][0], **one} for one in scenario[kind]]
    whole["workloads"] = [
        {**one, "flow": {**template["flows"][0], **one["flow"]}}
        for one in scenario.get("workloads", ())
    ]
    return Scenario.from_resolved(whole)


def to_yaml(scenario: Mapping[str, Any]) -> str:
    """Return the scenario as a file."""
    path, tcp = scenario["path"], scenario["tcp"]
    lines = [
        f"name: {scenario['name']}",
        f"duration: {scenario['duration_ns']} ns",
        f"seed: {scenario['seed']}",
        f"path: {{rate: {path['rate_bps']} bit/s, rtt: {path['rtt_ns']} ns{buffer_text(path)}"
        f", loss: {path['loss_probability']}"
        f"{path_text(path)}{queue_text(path)}}}",
    ]
    if "hops" in scenario:
        lines.pop()
    lines += hops_text(scenario)
    lines += [f"links: {{{link['name']}: {link['map']}}}" for link in scenario["links"]]
    lines += [*hosts_text(scenario), *lateness_text(scenario)]
    lines += ["flows:", *(f"  - {{{_flow_text(flow)}}}" for flow in scenario["flows"])]
    if scenario.get("workloads"):
        lines.append("workloads:")
        lines += [f"  - {{{workload_text(one)}}}" for one in scenario["workloads"]]
    if scenario["swaps"]:
        lines += ["swaps:", *(f"  - {{{swap_text(swap)}}}" for swap in scenario["swaps"])]
    lines += [
        f"record: {{interval: {scenario['record']['interval_ns']} ns, "
        f"flows: {scenario['record'].get('flows', 'all')}}}",
        f"kernel: {{{', '.join(f'{key}: {value}' for key, value in scenario['kernel'].items())}}}",
        f"tcp: {{initial_window: {tcp['initial_window']}, quickacks: {tcp['quickack_packets']}, "
        f"min_rto: {tcp['min_rto_ns']} ns, delayed_ack: {str(tcp['delayed_ack']).lower()}"
        f"{', tso: true' if tcp.get('tso') else ''}}}",
    ]
    return "\n".join(lines) + "\n"


def _flow_text(flow: Mapping[str, Any]) -> str:
    parts = [f"name: {flow['name']}{congestion_text(flow)}"]
    parts += [f"start: {flow['start_ns']} ns, rtt: {flow['rtt_ns']} ns"]
    parts += [f"access_delay: {flow['access_delay_ns']} ns"]
    if flow["stop_ns"] is not None:
        parts.append(f"stop: {flow['stop_ns']} ns")
    if flow["size_bytes"] is not None:
        parts.append(f"size: {flow['size_bytes']} B")
    if flow.get("hosts"):
        parts.append(f"hosts: [{', '.join(flow['hosts'])}]")
    return ", ".join(parts) + flow_text(flow)
