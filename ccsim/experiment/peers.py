"""Other simulators run on the same cases, for a comparison within one go: ns-3, ns.py and htsim.

The programs that set the cases up in them stand in ``tests/bench/`` of a checkout.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsim.errors import CcsimError

__all__ = ["HTSIM", "NS3", "NSPY", "PEERS", "Peer", "PeerCase", "command", "run_peer"]

NS3_MODULES = ("core", "network", "internet", "point-to-point", "applications", "traffic-control")
SOURCES = Path(__file__).resolve().parents[2] / "tests" / "bench"


@dataclass(frozen=True, slots=True)
class Peer:
    """A simulator: what it is called, how to install it, which of our algorithms it has (None: one
    of its own, whatever a case asks for), whether it has random loss."""

    name: str
    algorithms: frozenset[str] | None
    install: str
    lossy: bool = True

    def takes(self, case: PeerCase) -> bool:
        """Return whether it can run a case: bulk flows of algorithms that it has."""
        has_all = self.algorithms is None or set(case.flows) <= self.algorithms
        return bool(case.flows) and has_all and (self.lossy or not case.loss)


@dataclass(frozen=True, slots=True)
class PeerCase:
    """A case as the peers' programs take it: one bottleneck, bulk flows that start ``apart_ns``
    after one another."""

    rate_bps: int
    rtt_ns: int
    buffer_packets: int
    loss: float
    duration_ns: int
    sample_ns: int
    flows: tuple[str, ...]
    apart_ns: int = 100_000_000

    def arguments(self) -> list[str]:
        """Return the programs' arguments."""
        numbers = (self.rate_bps, self.rtt_ns, self.buffer_packets, self.loss)
        duration_s = self.duration_ns / 1e9
        times = (duration_s, self.sample_ns)
        return [*map(str, numbers + times), ",".join(self.flows), str(self.apart_ns)]


NS3 = Peer(
    "ns-3",
    frozenset({"reno", "cubic", "bbr", "vegas", "westwood"}),
    "Debian: apt install libns3-dev g++ pkg-config; and a checkout of ccsim",
)
NSPY = Peer("ns.py", frozenset({"reno", "cubic"}), "pip install ns.py; and a checkout of ccsim")
HTSIM = Peer(
    "htsim",
    None,
    "--htsim DIR, a checkout of Broadcom/csg-htsim; g++, make and a checkout of ccsim",
    lossy=False,
)
"""Its TCP is NewReno without SACK."""
PEERS = (NS3, NSPY, HTSIM)


def command(peer: Peer, build: Path, htsim: Path | None = None) -> list[str] | None:
    """Return what starts a peer's program, compiled into ``build`` if need be; None if the peer is
    not installed. CcsimError if it is but does not compile. ``htsim`` is its checkout."""
    if peer is NSPY:
        script = SOURCES / "nspy_dumbbell.py"
        found = script.is_file() and importlib.util.find_spec("ns") is not None
        return [sys.executable, str(script)] if found else None
    source = SOURCES / ("htsim_dumbbell.cpp" if peer is HTSIM else "ns3_dumbbell.cc")
    if not source.is_file() or not shutil.which("g++"):
        return None
    flags = _htsim_flags(htsim) if peer is HTSIM else _ns3_flags()
    return None if flags is None else [str(_compiled(source, build, flags))]


def _ns3_flags() -> list[str] | None:
    """Return what the compiler is told of an installed ns-3."""
    if not shutil.which("pkg-config"):
        return None
    words = ["pkg-config", "--cflags", "ns3-core"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    libraries = [f"-lns3-{module}" for module in NS3_MODULES]
    return None if found.returncode else [*found.stdout.split(), *libraries]


def _htsim_flags(checkout: Path | None) -> list[str] | None:
    """Build htsim's library in its checkout, if need be; return what the compiler is told of it."""
    if checkout is None or not shutil.which("make"):
        return None
    folder = checkout / "sim"
    if not (folder / "eventlist.h").is_file():
        raise CcsimError(f"bench: --htsim {checkout}: expected a checkout of htsim, with sim/")
    words = ["make", "-C", str(folder), "libhtsim.a"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CcsimError(f"bench: htsim: expected make to build it, got: {_first_error(done)}")
    return ["-I", str(folder), str(folder / "libhtsim.a")]


def _compiled(source: Path, build: Path, flags: Sequence[str]) -> Path:
    program = build / source.stem
    if not program.is_file() or program.stat().st_mtime < source.stat().st_mtime:
        build.mkdir(parents=True, exist_ok=True)
        _compile(source, program, flags)
    return program


def _compile(source: Path, program: Path, flags: Sequence[str]) -> None:
    partial = program.with_suffix(".part")
    words = ["g++", "-O3", "-DNDEBUG", "-std=c++17", str(source), "-o", str(partial)]
    done = subprocess.run([*words, *flags], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CcsimError(
            f"bench: {source.name}: expected it to compile with g++, got: {_first_error(done)}"
        )
    partial.replace(program)


def _first_error(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    return next((line for line in lines if "error" in line.lower()), done.stderr)


def run_peer(peer: Peer, start: Sequence[str], case: PeerCase) -> dict[str, Any] | None:
    """Run a case in a peer: ``wall_s`` of its event loop, data ``packets`` sent; None if it cannot
    run it. CcsimError if its program fails."""
    if not peer.takes(case):
        return None
    done = subprocess.run([*start, *case.arguments()], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CcsimError(f"bench: {peer.name}: expected it to run {case}, got: {last}")
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:  # before it, peers may say what they like
        raise CcsimError(
            f"bench: {peer.name}: expected a last line of JSON, got {done.stdout[-80:]!r}"
        ) from error
    return answer
