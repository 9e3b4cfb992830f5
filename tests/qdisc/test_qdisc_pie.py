"""PIE: its rules one by one, worked by hand."""

from __future__ import annotations

from typing import Any

from tests.qdisc.qdisc_rig import ECT0, FULL, MS, dropped, make, send, take

MAX = (1 << 56) - 1
NONE = (1 << 64) - 1


def test_the_first_update_is_half_a_second_after_creation_and_then_every_tupdate() -> None:
    pie = make("pie", now=7 * MS)
    ticks = []
    for _ in range(3):
        ticks.append(pie.tick_ns // MS)
        pie.tick(pie.tick_ns)
    assert ticks == [507, 522, 537]


def test_fifteen_milliseconds_are_four_ticks_of_a_kernel_of_250_hz() -> None:
    pie = make("pie", hz=250)
    pie.tick(pie.tick_ns)
    assert pie.tick_ns == 516 * MS


def ready(prob: int, *draws: int, **raw: Any) -> Any:
    """Return a pie without burst allowance, three packets inside, and a delay of 20 ms."""
    pie = make("pie", *draws, **raw)
    pie.burst_time = 0  # type: ignore[attr-defined]
    send(pie, 0, [1, 2, 3])
    pie.prob = prob  # type: ignore[attr-defined]
    pie.qdelay = 20 * MS >> 6  # type: ignore[attr-defined]
    return pie


def test_nothing_is_dropped_while_the_burst_allowance_lasts_and_that_runs_down_at_departures() -> (
    None
):
    pie = make("pie")
    send(pie, 0, range(1, 10))
    assert [take(pie, t * MS) for t in (0, 100, 200)] == [1, 2, 3]
    assert pie.observe()["burst_time"] == 0  # 100 ms, then 50 of the last 100
    pie = make("pie")
    send(pie, 0, range(1, 10))
    take(pie, 0)
    send(pie, 400 * MS, [20])  # time alone does not count
    assert pie.observe()["burst_time"] == 150 * MS >> 6


def test_no_drop_comes_before_probabilities_add_up_to_85_percent() -> None:
    pie = ready(MAX // 4, 0)
    assert send(pie, 0, [4, 5, 6, 7]) == [0, 0, 0, 1]  # 25, 50, 75, then 100 % and a draw of 0
    assert dropped(pie) == [7]
    assert pie.observe()["accu_prob"] == 0


def test_a_draw_at_the_probability_passes() -> None:
    pie = ready(MAX, MAX << 8)  # the draw is not below the probability
    assert send(pie, 0, [4]) == [0]
    pie = ready(MAX, (MAX - 1) << 8)
    assert send(pie, 0, [4]) == [1]


def test_above_eight_and_a_half_a_drop_needs_no_random_number() -> None:
    pie = ready(MAX)
    pie.accu_prob = MAX * 8
    assert send(pie, 0, [4]) == [1]


def test_a_mark_resets_the_sum_in_the_draw_but_not_above_eight_and_a_half() -> None:
    pie = ready(MAX // 10, 0, ecn=1)
    pie.accu_prob = MAX
    assert send(pie, 0, [4], ecn=ECT0) == [0]
    assert pie.observe()["accu_prob"] == 0
    pie = ready(MAX // 10, ecn=1)
    pie.accu_prob = MAX * 9
    assert send(pie, 0, [4], ecn=ECT0) == [0]
    assert pie.observe()["accu_prob"] == MAX * 9 + MAX // 10
    assert pie.observe()["ecn_mark"] == 1


def test_above_ten_percent_ecn_does_not_help() -> None:
    pie = ready(MAX // 10 + 1, 0, ecn=1)
    pie.accu_prob = MAX
    assert send(pie, 0, [4], ecn=ECT0) == [1]


def test_a_backlog_below_two_packets_is_never_cut() -> None:
    pie = make("pie")
    pie.burst_time = 0  # type: ignore[attr-defined]
    pie.prob = MAX  # type: ignore[attr-defined]
    pie.accu_prob = MAX * 9  # type: ignore[attr-defined]
    assert send(pie, 0, [1, 2]) == [0, 0]
    assert send(pie, 0, [3]) == [1]  # 3028 bytes are there


def test_in_bytemode_a_short_packet_has_a_smaller_probability() -> None:
    pie = ready(MAX, bytemode=1)
    assert send(pie, 0, [4], size=757) == [0]
    assert pie.observe()["accu_prob"] == 757 * (MAX // FULL)  # half


def test_the_probability_grows_by_distance_and_change_and_in_small_steps_at_first() -> None:
    pie = make("pie")
    pie.qdelay = 35 * MS >> 6  # type: ignore[attr-defined]  # 546,875 ticks
    pie.tick(500 * MS)
    # alpha = 2 (MAX // 15,625,000) / 16, beta = 20 / 16 of it; below 0.0001 % of MAX both are
    # halved once and quartered five times: alpha 576,460,751 -> 281,474, beta 2,814,749
    unit = MAX // 15_625_000
    alpha, beta = (2 * unit >> 4) >> 11, (20 * unit >> 4) >> 11
    assert pie.observe()["prob"] == alpha * (546_875 - 234_375) + beta * 546_875


def test_a_step_is_at_most_two_percent_from_ten_percent_on_unless_the_delay_is_high() -> None:
    for delay_ms, hundredths in ((100, 2), (300, 4)):
        pie = make("pie")
        pie.prob = MAX // 2  # type: ignore[attr-defined]
        pie.qdelay = delay_ms * MS >> 6  # type: ignore[attr-defined]
        pie.tick(500 * MS)
        gain = pie.observe()["prob"] - MAX // 2
        assert abs(gain - hundredths * (MAX // 100)) <= 4


def test_the_probability_may_pass_one() -> None:
    pie = make("pie")
    pie.prob = MAX  # type: ignore[attr-defined]
    pie.qdelay = 100 * MS >> 6  # type: ignore[attr-defined]
    pie.tick(500 * MS)
    assert pie.observe()["prob"] == MAX + 2 * (MAX // 100)


def test_without_delay_the_probability_falls_to_zero_and_the_burst_allowance_comes_back() -> None:
    pie = make("pie")
    pie.prob = 1000  # type: ignore[attr-defined]
    pie.burst_time = 5  # type: ignore[attr-defined]
    pie.tick(500 * MS)
    state = pie.observe()
    assert (state["prob"], state["burst_time"]) == (0, 150 * MS >> 6)


def test_the_estimator_measures_the_rate_from_16384_bytes_that_leave() -> None:
    pie = make("pie", dq_rate_estimator=1)
    send(pie, 0, range(30), size=1024)
    for k in range(20):
        take(pie, k * MS)
    state = pie.observe()
    # the measurement begins at 0 with the first packet that leaves 16,384 behind it, and counts
    # it: 16 packets, 15 ms later; the backlog is 14 packets then, so that was the only one
    assert state["avg_dq_rate"] == 17  # 16,384 * 256 over 234,375 ticks
    assert state["dq_count"] == NONE
    assert state["burst_time"] == (150 - 15) * MS >> 6


def test_a_full_queue_drops_and_counts_apart() -> None:
    pie = make("pie", limit=2)
    assert send(pie, 0, range(3)) == [0, 0, 1]
    assert pie.observe()["overlimit"] == 1
