"""struct_ops maps: one value that becomes an implementation (``kernel/bpf/bpf_struct_ops.c``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from ccsim.kernel.objects import BpfObject, Prog, TcpOwner

if TYPE_CHECKING:
    from ccsim.kernel.tcp_cong import Implementation

__all__ = ["StructOpsMap", "StructOpsValue"]


@dataclass(frozen=True)
class StructOpsValue:
    """What is written into a struct_ops map: plain members, and programs by descriptor.

    ``progs`` maps the operation's name to the descriptor of its program. ``private``, ``params``,
    ``train``, ``sack_train``, ``rtt_floor``, ``export_model``, ``import_model``, ``phase`` and
    ``ect_1`` are the emulator's own members (see `ccsim.kernel.ops.TcpCongestionOps`).
    """

    name: str
    flags: int = 0
    progs: Mapping[str, int] = field(default_factory=dict)
    private: Callable[[], Any] | None = None
    params: Any = None
    train: Callable[..., int] | None = None
    sack_train: Callable[..., bool] | None = None
    rtt_floor: Callable[..., int] | None = None
    export_model: Callable[..., dict[str, int]] | None = None
    import_model: Callable[..., None] | None = None
    phase: Callable[..., str] | None = None
    ect_1: bool = False


class StructOpsMap(BpfObject, TcpOwner):
    """A map of type BPF_MAP_TYPE_STRUCT_OPS.

    ``refcnt`` counts the registration (by a link or, without BPF_F_LINK, by the element), sockets
    that run the implementation and namespaces whose default it is; ``pending`` the grace periods
    that still hold the map.
    """

    kind = "map"

    def __init__(
        self,
        name: str,
        st_ops: str,
        *,
        link: bool,
        state: IntEnum,
        last_put: Callable[[StructOpsMap], None],
    ) -> None:
        BpfObject.__init__(self)
        TcpOwner.__init__(self)
        self.name = name
        self.st_ops = st_ops
        self.link = link
        self.state = state
        self._last_put = last_put
        self.value: Implementation | None = None
        self.progs: list[Prog] = []
        self.pending = 0

    def held(self) -> bool:
        return self.refcnt > 0 or self.pending > 0

    def put(self) -> None:
        TcpOwner.put(self)
        if self.refcnt == 0:
            self._last_put(self)
        self.release_if_unused()

    def store(self, value: Implementation, progs: list[Prog]) -> None:
        """Keep a value that has been accepted, and the programs in it."""
        self.value = value
        self.progs = progs
        for prog in progs:
            prog.hold()

    def clear(self) -> None:
        """Forget the value and let go of its programs (``bpf_struct_ops_map_put_progs``)."""
        progs, self.progs = self.progs, []
        self.value = None
        for prog in progs:
            prog.drop()

    def on_free(self) -> None:
        self.clear()
