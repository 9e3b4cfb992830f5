"""What a random scenario may replace, and how: every shipped algorithm, mechanism, state policy,
trigger and guard; and the hosts that are replaced on, as YAML.

Drawn after everything else and in half of all scenarios, so that the others stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ccsim.verify.fuzz.draw import Draw

__all__ = [
    "ALGORITHMS",
    "GUARD_METRICS",
    "LINK",
    "MECHANISMS",
    "POLICIES",
    "STATES",
    "add_swaps",
    "congestion_text",
    "hosts_text",
    "last_ns",
    "swap_text",
]

Plain = dict[str, Any]
MSS_BYTES = 1448
PPM = 1_000_000
LINK = "fleet"
LISTENER = {"name": "web", "congestion": LINK, "congestion_params": {}, "netns": "init"}
NAMESPACE = {"name": "blue", "default": "reno"}
ALGORITHMS = (
    *("bbr", "bbr3", "bic", "cdg", "copa", "cubic", "dctcp", "fixed", "highspeed", "htcp"),
    *("hybla", "illinois", "ledbatpp", "lp", "nv", "prague", "reno", "scalable", "vegas"),
    *("veno", "westwood", "yeah"),
)
MECHANISMS = ("setsockopt", "link_update", "sweep", "sysctl", "reregister", "staged")
POLICIES = ("linux", "cold", "keep_cwnd", "rate", "model", "safe_retreat", "pacing_ramp")
STATES = (
    *("Open", "Disorder", "CWR", "Recovery", "Loss", "slow-start", "app-limited"),
    *("Startup", "Drain", "ProbeBW", "ProbeBW_DOWN", "ProbeBW_CRUISE", "ProbeBW_REFILL"),
    *("ProbeBW_UP", "ProbeRTT", "Competitive", "Slowdown"),
)
GUARD_METRICS = ("goodput", "retransmissions", "drops", "rtt_p99", "stall")
STEPS_PPM = ((PPM,), (10_000, 100_000, PPM), (400_000, 900_000))


Time = Callable[[int, int], int]


def add_swaps(draw: Draw, scenario: Plain, time: Time) -> None:
    """Let half of all scenarios swap anything by any means; ``time`` draws a time within bounds
    [ns]."""
    if draw.pick((True, False)):
        return
    maker = _Maker(draw, scenario, time)
    maker.hosts()
    for swap in scenario["swaps"]:
        swap |= maker.target(linked=not swap["link"])
    swaps = [*scenario["swaps"], *(maker.swap() for _ in range(draw.pick((1, 1, 2, 3))))]
    scenario["swaps"] = sorted(swaps, key=lambda swap: swap["at_ns"])
    scenario["links"] = [{"name": LINK, "map": maker.algorithm(linked=False)}]


class _Maker:
    """The replacements of one scenario in the making."""

    def __init__(self, draw: Draw, scenario: Plain, time: Time) -> None:
        self.draw = draw
        self.scenario = scenario
        self.time = time
        self.end_ns: int = scenario["duration_ns"]

    def algorithm(self, *, linked: bool = True) -> str:
        """Draw an implementation, or if ``linked`` perhaps the link's name."""
        return self.draw.pick((*ALGORITHMS, *(LINK, LINK) * linked))

    def target(self, *, linked: bool = True) -> Plain:
        """Draw what a swap ends in, of CUBIC perhaps another table entry."""
        to = self.algorithm(linked=linked)
        own = self.draw.pick(({}, {"hystart": 0}, {"beta": 819})) if to == "cubic" else {}
        return {"to": to, "to_params": own}

    def within(self, low: int, high: int) -> int:
        """Draw a time in [low, high] [ns], aligned if there is an aligned one."""
        return min(self.time(low, high), high)

    # --- who opens what ---

    def hosts(self) -> None:
        """Let flows and workloads choose anything, be accepted, or have their namespace choose."""
        draw, scenario = self.draw, self.scenario
        scenario["listeners"] = [dict(LISTENER)] if draw.pick((True, False)) else []
        scenario["namespaces"] = [dict(NAMESPACE)] if draw.pick((True, False)) else []
        scenario["kernel"]["profile"] = draw.pick(("linux", "linux", "v2"))
        scenario["kernel"]["default"] = self.algorithm(linked=False)
        for socket in (*scenario["flows"], *(load["flow"] for load in scenario["workloads"])):
            how = draw.pick(("name", "name", "name", "listener", "default"))
            if how == "listener" and scenario["listeners"]:
                socket |= {"congestion": "", "listener": LISTENER["name"]}
            elif how == "default":
                socket |= {"congestion": "", "netns": draw.pick(self.namespaces())}
            else:
                socket["congestion"] = self.algorithm()

    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces there are."""
        return ("init", *(one["name"] for one in self.scenario["namespaces"]))

    def reachable(self, at_ns: int) -> list[str]:
        """Return the flows and workloads that run at a time."""
        running = [
            flow["name"]
            for flow in self.scenario["flows"]
            if flow["start_ns"] < at_ns and (flow["stop_ns"] is None or flow["stop_ns"] > at_ns)
        ]
        loads = self.scenario["workloads"]
        return running + [one["name"] for one in loads if one["flow"]["start_ns"] < at_ns]

    # --- what is replaced ---

    def swap(self) -> Plain:
        """Draw a swap by any mechanism, at a time or when something happens."""
        draw = self.draw
        at_ns = self.within(1, self.end_ns - 1)
        swap: Plain = {"at_ns": at_ns, **self.target()}
        swap |= {"via": draw.pick(MECHANISMS), "flows": [], "link": "", "over_ns": 0}
        reachable = self.reachable(at_ns)
        if swap["via"] in ("sweep", "staged") and not reachable:
            swap["via"] = "link_update"
        make = {
            "setsockopt": self.setsockopt,
            "sweep": self.sweep,
            "sysctl": self.sysctl,
            "link_update": self.link_update,
            "reregister": self.reregister,
            "staged": self.staged,
        }
        swap |= make[swap["via"]](at_ns, reachable)
        if swap["via"] in ("setsockopt", "sweep", "staged"):
            swap["state"] = draw.pick(POLICIES)
        if draw.pick((True, False)):
            swap["trigger"] = self.trigger()
        return swap

    def setsockopt(self, at_ns: int, reachable: list[str]) -> Plain:
        """Draw one socket, of a flow or a listener, or all there are."""
        one = [self.draw.pick(reachable)] if reachable else []
        listeners = [listener["name"] for listener in self.scenario["listeners"]]
        if listeners and (not one or self.draw.pick((True, False, False))):
            return {"listeners": listeners, "flows": self.draw.pick(([], one))}
        if not one:
            return {"via": "sysctl", **self.sysctl(at_ns, reachable)}
        return {"flows": self.draw.pick((one, one, reachable))}

    def sweep(self, at_ns: int, reachable: list[str]) -> Plain:
        """Draw how a sweep goes: at once, over a time, or by cohorts."""
        rest_ns = self.end_ns - 1 - at_ns
        pause_ns = rest_ns // len(reachable)
        if pause_ns and self.draw.pick((True, False)):
            pause_ns = self.within(1, pause_ns)
            return {"flows": reachable, "cohort": self.draw.pick((1, 2)), "pause_ns": pause_ns}
        return {"flows": reachable, "over_ns": self.draw.pick((0, self.within(0, rest_ns)))}

    def sysctl(self, at_ns: int, reachable: list[str]) -> Plain:
        """Draw the namespace whose default changes."""
        return {"netns": self.draw.pick(self.namespaces())}

    def link_update(self, at_ns: int, reachable: list[str]) -> Plain:
        """Draw the map that the link's name means."""
        return {"link": LINK, **self.target(linked=False)}

    def reregister(self, at_ns: int, reachable: list[str]) -> Plain:
        """Draw how long the name is missing."""
        gap_ns = self.within(0, (self.end_ns - 1 - at_ns) // 2)
        return {**self.link_update(at_ns, reachable), "gap_ns": gap_ns}

    def staged(self, at_ns: int, reachable: list[str]) -> Plain:
        """Draw the steps of a roll-out, and what guards it."""
        steps = self.draw.pick(STEPS_PPM)
        rest_ns = self.end_ns - 1 - at_ns
        if rest_ns < len(steps):
            return {"via": "link_update", **self.link_update(at_ns, reachable)}
        return {
            **self.link_update(at_ns, reachable),
            "flows": reachable,
            "steps_ppm": list(steps),
            "pause_ns": self.within(1, rest_ns // len(steps)),
            "guard": self.guard(at_ns),
        }

    def guard(self, at_ns: int) -> Plain | None:
        """Draw a guard where the time before the roll-out is long enough for one."""
        record = self.scenario["record"]
        least_ns = 20_000_000  # two samples of a guard
        if least_ns > at_ns or record["flows"] != "all" or self.draw.pick((True, False, False)):
            return None
        metric = self.draw.pick(GUARD_METRICS)
        share = self.draw.pick((1, 10_000, 200_000))
        threshold = self.within(1, at_ns) if metric == "stall" else share
        window_ns = self.within(least_ns, min(at_ns, 4 * least_ns))
        return {"metric": metric, "threshold": threshold, "window_ns": window_ns}

    def trigger(self) -> Plain:
        """Draw a state of a flow, and how much later what reaches beyond it acts."""
        draw, path = self.draw, self.scenario["path"]
        carried = path["rate_bps"] * self.end_ns // (8 * 1_000_000_000)
        condition: Plain = draw.pick(
            (
                {"state": draw.pick(STATES)},
                {"state": draw.pick(STATES)},
                {"cwnd_above": draw.between(1, 60)},
                {"loss": draw.between(1, 4)},
                {"acked_bytes": draw.between(1, max(carried, 1))},
            )
        )
        empty = {"state": "", "cwnd_above": 0, "loss": 0, "acked_bytes": 0}
        flow = draw.pick([flow["name"] for flow in self.scenario["flows"]])
        delay_ns = self.within(max(path["rtt_ns"] // 8, 1), max(path["rtt_ns"], 1))
        return {**empty, **condition, "flow": flow, "delay_ns": delay_ns}


def last_ns(swap: Mapping[str, Any]) -> int:
    """Return when the last of a swap comes that must come within the run [ns]."""
    steps = max(len(swap.get("steps_ppm", ())), -(-len(swap["flows"]) // (swap.get("cohort") or 1)))
    apart_ns = swap.get("pause_ns", 0) * max(steps - 1, 0)
    last: int = swap["at_ns"] + max(swap["over_ns"], swap.get("gap_ns", 0), apart_ns)
    return last


# --- as YAML ---


def congestion_text(flow: Mapping[str, Any]) -> str:
    """Return the keys that say what a flow or listener begins with, each with a comma before."""
    if flow.get("listener"):
        return f", listener: {flow['listener']}"
    text = f", congestion: {flow['congestion']}" if flow["congestion"] else ""
    return f"{text}, netns: {flow['netns']}" if flow.get("netns", "init") != "init" else text


def hosts_text(scenario: Mapping[str, Any]) -> list[str]:
    """Return the lines of the namespaces and listeners."""
    lines = [
        f"namespaces: {{{one['name']}: {one['default']}}}" for one in scenario.get("namespaces", ())
    ]
    for one in scenario.get("listeners", ()):
        lines.append(f"listeners: [{{name: {one['name']}{congestion_text(one)}}}]")
    return lines


def swap_text(swap: Mapping[str, Any]) -> str:
    """Return a swap as an entry of a scenario's list."""
    own = "".join(f", {name}: {value}" for name, value in swap.get("to_params", {}).items())
    to = f"{{name: {swap['to']}{own}}}" if own else swap["to"]
    parts = [_when_text(swap), f"via: {swap['via']}", f"to: {to}"]
    if swap["link"]:
        parts.append(f"link: {swap['link']}")
    parts += [f"{key}: [{', '.join(swap[key])}]" for key in ("flows", "listeners") if swap.get(key)]
    if swap.get("netns"):
        parts.append(f"netns: {swap['netns']}")
    if swap["via"] == "sweep" and not swap.get("cohort"):
        parts.append(f"over: {swap['over_ns']} ns")
    if swap.get("cohort"):
        parts.append(f"cohort: {swap['cohort']}")
    if swap.get("pause_ns"):
        parts.append(f"pause: {swap['pause_ns']} ns")
    if swap["via"] == "reregister":
        parts.append(f"gap: {swap['gap_ns']} ns")
    if swap.get("steps_ppm"):
        parts.append(f"steps: [{', '.join(map(_share_text, swap['steps_ppm']))}]")
    if guard := swap.get("guard"):
        parts.append(f"guard: {{{_guard_text(guard)}}}")
    if swap.get("state", "linux") != "linux":
        parts.append(f"state: {swap['state']}")
    return ", ".join(parts)


def _when_text(swap: Mapping[str, Any]) -> str:
    trigger = swap.get("trigger")
    if trigger is None:
        return f"at: {swap['at_ns']} ns"
    units = {"state": "", "cwnd_above": "", "loss": "", "acked_bytes": " B"}
    key = next(key for key in units if trigger[key])
    condition = f"{key.removesuffix('_bytes')}: {trigger[key]}{units[key]}"
    times = f"after: {swap['at_ns']} ns, delay: {trigger['delay_ns']} ns"
    return f"when: {{flow: {trigger['flow']}, {condition}, {times}}}"


def _share_text(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000:04} %"


def _guard_text(guard: Mapping[str, Any]) -> str:
    is_time = guard["metric"] == "stall"
    threshold = f"{guard['threshold']} ns" if is_time else _share_text(guard["threshold"])
    window = f"window: {guard['window_ns']} ns"
    return f"metric: {guard['metric']}, threshold: {threshold}, {window}"
