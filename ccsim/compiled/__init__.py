"""The scalar path compiled to machine code: with the package, or by ``ccsim compile``.

The same Python files, typed by the ``.pxd`` files beside them, are what is compiled; results of
algorithms that keep the rules of ``ccsim check`` have the same bytes either way. Others may go on
where they would fail: a compiled socket takes any attribute. A float where an integer is due is an
error either way.
A wheel built where there is a C compiler carries it; ``ccsim compile`` puts it into the user's
cache. It lies under a name made of the content of those files, so it is never used for other
sources than its own.

So are the shipped algorithms, each under a name made of its content: one that was edited since is
loaded as it is, and so is every file of a user.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import ModuleType

__all__ = [
    "MODULES",
    "NATIVE",
    "SHARED",
    "algorithm_module",
    "build_name",
    "cache_folder",
    "compiled_algorithm",
    "compiled_folder",
    "do_without",
    "extension",
    "folder_in_use",
    "form",
    "in_use",
    "packaged_folder",
    "some_imported",
    "suffixes",
    "typed_algorithms",
    "unsafe",
    "use",
    "why_not",
]

MODULES = (
    *("ccsim.kernel.kfuncs", "ccsim.kernel.ops", "ccsim.kernel.sock"),
    *("ccsim.cc.bbr3_bounds", "ccsim.cc.bbr3_model", "ccsim.cc.bbr_model"),
    *("ccsim.cc.fixed_point", "ccsim.cc.hystart", "ccsim.cc.minmax", "ccsim.cc.pacing"),
    *("ccsim.cc.row_loops",),
    *("ccsim.bpf.memory",),
    *("ccsim.tcp.cwnd", "ccsim.tcp.delack", "ccsim.tcp.host", "ccsim.tcp.input"),
    *("ccsim.tcp.linux_sock", "ccsim.tcp.output", "ccsim.tcp.pacer", "ccsim.tcp.pacing"),
    *("ccsim.tcp.packets", "ccsim.tcp.rack", "ccsim.tcp.rate", "ccsim.tcp.receiver"),
    *("ccsim.tcp.recovery_state", "ccsim.tcp.rtt", "ccsim.tcp.rtt_train", "ccsim.tcp.sack"),
    *("ccsim.tcp.sock", "ccsim.tcp.usual_sack"),
    *("ccsim.tcp.xmit_timer",),
    *("ccsim.linux.bottleneck", "ccsim.linux.emulator", "ccsim.linux.packets"),
    *("ccsim.net.batch",),
    *("ccsim.net.delay_process", "ccsim.net.fifo", "ccsim.net.hop", "ccsim.net.hop_log"),
    *("ccsim.net.line_fifo", "ccsim.net.link", "ccsim.net.loss", "ccsim.net.rate_process"),
    *("ccsim.net.hop_packets", "ccsim.net.train_hop"),
    *("ccsim.net.qdisc.base", "ccsim.net.qdisc.codel", "ccsim.net.qdisc.draws"),
    *("ccsim.net.qdisc.fifo", "ccsim.net.qdisc.fq_codel", "ccsim.net.qdisc.pie"),
    *("ccsim.sim.acks", "ccsim.sim.engine", "ccsim.sim.sampler", "ccsim.sim.sender_events"),
    *("ccsim.sim.flow.application", "ccsim.sim.flow.flow", "ccsim.sim.flow.path"),
    *("ccsim.sim.flow.receiving", "ccsim.sim.flow.sending"),
)
NATIVE = (
    *("ccsim.bpf.members", "ccsim.bpf.machine", "ccsim.ints", "ccsim.tcp.ack_rows"),
    *("ccsim.tcp.hooks", "ccsim.tcp.sack_blocks"),
)
"""Written for machine code (``.pyx``): without it, what they define is done by other modules."""
SHARED = "ccsim._cython"
"""What Cython's modules have in common; there is no Python file of it."""
ALGORITHM = "ccsim_algorithm_"
"""Begins the name of a compiled algorithm; the digest of its content ends it."""
RECIPES = ("ccsim.compiled.build", "ccsim.compiled.write_out", "ccsim.compiled.records")
"""Say with which directives and flags they are compiled, and what their dataclasses become."""
PACKAGE = Path(__file__).parent.parent
PACKAGED = "machine_code"
"""Where a wheel carries what was compiled when it was built, below the package."""
OTHERS_MAY_WRITE = 0o022


