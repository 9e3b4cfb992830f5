"""Standard streams that are closed, full or of another encoding; bytes that are no text; signals
while modules are imported: one line, the right exit status, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import ccsim.cli.list as list_module
from ccsim.cli import main
from ccsim.cli.progress import ProgressBar
from ccsim.cli.signals import Terminated, heard, signals_minded
from ccsim.cli.streams import LOOKALIKES

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """\
name: mine
duration: 200 ms
path: {rate: 5 Mbit/s, rtt: 20 ms, buffer: 1 BDP}
flows: [{name: bulk, congestion: cubic}]
swaps: [{at: 100 ms, via: setsockopt, flows: [bulk], to: reno}]
"""
RUN = ["run", "mine.yaml", "--no-plot", "--jobs", "1"]


def ccsim(
    folder: Path, *arguments: str | bytes, close: tuple[int, ...] = (), **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line with some of its standard streams closed."""

    def closing() -> None:
        for number in close:
            os.close(number)

    (folder / "mine.yaml").write_text(SCENARIO, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "ccsim", *arguments],
        cwd=folder,
        env=environment,
        check=False,
        preexec_fn=closing if close else None,
        timeout=60,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def runs(folder: Path) -> list[Path]:
    return sorted(folder.glob("results/mine/*/manifest.json"))


@pytest.mark.parametrize("close", [(0,), (1,), (2,), (0, 1, 2), (1, 2)])
def test_a_run_needs_no_standard_streams(tmp_path: Path, close: tuple[int, ...]) -> None:
    done = ccsim(tmp_path, *RUN, close=close)
    assert done.returncode == 0
    assert done.stderr == b""
    assert len(runs(tmp_path)) == 1
    if 1 not in close:
        assert b"run folder" in done.stdout


def test_a_shell_without_input_has_nothing_to_do(tmp_path: Path) -> None:
    done = ccsim(tmp_path, "kernel", close=(0,))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [RUN, ["list", "algorithms"], ["schema"], ["--help"]])
def test_a_full_output_is_one_line_and_the_run_is_kept(
    tmp_path: Path, arguments: list[str]
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = ccsim(tmp_path, *arguments, stdout=full)
    if arguments != ["--help"]:  # argparse's own
        assert done.returncode == 1
        assert done.stderr == b"ccsim: standard output: No space left on device\n"
    assert b"Traceback" not in done.stderr
    if arguments == RUN:
        assert len(runs(tmp_path)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_standard_errors_change_no_status(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        assert ccsim(tmp_path, *RUN, stderr=full).returncode == 0
        assert ccsim(tmp_path, "run", "absent.yaml", stderr=full).returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r"])
def test_an_output_of_another_encoding_loses_nothing(tmp_path: Path, encoding: str) -> None:
    environment = {"PYTHONIOENCODING": encoding}
    table = ccsim(tmp_path, *RUN, env=environment)
    assert (table.returncode, table.stderr) == (0, b"")
    assert "cubic" in table.stdout.decode(encoding)
    shown = ccsim(tmp_path, "show", "mine", "--json", env=environment)
    assert shown.returncode == 0
    labels = [swap["label"] for swap in json.loads(shown.stdout.decode(encoding))["swaps"]]
    assert labels == ["cubic → reno, setsockopt"]


def test_what_stands_for_a_character_is_plain() -> None:
    assert all(isinstance(text, str) and text.isascii() for text in LOOKALIKES.values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([*RUN, b"na\xffme=x"], "argument 6: expected UTF-8 text, got byte 0xff in 'na?me=x'"),
        ([*RUN, "--out", b"r\xff"], "argument 7: expected UTF-8 text, got byte 0xff in 'r?'"),
        (["show", b"\xc3"], "argument 2: expected UTF-8 text, got byte 0xc3 in '?'"),
        (["query", "mine", b"select '\xe4'"], "argument 3: expected UTF-8 text, got byte 0xe4"),
    ],
)
def test_bytes_that_are_no_text_are_told(
    tmp_path: Path, arguments: list[str | bytes], told: str
) -> None:
    done = ccsim(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"ccsim: {told}")
    assert done.stderr.count(b"\n") == 1


def test_a_folder_whose_name_is_no_text_is_told(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9sultats"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has names of text alone")
    done = ccsim(folder, *RUN)
    assert done.returncode == 2
    assert b"the working directory: expected UTF-8 text, got byte 0xe9" in done.stderr


def _raise(error: BaseException) -> Callable[[Any], int]:
    def verb(args: Any) -> int:
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (MemoryError(), 1, "ccsim: out of memory; a shorter run or fewer samples"),
        (OSError(28, "No space left on device", "x"), 1, "ccsim: x: No space left on device"),
        (OSError(5, "Input/output error"), 1, "ccsim: standard output: Input/output error"),
        (ZeroDivisionError("oops"), 1, "ZeroDivisionError: oops"),
    ],
)
def test_what_is_nobodys_input_is_told(
    error: Exception,
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(list_module, "list_verb", _raise(error))
    monkeypatch.setattr("ccsim.cli.entry.abandon_output", lambda: None)
    monkeypatch.setattr(sys, "argv", ["ccsim", "list", "qdiscs"])
    assert main() == status
    said = capsys.readouterr().err
    assert told in said
    defect = isinstance(error, ZeroDivisionError)
    assert ("Please report it" in said) == defect == ("Traceback" in said)
    assert defect or said.count("\n") == 1


def test_what_calls_it_from_python_gets_a_defect_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_module, "list_verb", _raise(ZeroDivisionError("oops")))
    with pytest.raises(ZeroDivisionError):
        main(["list", "qdiscs"])


