"""What ``iperf3 --json`` writes: streams by interval."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.measured import Imported
from ccsim.exchange.samples import SampleReader, number
from ccsim.files import from_json

__all__ = ["imported_iperf3"]

MOST_BYTES = 64_000_000


def imported_iperf3(path: Path) -> Imported:
    """Return the streams of a test that iperf3 has written as JSON; ImportedFileError for what is
    none, OSError.

    At the sender they have retransmissions, cwnd and RTT, too. The default MSS of the test makes
    packets of bytes.
    """
    test = _document(path)
    names, mss = _streams(path, test), _mss(test)
    samples = SampleReader(path, origin_s=0.0)
    intervals = _list(path, test, "intervals")
    again: dict[str, float] = {}
    for at, interval in enumerate(intervals):
        place = f"intervals.{at}"
        for stream in _list(path, interval, "streams", place):
            name = names.get(str(_get(stream, "socket")), f"stream {_get(stream, 'socket')}")
            _add(samples, path, place, name, stream, mss, again)
    found = samples.measured("intervals with streams")
    congestion = _get(_get(test, "end"), "sender_tcp_congestion")
    if isinstance(congestion, str):
        found = tuple(replace(one, congestion=congestion[:40]) for one in found)
    return Imported(str(path), "iperf3", found)


def _document(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > MOST_BYTES:
        raise ImportedFileError(
            str(path), "", f"expected up to {MOST_BYTES} bytes of JSON, got more"
        )
    try:
        found = from_json(path.read_bytes())
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ImportedFileError(str(path), place, f"expected JSON: {error.msg}") from None
    except ValueError as error:
        raise ImportedFileError(str(path), "", f"expected JSON: {error}") from None
    if not isinstance(found, dict):
        raise ImportedFileError(str(path), "", f"expected an object, got {type(found).__name__}")
    if "error" in found:
        raise ImportedFileError(str(path), "", f"iperf3 failed: {str(found['error'])[:200]}")
    return found


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _list(path: Path, value: Any, key: str, place: str = "") -> list[Any]:
    found = _get(value, key)
    if not isinstance(found, list):
        got = "nothing" if found is None else type(found).__name__
        where = ".".join(part for part in (place, key) if part)
        raise ImportedFileError(str(path), where, f"expected a list, got {got}")
    return found


def _streams(path: Path, test: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the streams by their sockets' numbers."""
    connected = _get(_get(test, "start"), "connected")
    if not isinstance(connected, list):
        return {}
    return {
        str(_get(one, "socket")): f"{_get(one, 'local_host')}:{_get(one, 'local_port')} → "
        f"{_get(one, 'remote_host')}:{_get(one, 'remote_port')}"
        for one in connected
    }


def _mss(test: Mapping[str, Any]) -> int:
    for key in ("tcp_mss_default", "tcp_mss"):
        found = _get(_get(test, "start"), key)
        if isinstance(found, int) and 0 < found < 65_536:
            return found
    return 1448


def _add(
    samples: SampleReader,
    path: Path,
    place: str,
    name: str,
    stream: Any,
    mss: int,
    again: dict[str, float],
) -> None:
    """Take what one stream did in one interval."""
    known: dict[str, float] = {}
    for key in ("end", "bits_per_second", "retransmits", "snd_cwnd", "rtt"):
        value = _get(stream, key)
        if value is None:
            continue
        try:
            known[key] = number(value)
        except (TypeError, ValueError) as error:
            raise ImportedFileError(str(path), f"{place}.{key}", str(error)) from None
    if not {"end", "bits_per_second"} <= known.keys():
        missing = "end" if "end" not in known else "bits_per_second"
        raise ImportedFileError(str(path), f"{place}.{missing}", "expected a number, got none")
    values = {"throughput_bps": known["bits_per_second"]}
    if "retransmits" in known:
        again[name] = again.get(name, 0.0) + known["retransmits"]
        values["retransmissions"] = again[name]
    if "snd_cwnd" in known:
        values["cwnd_packets"] = known["snd_cwnd"] / mss
    if known.get("rtt"):
        values["rtt_ms"] = known["rtt"] / 1000
    samples.add(name, known["end"], values, place=place, mss_bytes=mss)
