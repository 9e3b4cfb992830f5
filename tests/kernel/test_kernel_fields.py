"""Which fields hooks may read and write: the table, and what an algorithm is told that asks for
others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccsim.kernel import KernelError, Sock
from ccsim.kernel.fields import ABSENT, ACK_SAMPLE, RATE_SAMPLE, SOCKET, WRITABLE, advice
from ccsim.kernel.ops import AckSample, RateSample
from ccsim.kernel.verifier import check_prog

DOCS = Path(__file__).parents[2] / "docs" / "socket_fields.md"


def refusal(member: str, func: Callable[..., Any]) -> str:
    with pytest.raises(KernelError) as caught:
        check_prog(member, func)
    return str(caught.value)


def test_every_field_of_a_socket_is_listed_and_every_listed_one_is_there():
    sk = Sock()
    own = {"random", "kernel_data"}  # of ccsim's, not of Linux's
    assert set(Sock.__slots__) - own == set(SOCKET)
    assert all(hasattr(sk, name) for name in SOCKET if name != "ca_ops")


def test_every_field_of_the_samples_is_listed_and_the_other_way_round():
    assert set(RateSample.__slots__) == set(RATE_SAMPLE)
    assert set(AckSample.__slots__) == set(ACK_SAMPLE)


def test_the_writable_fields_are_those_that_linux_lets_programs_write():
    # bpf_tcp_ca_btf_struct_access, Linux 6.18, in ccsim's names; icsk_ca_priv is the private area.
    assert set(WRITABLE.split()) == {
        *("snd_cwnd", "snd_cwnd_cnt", "snd_cwnd_stamp", "snd_ssthresh", "app_limited"),
        *("pacing_rate", "pacing_status", "ecn_flags", "ack_pending"),
    }
    assert {name for name, field in SOCKET.items() if field.writable} == set(WRITABLE.split())


def test_no_field_is_both_kept_and_absent_and_each_absent_one_has_a_reason():
    kept = {field.linux.rpartition(".")[2] for field in SOCKET.values()} | set(SOCKET)
    assert not kept & set(ABSENT)
    assert all(len(reason.split()) > 2 for reason in ABSENT.values())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("high_sequence", "no field 'high_sequence'"),
        ("rate_delivered", "does not keep rate_delivered: the best rate sample is not kept"),
        ("sk_pacing_rate", "keeps sk_pacing_rate as pacing_rate"),
        ("icsk_ca_state", "keeps icsk_ca_state as ca_state"),
        ("rtt_min", "keeps rtt_min as rtt_min_us"),
    ],
)
def test_a_field_that_a_socket_does_not_have_under_that_name_is_explained(
    name: str, said: str
) -> None:
    assert said in advice(name)


def test_a_hook_that_reads_an_absent_field_is_refused_with_its_line():
    def cong_avoid(sk: Any, ack: int, acked: int) -> None:
        if acked:
            sk.snd_cwnd += sk.rate_delivered

    line = cong_avoid.__code__.co_firstlineno + 2
    said = refusal("cong_avoid", cong_avoid)
    assert said.startswith(f"EINVAL: cong_avoid: line {line}: sk.rate_delivered: ccsim does not")


def test_a_parameter_may_have_any_name():
    def cong_avoid(socket: Any, ack: int, acked: int) -> None:
        socket.snd_cwnd += socket.rate_delivered

    assert "socket.rate_delivered: ccsim does not" in refusal("cong_avoid", cong_avoid)


def test_a_function_that_a_hook_calls_is_looked_at_too():
    def grow(sk: Any) -> None:
        sk.snd_cwnd = sk.no_such_field

    def cong_avoid(socket: Any, ack: int, acked: int) -> None:
        grow(socket)

    assert "sk.no_such_field: ccsim keeps no field" in refusal("cong_avoid", cong_avoid)


@pytest.mark.parametrize("name", ["prior_ssthresh", "snd_cwnd_clamp", "srtt_us", "ca_state"])
def test_a_hook_that_writes_what_linux_lets_nobody_write_is_refused(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def init(sk):\n    sk.{name} = 5", scope)
    assert refusal("init", scope["init"]).startswith(
        f"EACCES: init: line 2: sk.{name}: hooks write"
    )
    exec(f"def init(sk):\n    sk.{name} += 5", scope)
    assert "EACCES" in refusal("init", scope["init"])


@pytest.mark.parametrize("name", WRITABLE.split())
def test_a_hook_may_write_every_writable_field(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def init(sk):\n    sk.{name} = sk.{name} + 1\n    sk.ca.own = 3", scope)
    check_prog("init", scope["init"])


def test_a_sample_has_the_fields_of_its_kind_alone():
    def cong_control(sk: Any, ack: int, flag: int, rs: Any) -> None:
        sk.snd_cwnd = rs.pkts_acked

    def pkts_acked(sk: Any, sample: Any) -> None:
        sk.snd_cwnd = sample.rtt_us + sample.delivered

    assert "rs.pkts_acked" in refusal("cong_control", cong_control)
    assert "sample.delivered" in refusal("pkts_acked", pkts_acked)


def test_a_field_that_is_asked_for_may_be_missing():
    def init(sk: Any) -> None:
        if hasattr(sk, "rate_delivered"):
            sk.snd_cwnd = sk.rate_delivered

    check_prog("init", init)


def test_a_field_in_a_nested_function_counts():
    def init(sk: Any) -> None:
        def later() -> int:
            return int(sk.no_such_field)

        sk.snd_cwnd = later()

    assert "sk.no_such_field" in refusal("init", init)


def test_the_documented_table_is_the_one_in_the_code():
    text = DOCS.read_text()
    for fields in (SOCKET, RATE_SAMPLE, ACK_SAMPLE):
        for name, field in fields.items():
            mark = " (w)" if field.writable else ""
            assert f"| `{name}`{mark} | `{field.linux}` | {field.unit} | {field.what} |" in text
    for name, reason in ABSENT.items():
        assert f"| `{name}` | {reason} |" in text
