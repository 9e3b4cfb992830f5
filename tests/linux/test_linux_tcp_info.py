"""``struct tcp_info`` by the offsets of the kernel's header, and on a socket of this machine."""

from __future__ import annotations

import socket
import struct
import sys

import pytest

from ccsim.linux.tcp_info import NEEDED_BYTES, read, unpack


def test_fields_lie_where_the_header_has_them() -> None:
    """Offsets counted off in include/uapi/linux/tcp.h: 8 bytes, 24 u32, then from 104 u64."""
    data = bytearray(240)
    struct.pack_into("=B", data, 1, 3)  # tcpi_ca_state
    struct.pack_into("=I", data, 80, 77)  # tcpi_snd_cwnd
    struct.pack_into("=Q", data, 104, (1 << 64) - 1)  # tcpi_pacing_rate
    struct.pack_into("=Q", data, 120, 123_456_789_012)  # tcpi_bytes_acked
    struct.pack_into("=I", data, 148, 40_000)  # tcpi_min_rtt
    struct.pack_into("=I", data, 192, 99)  # tcpi_delivered
    info = unpack(bytes(data))
    assert (info["ca_state"], info["snd_cwnd"], info["delivered"]) == (3, 77, 99)
    assert (info["bytes_acked"], info["min_rtt"]) == (123_456_789_012, 40_000)
    assert info["pacing_rate"] == (1 << 64) - 1


def test_what_an_older_kernel_does_not_tell_is_missing_and_not_0() -> None:
    info = unpack(bytes(104))
    assert "snd_cwnd" in info
    assert "pacing_rate" not in info
    assert "delivered" not in info


def test_nothing_is_told_by_nothing() -> None:
    assert unpack(b"") == {}


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_a_real_socket_tells_its_initial_window() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        info = read(client)
    assert info["state"] == 1  # TCP_ESTABLISHED
    assert info["snd_cwnd"] == 10
    assert NEEDED_BYTES == 232
