"""What algorithms hand to one another by hand: bandwidth and RTT between the BBRs, windows between
the others.

100 packets of 1448 bytes in 10 ms are 115.84 Mbit/s; the least RTT is 40 ms, so a BDP is 400.
"""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.kernel.ops import TCP_INFINITE_SSTHRESH, RateSample
from tests.algorithms.shipped_rig import HostSock, connect, shipped

BW_BPS = 115_840_000
MODEL = {"bw_bps": BW_BPS, "min_rtt_us": 40_000, "cwnd_packets": 800}
BBRS = ("bbr", "bbr3")


def sender(name: str, **fields: Any) -> HostSock:
    start = {"snd_cwnd": 700, "delivered": 50_000, "rtt_min_us": 41_000, "srtt_us": 60_000 << 3}
    return connect(name, **{**start, "tcp_mstamp": 9_000_000, "packets_out": 500, **fields})


def exported(sk: HostSock) -> dict[str, int]:
    assert sk.ca_ops.export_model is not None
    return sk.ca_ops.export_model(sk)


def taught(name: str, model: dict[str, int], **fields: Any) -> HostSock:
    sk = sender(name, **fields)
    assert sk.ca_ops.import_model is not None
    sk.ca_ops.import_model(sk, model)
    return sk


def ack(sk: HostSock) -> None:
    sk.tcp_mstamp += 100
    sk.tcp_clock_cache = sk.tcp_mstamp * 1000
    sk.delivered += 1
    sk.delivered_mstamp = sk.tcp_mstamp
    rs = RateSample()
    rs.prior_delivered = sk.delivered - 400
    rs.delivered, rs.interval_us, rs.rtt_us, rs.acked_sacked = 400, 40_000, 45_000, 1
    assert sk.ca_ops.cong_control is not None
    sk.ca_ops.cong_control(sk, 0, 0, rs)


@pytest.mark.parametrize("name", BBRS)
def test_a_bbr_that_has_measured_nothing_exports_its_window_and_the_sockets_rtt(name: str) -> None:
    assert exported(sender(name)) == {"cwnd_packets": 700, "min_rtt_us": 41_000}
    assert exported(sender(name, rtt_min_us=0xFFFFFFFF)) == {"cwnd_packets": 700}


@pytest.mark.parametrize("name", BBRS)
def test_what_a_bbr_measured_is_exported_as_payload_bits(name: str) -> None:
    sk = sender(name)
    for _ in range(3):
        ack(sk)
    model = exported(sk)
    assert model["bw_bps"] == pytest.approx(BW_BPS, rel=1e-5)
    assert model["min_rtt_us"] == 41_000


@pytest.mark.parametrize("name", BBRS)
def test_an_imported_bandwidth_is_paced_at_once_and_startup_is_left_out(name: str) -> None:
    sk = taught(name, MODEL)
    assert sk.ca.full_bw_reached
    assert sk.ca.min_rtt_us == 40_000
    gain = {"bbr": 1, "bbr3": 0.9}[name]
    assert sk.pacing_rate * 8 == pytest.approx(gain * 0.99 * BW_BPS, rel=0.003)
    assert sk.snd_cwnd == 700  # the window follows with the acknowledgements
    ack(sk)
    assert sk.ca.full_bw_reached
    assert sk.ca.max_bw * 1448 * 8e6 / 2**24 == pytest.approx(BW_BPS, rel=1e-4)


@pytest.mark.parametrize("name", BBRS)
def test_a_model_goes_there_and_back(name: str) -> None:
    other = {"bbr": "bbr3", "bbr3": "bbr"}[name]
    back = exported(taught(name, exported(taught(other, MODEL))))
    assert back["bw_bps"] == pytest.approx(BW_BPS, rel=1e-5)
    assert back["min_rtt_us"] == 40_000


@pytest.mark.parametrize("name", BBRS)
@pytest.mark.parametrize(
    "model", [{}, {"cwnd_packets": 9, "w_max_packets": 12}, {"bw_bps": 0, "min_rtt_us": -1}]
)
def test_without_a_bandwidth_a_bbr_starts_as_it_always_does(
    name: str, model: dict[str, int]
) -> None:
    sk, untaught = taught(name, model), sender(name)
    assert sk.ca == untaught.ca
    assert sk.pacing_rate == untaught.pacing_rate


def test_reno_exports_what_its_last_loss_says() -> None:
    model = exported(sender("reno", snd_cwnd=50, snd_ssthresh=40))
    assert model == {"cwnd_packets": 50, "ssthresh_packets": 40, "w_max_packets": 80}


@pytest.mark.parametrize("name", ["reno", "cubic"])
def test_before_the_first_loss_the_window_is_all_there_is(name: str) -> None:
    assert exported(sender(name)) == {"cwnd_packets": 700}


def test_cubic_exports_its_plateau() -> None:
    sk = sender("cubic", snd_cwnd=100)
    sk.snd_ssthresh = shipped("cubic").ssthresh(sk)
    sk.snd_cwnd = 80
    model = exported(sk)
    assert model == {"cwnd_packets": 80, "ssthresh_packets": 70, "w_max_packets": 100}


def test_cubic_climbs_to_the_plateau_that_it_is_told() -> None:
    told, untold = taught("cubic", {"w_max_packets": 100}), sender("cubic")
    for sk in (told, untold):
        sk.snd_cwnd = 80
        shipped("cubic").start_epoch(sk.ca, 80, 1_000_000, 1)
    assert (told.ca.origin_point, untold.ca.origin_point) == (100, 80)
    # K = cbrt((100 - 80) / 0.4) = 3.68 s, in 1/1024 s
    assert told.ca.k == pytest.approx(3772, rel=0.01)
    assert untold.ca.k == 0


@pytest.mark.parametrize("name", ["reno", "cubic"])
def test_a_bbrs_bdp_ends_slow_start_where_no_threshold_is_told(name: str) -> None:
    assert taught(name, MODEL).snd_ssthresh == 400
    assert taught(name, {**MODEL, "ssthresh_packets": 90}).snd_ssthresh == 90


@pytest.mark.parametrize("name", ["reno", "cubic"])
@pytest.mark.parametrize("model", [{}, {"ssthresh_packets": 0}, {"bw_bps": 5}, {"min_rtt_us": 5}])
def test_a_model_that_says_nothing_of_windows_leaves_the_threshold(
    name: str, model: dict[str, int]
) -> None:
    assert taught(name, model).snd_ssthresh == TCP_INFINITE_SSTHRESH


@pytest.mark.parametrize("name", ["reno", "cubic", *BBRS])
def test_exporting_changes_nothing(name: str) -> None:
    sk = sender(name)
    before = repr(sk.ca), sk.snd_cwnd, sk.snd_ssthresh, sk.pacing_rate
    exported(sk)
    assert (repr(sk.ca), sk.snd_cwnd, sk.snd_ssthresh, sk.pacing_rate) == before
