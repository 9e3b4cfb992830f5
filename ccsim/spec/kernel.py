"""The emulated kernel: its rules, its links and namespaces, and what is written to its sysctls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ccsim.spec.limits import Name, Parameter

__all__ = ["KernelSpec", "LinkSpec", "Namespace", "Sysctl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpec:
    """The emulated kernel: its profile, ``net.ipv4.tcp_congestion_control``, and CONFIG_HZ."""

    profile: Literal["linux", "linux-6.9", "v2"] = "linux"
    default: str = "cubic"
    hz: Literal[100, 250, 300, 1000] = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """A bpf_link made before the run: the struct_ops map ``map`` is registered as ``name``; its
    table has the parameters ``params`` where these are given.
    """

    name: str
    map: str
    params: dict[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A network namespace beside the initial one, and its ``net.ipv4.tcp_congestion_control``."""

    name: Name
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl:
    """A write of ``to`` to the ``net.ipv4.tcp_congestion_control`` of a namespace."""

    netns: Name
    to: str
    to_params: dict[str, Parameter] = field(default_factory=dict)
