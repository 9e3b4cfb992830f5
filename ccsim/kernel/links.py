"""Links: what keeps a struct_ops map registered (``bpf_struct_ops_link``)."""

from __future__ import annotations

from collections.abc import Callable

from ccsim.kernel.maps import StructOpsMap
from ccsim.kernel.objects import BpfObject

__all__ = ["StructOpsLink"]


class StructOpsLink(BpfObject):
    """A link to a struct_ops map; ``map`` is None once it is detached."""

    kind = "link"

    def __init__(self, map: StructOpsMap, detach: Callable[[StructOpsLink], None]) -> None:
        super().__init__()
        self.map: StructOpsMap | None = map
        self._detach = detach

    def on_free(self) -> None:
        """The last descriptor or pin is gone: detach (``bpf_struct_ops_map_link_dealloc``)."""
        self._detach(self)
