"""The emulated kernel's error: an errno of Linux with a sentence that says what was wrong."""

from __future__ import annotations

from ccsim.errors import CcsimError

__all__ = [
    "E2BIG",
    "EACCES",
    "EBADF",
    "EBUSY",
    "EEXIST",
    "EINPROGRESS",
    "EINVAL",
    "EISCONN",
    "ENOENT",
    "ENOLINK",
    "ENOPROTOOPT",
    "ENOTCONN",
    "ENOTSUPP",
    "EOPNOTSUPP",
    "EPERM",
    "ERANGE",
    "ESRCH",
    "KernelError",
    "errno_name",
]

# Linux's numbers, whatever system this runs on (include/uapi/asm-generic/errno.h)
EPERM = 1
ENOENT = 2
ESRCH = 3
E2BIG = 7
EBADF = 9
EACCES = 13
EBUSY = 16
EEXIST = 17
EINVAL = 22
ERANGE = 34
ENOLINK = 67
ENOPROTOOPT = 92
EOPNOTSUPP = 95
EISCONN = 106
ENOTCONN = 107
EINPROGRESS = 115
ENOTSUPP = 524  # include/linux/errno.h: not for user space, and yet what struct_ops returns

_NAMES = {number: name for name, number in globals().items() if isinstance(number, int)}


def errno_name(number: int) -> str:
    """Return the name of an errno, such as ``EINVAL``; its digits for one the kernel never uses."""
    return _NAMES.get(abs(number), str(number))


class KernelError(CcsimError, OSError):
    """A command that failed: ``errno`` (also ``number``) is Linux's, ``message`` says what was
    wrong.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(number, message)
        self.number = number
        self.message = message

    def __str__(self) -> str:
        return f"{errno_name(self.number)}: {self.message}"
