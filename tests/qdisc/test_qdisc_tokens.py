"""Token buckets: TBF, the policer, and how Linux computes times; worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ccsim.net.qdisc import Draws, QdiscError, create
from ccsim.net.qdisc.base import NEVER
from ccsim.net.qdisc.token_rate import TokenRate, multiplier
from tests.qdisc.qdisc_rig import FULL, MS, US, dropped, make, send, take

RATE = 250_000  # byte/s: 4 us a byte


def test_a_rate_becomes_a_multiplier_and_a_shift() -> None:
    assert multiplier(RATE) == (4_194_304_000, 20)
    assert TokenRate(RATE).time(FULL) == 6_056_000
    assert multiplier(0) == (0, 0)


@pytest.mark.parametrize(
    ("rate", "length", "ns"),
    [
        (TokenRate(RATE, overhead=24), 1000, 4 * 1024 * US),
        (TokenRate(RATE, overhead=4, mpu=84), 60, 4 * 84 * US),
        (TokenRate(RATE, atm=True), 48, 4 * 53 * US),
        (TokenRate(RATE, atm=True), 49, 4 * 106 * US),
        (TokenRate(RATE, overhead=10, atm=True), 1514, 4 * 32 * 53 * US),
    ],
)
def test_what_a_packet_costs_besides_its_bytes(rate: TokenRate, length: int, ns: int) -> None:
    assert rate.time(length) == ns


def test_a_full_bucket_lets_a_burst_pass_and_then_packets_at_the_rate() -> None:
    tbf = make("tbf", rate_Bps=RATE, burst=3028, limit=30_000)
    send(tbf, 0, range(5))
    assert [take(tbf, 0), take(tbf, 0), take(tbf, 0)] == [0, 1, None]
    assert tbf.wake_ns == 6_056_000
    assert take(tbf, 6_055_999) is None
    assert take(tbf, 6_056_000) == 2
    # 20 ms later the bucket holds no more than its burst
    assert [take(tbf, 30 * MS), take(tbf, 30 * MS), take(tbf, 30 * MS)] == [3, 4, None]
    assert tbf.observe()["overlimits"] == 2


def test_a_packet_larger_than_the_burst_never_passes_and_the_queue_has_a_limit() -> None:
    tbf = make("tbf", rate_Bps=RATE, burst=2000, limit=3028)
    assert send(tbf, 0, [1], size=2001) == [1]
    assert send(tbf, 0, [2, 3, 4]) == [0, 0, 1]
    assert dropped(tbf) == [1, 4]


def test_the_peak_rate_spaces_a_burst() -> None:
    tbf = make(
        "tbf", rate_Bps=RATE, burst=10_000, limit=30_000, peakrate_Bps=500_000, minburst=1514
    )
    send(tbf, 0, range(3))
    assert [take(tbf, 0), take(tbf, 0)] == [0, None]
    assert tbf.wake_ns == 3_028_000  # 1514 bytes at 500,000 byte/s
    assert take(tbf, 3_028_000) == 1


def test_a_change_fills_the_buckets_and_keeps_the_packets() -> None:
    tbf = make("tbf", rate_Bps=RATE, burst=1514, limit=30_000)
    send(tbf, 0, range(3))
    take(tbf, 0)
    tbf.change({"rate_Bps": RATE, "burst": 1514, "limit": 30_000}, 0)
    assert take(tbf, 0) == 1
    assert tbf.qlen == 1


def test_latency_says_how_long_packets_may_wait() -> None:
    tbf = create("tbf", {"rate": "2 Mbit/s", "burst": "2 kB", "latency": "40 ms"}, 0, Draws(1))
    assert tbf.observe()["limit"] == 250_000 * 40 // 1000 + 2000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "tbf: expected rate, got none"),
        ({"rate": "1 Mbit/s"}, "tbf: expected burst, got none"),
        ({"rate": "1 Mbit/s", "burst": "2 kB"}, "one of limit and latency, got neither"),
        (
            {"rate": "1 Mbit/s", "burst": "2 kB", "limit": "9 kB", "latency": "1 ms"},
            "one of limit and latency, got both",
        ),
        (
            {"rate": "1 Mbit/s", "burst": "2 kB", "limit": "9 kB", "peakrate": "2 Mbit/s"},
            "expected peakrate and minburst together, got peakrate alone",
        ),
        (
            {
                "rate": "2 Mbit/s",
                "burst": "2 kB",
                "limit": "9 kB",
                "peakrate": "1 Mbit/s",
                "minburst": "2 kB",
            },
            "peakrate: expected more than the rate, 250000 byte/s, got 125000",
        ),
        ({"rate": "4 bit/s"}, "tbf: rate: expected a rate of whole bytes a second, got 4 bit/s"),
        ({"rate": 7}, 'tbf: rate: expected a rate with a unit such as "100 Mbit/s", got 7'),
    ],
)
def test_a_tbf_that_tc_refuses_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(QdiscError) as error:
        create("tbf", values, 0, Draws(1))
    assert message in str(error.value)


def test_a_policer_passes_what_there_are_tokens_for_and_drops_cost_nothing() -> None:
    police = make("police", rate_Bps=RATE, burst_ns=2 * 6_056_000)
    assert send(police, 0, range(4)) == [0, 0, 1, 1]
    assert send(police, 6_056_000, [4, 5]) == [0, 1]
    assert [take(police, 0) for _ in range(4)] == [0, 1, 4, None]
    assert dropped(police) == [2, 3, 5]


@pytest.mark.parametrize(("times", "loss"), [(2, 0.5), (4, 0.75)])
def test_of_a_steady_stream_a_policer_drops_what_exceeds_the_rate(times: int, loss: float) -> None:
    police = make("police", rate_Bps=RATE, burst_ns=6_056_000)
    verdicts = [send(police, k * 6_056_000 // times, [k])[0] for k in range(1000)]
    assert sum(verdicts) / len(verdicts) == pytest.approx(loss, abs=0.002)


def test_a_policer_of_packets_begins_with_an_empty_bucket() -> None:
    police = make("police", pps=500, pkt_burst_ns=20 * MS)
    assert send(police, 0, [1]) == [1]
    assert send(police, 2 * MS, [2, 3]) == [0, 1]
    assert sum(send(police, 900 * MS, range(20))) == 10  # a burst of ten passes


def test_a_policer_drops_packets_larger_than_its_mtu() -> None:
    police = make("police", rate_Bps=RATE, burst_ns=40 * MS, mtu=1000)
    assert send(police, 0, [1], size=1001) + send(police, 0, [2], size=1000) == [1, 0]


def test_a_person_gives_a_policers_burst_in_bytes() -> None:
    police = create("police", {"rate": "2 Mbit/s", "burst": "3028 B"}, 0, Draws(1))
    assert police.observe()["burst_ns"] == 2 * 6_056_000
    police = create("police", {"pps": 500, "pkt_burst": 10}, 0, Draws(1))
    assert police.observe()["pkt_burst_ns"] == 20 * MS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "expected rate, pps or mtu, got none of them"),
        ({"rate": "1 Mbit/s"}, "expected burst beside rate"),
        ({"pps": 5}, "expected pkt_burst beside pps"),
        ({"rate": "1 Mbit/s", "burst": "9 kB", "pps": 5, "pkt_burst": 1}, "rate or pps, got both"),
        ({"mtu": "1500 B", "peakrate": "1 Mbit/s"}, "peakrate: expected rate beside it"),
    ],
)
def test_a_policer_that_tc_refuses_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(QdiscError, match=message):
        create("police", values, 0, Draws(1))


def test_what_does_not_ask_to_be_woken_says_so() -> None:
    tbf = make("tbf", rate_Bps=RATE, burst=1514, limit=30_000)
    send(tbf, 0, [1])
    take(tbf, 0)
    assert (tbf.wake_ns, tbf.tick_ns) == (NEVER, NEVER)


def test_a_tbf_made_with_a_limit_of_nothing_has_no_queue() -> None:
    """Linux has noop in place of the FIFO; its verdict is congestion. A packet longer than the
    bucket never gets that far."""
    tbf = make("tbf", rate_Bps=RATE, burst=1000, limit=0)
    assert [*send(tbf, 0, [1], size=900), *send(tbf, 0, [2], size=1001)] == [2, 1]
    tbf.change({"rate_Bps": RATE, "burst": 1000, "limit": 900}, MS)
    tbf.change({"rate_Bps": RATE, "burst": 1000, "limit": 0}, MS)
    assert send(tbf, MS, [3], size=900) == [1]
