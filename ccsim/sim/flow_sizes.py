"""Flow sizes as measured in data centres and published: cumulative distributions, as data.

The papers print curves. The points are those that simulators of this field read off them: the
inputs of pFabric (Alizadeh et al., SIGCOMM 2013, section 5.1), in packets of 1460 bytes. Between
two points sizes are uniform.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TABLES", "TABLE_MSS_BYTES"]

TABLE_MSS_BYTES = 1460
"""Payload of one packet of the tables [bytes]."""

# (packets, share of flows up to that size)
_WEB_SEARCH = (
    *((6, 0.0), (6, 0.15), (13, 0.2), (19, 0.3), (33, 0.4), (53, 0.53), (133, 0.6)),
    *((667, 0.7), (1333, 0.8), (3333, 0.9), (6667, 0.97), (20000, 1.0)),
)
_DATA_MINING = (
    *((1, 0.0), (1, 0.5), (2, 0.6), (3, 0.7), (7, 0.8), (267, 0.9), (2107, 0.95)),
    *((66667, 0.99), (666667, 1.0)),
)


def _in_bytes(points: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    return tuple((packets * TABLE_MSS_BYTES, share) for packets, share in points)


TABLES: Mapping[str, tuple[tuple[int, float], ...]] = {
    "web_search": _in_bytes(_WEB_SEARCH),
    "data_mining": _in_bytes(_DATA_MINING),
}
"""Points (size [bytes], share of flows of at most that size) by name.

``web_search``: a cluster that answers web queries (DCTCP: Alizadeh et al., SIGCOMM 2010, figure 4);
half of all flows are below 71 kB, a tenth above 4.8 MB, and those carry two thirds of all bytes.
``data_mining``: a cluster that mines data (VL2: Greenberg et al., SIGCOMM 2009, figure 2); half of
all flows are one packet, and one in a hundred, above 97 MB, carries seven tenths of all bytes.
"""
