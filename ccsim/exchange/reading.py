"""Files that other programs have written, of whichever format."""

from __future__ import annotations

import re
from pathlib import Path

from ccsim.exchange.blocks import is_capture
from ccsim.exchange.connections import imported_capture
from ccsim.exchange.errors import ImportedFileError, opened
from ccsim.exchange.iperf3 import imported_iperf3
from ccsim.exchange.measured import Imported
from ccsim.exchange.probe import imported_probe, is_probe
from ccsim.exchange.ss_log import imported_ss

__all__ = ["imported"]

LOOKED_AT = 16_384
OF_SS = re.compile(r"\b(?:cwnd|rtt):\d")
EXPECTED = (
    "expected a capture (pcapng or pcap), a log of ss -ti, samples of tcp_probe or bpftrace, or "
    "JSON of iperf3"
)


def imported(path: Path) -> Imported:
    """Return what a file says of connections; ImportedFileError for what is none of `EXPECTED`, or
    is not what it begins as, or cannot be read."""
    with opened(path):
        with path.open("rb") as stream:
            head = stream.read(LOOKED_AT)
        if is_capture(head):
            return imported_capture(path)
        text = head.decode(errors="replace")
        if text.lstrip().startswith("{"):
            return imported_iperf3(path)
        if is_probe(text):
            return imported_probe(path)
        if OF_SS.search(text):
            return imported_ss(path)
    got = "an empty file" if not head else f"a file that begins with {head[:12]!r}"
    raise ImportedFileError(str(path), "", f"{EXPECTED}; got {got}")
