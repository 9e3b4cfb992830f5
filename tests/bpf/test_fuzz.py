"""Damaged and hostile objects: read or refused with a message, never a crash or a hang.

Each mutant is a valid object with bytes changed, cut, repeated or made huge. CCSIM_FUZZ=100000
gives the nightly number.
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
from ccsim.bpf.errors import BpfObjectError
from ccsim.bpf.verifier.verify import verify
from tests.bpf.edge_rig import edge_files

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
