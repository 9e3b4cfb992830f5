"""Kinds of whole paths, for scenarios that name one (``path: {preset: lte}``).

The figures are round and typical, not measured here: `docs/paths.md` says where each comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PATH_PRESETS", "PRESETS"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "dsl": {"rate": "25 Mbit/s", "rtt": "35 ms", "buffer": "200 packets"},
    "cable": {
        "rate": "200 Mbit/s",
        "rtt": "20 ms",
        "qdisc": {"kind": "pie", "target": "15 ms"},
    },
    "lte": {
        "trace": "lte.down",
        "rtt": "50 ms",
        "buffer": "1000 packets",
        "netem": {"delay": "2 ms", "jitter": "1 ms", "rate": "1 Gbit/s"},
    },
    "starlink": {"trace": "starlink.down", "rtt": "40 ms", "buffer": "800 packets"},
    "wifi": {"trace": "wifi.down", "rtt": "25 ms", "qdisc": {"kind": "fq_codel"}},
    "datacenter": {
        "rate": "10 Gbit/s",
        "rtt": "100 us",
        "buffer": "256 packets",
        "ecn": {"mark_above": "65 packets"},
    },
    "transatlantic": {"rate": "1 Gbit/s", "rtt": "80 ms", "buffer": "0.5 BDP"},
    "geo": {"rate": "50 Mbit/s", "rtt": "600 ms", "buffer": "1 BDP", "loss": "0.0001 %"},
}
"""What each gives that a scenario does not."""

PATH_PRESETS: Mapping[str, str] = {
    "dsl": "VDSL: 25 Mbit/s, 35 ms, a deep FIFO",
    "cable": "DOCSIS: 200 Mbit/s, 20 ms, PIE",
    "lte": "LTE: a trace of its capacity, 50 ms, jitter, a deep FIFO",
    "starlink": "Starlink: a trace with a handover every 15 s, 40 ms",
    "wifi": "Wi-Fi: a trace with aggregates and stalls, fq_codel",
    "datacenter": "10 Gbit/s, 100 us, a shallow buffer with a marking threshold",
    "transatlantic": "1 Gbit/s, 80 ms",
    "geo": "a geostationary satellite: 50 Mbit/s, 600 ms",
}
