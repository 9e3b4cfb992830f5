"""Samples of sockets as probes print them: the kernel's ``tcp_probe`` (tracepoint, or the former
module) and CSV with a header, as scripts of bpftrace write it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.measured import Imported
from ccsim.exchange.samples import SampleReader, number
from ccsim.exchange.text import lines

__all__ = ["imported_probe", "is_probe"]

TRACEPOINT = re.compile(r"(\d+\.\d+): (?:tcp:)?tcp_probe: (.*)$")
MODULE = re.compile(r"\d+\.\d+ \S+:\d+ \S+:\d+ \d+ 0x[0-9a-f]+ 0x[0-9a-f]+ \d+ \d+ \d+")
FIELD = re.compile(r"(\w+)=(\S+)")
HALF, U32 = 1 << 31, 1 << 32
INFINITE = 0x7FFF_FFFF
KNOWN: Mapping[str, Sequence[str]] = {
    "t_s": ("t_s", "time_s", "time", "t", "ts", "timestamp", "elapsed"),
    "t_ms": ("t_ms", "time_ms"),
    "t_us": ("t_us", "time_us"),
    "t_ns": ("t_ns", "time_ns", "ts_ns", "nsecs", "ns"),
    "cwnd_packets": ("snd_cwnd", "cwnd", "cwnd_packets"),
    "ssthresh_packets": ("snd_ssthresh", "ssthresh", "ssthresh_packets"),
    "rtt_us": ("srtt_us", "rtt_us", "srtt", "rtt"),
    "rtt_ms": ("srtt_ms", "rtt_ms"),
    "in_flight_packets": ("in_flight", "inflight", "in_flight_packets", "packets_in_flight"),
    "retransmissions": ("retransmissions", "total_retrans", "retrans", "retransmits"),
    "acked_bytes": ("bytes_acked", "delivered_bytes", "acked_bytes"),
    "pacing_bps": ("pacing_rate_bps", "pacing_bps"),
    "pacing_bytes": ("sk_pacing_rate", "pacing_rate"),
    "throughput_bps": ("throughput_bps",),
    "snd_una": ("snd_una",),
    "snd_nxt": ("snd_nxt",),
    "mss": ("mss", "mss_cache"),
}
"""What columns of a CSV are called; times and rates by the unit that the name says."""
NAMES = ("flow", "connection", "sock", "cookie", "sock_cookie", "src", "saddr", "sport", "lport")
NAMES_MORE = ("dest", "dst", "daddr", "dport")
TIMES = {"t_s": 1.0, "t_ms": 1e-3, "t_us": 1e-6, "t_ns": 1e-9}


def is_probe(head: str) -> bool:
    """Report whether a text begins as what a probe has printed."""
    return any(
        TRACEPOINT.search(line) or MODULE.match(line) for line in head.splitlines()[:50]
    ) or bool(_header(head.partition("\n")[0]))


def _header(line: str) -> dict[str, str]:
    """Return what the columns of a CSV are by their names, if it has a time and something else."""
    names = [name.strip().lower() for name in line.split(",")]
    found: dict[str, str] = {}
    for key, known in KNOWN.items():
        here = [name for name in known if name in names]
        if here:
            found[key] = here[0]
    timed = any(key in found for key in TIMES)
    return found if timed and len(found) > 1 else {}


class _Sequence:
    """Sequence numbers of one connection that do not wrap, and what they say."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._acked = 0

    def values(self, una: int, nxt: int, mss: float) -> dict[str, float]:
        """Return what is acknowledged so far [bytes] and in flight [packets]."""
        if self._last is not None:
            step = (una - self._last) % U32
            self._acked += step if step < HALF else 0
        self._last = una
        flight = (nxt - una) % U32
        return {
            "acked_bytes": float(self._acked),
            "in_flight_packets": flight / mss if flight < HALF else 0.0,
        }