def cache_folder() -> Path:
    """Return the folder, maybe not there yet, that holds everything compiled for this user."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "ccsim"


def compiled_folder(package: Path = PACKAGE) -> Path:
    """Return where ``ccsim compile`` puts what it makes of the package's present sources.

    OSError if the sources cannot be read, RuntimeError if the user has no home.
    """
    return cache_folder() / build_name(package)


def packaged_folder(package: Path = PACKAGE) -> Path:
    """Return where a wheel carries what was made of these sources. OSError if they cannot be read.

    It is as safe as the package itself: write access there is write access to the sources.
    """
    return package / PACKAGED / build_name(package)


def build_name(package: Path = PACKAGE) -> str:
    """Return a name for what the package's present sources, as it compiles them now, become on this
    interpreter. OSError if they cannot be read."""
    import hashlib  # not before something has been compiled: ccsim is imported for `--help` too
    import sysconfig

    digest = hashlib.sha256()
    files = [
        package.joinpath(*name.split(".")[1:]).with_suffix(suffix)
        for name in (*MODULES, *RECIPES, *NATIVE)
        for suffix in suffixes(name)
    ]
    for file in (*files, *(path.with_suffix(".pxd") for path in typed_algorithms(package))):
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return f"{digest.hexdigest()[:16]}-{sysconfig.get_config_var('SOABI')}"


def suffixes(name: str) -> tuple[str, ...]:
    """Return the files that a module is compiled from."""
    if name in NATIVE:
        return (".pyx", ".pxd")
    return (".py", ".pxd") if name in MODULES else (".py",)


def typed_algorithms(package: Path = PACKAGE) -> list[Path]:
    """Return the shipped algorithm files that are compiled: those with a ``.pxd`` file beside."""
    inside = package / "algorithms"
    folder = inside if inside.is_dir() else package.parent / "algorithms"
    return [path.with_suffix(".py") for path in sorted(folder.glob("*.pxd"))]


def algorithm_module(content: bytes) -> str:
    """Return the name under which an algorithm file with this content is compiled."""
    import hashlib

    return f"{ALGORITHM}{hashlib.sha256(content).hexdigest()[:16]}"


def compiled_algorithm(content: bytes) -> ModuleType | None:
    """Return the module that was compiled from an algorithm file with just this content; None if
    there is none, or nothing compiled is in use."""
    finder = next((one for one in sys.meta_path if isinstance(one, _Finder)), None)
    if finder is None:
        return None
    name = algorithm_module(content)
    file = extension(finder.folder, name)
    if name not in sys.modules:
        if not file.is_file():
            return None
        finder.files[name] = str(file)
    return import_module(name)


def extension(folder: Path, module: str) -> Path:
    """Return the file of a compiled module."""
    import sysconfig

    return folder / f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"


def why_not() -> str:
    """Return why this interpreter cannot use compiled modules; empty if it can."""
    if sys.implementation.name != "cpython":
        return f"needs CPython, this is {sys.implementation.name}"
    if struct.calcsize("l") < struct.calcsize("q"):
        return "needs a platform whose C long has 64 bits"
    return ""


def use() -> bool:
    """Let the modules be imported as compiled from now on, if they are and nothing forbids it.

    ``CCSIM_PURE=1`` in the environment forbids it, and so does what others may write to (`unsafe`).
    """
    if os.environ.get("CCSIM_PURE") or why_not():
        return False
    if in_use():
        return True
    folder = _usable()
    if folder is not None:
        sys.meta_path.insert(0, _Finder(folder))
    return folder is not None


def _usable() -> Path | None:
    """Return the folder to import from: the user's own, if it is there and safe, else the
    package's."""
    try:
        name = build_name()
    except OSError:  # sources in a zip file, or without types
        return None
    with suppress(RuntimeError):  # a user without a home
        own = cache_folder() / name
        if own.is_dir() and not unsafe(own):
            return own
    packaged = PACKAGE / PACKAGED / name
    return packaged if packaged.is_dir() else None


def do_without() -> None:
    """Let what has not been imported yet be imported as it is: who looks at what algorithms write
    must see it before it becomes an integer of C."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]


def in_use() -> bool:
    """Report whether the modules are imported as compiled."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def folder_in_use() -> Path | None:
    """Return the folder that compiled modules are imported from; None if they are not."""
    found = (finder.folder for finder in sys.meta_path if isinstance(finder, _Finder))
    return next(found, None)


def form() -> str:
    """Return which form of ccsim runs, in words."""
    return "machine code" if in_use() else "pure Python"


def some_imported() -> bool:
    """Report whether a module has been imported as compiled, which `do_without` cannot undo."""
    specs = (getattr(sys.modules.get(name), "__spec__", None) for name in MODULES)
    return any(spec and isinstance(spec.loader, ExtensionFileLoader) for spec in specs)


def unsafe(folder: Path) -> str:
    """Return what of a folder with compiled modules somebody else could have put there: the folder,
    a file in it, a folder on its way; empty if nothing."""
    if not hasattr(os, "geteuid"):
        return ""
    whose = "expected what belongs to you and nobody else may write to"
    try:
        for path in (folder.parent, folder, *folder.iterdir()):
            status = path.lstat()
            own = status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode)
            open_to_all = stat.S_ISDIR(status.st_mode) and status.st_mode & OTHERS_MAY_WRITE
            if not own or open_to_all:
                return f"{path}: {whose}"
        for path in folder.resolve().parents[1:]:
            status = path.stat()
            shared = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
            if shared or status.st_uid not in (0, os.geteuid()):
                return f"{path}: {whose}, as it lies on the way to {folder}"
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return ""


class _Finder:
    """Finds the compiled modules by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {name: str(extension(folder, name)) for name in (*MODULES, *NATIVE, SHARED)}

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a compiled module lies; None for all others."""
        if name not in self.files:
            return None
        from importlib.util import spec_from_file_location

        file = self.files[name]
        return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))
