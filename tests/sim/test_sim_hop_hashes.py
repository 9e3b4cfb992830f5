"""By what queueing disciplines know packets: worked out by hand."""

from __future__ import annotations

from zlib import crc32

import pytest

from ccsim.sim.hop_hashes import hash_of, hosts_of
from ccsim.spec import Flow


@pytest.mark.parametrize(
    ("index", "way", "expected"),
    [
        (0, 0, 0x9E37_79B9),  # 1 of the golden ratio's 2^32 / 1.618
        (0, 1, 0x3C6E_F372),  # 2 of it, less 2^32
        (1, 0, 0xDAA6_6D2B),  # 3, less 2^32
        (1, 1, 0x78DD_E6E4),  # 4, less 2 · 2^32
        (3, 1, 0xF1BB_CDC8),  # 8, less 4 · 2^32
    ],
)
def test_flows_and_ways_are_spread_over_all_hashes(index: int, way: int, expected: int) -> None:
    assert hash_of(index, way) == expected


def test_hosts_are_those_of_the_flow_or_two_of_its_own() -> None:
    named = Flow(name="a", rtt_ns=1, hosts=("x", "y"))
    assert hosts_of(named, 3) == (crc32(b"x"), crc32(b"y"))
    own = Flow(name="a", rtt_ns=1)
    assert hosts_of(own, 3) == (crc32(b"sender of 3"), crc32(b"receiver of 3"))