IMPORTING = """
import os, signal, sys
from pathlib import Path
Path("lazily.py").write_text('''
import os, signal, time
class Names:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), {number})
        for _ in range(1000):  # where a handler may run
            pass
class Owner:
    name = Names()
''')
sys.path.insert(0, "")
import ccsim.cli.list
def list_verb(args):
    import lazily
    import time
    time.sleep(5)
    return 0
ccsim.cli.list.list_verb = list_verb
from ccsim.__main__ import main
sys.argv = ["ccsim", "list", "qdiscs"]
sys.exit(main())
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_class_is_made_in_an_import_acts_after_it(
    tmp_path: Path, number: int, status: int
) -> None:
    """``__set_name__`` would wrap what is raised within it in a RuntimeError."""
    code = IMPORTING.replace("{number}", str(int(number)))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == status
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("after_s", [0.15, 0.3, 0.5, 0.8])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_early_in_a_run_ends_it_in_one_line(
    tmp_path: Path, number: signal.Signals, status: int, after_s: float
) -> None:
    (tmp_path / "mine.yaml").write_text(SCENARIO.replace("200 ms", "400 s"), encoding="utf-8")
    code = "from ccsim.__main__ import main; print('begun', flush=True); sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.argv[1:] = {RUN!r}; {code}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_s)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, b"Traceback" in said) == (status, False)
    assert said.count(b"\n") <= 1
    assert not runs(tmp_path)


@pytest.mark.parametrize("verb", [["-m", "ccsim"], ["-c", "import ccsim.startup as s"]])
def test_only_the_command_minds_signals_from_its_first_import_on(
    verb: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccsim.startup import is_command

    monkeypatch.setattr(sys, "argv", [verb[0], "run"])
    monkeypatch.setattr(sys, "orig_argv", ["python", *verb, "run"])
    assert is_command() is (verb[-1] == "ccsim")
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/ccsim", "run"])
    assert is_command()
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/pytest"])
    assert not is_command()


FIRST_IMPORT = """
import os, signal, sys
sys.argv = ["bin/ccsim"]
class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == "ccsim.compiled":
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Sender())
import ccsim
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_first_import_ends_the_command_without_a_word(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_IMPORT.replace("{number}", str(int(number)))],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=30,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stderr) == (status, b"")


def minded(work: Callable[[], None]) -> None:
    with signals_minded():
        work()


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_an_error_that_a_signal_became_is_still_the_signal(
    number: int, raised: type[BaseException]
) -> None:
    """DuckDB says "Query interrupted" for whatever a handler raised while it worked."""

    def work() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(1)
        except BaseException:
            raise RuntimeError("Query interrupted") from None

    with pytest.raises(raised):
        minded(work)


def test_an_error_after_a_signal_that_was_heard_is_an_error() -> None:
    def work() -> None:
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        heard()
        raise RuntimeError("another")

    with pytest.raises(RuntimeError, match="another"):
        minded(work)


def test_what_a_signal_raises_in_a_finalizer_is_not_told_and_comes_again(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Owner:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):  # where a handler may run
                pass

    def work() -> None:
        Owner()
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        minded(work)
    assert capfd.readouterr().err == ""


def test_another_error_in_a_finalizer_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    class Owner:
        def __del__(self) -> None:
            raise ValueError("oops")

    owner = Owner()
    with signals_minded():
        del owner
    assert "ValueError: oops" in capfd.readouterr().err


def test_what_a_signal_raises_where_python_does_not_hear_of_it_is_raised_again() -> None:
    """An exception in a finalizer is printed and lost, and the command goes on."""
    bar = ProgressBar("x")
    with signals_minded():
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        with pytest.raises(KeyboardInterrupt):
            bar.update(0.5)
    bar.update(0.5)  # and it is over with the command
