"""A run as an ordinary user: in a user namespace of its own, without root's rights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65_534
RUN = """
import ctypes, json, os, struct, sys
sys.path.insert(0, sys.argv[1])
from ccsim.linux.host import missing_for
from ccsim.linux.run import LinuxError, run_on_linux
from ccsim.scenario import parse_scenario

def become(user):
    # one right is kept, to read files wherever they are: an interpreter of root's, a checkout
    CAP_DAC_READ_SEARCH, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 2, 8, 47, 2
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    bits = 1 << CAP_DAC_READ_SEARCH
    header, sets = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *[bits] * 3, 0, 0, 0)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)

if os.geteuid() == 0:
    become(int(sys.argv[3]))
missing = missing_for(["reno"])
if missing:
    print(json.dumps({"missing": missing}))
    sys.exit()
try:
    measured = run_on_linux(parse_scenario(sys.argv[2], "live.yaml"))
except LinuxError as refused:
    print(json.dumps({"refused": str(refused)}))
    sys.exit()
(flow,) = measured.result.flows
print(json.dumps({
    "uid": os.geteuid(),
    "delivered": int(flow.delivered_bytes[-1]),
    "served": flow.implementations,
    "prompt": measured.reports["path"]["prompt"],
}))
"""
TEXT = (
    "name: live\nduration: 1500 ms\nkernel: {default: reno}\n"
    "path: {rate: 10 Mbit/s, rtt: 20 ms}\nflows: [{name: a, congestion: reno}]\n"
)


def as_ordinary_user(text: str, folder: Path) -> dict[str, Any]:
    """Return what the run says that such a user starts; skip the test where there is none."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT), text, str(NOBODY)],
        env={**os.environ, "HOME": str(folder), "CCSIM_PURE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    if "missing" in found:
        pytest.skip("; ".join(found["missing"]))
    return found


@pytest.mark.parametrize("queue", ["ccsim", "kernel"])
def test_an_ordinary_user_runs_what_needs_no_bpf(tmp_path: Path, queue: str) -> None:
    text = TEXT.replace("rtt: 20 ms", f"rtt: 20 ms, qdisc_of: {queue}")
    found = as_ordinary_user(text, tmp_path)
    assert found["uid"] != 0
    assert found["served"] == ["reno"]
    assert 1_000_000 < found["delivered"] < 1_875_000 * 1448 / 1500  # 10 Mbit/s for 1.5 s
    assert found["prompt"] is False  # real-time priority is root's


def test_an_ordinary_user_swaps_in_the_middle(tmp_path: Path) -> None:
    text = f"{TEXT}swaps: [{{at: 700 ms, via: setsockopt, flows: [a], to: cubic}}]\n"
    found = as_ordinary_user(text, tmp_path)
    assert found.get("served") == ["reno", "cubic"] or "algorithm cubic" in found["refused"]


def test_an_object_needs_more_rights_which_is_said_before_anything_starts(tmp_path: Path) -> None:
    objects = ROOT / "tests" / "bpf" / "data" / "objects" / "aimd.bpf.o"
    found = as_ordinary_user(f"{TEXT}objects: ['{objects}']\n", tmp_path)
    assert "BPF: not here; run as root, or with CAP_BPF and CAP_NET_ADMIN" in found["refused"]
