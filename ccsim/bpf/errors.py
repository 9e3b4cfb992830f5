"""Why a BPF object cannot be used: the stage, Linux's errno and the kernel's sentence."""

from __future__ import annotations

from ccsim.kernel.errors import EINVAL, KernelError, errno_name

__all__ = [
    "ATTACH",
    "LIBBPF_ERRNO_ENDIAN",
    "LIBBPF_ERRNO_FORMAT",
    "LIBBPF_ERRNO_RELOC",
    "LOAD",
    "OPEN",
    "BpfObjectError",
    "MalformedError",
]

OPEN, LOAD, ATTACH = "open", "load", "attach"
LIBBPF_ERRNO_FORMAT = 4001
LIBBPF_ERRNO_ENDIAN = 4003
LIBBPF_ERRNO_RELOC = 4005
_LIBBPF_NAMES = {
    LIBBPF_ERRNO_FORMAT: "LIBBPF_ERRNO__FORMAT",
    LIBBPF_ERRNO_ENDIAN: "LIBBPF_ERRNO__ENDIAN",
    LIBBPF_ERRNO_RELOC: "LIBBPF_ERRNO__RELOC",
}


class BpfObjectError(KernelError):
    """An object that libbpf or the kernel refuses.

    ``stage`` is ``open``, ``load`` or ``attach``; ``number`` Linux's errno; ``message`` the
    sentence that libbpf or the kernel logs; ``log`` what else was logged before it, one line each.
    """

    def __init__(self, stage: str, number: int, message: str, log: tuple[str, ...] = ()) -> None:
        super().__init__(number, message)
        self.stage = stage
        self.log = log
        self.args = (stage, number, message, log)  # with which SimPy makes it anew

    def __str__(self) -> str:
        name = _LIBBPF_NAMES.get(self.number) or errno_name(self.number)
        return f"{self.stage}: {name}: {self.message}"


class MalformedError(BpfObjectError):
    """A file that is damaged or hostile: EINVAL while it is opened."""

    def __init__(self, message: str) -> None:
        super().__init__(OPEN, EINVAL, message)
        self.args = (message,)