def imported_probe(path: Path) -> Imported:
    """Return the samples that a probe has printed; ImportedFileError for what is none, OSError."""
    samples = SampleReader(path)
    sequences: dict[str, _Sequence] = {}
    for place, t_s, name, values in _samples(path):
        una, nxt = values.pop("snd_una", None), values.pop("snd_nxt", None)
        mss = values.pop("mss", 0)
        if una is not None and nxt is not None:
            made = sequences.setdefault(name, _Sequence()).values(int(una), int(nxt), mss or 1448)
            values = {**made, **values}
        if values.get("ssthresh_packets", 0) >= INFINITE:
            del values["ssthresh_packets"]
        if not values.get("rtt_ms", 1):
            del values["rtt_ms"]  # not measured yet
        samples.add(name, t_s, values, place=place, mss_bytes=int(mss))
    return Imported(str(path), "probe", samples.measured("samples of a probe"))


Row = tuple[str, float, str, dict[str, float]]  # place, time [s], connection, values


def _samples(path: Path) -> Iterator[Row]:
    """Yield all samples of a file, in whichever of the formats it is."""
    header: dict[str, str] = {}
    names: list[str] = []
    for number_, line in lines(path):
        place = f"line {number_}"
        try:
            if match := TRACEPOINT.search(line):
                yield _traced(place, number(match[1]), dict(FIELD.findall(match[2])))
            elif MODULE.match(line):
                yield _probed(place, line.split())
            elif header:
                if line.strip():
                    yield _row(place, names, header, next(csv.reader([line])))
            else:
                header = _header(line)
                names = [name.strip().lower() for name in line.split(",")]
        except (ValueError, KeyError, csv.Error) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ImportedFileError(str(path), place, reason) from None


def _traced(place: str, t_s: float, fields: Mapping[str, str]) -> Row:
    """Return what the tracepoint tcp:tcp_probe says; its srtt is in microseconds."""
    read: Callable[[str], float] = lambda name: number(int(fields[name], 0))  # noqa: E731
    values = {
        "cwnd_packets": read("snd_cwnd"),
        "ssthresh_packets": read("ssthresh"),
        "rtt_ms": read("srtt") / 1000,
        "snd_una": read("snd_una"),
        "snd_nxt": read("snd_nxt"),
    }
    return place, t_s, f"{fields['src']} → {fields['dest']}", values


def _probed(place: str, parts: Sequence[str]) -> Row:
    """Return what the module tcp_probe says: time, ends, length, nxt, una, cwnd, ssthresh, window
    and, later, srtt."""
    values = {
        "cwnd_packets": number(parts[6]),
        "ssthresh_packets": number(parts[7]),
        "snd_una": number(int(parts[5], 16)),
        "snd_nxt": number(int(parts[4], 16)),
    }
    if len(parts) > 9:
        values["rtt_ms"] = number(parts[9]) / 1000
    return place, number(parts[0]), f"{parts[1]} → {parts[2]}", values


def _row(place: str, names: Sequence[str], header: Mapping[str, str], cells: Sequence[str]) -> Row:
    """Return a row of a CSV; empty cells are not known."""
    if len(cells) != len(names):
        raise ValueError(f"expected {len(names)} values, got {len(cells)}")
    row = dict(zip(names, cells, strict=True))
    values: dict[str, float] = {}
    t_s = 0.0
    for key, name in header.items():
        text = row[name].strip()
        if key in TIMES:
            t_s = number(text) * TIMES[key]
        elif text and not (key == "pacing_bps" and text.startswith("-")):
            values[key] = number(int(text, 16) if text.startswith("0x") else text)
    if "rtt_us" in values:
        values.setdefault("rtt_ms", values.pop("rtt_us") / 1000)
    if "pacing_bytes" in values:
        values["pacing_bps"] = 8 * values.pop("pacing_bytes")
    sides = [
        ":".join(row[name].strip() for name in side if row.get(name, "").strip())
        for side in (NAMES, NAMES_MORE)
    ]
    return place, t_s, " → ".join(side for side in sides if side) or "connection", values
