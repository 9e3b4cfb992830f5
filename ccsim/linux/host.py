"""What this machine can do for a run on its kernel, and what it lacks, each with its remedy."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ccsim.linux.tcp_info import NEEDED_BYTES

__all__ = ["Ability", "abilities", "available_algorithms", "describe_host", "missing_for"]

AVAILABLE = "/proc/sys/net/ipv4/tcp_available_congestion_control"
TUN = "/dev/net/tun"
BTF = "/sys/kernel/btf/vmlinux"
UNSHARE = (
    "import ctypes, sys; unshare = ctypes.CDLL(None).unshare; "
    "sys.exit(bool(unshare(0x40000000) and unshare(0x50000000)))"
)
"""What `ccsim.linux.netns.enter_new_network` asks of the kernel, for a process that tries it."""


@dataclass(frozen=True)
class Ability:
    """Something that a run may need: whether it is here, and if not how to get it."""

    name: str
    is_here: bool
    remedy: str = ""


def abilities() -> list[Ability]:
    """Return what runs on a kernel need, and whether this machine has it."""
    return [
        Ability("Linux", sys.platform == "linux", "runs on a kernel need Linux"),
        Ability("TCP_INFO of Linux 5.4", _tells_enough(), "use a kernel of 5.4 or newer"),
        Ability("TUN devices", os.access(TUN, os.R_OK | os.W_OK), f"modprobe tun; it makes {TUN}"),
        Ability(
            "network namespaces",
            _may_unshare(),
            "sysctl kernel.unprivileged_userns_clone=1 (Debian), or "
            "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), or run as root",
        ),
        Ability(
            "BTF of the kernel", Path(BTF).exists(), "a kernel with CONFIG_DEBUG_INFO_BTF; for BPF"
        ),
        Ability(
            "BPF", _may_use_bpf(), "run as root, or with CAP_BPF and CAP_NET_ADMIN; for BPF objects"
        ),
    ]


def missing_for(algorithms: Iterable[str], *, bpf: bool = False) -> list[str]:
    """Return what a run with these algorithms lacks here, with remedies; empty if nothing. ``bpf``
    asks for what BPF objects need, too."""
    needed = abilities()[:4]
    missing = [f"{one.name}: not here; {one.remedy}" for one in needed if not one.is_here]
    if missing:
        return missing
    if bpf and not (Path(BTF).exists() and _may_use_bpf()):
        lacking = [one for one in abilities()[4:] if not one.is_here]
        return [f"{one.name}: not here; {one.remedy}" for one in lacking]
    here = available_algorithms()
    return [
        f"algorithm {name}: this kernel has {', '.join(sorted(here))}; modprobe tcp_{name}, or "
        "choose another"
        for name in algorithms
        if name not in here
    ]


def available_algorithms() -> set[str]:
    """Return the names that sockets of this machine can choose now."""
    try:
        return set(Path(AVAILABLE).read_text(encoding="ascii").split())
    except OSError:
        return set()


def describe_host() -> dict[str, str | int | float]:
    """Return what a stored run says of the machine it was made on."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "clock_source": _first_line(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        ),
        "hz": _hz(),
        "cores": os.cpu_count() or 0,
        "load": round(os.getloadavg()[0], 2),
    }


def _hz() -> int:
    """Return CONFIG_HZ if the kernel tells its configuration; 0 if not."""
    import gzip
    import re

    boot = Path(f"/boot/config-{platform.release()}")
    try:
        if boot.exists():
            text = boot.read_text(encoding="utf-8", errors="replace")
        else:
            text = gzip.decompress(Path("/proc/config.gz").read_bytes()).decode(errors="replace")
    except OSError:
        return 0
    found = re.search(r"^CONFIG_HZ=(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _tells_enough() -> bool:
    import socket

    if sys.platform != "linux":
        return False
    with socket.socket() as sock:
        return len(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)) >= NEEDED_BYTES


@cache
def _may_unshare() -> bool:
    """Report whether a child process can make a network namespace."""
    import subprocess

    bare = [sys.executable, "-I", "-S", "-c", UNSHARE]  # without what else an interpreter loads
    try:
        done = subprocess.run(bare, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _may_use_bpf() -> bool:
    """Report whether the process has CAP_BPF (39) and CAP_NET_ADMIN (12), or CAP_SYS_ADMIN (21)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return False
    line = next((one for one in status.splitlines() if one.startswith("CapEff:")), "CapEff: 0")
    held = int(line.split()[1], 16)
    return bool(held >> 21 & 1 or (held >> 39 & 1 and held >> 12 & 1))
