"""What a state policy is told of the path, worked out by hand."""

from __future__ import annotations

from ccsim.kernel.policy import PathSample


def test_a_path_that_nothing_is_known_of_yields_the_window() -> None:
    unknown = PathSample(10, 0, 0, 0, 0xFFFFFFFF, 0, 1448, 10)
    assert (unknown.rate_Bps, unknown.bdp_packets) == (0, 10)
    # no rate sample, but an RTT: 20 packets in 80 ms, of which 40 ms are the path's own
    queued = PathSample(20, 20, 0, 0, 40_000, 80_000, 1448, 10)
    assert (queued.rate_Bps, queued.bdp_packets) == (362_000, 10)
    # 30 packets in 10 ms, a least RTT of 4 ms and none smoothed; a smoothed one below the least
    assert PathSample(9, 9, 30, 10_000, 4_000, 0, 1448, 10).bdp_packets == 12
    assert PathSample(9, 9, 30, 10_000, 4_000, 2_000, 1448, 10).bdp_packets == 6


def test_a_rate_is_what_was_delivered_over_its_time() -> None:
    # 30 packets of 1000 bytes in 10 ms
    assert PathSample(9, 9, 30, 10_000, 4_000, 4_000, 1000, 10).rate_Bps == 3_000_000
