"""The specification of a run: what the simulator reads, frozen, complete and in integers.

Times are nanoseconds, rates bit/s, sizes bytes or packets, all ``int``; the unit is in the name.
`ccsim.scenario` makes it from YAML; ``resolved.json`` is the same as plain values.
"""

from ccsim.spec.flow import Flow, Listener, Receiver, Source
from ccsim.spec.hosts import Hosts, Lateness, Stalls
from ccsim.spec.kernel import KernelSpec, LinkSpec, Namespace, Sysctl
from ccsim.spec.path import Hop, HopChange, Path, Qdisc, Route, Trace
from ccsim.spec.scenario import Record, Scenario
from ccsim.spec.swap import Guard, Swap, Trigger
from ccsim.spec.tcp import Sysctls, Tcp
from ccsim.spec.traffic import Traffic
from ccsim.spec.workload import Arrivals, Distribution, OnOff, Requests, Workload

__all__ = [
    "Arrivals",
    "Distribution",
    "Flow",
    "Guard",
    "Hop",
    "HopChange",
    "Hosts",
    "KernelSpec",
    "Lateness",
    "LinkSpec",
    "Listener",
    "Namespace",
    "OnOff",
    "Path",
    "Qdisc",
    "Receiver",
    "Record",
    "Requests",
    "Route",
    "Scenario",
    "Source",
    "Stalls",
    "Swap",
    "Sysctl",
    "Sysctls",
    "Tcp",
    "Trace",
    "Traffic",
    "Trigger",
    "Workload",
]
