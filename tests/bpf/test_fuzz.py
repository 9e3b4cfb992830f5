"""Damaged and hostile objects: read or refused with a message, never a crash or a hang.

Each mutant is a valid object with bytes changed, cut, repeated or made huge, or with other
instructions; those of the latter that are taken are run, in every form. CCSIM_FUZZ=100000 gives the
nightly number.
"""

from __future__ import annotations

import os
import random
import struct
import time
from functools import partial
from pathlib import Path

import pytest

import ccsim.bpf.object as under_test
from ccsim.bpf import instructions as isa
from ccsim.bpf.bindings import members_of
from ccsim.bpf.elf import read_elf
from ccsim.bpf.errors import BpfObjectError
from ccsim.bpf.memory import BpfFault
from ccsim.bpf.object import LoadedObject
from ccsim.bpf.runtime import FORMS, Runtime
from ccsim.bpf.verifier.verify import verify
from ccsim.kernel.ops import AckSample, RateSample, TcpCongestionOps
from ccsim.kernel.sock import Sock
from tests.bpf.edge_rig import edge_files

OPCODES = tuple(
    cls | source | op
    for cls in (isa.ALU, isa.ALU64, isa.JMP, isa.JMP32)
    for source in (isa.K, isa.X)
    for op in range(0, 0xE0, 0x10)
)
RETURNS = ("ssthresh", "undo_cwnd", "min_tso_segs", "sndbuf_expand")
OBJECTS = sorted((Path(__file__).parent / "data" / "objects").glob("*.bpf.o"))
MUTANTS = int(os.environ.get("CCSIM_FUZZ", "3000"))
SHARES = 8
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutant(data: bytes, draw: random.Random) -> bytes:
    """Return an object with one to eight things wrong."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        at = draw.randrange(len(found))
        kind = draw.randrange(6)
        if kind == 0:
            found[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            found[at] = draw.randrange(256)
        elif kind == 2:
            at &= ~3
            found[at : at + 4] = struct.pack("<I", draw.choice(INTERESTING))
        elif kind == 3:
            at &= ~7
            found[at : at + 8] = struct.pack("<Q", draw.choice(INTERESTING) << draw.choice((0, 32)))
        elif kind == 4:
            end = draw.randrange(at, len(found) + 1)
            other = draw.randrange(len(found))
            found[at:end] = found[other : other + end - at]
        else:
            del found[at:]
        found = found or bytearray(b"\x7f")
    return bytes(found)


@pytest.fixture(scope="module")
def sources() -> list[bytes]:
    return [path.read_bytes() for path in OBJECTS] + [
        data for name, data in edge_files().items() if name.endswith(".o")
    ]


@pytest.mark.parametrize("share", range(SHARES))
def test_a_mutant_is_taken_or_refused_with_a_message(
    share: int, sources: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "verify", partial(verify, limit=20_000))
    draw = random.Random(share)
    slowest, taken = 0.0, 0
    messages: list[str] = []
    for _ in range(MUTANTS // SHARES):
        data = mutant(draw.choice(sources), draw)
        start = time.process_time()
        try:
            under_test.open_object(data, "mutant").load()
            taken += 1
        except BpfObjectError as error:
            messages.append(error.message)
        slowest = max(slowest, time.process_time() - start)
    assert taken
    assert messages
    assert all(messages)
    assert slowest < 5, "a mutant took seconds"


def test_no_size_that_a_file_claims_is_believed(sources: list[bytes]) -> None:
    """Each field of each section header, made huge."""
    data = sources[0]
    messages: list[str] = []
    (table,) = struct.unpack_from("<Q", data, 40)
    (count,) = struct.unpack_from("<H", data, 60)
    for section in range(count):
        for field in (16, 24, 32, 40, 56):
            bad = bytearray(data)
            struct.pack_into("<Q", bad, table + 64 * section + field, (1 << 62) + 8)
            try:
                under_test.open_object(bytes(bad), "huge")
            except BpfObjectError as error:
                messages.append(error.message)
    assert len(messages) > count
    assert all(messages)


@pytest.mark.parametrize("length", [0, 1, 4, 63, 64, 1000, 5000])
def test_a_file_that_ends_early_is_refused_when_it_is_opened(
    length: int, sources: list[bytes]
) -> None:
    with pytest.raises(BpfObjectError) as caught:
        under_test.open_object(sources[0][:length], "cut")
    assert caught.value.stage == "open"


def other_instructions(data: bytes, draw: random.Random) -> bytes:
    """Return an object with one to three instructions that are not the compiler's."""
    found = bytearray(data)
    sections = [it for it in read_elf(data).sections if it.executable and it.data]
    for _ in range(draw.choice((1, 1, 2, 3))):
        section = draw.choice(sections)
        start = data.index(section.data)
        at = start + 8 * draw.randrange(len(section.data) // 8)
        kind = draw.randrange(6)
        if kind == 0:
            found[at] = draw.choice(OPCODES)
        elif kind == 1:
            found[at + 1] = draw.randrange(11) | draw.randrange(11) << 4
        elif kind == 2:
            struct.pack_into("<h", found, at + 2, draw.choice((-8, -4, -1, 0, 1, 2, 4, 8, 1444)))
        elif kind == 3:
            struct.pack_into("<I", found, at + 4, draw.choice(INTERESTING))
        elif kind == 4:
            found[at + 4] = draw.randrange(256)
        else:
            other = start + 8 * draw.randrange(len(section.data) // 8)
            found[at : at + 8] = found[other : other + 8]
    return bytes(found)


class Draws:
    """A stream of random numbers that is the same for every form."""

    def u32(self) -> int:
        return 0xC0FFEE

    def u32_below(self, bound: int) -> int:
        return bound // 2

    def u8(self) -> int:
        return 0xEE


def socket_of(runtime: Runtime) -> Sock:
    sk = Sock()
    sk.ca = runtime.area()
    sk.ca_ops = TcpCongestionOps(name="mutant")
    sk.random = Draws()
    sk.snd_cwnd, sk.snd_ssthresh, sk.packets_out, sk.max_packets_out = 40, 30, 40, 40
    sk.srtt_us, sk.tcp_mstamp, sk.tcp_clock_cache = 320_000, 7_000_000, 7_000_000_000
    sk.tcp_jiffies32, sk.delivered, sk.is_cwnd_limited = 1750, 900, True
    return sk


def effects(loaded: LoadedObject, form: str) -> list[object]:
    """Run every program once on one socket; return all that it leaves, and whether it failed."""
    runtime = Runtime(loaded, form=form)
    sk = socket_of(runtime)
    left: list[object] = []
    for name in runtime.codes:
        for member in sorted(runtime.members_of(name)):
            try:
                result = runtime.function(name, member)(sk, *arguments_of(member))
                left.append(result if member in RETURNS else None)
            except BpfFault:
                left.append("fault")
    left += [one.read and eval(one.read, {"s": sk}) for one in members_of("tcp_sock").values()]
    left += [bytes(sk.ca.bytes()), [list(map.items()) for map in runtime.maps], runtime.trace]
    return left


def arguments_of(member: str) -> tuple[object, ...]:
    """Return what the kernel would pass after the socket."""
    sample = RateSample()
    sample.delivered, sample.interval_us, sample.rtt_us, sample.acked_sacked = 9, 5000, 41_000, 2
    return {
        "cong_avoid": (50_000, 2),
        "set_state": (4,),
        "cwnd_event": (1,),
        "in_ack_event": (1,),
        "pkts_acked": (AckSample(2, 41_000, 57_000),),
        "cong_control": (50_000, 6, sample),
    }.get(member, ())


@pytest.mark.parametrize("share", range(SHARES))
def test_a_program_that_is_taken_means_the_same_in_every_form(
    share: int, sources: list[bytes]
) -> None:
    draw = random.Random(1000 + share)
    ran = 0
    for _ in range(MUTANTS // SHARES // 10):
        data = other_instructions(draw.choice(sources[: len(OBJECTS)]), draw)
        try:
            loaded = under_test.open_object(data, "mutant").load()
        except BpfObjectError:
            continue
        ran += 1
        left = [effects(loaded, form) for form in FORMS]
        assert left[1:] == left[:-1]
    assert ran
