"""From a scenario to what three processes do on a kernel, and what a kernel cannot do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from ccsim.bpf.elf_file import is_object
from ccsim.linux.kernel_queue import qdisc_of
from ccsim.linux.sysctls import ECN, host_sysctls, wrong_sysctls
from ccsim.linux.traffic_control import KINDS
from ccsim.net.link import HEADER_BYTES
from ccsim.sim.hops import needs_hops
from ccsim.sim.streams import stream_seed
from ccsim.sim.swap.mechanisms import sweep_steps
from ccsim.sim.swap.triggers import trigger_text
from ccsim.sim.workloads import PlannedFlow, planned_flows
from ccsim.spec import Flow, Scenario, Swap, Tcp
from ccsim.spec.limits import INIT_NET
from ccsim.spec.plain import to_plain

__all__ = ["make_plan", "used_algorithms", "why_not_on_linux"]

DEFAULT_MIN_RTO_NS = 200_000_000
DEFAULT_WINDOW = 10
DEFAULT_QUICKACKS = 1465
SEEN_STATES = ("Open", "Disorder", "CWR", "Recovery", "Loss", "slow-start", "app-limited")
MOST_NAMESPACES = 16
MOST_FLOWS = 20_000  # each has a port


def why_not_on_linux(scenario: Scenario) -> list[str]:
    """Return what of a scenario a kernel cannot do, each with its place; empty if nothing."""
    return [
        *_queue_problems(scenario),
        *_unlike_here(scenario),
        *wrong_sysctls(scenario),
        *(text for k, swap in enumerate(scenario.swaps) for text in _swap_problems(k, swap)),
        *(text for k, flow in enumerate(scenario.flows) for text in _flow_problems(k, flow)),
    ]


def _queue_problems(scenario: Scenario) -> Iterator[str]:
    """Yield what the kernel's own queue, on one device behind a constant line, has not."""
    path = scenario.path
    if path.qdisc_of != "kernel":
        return
    kind, values = qdisc_of(to_plain(path))
    if kind not in KINDS:
        yield f"path.qdisc_of: a kernel's {kind} is not asked for; it has {', '.join(KINDS)}"
    for key in values:
        if kind in KINDS and key not in KINDS[kind]:
            yield f"path.qdisc_of: a kernel's {kind} is not told of {key}"
    others = {key for key in ("netem", "trace") if getattr(path, key)}
    others |= {key for key in ("hops", "changes", "namespaces") if getattr(scenario, key)}
    for key in sorted(others):
        yield f"path.qdisc_of: a kernel's own queue is the whole path, without {key}"
    if path.ecn_mark_packets is not None or path.ecn_mark_ns is not None:
        yield "path.qdisc_of: a kernel's FIFO does not mark; take a qdisc that does"


def _unlike_here(scenario: Scenario) -> Iterator[str]:
    tables = _bpf_tables(scenario)
    for path in scenario.objects:
        if not is_object(path):
            yield f"objects: a kernel runs BPF objects, not the Python of {PurePath(path).name}"
    for name, maps in _registered(scenario, tables).items():
        strange = [table for table in maps if table not in tables]
        if strange:
            yield f"links: a bpf_link on a kernel needs a BPF object; {name} may mean {strange[0]}"
    if scenario.kernel.profile != "linux":
        yield f"kernel.profile: this kernel is not {scenario.kernel.profile}"
    if scenario.tcp.quickack_packets not in (0, DEFAULT_QUICKACKS):
        yield "tcp.quickacks: a kernel sends as many quick ACKs as it sees fit"
    if len(scenario.namespaces) >= MOST_NAMESPACES:
        yield f"namespaces: expected at most {MOST_NAMESPACES - 1}"
    if len(scenario.flows) > MOST_FLOWS:
        yield f"flows: expected at most {MOST_FLOWS}, each has a port of its own"


def _swap_problems(number: int, swap: Swap) -> Iterator[str]:
    place = f"swaps.{number}"
    if swap.to_params:
        yield f"{place}.to: parameters of a module hold for the whole machine"
    if swap.guard is not None and swap.guard.metric == "drops":
        yield f"{place}.guard.metric: hosts do not see drops; take retransmissions"
    if swap.state != "linux":
        yield f"{place}.state: a kernel knows one policy, linux; got {swap.state}"
    trigger = swap.trigger
    if trigger is None:
        return
    if trigger.state and trigger.state not in SEEN_STATES:
        yield f"{place}.when.state: TCP_INFO does not show {trigger.state}"
    if trigger.loss:
        yield f"{place}.when.loss: TCP_INFO does not count loss events"


