"""A recorded episode: its description, its packets and the sender's state after each event."""

from __future__ import annotations

import csv
import gzip
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.errors import CcsimError, RecordingError
from ccsim.files import from_json
from ccsim.units import NS_PER_US
from ccsim.verify.episode_script import EpisodeScript, parse_script

__all__ = ["Episode", "Transmission", "episode_files", "load_episode"]

TCP_CA_STATES = range(5)
LATE_MAX_NS = 5_000_000  # what took longer was waiting for something else


@dataclass(frozen=True, slots=True)
class Transmission:
    """One data packet that the sender emitted: time [ns], place in order of first transmission,
    and which transmission of it; both from 1. ``cwr``: it bears the CWR flag."""

    t_ns: int
    orig: int
    tx: int
    cwr: bool = False


@dataclass(frozen=True)
class Episode:
    """A recording. ``states`` holds (event, time [ns], ca_state, snd_cwnd, ssthresh), the event as
    recorded: ``A12`` after the 12th ACK, ``T`` after a timer."""

    name: str
    meta: dict[str, Any]
    script: EpisodeScript
    transmissions: tuple[Transmission, ...]
    states: tuple[tuple[str, int, int, int, int], ...]
    acks: tuple[tuple[int, int], ...]  # of each ACK emitted: time [ns], bytes acknowledged
    established_ns: int
    handshake_rtt_ns: int
    writes: tuple[tuple[int, int], ...]  # (actual time [ns], bytes)
    end_ns: int
    data_late_ns: dict[
        int, int
    ]  # how long the receiving host took to deal with the n-th data packet,
    ack_late_ns: dict[int, int]  # the sending host with the n-th ACK

    @property
    def agreement(self) -> str:
        """How well the kernel repeats itself: tight, order or no."""
        return str(self.meta["repeat"]["agree"])

    @property
    def counters(self) -> dict[str, int]:
        """What the sender's kernel counted."""
        counters: dict[str, int] = self.meta["totals"]["snd_counters"]
        return counters


def episode_files(paths: Iterable[str], *, what: str = "an episode") -> Iterator[Path]:
    """Return the JSON files of the episodes, or ``what`` they are, among ``paths``: files, folders,
    names without their suffix; RecordingError if there is nothing."""
    for text in paths:
        path = Path(text)
        if path.is_dir():
            files = sorted(path.glob("*.json"))
            if not files:
                raise RecordingError(f"{text}: expected {what} (NAME.json), got a folder without")
            yield from files
            continue
        stem = path.name
        for suffix in (".json", ".pkts.csv.gz", ".info.csv.gz"):
            stem = stem.removesuffix(suffix)
        found = path.with_name(stem + ".json")
        if not found.is_file():
            raise RecordingError(
                f"{text}: expected {what} (NAME.json) or a folder of them, got nothing there"
            )
        yield found


def load_episode(path: Path) -> Episode:
    """Read NAME.json and the packets and states beside it; RecordingError if one cannot be read."""
    try:
        return _load(path)
    except CcsimError:
        raise
    except Exception as error:  # whatever damaged data make gzip, csv, json or this module raise
        raise RecordingError(f"{path}: expected a recorded episode, got {error!r}") from error


def _load(path: Path) -> Episode:
    meta = from_json(path.read_text(encoding="utf-8"))
    script = parse_script(meta["script"], place=str(path))
    packets = _rows(path.with_name(path.stem + ".pkts.csv.gz"))
    info = _rows(path.with_name(path.stem + ".info.csv.gz"))
    established = next((row for row in info if row["ev"] == "EST"), None)
    if established is None or not packets:
        raise ValueError("no connection and no packets")
    return Episode(
        name=meta["name"],
        meta=meta,
        script=script,
        transmissions=tuple(_transmission(row) for row in packets if row["kind"] == "D"),
        states=tuple(_states(info)),
        acks=tuple((_ns(row["t_us"]), int(row["ack"])) for row in packets if row["kind"] == "A"),
        established_ns=_ns(established["t_us"]),
        handshake_rtt_ns=_ns(established["srtt_us"]),
        writes=_actual_writes(script, info, _ns(established["t_us"])),
        end_ns=_ns(meta["totals"]["t_end_us"]),
        data_late_ns=_data_lateness(packets),
        ack_late_ns=_ack_lateness(packets, info),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))


def _transmission(row: dict[str, str]) -> Transmission:
    return Transmission(_ns(row["t_us"]), int(row["orig"]), int(row["tx"]), "C" in row["flags"])


def _states(info: list[dict[str, str]]) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield the state after every event; a blank cell means unchanged."""
    last = {"ca_state": 0, "snd_cwnd": 0, "ssthresh": 0}
    for row in info:
        for key in last:
            if row[key]:
                last[key] = int(row[key])
        if not row["ev"] or last["ca_state"] not in TCP_CA_STATES:
            raise ValueError(f"event {row['ev']!r} in state {last['ca_state']}")
        yield row["ev"], _ns(row["t_us"]), last["ca_state"], last["snd_cwnd"], last["ssthresh"]


def _actual_writes(
    script: EpisodeScript, info: list[dict[str, str]], established_ns: int
) -> tuple[tuple[int, int], ...]:
    """Return when the application really wrote: what was due before the connection stood, it wrote
    together."""
    planned: dict[int, int] = {}
    for t, size in script.writes:
        due = 0 if t <= established_ns else t
        planned[due] = planned.get(due, 0) + size
    done = [_ns(row["t_us"]) for row in info if row["ev"] == "W"]
    actual = ((next((t for t in done if t >= due), None), size) for due, size in planned.items())
    return tuple((t, size) for t, size in actual if t is not None)


def _data_lateness(packets: list[dict[str, str]]) -> dict[int, int]:
    """Return how long after its arrival each data packet was dealt with: as long as its delivery
    was late, or until the ACK that it elicited at once."""
    arrivals = sorted(
        (int(p["due_us"]), int(p["idx"])) for p in packets if p["kind"] == "D" and p["due_us"]
    )
    late = {}
    for packet in packets:
        if packet["kind"] == "A":
            k = bisect_right(arrivals, (int(packet["t_us"]), sys.maxsize)) - 1
            if k >= 0:
                due, index = arrivals[k]
                late[index] = _ns(int(packet["t_us"]) - due)
    late = {index: ns for index, ns in late.items() if ns < LATE_MAX_NS}
    told = {int(p["idx"]): _ns(p["late_us"]) for p in packets if p["kind"] == "D" and p["late_us"]}
    return {**late, **told}


def _ack_lateness(packets: list[dict[str, str]], info: list[dict[str, str]]) -> dict[int, int]:
    """Return the time from each ACK's arrival to when the sender had processed it."""
    due = {f"A{p['idx']}": int(p["due_us"]) for p in packets if p["kind"] == "A" and p["due_us"]}
    late: dict[str, int] = {}
    for row in info:
        if row["ev"] in due:  # of a duplicate the first copy counts
            late.setdefault(row["ev"], _ns(int(row["t_us"]) - due[row["ev"]]))
    return {int(event[1:]): ns for event, ns in late.items() if 0 <= ns < LATE_MAX_NS}


def _ns(microseconds: str | int) -> int:
    return int(microseconds) * NS_PER_US
