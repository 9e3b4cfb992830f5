"""The two hosts of a flow, from the scenario as written: who writes, what buffers hold, and whose
TCP settings are their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ccsim import spec
from ccsim.scenario import flow_spec
from ccsim.scenario.spec import ScenarioSpec
from ccsim.scenario.tcp_spec import HostTcpSpec, TcpSpec
from ccsim.units import format_size

__all__ = ["flow_hosts", "own_tcp", "wrong_hosts", "wrong_tcp"]


def flow_hosts(entry: flow_spec.FlowSpec, tcp: TcpSpec) -> dict[str, Any]:
    """Return the fields of a resolved flow that say how its two hosts behave."""
    return {
        "source": _source(entry.source, tcp.mss),
        "sndbuf_bytes": entry.sndbuf,
        "receiver": _receiver(entry.receiver),
        "ecn": entry.ecn,
        "max_pacing_rate_bps": entry.max_pacing_rate,
    }


def _receiver(receiver: flow_spec.ReceiverSpec) -> spec.Receiver:
    merges = receiver.gro > 1
    return spec.Receiver(
        rwnd_bytes=receiver.rwnd,
        gro_packets=receiver.gro,
        gro_ns=receiver.gro_time if merges else 0,
    )


def _source(source: flow_spec.SourceSpec | None, mss_bytes: int) -> spec.Source | None:
    if source is None:
        return None
    return spec.Source(
        write_bytes=mss_bytes if source.write is None else source.write,
        rate_bps=source.rate,
        every_ns=source.every,
    )


def wrong_hosts(entry: flow_spec.FlowSpec, tcp: TcpSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the key and message of each buffer that holds not even one packet."""
    buffers = ((("sndbuf",), entry.sndbuf), (("receiver", "rwnd"), entry.receiver.rwnd))
    for key, size_bytes in buffers:
        if size_bytes is not None and size_bytes < tcp.mss:
            least, got = format_size(tcp.mss), format_size(size_bytes)
            yield key, f"expected at least one packet of {least}, got {got}"


def own_tcp(own: HostTcpSpec | None, written: ScenarioSpec) -> dict[str, Any]:
    """Return the fields of a resolved flow that say what TCP its two hosts have; ``own`` is what it
    says itself."""
    made: dict[str, Any] = {}
    for end in ("sender", "receiver"):
        tcp = written.tcp.but(written.hosts.tcp_of(end), own)
        made[f"{end}_tcp"] = None if tcp == written.tcp else tcp.resolved()
    return made


def wrong_tcp(own: HostTcpSpec | None, written: ScenarioSpec) -> str:
    """Return what of the TCP of a flow's hosts does not agree; empty if all does."""
    ends = (written.tcp.but(written.hosts.tcp_of(end), own) for end in ("sender", "receiver"))
    return next((wrong for tcp in ends if (wrong := tcp.disagrees())), "")
