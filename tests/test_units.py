"""Tests of human units: exact values, what is refused and with which words, round trips."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccsim import units
from ccsim.units import parse_share_ppm

TIME = 'expected a time with a unit such as "40 ms"'
RATE = 'expected a rate with a unit such as "100 Mbit/s"'
SIZE = 'expected a size with a unit such as "64 KiB"'
BUFFER = 'expected a buffer with a unit such as "1.5 BDP"'
TIMES = "known units: ns, us, µs, ms, s, sec, min, h"


@pytest.mark.parametrize(
    ("text", "t_ns"),
    [
        ("40 ms", 40_000_000),
        ("40ms", 40_000_000),
        ("  1.5 s ", 1_500_000_000),
        ("200 us", 200_000),
        ("200 µs", 200_000),
        ("200 μs", 200_000),  # the Greek letter
        ("2 min", 120_000_000_000),
        ("1 h", 3_600_000_000_000),
        ("0.1 ms", 100_000),
        ("0.000000001 s", 1),
        (".5 s", 500_000_000),
        ("1e3 ns", 1_000),
        ("0 s", 0),
    ],
)
def test_times_are_exact_nanoseconds(text: str, t_ns: int) -> None:
    assert units.parse_time_ns(text) == t_ns


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (40, f'{TIME}, got 40; write "40 ms" or "40 s"'),
        (1.5, f'{TIME}, got 1.5; write "1.5 ms" or "1.5 s"'),
        ("40", f'{TIME}, got 40; write "40 ms" or "40 s"'),
        ("40 MS", f'{TIME}, got "40 MS"; did you mean "ms"?'),
        ("40 days", f'{TIME}, got "40 days"; {TIMES}'),
        ("soon", f'{TIME}, got "soon"'),
        ("", f'{TIME}, got ""'),
        ("ms", f'{TIME}, got "ms"'),
        ("1,5 s", f'{TIME}, got "1,5 s"'),
        ("nan s", f'{TIME}, got "nan s"'),
        ("1 s 5 ms", f'{TIME}, got "1 s 5 ms"'),
        (-5, 'expected a time that is not negative, with a unit such as "40 ms", got -5'),
        (0, f'{TIME}, got 0; write "0 ms" or "0 s"'),
        (None, f"{TIME}, got null"),
        (True, f"{TIME}, got true"),
        ([1], f"{TIME}, got a list"),
        ({}, f"{TIME}, got a mapping"),
        (float("inf"), f"{TIME}, got .inf"),
        (float("-inf"), f"{TIME}, got -.inf"),
        (float("nan"), f"{TIME}, got .nan"),
        ("-1 ms", 'expected a time that is not negative, got "-1 ms"'),
        ("0.5 ns", 'expected a time in whole nanoseconds, got "0.5 ns"'),
        ("367 h 1", f'{TIME}, got "367 h 1"'),
        ("8785 h", 'expected a time of at most 31622400 s, got "8785 h"'),
        ("1e999 s", 'expected a time of at most 31622400 s, got "1e999 s"'),
        ("1e9999 s", f'{TIME}, got "1e9999 s"'),
    ],
)
def test_what_is_no_time_is_refused_with_the_fix(value: object, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        units.parse_time_ns(value)
    assert str(caught.value) == message


def test_a_duration_may_be_required_to_be_positive() -> None:
    with pytest.raises(ValueError, match='expected a time of at least 1 ns, got "0 s"'):
        units.parse_time_ns("0 s", minimum=1)


def test_a_bare_zero_is_not_told_to_take_a_unit_where_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a time of more than 0, with a unit") as caught:
        units.parse_time_ns(0, minimum=1)
    assert "write" not in str(caught.value)


def test_endless_digits_are_not_computed() -> None:
    with pytest.raises(ValueError, match="expected a time") as caught:
        units.parse_time_ns("9" * 100_000 + " s")
    assert len(str(caught.value)) < 130


@pytest.mark.parametrize(
    ("text", "rate_bps"),
    [
        ("100 Mbit/s", 100_000_000),
        ("1 Gbit/s", 1_000_000_000),
        ("2.5 Gbps", 2_500_000_000),
        ("64 kbit/s", 64_000),
        ("64 Kbit/s", 64_000),
        ("64 kbps", 64_000),
        ("100mbit", 100_000_000),  # as tc has it
        ("10 MB/s", 80_000_000),
        ("1 MiB/s", 8_388_608),
        ("9600 bit/s", 9_600),
        ("9600 bps", 9_600),
    ],
)
def test_rates_are_exact_bits_per_second(text: str, rate_bps: int) -> None:
    assert units.parse_rate_bps(text) == rate_bps


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (100, f'{RATE}, got 100; write "100 Mbit/s" or "100 Gbit/s"'),
        ("100 mbps", f'{RATE}, got "100 mbps"; did you mean "Mbps"?'),  # to tc these are bytes
        ("10 mb/s", f'{RATE}, got "10 mb/s"; did you mean "MB/s"?'),
        (0, 'expected a rate of more than 0, with a unit such as "100 Mbit/s", got 0'),
        ("0", 'expected a rate of more than 0, with a unit such as "100 Mbit/s", got 0'),
        (-1.5, 'expected a rate of more than 0, with a unit such as "100 Mbit/s", got -1.5'),
        (0.5, f'{RATE}, got 0.5; write "0.5 Mbit/s" or "0.5 Gbit/s"'),
        ("0 bit/s", 'expected a rate of at least 1 bit/s, got "0 bit/s"'),
        ("-5 Mbit/s", 'expected a rate of at least 1 bit/s, got "-5 Mbit/s"'),
        ("1.5 bit/s", 'expected a rate in whole bit/s, got "1.5 bit/s"'),
        ("11 Tbit/s", 'expected a rate of at most 10 Tbit/s, got "11 Tbit/s"'),
    ],
)
def test_what_is_no_rate_is_refused_with_the_fix(value: object, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        units.parse_rate_bps(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("64 KiB", 65_536), ("10 MB", 10_000_000), ("1500 B", 1_500), ("1.5 kB", 1_500)],
)
def test_sizes_are_exact_bytes(text: str, size_bytes: int) -> None:
    assert units.parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1500, f'{SIZE}, got 1500; write "1500 B" or "1500 KiB"'),
        ("64 kib", f'{SIZE}, got "64 kib"; did you mean "KiB"?'),
        ("0.3 KiB", 'expected a size in whole bytes, got "0.3 KiB"'),  # 307.2 bytes
        (
            "2 PB",
            f'{SIZE}, got "2 PB"; known units: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, KB, '
            "byte, bytes",
        ),
        ("1001 TB", 'expected a size of at most 1000 TB, got "1001 TB"'),
    ],
)
def test_what_is_no_size_is_refused_with_the_fix(value: object, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        units.parse_size_bytes(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("rate_bps", "rtt_ns", "buffer", "packets"),
    [
        (10_000_000, 40_000_000, "1 BDP", 33),  # 33.3
        (100_000_000, 40_000_000, "1 BDP", 333),  # 333.3
        (50_000_000, 20_000_000, "0.5 BDP", 42),  # 41.7
        (20_000_000, 100_000_000, "2 BDP", 333),  # 333.3
        (20_000_000, 40_000_000, "1 bdp", 67),  # 66.7
        (1, 0, "100 packets", 100),
        (1, 0, "1 packet", 1),
        (1, 0, "256 KiB", 174),  # 174.8: whole packets that fit
        (1, 0, "1499 B", 0),
        (1_000_000, 0, "1 BDP", 0),
    ],
)
def test_buffers_are_packets_as_the_recorded_paths_have_them(
    rate_bps: int, rtt_ns: int, buffer: str, packets: int
) -> None:
    assert units.parse_buffer(buffer).packets(rate_bps, rtt_ns) == packets


def test_a_buffer_remembers_how_it_was_written() -> None:
    assert units.parse_buffer("1.5 BDP") == units.Buffer(Fraction(3, 2), "BDP")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (100, f'{BUFFER}, got 100; write "100 packets" or "100 BDP"'),
        ("1.5 packets", 'expected a number of packets such as "10 packets", got "1.5 packets"'),
        ("-1 BDP", 'expected a buffer that is not negative, got "-1 BDP"'),
        (
            "1 pkts",
            f'{BUFFER}, got "1 pkts"; known units: BDP, packets, packet, B, kB, MB, GB, '
            "TB, KiB, MiB, GiB, TiB, KB, byte, bytes",
        ),
        ("1e9 packets", "expected 0 to 100000000 packets, got 1000000000"),
    ],
)
def test_what_is_no_buffer_is_refused_with_the_fix(value: object, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        units.parse_buffer(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "probability"),
    [("0.1 %", 0.001), ("0.1%", 0.001), (0.001, 0.001), ("0.001", 0.001), (0, 0.0), ("100 %", 1.0)],
)
def test_probabilities_are_percent_or_fractions(value: object, probability: float) -> None:
    assert units.parse_probability(value) == probability


@pytest.mark.parametrize(
    "value", [-0.1, 1.1, "101 %", "5 percent", True, None, "x", float("nan"), 10**400, "1 s"]
)
def test_what_is_no_probability_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a probability"):
        units.parse_probability(value)


@pytest.mark.parametrize("value", [-1, 1.0, "1.5", "3 s", True, None, "x", 10**9])
def test_what_is_no_count_of_packets_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        units.parse_packets(value)


def test_packets_need_no_unit_but_may_have_one() -> None:
    assert units.parse_packets(10) == units.parse_packets("10 packets") == 10


@pytest.mark.parametrize(
    ("t_ns", "text"),
    [
        (0, "0 s"),
        (1, "1 ns"),
        (100_000, "100 us"),
        (40_000_000, "40 ms"),
        (1_500_000_000, "1.5 s"),
        (60_000_000_000, "60 s"),
        (1_000_000_001, "1.000000001 s"),
    ],
)
def test_times_are_written_in_the_unit_that_they_fill(t_ns: int, text: str) -> None:
    assert units.format_time(t_ns) == text


def test_rates_sizes_and_probabilities_are_written_as_people_do() -> None:
    assert units.format_rate(2_500_000_000) == "2.5 Gbit/s"
    assert units.format_size(65_536) == "64 KiB"
    assert units.format_size(1_500) == "1500 B"
    assert units.format_size(15_000) == "15 kB"
    assert units.format_probability(0.001) == "0.1 %"
    assert units.format_probability(1e-7) == "0.00001 %"


@given(st.integers(0, units.MAX_TIME_NS))
def test_a_time_written_and_read_is_the_same_time(t_ns: int) -> None:
    assert units.parse_time_ns(units.format_time(t_ns)) == t_ns


@given(st.integers(1, units.MAX_RATE_BPS))
def test_a_rate_written_and_read_is_the_same_rate(rate_bps: int) -> None:
    assert units.parse_rate_bps(units.format_rate(rate_bps)) == rate_bps


@given(st.integers(0, units.MAX_SIZE_BYTES))
def test_a_size_written_and_read_is_the_same_size(size_bytes: int) -> None:
    assert units.parse_size_bytes(units.format_size(size_bytes)) == size_bytes


@given(st.floats(0, 1))
def test_a_probability_written_and_read_is_the_same_probability(probability: float) -> None:
    try:
        again = units.parse_probability(units.format_probability(probability))
    except ValueError:
        assert len(units.format_probability(probability)) > 64  # longer than any text that is read
    else:
        assert again == probability


@given(st.one_of(st.text(max_size=70), st.integers(), st.floats(), st.none(), st.binary()))
def test_whatever_comes_in_only_value_error_comes_out(value: object) -> None:
    for parse in (
        units.parse_time_ns,
        units.parse_rate_bps,
        units.parse_size_bytes,
        units.parse_buffer,
        units.parse_probability,
        units.parse_packets,
    ):
        with contextlib.suppress(ValueError):
            parse(value)


@pytest.mark.parametrize(
    ("text", "ppm"),
    [("25 %", 250_000), (0.25, 250_000), ("0.0001 %", 1), (1, 1_000_000), ("100%", 1_000_000)],
)
def test_a_share_is_whole_parts_per_million(text: object, ppm: int) -> None:
    assert parse_share_ppm(text) == ppm


@pytest.mark.parametrize("wrong", [0, "0 %", "101 %", "1 ms", True, "0.00001 %", -1, "a lot"])
def test_what_is_no_share_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match='expected a share such as "25 %"'):
        parse_share_ppm(wrong)


def test_a_share_may_be_allowed_to_exceed_the_whole() -> None:
    assert parse_share_ppm("150 %", maximum=100) == 1_500_000
