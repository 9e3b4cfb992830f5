"""Other simulators run on the same cases, for a comparison within one go: ns-3 and ns.py.

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

__all__ = ["NS3", "NSPY", "PEERS", "Peer", "PeerCase", "run_peer"]

NS3_MODULES = ("core", "network", "internet", "point-to-point", "applications", "traffic-control")
SOURCES = Path(__file__).resolve().parents[2] / "tests" / "bench"


@dataclass(frozen=True, slots=True)
class Peer:
    """A simulator: what it is called, which of our algorithms it has, how to install it."""

    name: str
    algorithms: frozenset[str]
    install: str


@dataclass(frozen=True, slots=True)
class PeerCase:
    """A case as the peers' programs take it: one bottleneck, bulk flows that start 100 ms apart."""

    rate_bps: int
    rtt_ns: int
    buffer_packets: int
    loss: float
    duration_ns: int
    sample_ns: int
    flows: tuple[str, ...]

    def arguments(self) -> list[str]:
        """Return the programs' arguments."""
        numbers = (self.rate_bps, self.rtt_ns, self.buffer_packets, self.loss)
        duration_s = self.duration_ns / 1e9
        return [*map(str, numbers), str(duration_s), str(self.sample_ns), ",".join(self.flows)]


NS3 = Peer(
    "ns-3",
    frozenset({"reno", "cubic", "bbr", "vegas", "westwood"}),
    "Debian: apt install libns3-dev g++ pkg-config; and a checkout of ccsim",
)
NSPY = Peer("ns.py", frozenset({"reno", "cubic"}), "pip install ns.py; and a checkout of ccsim")
PEERS = (NS3, NSPY)


def command(peer: Peer, build: Path) -> list[str] | None:
    """Return what starts a peer's program, compiled into ``build`` if need be; None if the peer is
    not installed. CcsimError if it is but does not compile."""
    if peer is NSPY:
        script = SOURCES / "nspy_dumbbell.py"
        found = script.is_file() and importlib.util.find_spec("ns") is not None
        return [sys.executable, str(script)] if found else None
    return _compiled(SOURCES / "ns3_dumbbell.cc", build)


def _compiled(source: Path, build: Path) -> list[str] | None:
    if not source.is_file() or not shutil.which("g++") or not shutil.which("pkg-config"):
        return None
    flags = subprocess.run(
        ["pkg-config", "--cflags", "ns3-core"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        return None
    program = build / source.stem
    if not program.is_file() or program.stat().st_mtime < source.stat().st_mtime:
        build.mkdir(parents=True, exist_ok=True)
        _compile(source, program, flags.stdout.split())
    return [str(program)]


def _compile(source: Path, program: Path, flags: Sequence[str]) -> None:
    libraries = [f"-lns3-{module}" for module in NS3_MODULES]
    partial = program.with_suffix(".part")
    words = ["g++", "-O3", "-DNDEBUG", "-std=c++17", str(source), "-o", str(partial)]
    done = subprocess.run([*words, *flags, *libraries], capture_output=True, text=True, check=False)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
        raise CcsimError(f"bench: {source.name}: expected it to compile with g++, got: {first}")
    partial.replace(program)


def run_peer(peer: Peer, start: Sequence[str], case: PeerCase) -> dict[str, Any] | None:
    """Run a case in a peer: ``wall_s`` of its event loop, data ``packets`` sent; None if it lacks
    an algorithm. CcsimError if its program fails."""
    if not set(case.flows) <= peer.algorithms:
        return None
    done = subprocess.run([*start, *case.arguments()], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CcsimError(f"bench: {peer.name}: expected it to run {case}, got: {last}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
