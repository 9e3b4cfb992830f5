"""The knobs of the page: keys of the scenario that it offers to turn, with their ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ccsim.catalog import algorithm_files
from ccsim.scenario.vocabulary import STATE_POLICIES
from ccsim.units import NS_PER_MS

__all__ = ["knobs_of"]

Knob = dict[str, Any]
ON_RUNNING_FLOWS = ("setsockopt", "sweep")
"""Mechanisms that a swap can change between without another key."""


def knobs_of(resolved: Mapping[str, Any], data: Mapping[str, Any]) -> list[Knob]:
    """Return the knobs of a resolved scenario; ``data`` is its document, in whose places they set.

    A slider has ``low``, ``high``, ``value`` in ``unit``, and ``log`` if its steps are factors; a
    choice has ``choices``. ``key`` is the dotted key that it overrides.
    """
    return [*_path(resolved), *_flows(data), *_swaps(resolved, data), *_whole(resolved)]


def _path(resolved: Mapping[str, Any]) -> Iterator[Knob]:
    path = resolved.get("path") or {}
    if not path.get("rate_bps") or path.get("trace"):
        return
    rate, rtt = path["rate_bps"], path["rtt_ns"]
    yield _slider("path.rate", "rate", "Mbit/s", rate / 1e6, 1, 1000, log=True)
    yield _slider("path.rtt", "base RTT", "ms", rtt / NS_PER_MS, 1, 300, log=True)
    buffer = path.get("buffer_packets") or path.get("buffer_bytes", 0) / 1500
    bdp = max(rate * rtt / 1e9 / 12_000, 1e-9)
    yield _slider("path.buffer", "buffer", "BDP", buffer / bdp, 0.05, 8, log=True)
    yield _slider("path.loss", "random loss", "%", 100 * path.get("loss_probability", 0.0), 0, 3)


def _flows(data: Mapping[str, Any]) -> Iterator[Knob]:
    for index, flow in _first(data, "flows"):
        name = flow.get("congestion")
        if isinstance(name, str) and name not in (data.get("links") or {}):
            label = f"{flow.get('name', index)} runs"
            yield _choice(f"flows.{index}.congestion", label, name, _algorithms(data, name))


def _swaps(resolved: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Knob]:
    duration = resolved["duration_ns"] / 1e9
    for index, swap in _first(data, "swaps"):
        to, via = swap.get("to"), swap.get("via", "setsockopt")
        if isinstance(to, str):
            yield _choice(f"swaps.{index}.to", f"swap {index} to", to, _algorithms(data, to))
        if via in ON_RUNNING_FLOWS:
            if "flows" in swap and "over" not in swap:
                yield _choice(f"swaps.{index}.via", "mechanism", via, list(ON_RUNNING_FLOWS))
            state = swap.get("state", "linux")
            if isinstance(state, str):
                yield _choice(f"swaps.{index}.state", "state policy", state, list(STATE_POLICIES))
        at = resolved["swaps"][index].get("at_ns")
        if at is not None and "at" in swap:
            key = f"swaps.{index}.at"
            yield {**_slider(key, "at", "s", at / 1e9, 0, duration), "instant": True}


def _whole(resolved: Mapping[str, Any]) -> Iterator[Knob]:
    duration = resolved["duration_ns"] / 1e9
    yield _slider("duration", "duration", "s", duration, 1, max(120.0, duration))
    yield _slider("seed", "seed", "", resolved["seed"], 1, max(40, resolved["seed"]), whole=True)


def _first(data: Mapping[str, Any], key: str, most: int = 4) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the first entries of a list of mappings, with their places."""
    entries = data.get(key) or []
    return [(k, entry) for k, entry in enumerate(entries) if isinstance(entry, Mapping)][:most]


def _algorithms(data: Mapping[str, Any], chosen: str) -> list[str]:
    return sorted({*algorithm_files(), *(data.get("links") or {}), chosen})


def _slider(
    key: str,
    label: str,
    unit: str,
    value: float,
    low: float,
    high: float,
    *,
    log: bool = False,
    whole: bool = False,
) -> Knob:
    ends = {"low": min(low, value) if value > 0 or not log else low, "high": max(high, value)}
    kind = {"kind": "slider", "log": log, "whole": whole}
    return {"key": key, "label": label, "unit": unit, "value": value, **ends, **kind}


def _choice(key: str, label: str, value: str, choices: list[str]) -> Knob:
    return {"key": key, "label": label, "value": value, "kind": "choice", "choices": choices}
