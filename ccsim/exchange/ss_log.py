"""Logs of repeated ``ss -ti``, with the time before or after each output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ccsim.exchange.errors import ImportedFileError
from ccsim.exchange.measured import Imported
from ccsim.exchange.samples import SampleReader, number
from ccsim.exchange.text import lines

__all__ = ["imported_ss"]

TIME = re.compile(r"(?:#\s*)?(?:time(?:stamp)?\s*[:=]?\s*)?(\d+(?:\.\d+)?)\s*(?:s)?$", re.I)
STATES = (
    *("ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT"),
    *("LAST-ACK", "CLOSING"),
)
CONNECTION = re.compile(
    rf"(?:tcp\s+)?(?:(?:{'|'.join(STATES)})\s+)?(\d+)\s+(\d+)\s+(\S+:\d+)\s+(\S+:\d+)(.*)$"
)
FIELD = re.compile(r"([a-z_]+):(\S+)")
RATE = re.compile(r"(pacing_rate|delivery_rate) (\d+(?:\.\d+)?)([KMGT]?)bps")
CONGESTION = re.compile(r"(?:^|\s)([a-z][a-z0-9_-]*)(?= wscale:| rto:| rtt:)")
SCALE = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
EXAMPLE = "while sleep 0.1; do date '+Time: %s.%N'; ss -tin; done"

Connection = tuple[str, str, int]  # name, what ss says of it, line


def imported_ss(path: Path) -> Imported:
    """Return the samples in a log of ``ss -ti``; ImportedFileError for what is none, OSError."""
    samples = SampleReader(path)
    for t_s, connections in _outputs(path):
        for name, text, line in connections:
            _add(samples, str(path), t_s, name, text, line)
    return Imported(str(path), "ss", samples.measured("lines of ss -ti with cwnd or rtt"))


def _outputs(path: Path) -> Iterator[tuple[float, list[Connection]]]:
    """Yield each output of ss with its time: times stand before all outputs, or after all."""
    block: list[Connection] = []
    stamp: float | None = None
    first: bool | None = None  # times come first
    for number_, line in lines(path):
        text = line.strip()
        if match := TIME.fullmatch(text):
            first = not block if first is None else first
            t_s = number(match[1])
            if first:
                if stamp is not None:
                    yield stamp, block
                stamp, block = t_s, []
            else:
                yield t_s, block
                block = []
        elif match := CONNECTION.match(text):
            block.append((f"{match[3]} → {match[4]}", match[5], number_))
        elif block and text and line[0] in " \t":
            name, before, at = block[-1]
            block[-1] = (name, f"{before} {text}", at)
    if first and stamp is not None:
        yield stamp, block
    elif block and first is None:
        reason = f"expected the time of each output, as of: {EXAMPLE}"
        raise ImportedFileError(str(path), f"line {block[0][2]}", reason)


def _add(samples: SampleReader, file: str, t_s: float, name: str, text: str, line: int) -> None:
    """Take what ss says of one connection at one time."""
    fields = dict(FIELD.findall(text))
    values: dict[str, float] = {}
    try:
        for key, field in (("cwnd_packets", "cwnd"), ("ssthresh_packets", "ssthresh")):
            if field in fields:
                values[key] = number(fields[field])
        if "rtt" in fields:
            values["rtt_ms"] = number(fields["rtt"].partition("/")[0])
        if "bytes_acked" in fields:
            values["acked_bytes"] = number(fields["bytes_acked"])
        again, _, total = fields.get("retrans", "0/0").partition("/")
        values["retransmissions"] = number(total or 0)
        gone = [number(fields.get(field, 0)) for field in ("unacked", "sacked", "lost")]
        values["in_flight_packets"] = max(gone[0] - gone[1] - gone[2] + number(again), 0)
        mss = int(number(fields.get("mss", 0)))
    except ValueError as error:
        raise ImportedFileError(file, f"line {line}", str(error)) from None
    for field, amount, scale in RATE.findall(text):
        if field == "pacing_rate":
            values["pacing_bps"] = float(amount) * SCALE[scale]
    if "cwnd_packets" not in values and "rtt_ms" not in values:
        return
    match = CONGESTION.search(text)
    congestion = match[1] if match else ""
    place = f"line {line}"
    samples.add(name, t_s, values, place=place, congestion=congestion, mss_bytes=mss)
