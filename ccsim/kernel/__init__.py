"""The emulated kernel: congestion controls, struct_ops maps, links and sockets as Linux has
them.
"""

from __future__ import annotations

from ccsim.kernel.bpf import BPF_F_LINK, BPF_STRUCT_OPS, BpfCmd, MapType, ProgType
from ccsim.kernel.errors import ENOTSUPP, KernelError, errno_name
from ccsim.kernel.kernel import Kernel
from ccsim.kernel.kfuncs import TCP_CONGESTION
from ccsim.kernel.libbpf import BpfLink, Map, Object
from ccsim.kernel.loader import ObjectFileError, load_tables
from ccsim.kernel.maps import StructOpsMap, StructOpsValue
from ccsim.kernel.ops import TcpCongestionOps
from ccsim.kernel.profiles import BPF_F_REPLACE
from ccsim.kernel.sock import Sock
from ccsim.kernel.tcp_cong import (
    TCP_RENO,
    Implementation,
    NetNamespace,
    SockData,
    tcp_validate_congestion_control,
)

__all__ = [
    "BPF_F_LINK",
    "BPF_F_REPLACE",
    "BPF_STRUCT_OPS",
    "ENOTSUPP",
    "TCP_CONGESTION",
    "TCP_RENO",
    "BpfCmd",
    "BpfLink",
    "Implementation",
    "Kernel",
    "KernelError",
    "Map",
    "MapType",
    "NetNamespace",
    "Object",
    "ObjectFileError",
    "ProgType",
    "Sock",
    "SockData",
    "StructOpsMap",
    "StructOpsValue",
    "TcpCongestionOps",
    "errno_name",
    "load_tables",
    "tcp_validate_congestion_control",
]
