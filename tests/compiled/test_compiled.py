"""What is compiled is what the Python files say: the same results, and only for these sources."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ccsim import compiled
from ccsim.cli import main
from ccsim.compiled import build
from ccsim.errors import CcsimError

ROOT = Path(__file__).resolve().parents[2]
PROPERTIES = {
    *("advmss", "bytes_acked", "bytes_retrans", "bytes_sent", "cwnd_usage_seq", "high_seq"),
    *("lsndtime", "packets_out", "rack_end_seq", "rcv_tsecr", "rcv_tstamp", "rcv_tsval", "rtt_seq"),
    *("segs_out", "snd_cwnd_stamp", "snd_nxt", "snd_una", "snd_wnd", "tcp_jiffies32"),
    *("tlp_high_seq", "undo_marker", "write_seq"),
}
SEEDS = 40
MINE = """\
from ccsim.kernel import TcpCongestionOps


def ssthresh(sk):
    return max(2, sk.snd_cwnd >> 1)


def cong_avoid(sk, ack, acked):
    setattr(sk, 'mine', acked)  # where no look at the code finds it


def undo_cwnd(sk):
    return sk.snd_cwnd


mine = TcpCongestionOps(
    name="mine", ssthresh=ssthresh, cong_avoid=cong_avoid, undo_cwnd=undo_cwnd
)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty cache, to which no other process pays attention; undo `compiled.use`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CCSIM_PURE", raising=False)
    finders = list(sys.meta_path)
    yield tmp_path / "ccsim"
    sys.meta_path[:] = finders


def pretend() -> Path:
    """Make the folder that compiling makes, without anything in it."""
    folder = compiled.compiled_folder()
    folder.mkdir(parents=True, mode=0o700)
    return folder


def typed_classes() -> dict[str, set[str]]:
    """Return the attributes that the .pxd files declare, by class."""
    found = {}
    for module in compiled.MODULES:
        text = (ROOT / Path(*module.split("."))).with_suffix(".pxd").read_text(encoding="utf-8")
        for name, body in re.findall(r"cdef class (\w+).*?:\n((?:    .*\n|\n)+)", text):
            lines = re.findall(
                r"cdef public (?:unsigned )?(?:long long|char|\w+)(\[::1\])? (.*)", body
            )
            found[f"{module}.{name}"] = {
                attribute.strip()
                for _, names in lines
                for attribute in names.split("#")[0].split(",")
            }
    return found


@pytest.mark.parametrize("name", typed_classes())
def test_the_typed_attributes_of_a_class_are_its_slots(name: str) -> None:
    module, kind = name.rsplit(".", 1)
    loaded = getattr(importlib.import_module(module), kind)
    slots = set(loaded.__dict__.get("__slots__", typed_classes()[name]))
    assert typed_classes()[name] == slots - (PROPERTIES if kind == "Sock" else set())


def test_there_are_typed_classes() -> None:
    assert {"Sock", "TcpSock", "RateSample", "PacketColumns", "Receiver"} <= {
        name.rsplit(".", 1)[1] for name in typed_classes()
    }


def test_another_byte_in_a_source_is_another_folder(tmp_path: Path) -> None:
    copy = tmp_path / "ccsim"
    shutil.copytree(ROOT / "ccsim", copy)
    shutil.copytree(ROOT / "algorithms", tmp_path / "algorithms")
    before = compiled.compiled_folder(copy)
    assert before == compiled.compiled_folder()
    for changed in (
        copy / "tcp" / "input.py",
        copy / "tcp" / "sock.pxd",
        copy / "compiled" / "build.py",
        copy / "compiled" / "write_out.py",
        tmp_path / "algorithms" / "cubic.pxd",
    ):
        changed.write_bytes(changed.read_bytes() + b"\n")
        assert compiled.compiled_folder(copy) != before
        before = compiled.compiled_folder(copy)


