"""What trains do in columns, as loops over their rows: faster where they are compiled
(``ccsim compile``), and only there.

A column is a buffer of int64, one element an ACK; several of a kind are rows of one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsim.tcp.packets import PacketColumns
from ccsim.tcp.rtt import end_of_round, new_mdev
from ccsim.tcp.sock import TcpSock

__all__ = [
    *("ACKED", "CA_RTT", "COLUMNS", "DELIVERED", "INTERVAL", "LAST_TX", "PRIOR_DELIVERED"),
    *("PRIOR_US", "RATES", "RTT", "T_US", "fold_each", "note_use", "rates", "read", "stamp"),
]

Column = NDArray[np.int64]

T_US, ACKED, LAST_TX, CA_RTT, RTT = range(5)
COLUMNS = 5
DELIVERED, PRIOR_DELIVERED, INTERVAL, PRIOR_US = range(4)
RATES = 4
MANY = (1 << 63) - 1


def read(
    packets: PacketColumns, before: int, t: Any, una: Any, columns: Any
) -> tuple[int, int, int, int]:
    """Write down what ACKs at ``t`` [ns] bring that acknowledge ``una`` packets, after one of
    ``before``: in ``columns``, when they come [us], how many packets they newly acknowledge, when
    the last of these was sent [us], its RTT and that of the first [us].

    Return the least and the most newly acknowledged, the least RTT and the greatest; the least is 0
    and the columns are not complete if an ACK brings nothing new.
    """
    tx_us, base = packets.tx_us, packets.base
    least, most, least_rtt, most_rtt = MANY, 0, MANY, 0
    for k in range(len(una)):
        end, now = una[k], t[k] // 1000
        acked = end - before
        if acked < 1:
            return 0, most, least_rtt, most_rtt
        last_tx = tx_us[end - 1 - base]
        rtt, ca_rtt = now - tx_us[before - base], now - last_tx
        columns[T_US, k], columns[ACKED, k], columns[LAST_TX, k] = now, acked, last_tx
        columns[CA_RTT, k], columns[RTT, k] = ca_rtt, rtt
        least, most = min(least, acked), max(most, acked)
        least_rtt, most_rtt = min(least_rtt, ca_rtt), max(most_rtt, rtt)
        before = end
    return least, most, least_rtt, most_rtt


def fold_each(sk: TcpSock, una: Any, columns: Any, nxt: Any, stops: Sequence[int]) -> list[int]:
    """Like `ccsim.tcp.rtt_train.fold_rounds`."""
    srtt, mdev, mdev_max = sk.srtt_us, sk.mdev_us, sk.mdev_max_us
    found: list[int] = []
    asked = iter(stops)
    stop = next(asked, -1)
    for k in range(len(una)):
        m = columns[RTT, k] - (srtt >> 3)
        srtt += m
        mdev = new_mdev(mdev, m)
        if mdev > mdev_max:
            mdev_max = mdev
        while stop == k:
            found.append(srtt)
            stop = next(asked, -1)
        if una[k] > sk.rtt_nxt:
            sk.mdev_max_us, sk.rttvar_us = mdev_max, max(mdev_max, sk.rttvar_us)
            end_of_round(sk, nxt[k])
            mdev_max = sk.mdev_max_us
    sk.srtt_us, sk.mdev_us, sk.mdev_max_us = srtt, mdev, mdev_max
    sk.rttvar_us = max(mdev_max, sk.rttvar_us)
    return found


def stamp(
    packets: PacketColumns,
    nxt: Any,
    una: Any,
    columns: Any,
    not_acked: int,
    t: Any,
    sent_ns: Any,
    paced: bool,
) -> None:
    """Stamp the packets from ``nxt[k]`` to before ``nxt[k + 1]`` with the state of delivery after
    ACK ``k``: ``una[k] + not_acked`` packets delivered (``tcp_rate_skb_sent``).

    If ``paced`` they leave at ``sent_ns`` [ns], one element a packet, else with the ACK, and that
    is written down there.
    """
    tx_us, delivered, base = packets.tx_us, packets.delivered, packets.base
    delivered_us, first_tx_us = packets.delivered_us, packets.first_tx_us
    first = nxt[0]
    for k in range(len(nxt) - 1):
        now_us = columns[T_US, k]
        for seq in range(nxt[k], nxt[k + 1]):
            row = seq - base
            if paced:
                tx_us[row] = sent_ns[seq - first] // 1000
            else:
                tx_us[row], sent_ns[seq - first] = now_us, t[k]
            delivered[row] = una[k] + not_acked
            delivered_us[row], first_tx_us[row] = now_us, columns[LAST_TX, k]


def rates(sk: TcpSock, una: Any, columns: Any, found: Any) -> None:
    """Write down in ``found`` the rate sample of each ACK (``tcp_rate_gen``): packets delivered,
    packets delivered when the last one acknowledged was sent, interval [us] (-1: shorter than the
    least RTT, no valid sample), time of delivery then [us]."""
    packets = sk.packets
    delivered_us, first_tx_us, base = packets.delivered_us, packets.first_tx_us, packets.base
    not_acked, least = sk.delivered - sk.una, sk.rtt_min_us
    for k in range(len(una)):
        row = una[k] - 1 - base
        least = min(least, columns[CA_RTT, k])
        prior_us = delivered_us[row]
        interval = max(columns[LAST_TX, k] - first_tx_us[row], columns[T_US, k] - prior_us)
        found[DELIVERED, k], found[PRIOR_DELIVERED, k] = una[k] + not_acked, packets.delivered[row]
        found[INTERVAL, k], found[PRIOR_US, k] = interval if interval >= least else -1, prior_us


def note_use(sk: TcpSock, una: Any, nxt: Any, count: int) -> None:
    """Note how much of the window is used where packets up to ``nxt[k + 1]`` leave after ACK ``k``,
    the last of ``count`` ACKs excepted, and the window is not the limit (``tcp_cwnd_validate``)."""
    noted, most, used = sk.cwnd_usage_nxt, sk.max_packets_out, sk.snd_cwnd_used
    for k in range(count - 1):
        end = nxt[k + 1]
        if end == nxt[k]:
            continue
        out = end - una[k]
        if una[k] >= noted or out > most:
            noted, most = end, out
        used = max(used, out)
    sk.cwnd_usage_nxt, sk.max_packets_out, sk.snd_cwnd_used = noted, most, used
