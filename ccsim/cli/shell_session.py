"""The shell of the emulated kernel at a terminal: history, line editing, completion, Ctrl-C.

``readline`` does the editing; without it, as on some systems, lines are read as they come.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from ccsim.catalog import algorithm_files
from ccsim.cli import shell_views as views
from ccsim.cli.shell import COMMANDS, Shell
from ccsim.cli.signals import heard
from ccsim.errors import CcsimError

__all__ = ["completions", "history_file", "interactive"]

HISTORY_LINES = 2000
PROMPT = "> "


def interactive(shell: Shell) -> int:
    """Read and carry out commands until ``quit`` or the end of input; Ctrl-C drops a line."""
    print("ccsim kernel: type help for the commands, quit to leave; Tab completes")
    readline = _editing(shell)
    try:
        while not shell.done:
            try:
                if not _turn(shell):
                    break
            except KeyboardInterrupt:
                heard()
                print("\ninterrupted; quit or Ctrl-D leaves")
    finally:
        _keep_history(readline)
    return 0


def _turn(shell: Shell) -> bool:
    """Read a line and carry it out; False at the end of input."""
    try:
        text = shell.execute(input(PROMPT))
    except EOFError:
        print()
        return False
    except CcsimError as error:
        text = str(error)
    if text:
        print(text)
    return True


def completions(shell: Shell, before: str, word: str) -> list[str]:
    """Return what may stand instead of ``word``, after the words ``before`` it on the line."""
    words = before.split()
    words = [words[0].lstrip("!"), *words[1:]] if words and words[0] != "!" else words[1:]
    if not words:
        mark = "!" if word.startswith("!") else ""
        return sorted(f"{mark}{name}" for name in COMMANDS if f"{mark}{name}".startswith(word))
    if words[0] not in COMMANDS:
        return []
    known = _known(shell, words, word)
    return sorted({name for name in known if name.startswith(word)})


def _known(shell: Shell, words: list[str], word: str) -> Iterable[str]:
    """Return what the usage of a command says of the next word: alternatives, or names."""
    usage = COMMANDS[words[0]][1].replace("[", "").replace("]", "").split()
    place = len(words) - 1
    kinds = (usage[place] if place < len(usage) else "").rstrip("…").split("|")
    if words[0] == "bpftool" and place >= 2:
        return _bpftool(shell, words)
    found: list[str] = []
    for kind in kinds:
        names = _NAMES.get(kind.partition("=")[0])
        found += names(shell) if names else [kind] if kind.islower() or kind[:1] == "-" else []
    return [*found, *_files(word)] if "FILE" in kinds else found


def _bpftool(shell: Shell, words: list[str]) -> Iterable[str]:
    verb = words[2]
    if words[1] != "struct_ops" or verb not in ("register", "unregister", "dump"):
        return []
    if verb == "register":
        return [*shell.objects, *algorithm_files()]
    maps = [line.split()[:2] for line in views.BPFTOOL["struct_ops"](shell.kernel).splitlines()]
    if words[-1] in ("id", "name"):
        return [number.rstrip(":") if words[-1] == "id" else name for number, name in maps]
    return ["id", "name"] if len(words) == 3 else []


def _files(word: str) -> list[str]:
    folder, name = os.path.split(word)
    with suppress(OSError):
        return [
            os.path.join(folder, entry.name) + ("/" if entry.is_dir() else "")
            for entry in Path(folder or ".").iterdir()
            if entry.name.startswith(name) and (entry.is_dir() or entry.suffix == ".py")
        ]
    return []


_NAMES: dict[str, Callable[[Shell], list[str]]] = {
    "FILE": lambda shell: list(algorithm_files()),
    "MAP": lambda shell: shell.map_names(),
    "OLD": lambda shell: shell.map_names(),
    "NEW": lambda shell: shell.map_names(),
    "OBJECT": lambda shell: list(shell.objects),
    "LINK": lambda shell: list(shell.links),
    "SOCKET": lambda shell: list(shell.sockets),
    "LISTENER": lambda shell: list(shell.sockets),
    "NAME": lambda shell: [*shell.kernel.available(), *algorithm_files()],
    "NETNS": lambda shell: list(shell.kernel.namespaces),
    "PATH": lambda shell: [str(path) for path, _ in shell.kernel.bpffs.items()],
    "KEY": lambda shell: [
        "net.ipv4.tcp_congestion_control",
        "net.ipv4.tcp_available_congestion_control",
    ],
    "COMMAND": lambda shell: list(COMMANDS),
}


def history_file() -> Path:
    """Return where lines are kept from one session to the next (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "ccsim" / "kernel_history"


def _editing(shell: Shell) -> ModuleType | None:
    """Set up readline; None where there is none."""
    try:
        import readline
    except ImportError:
        return None
    found: list[str] = []

    def complete(word: str, state: int) -> str | None:
        if state == 0:
            line = readline.get_line_buffer()[: readline.get_begidx()]
            with suppress(Exception):  # readline would print it into the line
                found[:] = completions(shell, line, word)
        if state >= len(found):
            return None
        return found[state] + ("" if len(found) > 1 or found[state].endswith(("/", "=")) else " ")

    readline.set_completer(complete)
    readline.set_completer_delims(" \t")
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    readline.set_history_length(HISTORY_LINES)
    with suppress(OSError):
        readline.read_history_file(history_file())
    return readline


def _keep_history(readline: ModuleType | None) -> None:
    """Write the history for the next session; where that cannot be, there is none."""
    if readline is None:
        return
    file = history_file()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        readline.write_history_file(file)
        file.chmod(0o600)
