"""ccsim's kernel BTF against offsets that a real kernel's messages show (Linux 6.18, x86-64)."""

from __future__ import annotations

import pytest

from ccsim.bpf import btf as kinds
from ccsim.bpf.kernel_btf import Leaf, Target, kernel_btf, leaves, member_at
from ccsim.kernel.fields import SOCKET


@pytest.mark.parametrize(
    ("offset", "size", "name"),
    [
        (1444, 4, "snd_cwnd"),  # recorded: "write access at off 1444 ... ended at 1448"
        (1668, 4, "snd_nxt"),  # recorded: "no write support to tcp_sock at off 1668"
        (1936, 4, "snd_cwnd_clamp"),
        (504, 8, "inet_conn.icsk_inet.sk.sk_max_pacing_rate"),
        (1296, 8, "inet_conn.icsk_ca_priv"),
        (1392, 8, "inet_conn.icsk_ca_priv"),
        (1463, 1, "is_cwnd_limited"),
        (1504, 8, "rtt_min.s[1].t"),
    ],
)
def test_members_lie_where_linux_has_them(offset: int, size: int, name: str) -> None:
    leaf = member_at("tcp_sock", offset, size)
    assert leaf is not None
    assert leaf.path == name


def test_what_is_not_kept_is_no_member() -> None:
    assert member_at("tcp_sock", 1400, 8) is None  # one byte behind the private area
    assert member_at("ack_sample", 12, 4) is None


def test_the_private_area_has_104_bytes_and_the_socket_2304() -> None:
    btf = kernel_btf()
    assert btf.size_of(btf.find("tcp_sock", kinds.STRUCT)) == 2304
    assert Leaf("inet_conn.icsk_ca_priv", 8 * 1296, 832, False) in leaves("tcp_sock")


def test_samples_have_signed_members() -> None:
    assert leaves("ack_sample")[1] == Leaf("rtt_us", 32, 32, True)
    signed = [leaf.path for leaf in leaves("rate_sample") if leaf.signed]
    assert signed == ["delivered", "delivered_ce", "interval_us", "rtt_us", "losses"]


@pytest.mark.parametrize(("version", "arguments"), [((6, 9, 12), 2), ((6, 10, 0), 4)])
def test_cong_control_has_four_arguments_from_6_10_on(
    version: tuple[int, int, int], arguments: int
) -> None:
    btf = kernel_btf(Target(version).cong_control_arguments)
    ops = btf[btf.find("tcp_congestion_ops", kinds.STRUCT)]
    (member,) = (m for m in ops.members if m.name == "cong_control")
    prototype = btf[btf[member.type].type]
    assert len(prototype.params) == arguments
    assert prototype.params[-1][0] == "rs"


def test_there_is_no_third_signature_and_no_other_struct() -> None:
    with pytest.raises(ValueError, match="expected 4 or 2 arguments, got 3"):
        kernel_btf(3)
    with pytest.raises(KeyError):
        leaves("sk_buff")


def test_the_version_reads_as_the_kernel_packs_it() -> None:
    assert Target((6, 18, 44)).kconfig()["LINUX_KERNEL_VERSION"] == 397868  # as recorded
    assert Target((4, 14, 300)).version_code == 0x040EFF


def test_the_types_have_every_field_that_sockets_keep() -> None:
    have = {leaf.path for leaf in leaves("tcp_sock")}
    kept = {field.linux for field in SOCKET.values() if not field.linux.startswith("(")}
    assert kept - have == {"inet_conn.icsk_ca_ops"}  # a pointer, which no object may follow here
    beyond = {path for path in have - kept if not path.startswith("rtt_min.")}
    assert {path.rsplit(".", 1)[-1] for path in beyond} == {"skc_num", "skc_dport", "skc_daddr"}
