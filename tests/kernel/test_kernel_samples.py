"""What a hook is told before anything has been measured (``struct rate_sample``, ``ack_sample``):
-1 says of a time, a count or an interval that there is none, the rest begins at zero."""

from __future__ import annotations

from ccsim.kernel.ops import AckSample, RateSample


def test_a_rate_sample_begins_invalid_and_without_an_rtt() -> None:
    rs = RateSample()
    assert {name: getattr(rs, name) for name in RateSample.__slots__} == {
        "prior_mstamp": 0,
        "prior_delivered": 0,
        "prior_delivered_ce": 0,
        "delivered": -1,
        "delivered_ce": 0,
        "interval_us": -1,
        "snd_interval_us": 0,
        "rcv_interval_us": 0,
        "rtt_us": -1,
        "losses": 0,
        "acked_sacked": 0,
        "prior_in_flight": 0,
        "last_end_seq": 0,
        "is_app_limited": False,
        "is_retrans": False,
        "is_ack_delayed": False,
    }


def test_an_ack_sample_begins_without_packets_and_without_an_rtt() -> None:
    sample = AckSample()
    assert (sample.pkts_acked, sample.rtt_us, sample.in_flight) == (0, -1, 0)
