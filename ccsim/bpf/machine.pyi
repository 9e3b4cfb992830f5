"""The interpreter in machine code, which is there where ccsim is compiled (machine.pyx)."""

from collections.abc import Callable

from ccsim.bpf.runtime import Code, Runtime

class Machine:
    """One program as one member of ``tcp_congestion_ops``."""

    def __init__(self, runtime: Runtime, code: Code, member: str) -> None: ...
    def hook(self) -> Callable[..., int]:
        """Return the program as a function of the socket and the hook's arguments."""