def test_an_algorithm_that_is_edited_leaves_the_rest_compiled(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "ccsim", tmp_path / "ccsim")
    shutil.copytree(ROOT / "algorithms", tmp_path / "algorithms")
    before = compiled.compiled_folder(tmp_path / "ccsim")
    edited = tmp_path / "algorithms" / "cubic.py"
    name = compiled.algorithm_module(edited.read_bytes())
    edited.write_bytes(edited.read_bytes() + b"\n")
    assert compiled.compiled_folder(tmp_path / "ccsim") == before
    assert compiled.algorithm_module(edited.read_bytes()) != name


def test_what_is_there_is_used(cache: Path) -> None:
    folder = pretend()
    assert compiled.use()
    assert compiled.in_use()
    finder: Any = sys.meta_path[0]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    spec = finder.find_spec("ccsim.tcp.input")
    assert spec.origin == str(folder / f"ccsim.tcp.input{suffix}")
    assert finder.find_spec("ccsim.sim.world") is None
    assert finder.find_spec("json") is None


def test_nothing_is_used_where_nothing_is(cache: Path) -> None:
    assert not compiled.use()
    cache.mkdir(parents=True)
    assert not compiled.use()
    assert not compiled.in_use()


def test_the_environment_forbids_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend()
    monkeypatch.setenv("CCSIM_PURE", "1")
    assert not compiled.use()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners of files")
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_to_which_others_may_write_is_left_alone(cache: Path, mode: int) -> None:
    pretend().chmod(mode)
    assert not compiled.use()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners of files")
def test_a_cache_in_which_others_may_rename_folders_is_left_alone(cache: Path) -> None:
    """They could put another folder there between the look at its owner and the import."""
    pretend()
    assert compiled.use()
    sys.meta_path[:] = [f for f in sys.meta_path if type(f) is not compiled._Finder]
    cache.chmod(0o777)
    assert not compiled.use()


def test_what_the_package_carries_is_used_where_the_user_has_compiled_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "PACKAGED", str(tmp_path / "carried"))
    carried = compiled.packaged_folder()
    carried.mkdir(parents=True)
    assert compiled.use()
    assert compiled.folder_in_use() == carried
    compiled.do_without()
    own = pretend()
    assert compiled.use()
    assert compiled.folder_in_use() == own


def test_what_the_package_carries_needs_no_compiling(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "PACKAGED", str(tmp_path / "carried"))
    carried = compiled.packaged_folder()
    carried.mkdir(parents=True)
    for path in compiled.typed_algorithms():
        compiled.extension(carried, compiled.algorithm_module(path.read_bytes())).touch()
    assert build.compile_modules(1) == (carried, False)
    assert not cache.exists()


def test_a_user_without_a_home_runs_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CCSIM_PURE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", home)
    assert not compiled.use()
    with pytest.raises(CcsimError, match="and a home: Could not determine"):
        build.compile_modules(1)


@pytest.mark.parametrize("what", ["without types", "in a zip file"])
def test_sources_that_cannot_be_compared_are_imported_as_they_are(
    cache: Path, tmp_path: Path, what: str
) -> None:
    cache.mkdir(mode=0o700)
    left_out = ["__pycache__", "*.pxd"] if what == "without types" else ["__pycache__"]
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "ccsim", copy / "ccsim", ignore=shutil.ignore_patterns(*left_out))
    place = copy
    if what == "in a zip file":
        place = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", copy))
    keep = {key: value for key, value in os.environ.items() if key != "CCSIM_PURE"}
    code = "import ccsim, ccsim.compiled; print(ccsim.__file__, ccsim.compiled.in_use())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**keep, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{place / 'ccsim' / '__init__.py'} False\n", done.stderr


