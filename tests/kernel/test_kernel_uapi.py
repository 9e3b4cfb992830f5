"""Numbers that are Linux's: from include/uapi/linux/bpf.h, tcp.h, errno.h, include/net/tcp.h and
net/ipv4/tcp_input.c of Linux 6.18, read by hand."""

from __future__ import annotations

import errno
from enum import IntEnum

import pytest

from ccsim.kernel import bpf, errors, kfuncs, ops, profiles, sock, tcp_cong


def values(kind: type[IntEnum]) -> dict[str, int]:
    return {one.name: int(one) for one in kind}


def test_the_commands_of_bpf() -> None:
    assert values(bpf.BpfCmd) == {
        "MAP_CREATE": 0,
        "MAP_LOOKUP_ELEM": 1,
        "MAP_UPDATE_ELEM": 2,
        "MAP_DELETE_ELEM": 3,
        "PROG_LOAD": 5,
        "OBJ_PIN": 6,
        "OBJ_GET": 7,
        "PROG_GET_NEXT_ID": 11,
        "MAP_GET_NEXT_ID": 12,
        "PROG_GET_FD_BY_ID": 13,
        "MAP_GET_FD_BY_ID": 14,
        "OBJ_GET_INFO_BY_FD": 15,
        "LINK_CREATE": 28,
        "LINK_UPDATE": 29,
        "LINK_GET_FD_BY_ID": 30,
        "LINK_GET_NEXT_ID": 31,
        "LINK_DETACH": 34,
    }


def test_types_and_flags_of_bpf() -> None:
    assert values(bpf.MapType) == {"ARRAY": 2, "STRUCT_OPS": 26}
    assert values(bpf.ProgType) == {"STRUCT_OPS": 27}
    assert (bpf.BPF_NOEXIST, bpf.BPF_EXIST) == (1, 2)
    assert bpf.BPF_F_LINK == 8192
    assert bpf.BPF_STRUCT_OPS == 44
    assert profiles.BPF_F_REPLACE == 4


@pytest.mark.parametrize(
    "name",
    [
        *("EPERM", "ENOENT", "ESRCH", "E2BIG", "EBADF", "EACCES", "EBUSY", "EEXIST", "EINVAL"),
        *("ERANGE", "ENOLINK", "ENOPROTOOPT", "EOPNOTSUPP", "EISCONN", "ENOTCONN", "EINPROGRESS"),
    ],
)
def test_errors_are_those_of_this_machine(name: str) -> None:
    assert getattr(errors, name) == getattr(errno, name)


def test_an_error_that_user_space_never_sees_has_its_number_too() -> None:
    assert errors.ENOTSUPP == 524


def test_states_and_events_of_a_congestion_control() -> None:
    assert values(ops.CaState) == {"OPEN": 0, "DISORDER": 1, "CWR": 2, "RECOVERY": 3, "LOSS": 4}
    assert values(ops.CaEvent) == {
        "TX_START": 0,
        "CWND_RESTART": 1,
        "COMPLETE_CWR": 2,
        "LOSS": 3,
        "ECN_NO_CE": 4,
        "ECN_IS_CE": 5,
    }
    assert {one.name: int(one) for one in ops.AckFlag} == {"SLOWPATH": 1, "WIN_UPDATE": 2, "ECE": 4}


def test_what_cong_control_is_told_of_an_ack() -> None:
    assert {one.name: int(one) for one in ops.AckInfo} == {
        "WIN_UPDATE": 0x2,
        "DATA_ACKED": 0x4,
        "RETRANS_DATA_ACKED": 0x8,
        "DATA_SACKED": 0x20,
        "ECE": 0x40,
        "LOST_RETRANS": 0x80,
        "SLOWPATH": 0x100,
        "ORIG_SACK_ACKED": 0x200,
        "SND_UNA_ADVANCED": 0x400,
        "DSACKING_ACK": 0x800,
        "SET_XMIT_TIMER": 0x1000,
        "UPDATE_TS_RECENT": 0x4000,
        "ACK_MAYBE_DELAYED": 0x10000,
        "DSACK_TLP": 0x20000,
    }
    assert ops.PLAIN_ACK == 0x1406


def test_names_flags_and_thresholds_of_a_congestion_control() -> None:
    assert ops.TCP_CA_NAME_MAX == 16
    assert (ops.TCP_CONG_NON_RESTRICTED, ops.TCP_CONG_NEEDS_ECN) == (1, 2)
    assert ops.TCP_INFINITE_SSTHRESH == 2**31 - 1


def test_states_and_options_of_a_socket() -> None:
    assert (sock.TCP_ESTABLISHED, sock.TCP_SYN_SENT, sock.TCP_SYN_RECV) == (1, 2, 3)
    assert (sock.TCP_CLOSE, tcp_cong.TCP_LISTEN) == (7, 10)
    assert (sock.PACING_NONE, sock.PACING_NEEDED) == (0, 1)
    assert sock.UNLIMITED_RATE == 2**64 - 1
    assert kfuncs.TCP_CONGESTION == 13