def _flow_problems(number: int, flow: Flow) -> Iterator[str]:
    place = f"flows.{number}"
    if flow.congestion_params:
        yield f"{place}.congestion: parameters of a module hold for the whole machine"
    if flow.receiver.gro_packets != 1:
        yield f"{place}.receiver.gro: one packet is one segment on the emulated path"


def _bpf_tables(scenario: Scenario) -> dict[str, str]:
    """Return the tables of the scenario's compiled objects: the name that each is registered as."""
    objects = [path for path in scenario.objects if is_object(path)]
    if not objects:
        return {}
    from ccsim.bpf.object import open_object

    found: dict[str, str] = {}
    for path in objects:
        tables = open_object(path).load().tables.values()
        found |= {table.name: table.cc_name for table in tables}
    return found


def _registered(scenario: Scenario, tables: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names that a run registers, and the tables that each may mean, the first first."""
    found = {link.name: [link.map] for link in scenario.links}
    for swap in scenario.swaps:
        if swap.link and swap.to not in found[swap.link]:
            found[swap.link].append(swap.to)
    behind = {table for maps in found.values() for table in maps}
    for table, name in tables.items():
        if table not in behind and name not in found:
            found[name] = [table]
    return found


def used_algorithms(scenario: Scenario) -> list[str]:
    """Return the algorithms of its own that a scenario asks a kernel for, in order."""
    asked = [scenario.kernel.default, *(one.default for one in scenario.namespaces)]
    asked += [flow.congestion for flow in scenario.flows]
    asked += [load.flow.congestion for load in scenario.workloads]
    asked += [one.congestion for one in scenario.listeners]
    asked += [swap.to for swap in scenario.swaps if not swap.link]
    ours = _registered(scenario, _bpf_tables(scenario))
    return [name for name in dict.fromkeys(asked) if name and name not in ours]


def make_plan(scenario: Scenario) -> dict[str, Any]:
    """Return what the three processes are told: plain JSON values."""
    namespaces = [INIT_NET, *(one.name for one in scenario.namespaces)]
    listeners = [one.name for one in scenario.listeners]
    every = planned_flows(scenario)
    flows = [
        _flow(scenario, number, one, namespaces, listeners) for number, one in enumerate(every)
    ]
    seed, tcp = scenario.seed, scenario.tcp
    settings = scenario.objects_set
    return {
        "objects": [{"path": path, "set": settings.get(path, {})} for path in scenario.objects],
        "registered": _registered(scenario, _bpf_tables(scenario)),
        "token": f"_{os.getpid() % 0x1000000:x}",
        "hz": scenario.kernel.hz,
        "duration_ns": scenario.duration_ns,
        "interval_ns": scenario.record.interval_ns,
        "mtu": tcp.mss_bytes + HEADER_BYTES,
        "tso": tcp.tso,
        "path": {**to_plain(scenario.path), "loss_seed": stream_seed(seed, "loss")},
        "hops": scenario.resolved() if needs_hops(scenario) else None,
        "kernel_queue": scenario.path.qdisc_of == "kernel",
        "namespaces": [
            {
                "sysctls": {**host_sysctls(tcp), "net.ipv4.tcp_ecn": ECN[tcp.ecn]},
                "metrics": _sender_metrics(tcp),
                "default": _default_of(scenario, name),
            }
            for name in namespaces
        ],
        "receiver_sysctls": {**host_sysctls(tcp), "net.ipv4.tcp_ecn": ECN[tcp.ecn or True]},
        "receiver_metrics": {} if tcp.delayed_ack else {"quickack": 1},
        "flows": flows,
        "listeners": [
            {
                "name": one.name,
                "namespace": namespaces.index(one.netns),
                "congestion": one.congestion,
            }
            for one in scenario.listeners
        ],
        "actions": list(_actions(scenario, every, namespaces, listeners)),
    }


def _default_of(scenario: Scenario, namespace: str) -> str:
    """Return what ``net.ipv4.tcp_congestion_control`` of a namespace is."""
    defaults = {one.name: one.default for one in scenario.namespaces}
    return defaults.get(namespace, scenario.kernel.default)


def _sender_metrics(tcp: Tcp) -> dict[str, int]:
    metrics = {}
    if tcp.initial_window != DEFAULT_WINDOW:
        metrics["initcwnd"] = tcp.initial_window
    if tcp.min_rto_ns != DEFAULT_MIN_RTO_NS:
        metrics["rto_min"] = max(tcp.min_rto_ns // 1_000_000, 1)
    return metrics


def _flow(
    scenario: Scenario,
    number: int,
    connection: PlannedFlow,
    namespaces: Sequence[str],
    listeners: Sequence[str],
) -> dict[str, Any]:
    """Return a flow as the processes know it: its delays are those of the simulated one."""
    spec, talk = connection.spec, connection.talk
    access, rtt, seed = spec.access_delay_ns, spec.rtt_ns, scenario.seed
    out = max(rtt // 2 - access, 0)
    netns = spec.netns
    if spec.listener:
        listener = scenario.listeners[listeners.index(spec.listener)]
        netns = listener.netns
    return {
        "number": number,
        "name": spec.name,
        "congestion": spec.congestion or None,
        "listener": listeners.index(spec.listener) if spec.listener else None,
        "namespace": namespaces.index(netns or INIT_NET),
        "delays_ns": [access, out, rtt - access - out],
        "ack_loss_seed": stream_seed(seed, "ack-loss", number),
        "start_ns": spec.start_ns,
        "stop_ns": spec.stop_ns,
        "size_bytes": spec.size_bytes,
        "source": to_plain(spec.source),
        "sndbuf_bytes": spec.sndbuf_bytes,
        "rwnd_bytes": spec.receiver.rwnd_bytes,
        "mss_bytes": scenario.tcp.mss_bytes,
        "talk": to_plain(talk),
        "talk_seed": (
            stream_seed(seed, f"workload/{connection.workload}", connection.number) if talk else 0
        ),
        "life_ns": connection.life_ns,
    }


def _actions(
    scenario: Scenario,
    every: Sequence[PlannedFlow],
    namespaces: Sequence[str],
    listeners: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """Yield what swaps do, step by step."""
    numbers = {one.spec.name: number for number, one in enumerate(every)}
    own: dict[str, list[str]] = {}
    for one in every:
        own.setdefault(one.workload or one.spec.name, []).append(one.spec.name)
    for index, swap in enumerate(scenario.swaps):
        about: dict[str, Any] = {"swap": index, "via": swap.via, "to": swap.to, "when": None}
        if swap.trigger is not None:
            about["when"] = {
                **to_plain(swap.trigger),
                "flow": numbers[swap.trigger.flow],
                "text": trigger_text(swap.trigger),
            }
        if swap.link:
            yield from _link_actions(about, swap, numbers, own)
            continue
        if swap.via == "sysctl":
            netns = swap.netns
            at = {"t_ns": swap.at_ns, "namespace": namespaces.index(netns), "netns": netns}
            yield {**about, **at, "do": "sysctl"}
            continue
        reached = tuple(name for given in swap.flows for name in own.get(given, [given]))
        steps: Sequence[tuple[int, Sequence[str]]] = [(0, reached)]
        if swap.via == "sweep":
            steps = sweep_steps(replace(swap, flows=reached))
        for after_ns, names in steps:
            yield {
                **about,
                "do": "setsockopt",
                "t_ns": swap.at_ns + after_ns,
                "flows": [numbers[name] for name in names],
                "listeners": [listeners.index(name) for name in swap.listeners],
                "running_only": swap.via == "sweep" or swap.trigger is not None,
            }


def _link_actions(
    about: dict[str, Any],
    swap: Swap,
    numbers: Mapping[str, int],
    own: Mapping[str, Sequence[str]],
) -> Iterator[dict[str, Any]]:
    """Yield what a swap of a link's map does: at once, after a gap, or with flows following."""
    about = {**about, "link": swap.link}
    at = swap.at_ns
    if swap.via == "reregister":
        yield {**about, "do": "unregister", "t_ns": at}
        yield {**about, "do": "register", "t_ns": at + swap.gap_ns}
        return
    yield {**about, "do": "link_update", "t_ns": at}
    if swap.via != "staged":
        return
    reached = [name for given in swap.flows for name in own.get(given, [given])]
    done, end = 0, at + len(swap.steps_ppm) * swap.pause_ns
    window = swap.guard.window_ns if swap.guard else end - at
    for t_ns in sorted({*range(at + window, end + 1, window), end}):  # before a step of the instant
        watched = {"t0_ns": at, "guard": to_plain(swap.guard), "last": t_ns == end}
        yield {**about, "do": "check", "t_ns": t_ns, **watched}
    for step, share_ppm in enumerate(swap.steps_ppm):
        upto = -(-len(reached) * share_ppm // 1_000_000)
        yield {
            **about,
            "do": "setsockopt",
            "to": swap.link,
            "t_ns": at + step * swap.pause_ns,
            "flows": [numbers[name] for name in reached[done:upto]],
            "listeners": [],
            "running_only": True,
        }
        done = upto