def test_whoever_compiles_at_the_same_time_and_is_later_finds_it_there(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(sources: Path, done: Path, jobs: int, names: Sequence[str]) -> None:
        for folder in (done, pretend()):
            folder.mkdir(exist_ok=True)
            for name in names:
                compiled.extension(folder, name).touch()

    monkeypatch.setattr(build, "_build_apart", built)
    assert build.compile_modules(1) == (compiled.compiled_folder(), False)
    assert [path.name for path in cache.iterdir()] == [compiled.compiled_folder().name]


def test_another_interpreter_is_told_that_it_runs_without(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend()
    monkeypatch.setattr(compiled.sys.implementation, "name", "pypy")
    assert not compiled.use()
    with pytest.raises(CcsimError, match="needs CPython, this is pypy; everything runs without"):
        build.compile_modules(1)


def test_algorithms_are_checked_without_it(cache: Path, tmp_path: Path) -> None:
    """Compiled sockets take floats, and attributes of any name; here the folder is empty, so that
    an import from it would fail."""
    pretend()
    (tmp_path / "mine.py").write_text(MINE)
    keep = {key: value for key, value in os.environ.items() if key != "CCSIM_PURE"}
    done = subprocess.run(
        [sys.executable, "-m", "ccsim", "check", str(tmp_path / "mine.py")],
        env={**keep, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "has no attribute 'mine'" in done.stdout


def test_without_cython_the_error_says_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "Cython" else name)
    with pytest.raises(CcsimError, match=r"needs Cython: pip install 'ccsim\[compile\]'"):
        build.compile_modules(1)
    assert not cache.exists()


def test_without_a_c_compiler_the_error_names_the_one_that_was_sought(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc -m64")
    with pytest.raises(CcsimError, match=r"there is no /nowhere/cc \(CC names another\)"):
        build.compile_modules(1)
    assert not cache.exists()


def test_a_compiler_that_fails_is_quoted_and_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_CODE", "print('started'); exit('cc: command not found')")
    with pytest.raises(CcsimError, match=r"is there a C compiler.*\n.*\ncc: command not found"):
        build.compile_modules(1)
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_whoever_is_interrupted_leaves_no_process_behind(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cython's worker processes never notice that the one which started them was killed."""
    child = f"subprocess.Popen(['sleep', '60']).pid, file=open({str(tmp_path / 'pid')!r}, 'w')"
    monkeypatch.setattr(
        build, "_CODE", f"import subprocess; print({child}); import time; time.sleep(60)"
    )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        with pytest.raises(KeyboardInterrupt):
            build.compile_modules(1)
    finally:
        signal.signal(signal.SIGALRM, before)
    status = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    until = time.monotonic() + 5
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX":
        assert time.monotonic() < until
        time.sleep(0.02)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file stands where the folder should be")
    with pytest.raises(CcsimError, match=r"cannot write .*XDG_CACHE_HOME names another place"):
        build.compile_modules(1)


def test_status_and_removal(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--status"]) == 0
    assert capsys.readouterr().out.startswith("not compiled")
    folder = pretend()
    assert main(["compile", "--status"]) == 0
    assert capsys.readouterr().out == f"there, not used {folder}\n"
    assert main(["compile", "--remove"]) == 0
    assert capsys.readouterr().out == "removed     1\n"
    assert not folder.exists()


def left_by(**environment: str) -> dict[str, Any]:
    """Return the digests that a process of its own finds."""
    keep = {key: value for key, value in os.environ.items() if key != "CCSIM_PURE"}
    found: dict[str, Any] = json.loads(
        subprocess.run(
            [sys.executable, str(ROOT / "tests" / "compiled" / "digests.py"), str(SEEDS)],
            env={**keep, "PYTHONPATH": str(ROOT), **environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    return found


@pytest.mark.slow
def test_compiled_or_not_every_byte_of_the_results_is_the_same(cache: Path) -> None:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    folder, new = build.compile_modules(2)
    assert new
    assert build.compile_modules(2) == (folder, False)
    fast, pure = left_by(), left_by(CCSIM_PURE="1")
    assert (fast.pop("in use"), pure.pop("in use")) == (True, False)
    assert fast.pop("input").startswith(str(folder))
    assert pure.pop("input") == str(ROOT / "ccsim" / "tcp" / "input.py")
    assert re.fullmatch("ccsim_algorithm_[0-9a-f]{16}", fast["loaded"].pop("as is"))
    assert re.fullmatch(r"_ccsim_object_\d+", pure["loaded"].pop("as is"))
    assert re.fullmatch(r"_ccsim_object_\d+", fast["loaded"].pop("edited"))
    assert re.fullmatch(r"_ccsim_object_\d+", pure["loaded"].pop("edited"))
    assert re.search(r"algorithms/cubic\.py:\d+: ZeroDivisionError", pure["failure"])
    assert re.fullmatch(r"snd_cwnd: expected an integer, got \d+\.5 \(float\)", pure["checked"])
    assert len(pure) == 3 + SEEDS + len(list((ROOT / "algorithms").glob("*.py")))
    assert fast == pure


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners of files")
def test_a_module_that_is_a_link_or_somebody_elses_is_left_alone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pretend()
    assert compiled.unsafe(folder) == ""
    (folder / "module.so").symlink_to(tmp_path / "elsewhere.so")
    assert "module.so: expected what belongs to you" in compiled.unsafe(folder)
    assert not compiled.use()
    (folder / "module.so").unlink()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not compiled.use()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners of files")
def test_a_cache_below_a_folder_of_everybodys_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sticky one, as /tmp is, lets nobody rename what is not theirs."""
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared))
    monkeypatch.delenv("CCSIM_PURE", raising=False)
    folder = pretend()
    (shared / "ccsim").chmod(0o700)
    shared.chmod(0o1777)
    assert compiled.unsafe(folder) == ""
    shared.chmod(0o777)
    assert f"{shared}: expected what belongs to you" in compiled.unsafe(folder)
    assert not compiled.use()
    with pytest.raises(CcsimError, match="it is not used"):
        build.compile_modules(1)


def c_variables() -> dict[str, set[str]]:
    """Return the variables that the .pxd files make C's, by module."""
    found: dict[str, set[str]] = {}
    for module in compiled.MODULES:
        text = (ROOT / Path(*module.split("."))).with_suffix(".pxd").read_text(encoding="utf-8")
        lines = re.findall(
            r"^cdef (?:int|bint|long long|object) (.*)$", text.replace("\\\n", ""), re.M
        )
        found[module] = {name.strip() for line in lines for name in line.split(",")}
    return found


def test_no_module_imports_what_is_a_variable_of_c() -> None:
    """Such a name is none of Python's: importing it fails where modules are compiled."""
    variables = c_variables()
    assert "SACKED" in variables["ccsim.tcp.rate"]
    wrong = [
        f"{file.relative_to(ROOT)}: {node.module}.{alias.name}"
        for file in (ROOT / "ccsim").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in variables
        for alias in node.names
        if alias.name in variables[node.module or ""]
    ]
    assert wrong == []


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_an_integer_of_c_takes_no_float(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cython would take its whole part: 7 for 7.5."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    (tmp_path / "ccsim").mkdir()
    (tmp_path / build.HEADER).write_text(build.INTEGERS)
    (tmp_path / "number.py").write_text("class Box:\n    def __init__(self):\n        self.n = 0\n")
    (tmp_path / "number.pxd").write_text("cdef class Box:\n    cdef public long long n\n")
    names = ["number", compiled.SHARED]
    code = f"from ccsim.compiled.build import build; build('done', 1, {names})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, check=True)
    made: Any = None
    for name in reversed(names):
        file = compiled.extension(tmp_path / "done", name)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, made)
        spec.loader.exec_module(made)
    box = made.Box()
    box.n = 7
    for wrong in (7.5, 7.0, float("nan"), None, "7"):
        with pytest.raises(TypeError, match="integer"):
            box.n = wrong
    with pytest.raises(OverflowError):
        box.n = 2**70
    assert box.n == 7
