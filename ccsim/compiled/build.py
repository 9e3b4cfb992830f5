"""Compiling the scalar path with Cython: the same sources, typed by the ``.pxd`` files beside
them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ccsim.compiled import (
    MODULES,
    NATIVE,
    PACKAGE,
    SHARED,
    algorithm_module,
    cache_folder,
    compiled_folder,
    extension,
    packaged_folder,
    suffixes,
    typed_algorithms,
    unsafe,
    why_not,
)
from ccsim.compiled.write_out import write_out
from ccsim.errors import CcsimError

__all__ = ["build", "compile_into", "compile_modules", "remove_compiled"]

INSTALL = "pip install 'ccsim[compile]'"
DIRECTIVES = {
    "language_level": 3,
    "infer_types": True,
    "annotation_typing": False,  # the .pxd files say what is an integer of C
    "overflowcheck": True,  # an integer that does not fit is an error, never another integer
    "initializedcheck": False,
    "nonecheck": True,  # nothing where something is expected is an error, as in Python
}
INTEGERS = """\
#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>
#define nb_int nb_index
"""
"""Begins every module: an integer of C is made of what Python takes for an index alone. Cython
would ask for ``int()``, which takes the whole part of a float without a word."""
HEADER = "integers.h"
FLAGS = ["-O2", "-g0", "-include", HEADER]
_CODE = (
    "import sys; from ccsim.compiled.build import build; "
    "build(sys.argv[1], int(sys.argv[2]), sys.argv[3:])"
)
LAST_LINES = 12  # of the compiler's, which an error shows


def compile_modules(jobs: int) -> tuple[Path, bool]:
    """Compile the package's present sources, and the shipped algorithms as they are now, into the
    user's cache; return where they lie, and whether that was done now.

    Nothing is half-written: the folder appears when it is complete. CcsimError if Cython or a C
    compiler is missing, or if they fail.
    """
    _need_tools()
    try:
        folder = compiled_folder()
    except (OSError, RuntimeError) as error:
        raise CcsimError(f"compile: needs ccsim's sources as files, and a home: {error}") from error
    packaged = packaged_folder()
    if packaged.is_dir() and not _to_compile(packaged):
        return packaged, False
    names = _to_compile(folder)
    if folder.is_dir() and (reason := unsafe(folder)):
        raise CcsimError(f"compile: {reason}; it is not used. ccsim compile --remove takes it away")
    if not names:
        return folder, False
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-") as scratch:
            done = Path(scratch) / "done"
            _build_apart(Path(scratch) / "src", done, jobs, names)
            done.chmod(0o700)
            if SHARED in names:
                os.replace(done, folder)
            else:
                _add(done, folder)
    except OSError as error:
        if folder.is_dir() and not _to_compile(folder):  # another process was faster
            return folder, False
        raise CcsimError(
            f"compile: cannot write {folder}: {error.strerror or error}; "
            "XDG_CACHE_HOME names another place"
        ) from error
    return folder, True


def compile_into(folder: Path, jobs: int) -> None:
    """Compile everything, for a wheel, into a folder that is not there yet.

    CcsimError if something that compiling needs is missing, or if it fails.
    """
    _need_tools()
    with tempfile.TemporaryDirectory(prefix="ccsim-") as scratch:
        _build_apart(Path(scratch) / "src", folder.resolve(), jobs, _to_compile(folder))


def _need_tools() -> None:
    """CcsimError unless there is what compiling takes."""
    reason = why_not()
    if reason:
        raise CcsimError(f"compile: {reason}; everything runs without it, only slower")
    missing = [name for name in ("Cython", "setuptools") if find_spec(name) is None]
    if missing:
        raise CcsimError(f"compile: needs {' and '.join(missing)}: {INSTALL}")
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if compiler and shutil.which(compiler[0]) is None:
        raise CcsimError(
            f"compile: needs a C compiler, and there is no {compiler[0]} (CC names another); "
            "everything runs without it, only slower"
        )


def remove_compiled() -> int:
    """Remove everything that was compiled, for whatever sources; return how many builds it were."""
    folders = [path for path in cache_folder().glob("*") if path.is_dir()]
    for path in folders:
        shutil.rmtree(path)
    return len(folders)


def _to_compile(folder: Path) -> list[str]:
    """Return the modules that are not in the folder: none, all, or algorithms changed since."""
    algorithms = [algorithm_module(path.read_bytes()) for path in typed_algorithms()]
    if not folder.is_dir():
        return [*MODULES, *NATIVE, SHARED, *algorithms]
    return [name for name in algorithms if not extension(folder, name).is_file()]


def _add(done: Path, folder: Path) -> None:
    """Move algorithms that were compiled to those that are there."""
    for path in done.iterdir():
        os.replace(path, folder / path.name)


def _written_out(path: Path, types: str) -> str:
    try:
        return write_out(path.read_text(encoding="utf-8"), types)
    except (ValueError, SyntaxError) as error:
        raise CcsimError(f"compile: {path}: {error}") from error


def copy_sources(target: Path) -> None:
    """Write the sources into an empty folder, as Cython takes them."""
    stems = {name: PACKAGE.joinpath(*name.split(".")[1:]) for name in MODULES}
    stems |= {algorithm_module(path.read_bytes()): path for path in typed_algorithms()}
    for name, stem in stems.items():
        copy = target.joinpath(*name.split("."))
        copy.parent.mkdir(parents=True, exist_ok=True)
        types = stem.with_suffix(".pxd").read_text(encoding="utf-8")
        copy.with_suffix(".pxd").write_text(types, encoding="utf-8")
        source = _written_out(stem.with_suffix(".py"), types)
        copy.with_suffix(".py").write_text(source, encoding="utf-8")
    for name in NATIVE:
        for suffix in suffixes(name):
            stem = PACKAGE.joinpath(*name.split(".")[1:])
            copy = target.joinpath(*name.split(".")).with_suffix(suffix)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(stem.with_suffix(suffix), copy)
    (target / HEADER).write_text(INTEGERS, encoding="utf-8")
    for folder in {path.parent for path in target.rglob("*.p*")} - {target}:
        (folder / "__init__.py").touch()
    (target / "ccsim" / "__init__.py").touch()


def _build_apart(sources: Path, done: Path, jobs: int, names: Sequence[str]) -> None:
    """Compile a copy of the sources in a process of its own, which may print what it likes."""
    copy_sources(sources)
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _CODE, str(done), str(jobs), *names],
        cwd=sources,
        env={**os.environ, "PYTHONPATH": paths, "CCSIM_PURE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    try:
        words, _ = process.communicate()
    except BaseException:  # Cython's processes wait for ever for one that is killed
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        last = "\n".join(words.splitlines()[-LAST_LINES:])
        raise CcsimError(f"compile: failed; is there a C compiler? Its last words:\n{last}")


def build(done: str, jobs: int, names: Sequence[str]) -> None:
    """Compile these modules of those under the working directory into the folder ``done``."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    sources = {
        name: Path(*name.split(".")).with_suffix(".pyx" if name in NATIVE else ".py")
        for name in names
    }
    if SHARED in sources:
        sources[SHARED] = sources[SHARED].with_suffix(".c")
        command = [sys.executable, "-m", "cython", f"--generate-shared={sources[SHARED]}"]
        subprocess.run(command, check=True)
    extensions: Sequence[Extension] = [
        Extension(name, [str(source)], extra_compile_args=FLAGS) for name, source in sources.items()
    ]
    extensions = cythonize(
        extensions,
        nthreads=jobs,
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
    )
    distribution = Distribution({"name": "ccsim", "ext_modules": extensions})
    compiler = distribution.get_command_obj("build_ext")
    compiler.build_lib = "lib"
    compiler.build_temp = "temp"
    compiler.parallel = jobs
    compiler.ensure_finalized()
    compiler.run()
    Path(done).mkdir()
    for name in sources:
        built = next(Path("lib").joinpath(*name.split(".")[:-1]).glob(f"{name.split('.')[-1]}.*"))
        os.replace(built, extension(Path(done), name))
