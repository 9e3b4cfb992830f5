"""Members of the kernel's structures are the simulator's attributes, in Linux's encodings."""

from __future__ import annotations

import pytest

from ccsim.bpf import instructions as isa
from ccsim.bpf.bindings import SockRegion, members_of, pieces
from ccsim.bpf.kernel_btf import Target
from ccsim.bpf.runtime import FORMS, Runtime
from ccsim.kernel.ops import AckSample, RateSample
from ccsim.kernel.sock import Sock
from tests.bpf.bpf_rig import EXIT, load, mov, run, runtime_of, store
from tests.tcp.tcp_rig import connected

SND_CWND, SRTT_US, STATE_BITS, RTT_MIN = 1444, 1680, 1248, 1496
RS_DELIVERED, RS_INTERVAL = 16, 24


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("field", "value", "offset", "size", "expected"),
    [
        ("snd_cwnd", 77, SND_CWND, isa.W, 77),
        ("snd_cwnd", 0x1234, SND_CWND, isa.B, 0x34),  # a byte of it
        ("snd_cwnd", 0x1234, SND_CWND + 1, isa.B, 0x12),
        ("srtt_us", 40_000 << 3, SRTT_US, isa.W, 320_000),
        ("ca_state", 3, STATE_BITS, isa.B, 3),  # bits 0 to 4; initialized is bit 5
        ("ca_initialized", True, STATE_BITS, isa.B, 32),
        ("ca_setsockopt", True, STATE_BITS, isa.B, 64),
        ("rtt_min_us", 9_000, RTT_MIN + 4, isa.W, 9_000),
        ("rtt_min_us", 9_000, RTT_MIN + 12, isa.W, 9_000),  # the second of three
        ("snd_una", (5 << 32) + 6, 1672, isa.W, 6),  # sequence numbers have 32 bits
        ("pacing_rate", (1 << 64) - 1, 488, isa.DW, (1 << 64) - 1),
        ("snd_cwnd", 77, 1400, isa.DW, 0),  # nobody's
    ],
)
def test_a_member_reads_as_in_linux(
    form: str, field: str, value: int, offset: int, size: int, expected: int
) -> None:
    sk = Sock()
    setattr(sk, field, value)
    assert run([load(1, 1, 0), load(0, 1, offset, size), EXIT], form=form, sk=sk) == expected


@pytest.mark.parametrize("form", FORMS)
def test_a_store_into_part_of_a_member_leaves_the_rest(form: str) -> None:
    sk = Sock()
    sk.snd_cwnd = 0x01020304
    run([load(1, 1, 0), mov(2, 0xAABB), store(1, SND_CWND, 2, isa.H), EXIT], form=form, sk=sk)
    assert sk.snd_cwnd == 0x0102AABB


@pytest.mark.parametrize("form", FORMS)
def test_negative_numbers_of_a_sample_are_in_twos_complement(form: str) -> None:
    program = [load(2, 1, 24), load(3, 2, RS_DELIVERED, isa.W), load(0, 2, RS_INTERVAL)]
    program += [load(1, 1, 0), store(1, SND_CWND, 3, isa.W), EXIT]
    runtime = runtime_of(program, member="cong_control")
    runtime.form = form
    sk, sample = Sock(), RateSample()
    assert (sample.delivered, sample.interval_us) == (-1, -1)
    assert runtime.function("p", "cong_control")(sk, 0, 0, sample) == (1 << 64) - 1
    assert sk.snd_cwnd == (1 << 32) - 1


@pytest.mark.parametrize("form", FORMS)
def test_before_6_10_the_sample_is_the_second_argument(form: str) -> None:
    program = [load(2, 1, 8), load(0, 2, RS_DELIVERED, isa.W), EXIT]
    runtime = runtime_of(program, member="cong_control")
    object.__setattr__(runtime.loaded, "target", Target((6, 9, 0)))
    runtime = Runtime(runtime.loaded, form=form)
    sample = RateSample()
    sample.delivered = 12
    assert runtime.function("p", "cong_control_2")(Sock(), sample) == 12


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("member", "arguments", "expected"),
    [
        ("cong_avoid", ((7 << 32) + 3, 9), 3),  # an ACK number has 32 bits
        ("set_state", (4,), 4),
        ("cwnd_event", (5,), 5),
        ("in_ack_event", (7,), 7),
    ],
)
def test_arguments_arrive_as_words(
    form: str, member: str, arguments: tuple[int, ...], expected: int
) -> None:
    runtime = runtime_of([load(0, 1, 8), EXIT], member=member)
    runtime.form = form
    assert runtime.function("p", member)(Sock(), *arguments) == expected


@pytest.mark.parametrize("struct", ["tcp_sock", "ack_sample", "rate_sample"])
def test_every_member_can_be_read_of_a_simulated_sender(struct: str) -> None:
    whole = {"ack_sample": AckSample(), "rate_sample": RateSample()}
    source = whole.get(struct) or connected()
    variable = "s" if struct == "tcp_sock" else "m"
    for member in members_of(struct).values():
        value = eval(member.read, {variable: source, "getattr": getattr})
        assert 0 <= value < 1 << 64, member.name


def test_a_member_lies_where_linux_has_it() -> None:
    found = pieces("tcp_sock", SND_CWND, 4)
    assert [(part.member.name, part.start, part.bits) for part in found] == [("snd_cwnd", 0, 32)]
    assert SockRegion(Sock()).load(SND_CWND, 4) == 10
