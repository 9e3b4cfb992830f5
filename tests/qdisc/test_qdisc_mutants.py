"""Planted bugs, one a rule that the kernel's files state: the recordings must find each."""

# ruff: noqa: E501 (a mutant is read best on one line)

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from ccsim.net.qdisc import KINDS
from ccsim.verify.qdisc import replay
from ccsim.verify.qdisc_files import QdiscRecording, read_recordings
from tests.planting import planted_module

DATA = Path(__file__).parent / "data"
MUTANTS = [  # module, what stands there, what a mistake would make of it
    ("fifo", "self.qlen < self.limit else", "self.qlen <= self.limit else"),
    ("fifo", "self.backlog + packet.len <= self.limit", "self.backlog <= self.limit"),
    ("fifo", "return CONGESTION", "return DROPPED"),
    ("codel", "self.backlog <= self.mtu", "self.backlog <= self.maxpacket"),
    ("codel", "return 0 < (now - flow.first_above_time & _U32) < _SIGN", "return now > flow.first_above_time"),  # the wrap
    ("codel", "flow.newton()\n            if packet", "flow.rec_inv_sqrt = int(65536 / flow.count**0.5) & 65535\n            if packet"),
    ("codel", "flow.count = delta\n", "flow.count = flow.count\n"),
    ("codel", "16 * self.interval", "self.interval // 16"),
    ("codel", "                    break\n", "                    flow.dropping = False\n"),
    ("fq_codel", "if head is new and old:", "if head is new:"),
    ("fq_codel", "(flow.backlog, -flow.index)", "(flow.backlog, flow.index)"),
    ("fq_codel", "fattest.count = fattest.count + count & U32", "pass"),
    ("fq_codel", "length >= threshold", "length > fattest.backlog"),
    ("pie", "self.hz // 2", "self.tupdate"),
    ("pie", "            delta = MAX_PROB // 100 * 2", "            delta = MAX_PROB // 100 * 3"),
    ("pie", "        if delta > 0:\n            if prob < was:", "        if delta > 0:\n            if prob > MAX_PROB:"),
    ("pie", "if self.accu_prob >= _MOST_SUM:", "if self.accu_prob >= 100 * _MOST_SUM:"),
    ("pie", "jiffies_of_us(values", "(lambda us, hz: us * hz // 1_000_000)(values"),
    ("red", "if self.qidlestart == 0:\n                self.qidlestart = now", "self.qidlestart = now"),
    ("red", "hard and self.flags & HARDDROP", "self.flags & HARDDROP"),
    ("red", "return CONGESTION", "return DROPPED"),
    ("sfq", "next(reversed(self.dep[self.cur_depth]))", "next(iter(self.dep[self.cur_depth]))"),
    ("sfq", "if slot.queue:\n            slot.allot -= packet.len", "slot.allot -= packet.len\n        if slot.queue:\n            pass"),
    ("sfq", "moved.append(slot.queue.popleft())", "moved.append(slot.queue.pop())"),
    ("fq", "FAST_PATH_PACKETS = 8", "FAST_PATH_PACKETS = 9"),
    ("fq", "min(gap // 2,", "min(gap,"),
    ("fq", "length = max(length, self.quantum)", "length = max(length, 2 * self.quantum)"),
    ("fq", "min(band.credit + band.quantum, band.quantum)", "band.quantum"),
    ("fq", "self.bands[flow.band].new_flows.append(flow)", "self.bands[band].new_flows.append(flow)"),
    ("dualpi2", "self._roll(prob) and self._roll(prob):\n                if", "self._roll(prob):\n                if"),
    ("dualpi2", "delta >> 6) & U32", "delta >> 5) & U32"),
    ("dualpi2", "self.credit += change * packet.len", "self.credit += change"),
    ("dualpi2", "waited <= self.step_thresh", "waited < self.step_thresh // 2"),
    ("tbf", "min(tokens + self.tokens, self.buffer)", "tokens + self.tokens"),
    ("tbf", "max(-tokens, -ptokens)", "-tokens"),
    ("police", "        self.pkttoks = 0\n", "        self.pkttoks = self.pkt_burst_ns\n"),
    ("police", "            return False\n        self.t_c", "            self.toks = toks\n            return False\n        self.t_c"),
    ("netem", "self.front.appendleft(packet)", "self.front.append(packet)"),
    ("netem", "            self._enqueue(twin, now, 0)\n", "            pass\n"),
    ("netem", "delay = max(0, delay - (last - now))", "delay = delay"),
    ("netem", "packet.cb > now or self.slot_next > now", "packet.cb > now"),
    ("cake", "if not drop or not flow.queue:", "if not drop:"),
    ("cake", "        self.overflow_timeout = OVERFLOW_TIMEOUT\n", "        self.overflow_timeout = 1\n"),
    ("cake", "if best is None or ahead <= 0 or ahead <= best_ns:", "if best is None:"),
    ("cake", "tin.bulk if ingress else 0", "tin.bulk"),
]  # fmt: skip
NAMES = {"fifo": ("pfifo", "bfifo", "pfifo_head_drop")}


@lru_cache(maxsize=1)
def recordings(name: str) -> list[QdiscRecording]:
    return list(read_recordings(DATA / f"{name}.jsonl.xz"))


@pytest.fixture
def planted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put a mutant in the place of its qdisc; return the name of the recordings."""
    name, old, new = request.param
    with planted_module(f"ccsim.net.qdisc.{name}", old, new) as module:
        for kind in NAMES.get(name, (name,)):
            found = next(
                value
                for value in vars(module).values()
                if isinstance(value, type) and vars(value).get("kind") == kind
            )
            monkeypatch.setitem(KINDS, kind, found)
        yield name


def notices(recording: QdiscRecording) -> bool:
    """Report whether what a recording says differs, or a qdisc's own invariants break."""
    try:
        return replay(recording, first_only=True).differences > 0
    except AssertionError:
        return True


@pytest.mark.pure
@pytest.mark.slow
@pytest.mark.parametrize("planted", MUTANTS, indirect=True, ids=lambda m: f"{m[0]}: {m[1][:40]}")
def test_a_planted_bug_is_found_by_the_recordings(planted: str) -> None:
    assert any(notices(recording) for recording in recordings(planted))
