"""A small shell on the emulated kernel: one command a line, on things that have names."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ccsim.bpf.elf_file import is_object, object_name
from ccsim.cli import shell_bpftool
from ccsim.cli import shell_views as views
from ccsim.cli.shell_socket import ShellSock
from ccsim.errors import CcsimError
from ccsim.kernel.bpf import BPF_F_LINK
from ccsim.kernel.errors import EBADF, EEXIST, ENOENT, ENOTCONN, KernelError
from ccsim.kernel.kernel import Kernel
from ccsim.kernel.kfuncs import TCP_CONGESTION
from ccsim.kernel.libbpf import BpfLink, Map, Object
from ccsim.kernel.ops import TCP_CONG_NEEDS_ECN
from ccsim.kernel.sock import TCP_SYN_SENT
from ccsim.kernel.tcp_cong import NetNamespace
from ccsim.sim.blame import BLAMABLE, blame
from ccsim.words import did_you_mean

if TYPE_CHECKING:
    from ccsim.bpf.live import LiveObject

__all__ = ["Shell", "ShellError"]


TCP_ECN_OK = 1
MAX_ACKS = 1_000_000  # that one command sends


class ShellError(CcsimError, ValueError):
    """A line that is no command: unknown, wrong arguments, or a name of nothing."""


class Shell:
    """A kernel with names for what a session makes. Nothing prints: `execute` returns text.

    find_file: turns what stands after ``open`` into the path of an algorithm file.
    """

    def __init__(self, kernel: Kernel, find_file: Callable[[str], Path] = Path) -> None:
        self.kernel = kernel
        self.find_file = find_file
        self.objects: dict[str, Object] = {}
        self.compiled: dict[str, LiveObject] = {}
        self.links: dict[str, BpfLink] = {}
        self.sockets: dict[str, ShellSock] = {}
        self.files: set[str] = set()
        self.done = False

    def execute(self, line: str) -> str:
        """Carry out one line; return what it says. Empty lines and ``# comments`` say nothing.

        Raises ShellError for a line that is no command, KernelError for one that failed,
        ObjectFileError for a file. A line that begins with ``!`` must fail, and says how.
        """
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise ShellError(f"{line.strip()}: {error}") from error
        if words and words[0].startswith("!"):
            return self._must_fail([w for w in (words[0][1:], *words[1:]) if w])
        return self._run(words) if words else ""

    def _must_fail(self, words: list[str]) -> str:
        try:
            self._run(words)
        except KernelError as error:
            return str(error)
        raise ShellError(f"{' '.join(words)}: expected to fail, but succeeded")

    def _run(self, words: list[str]) -> str:
        name, *args = words or [""]
        if name not in COMMANDS:
            near = did_you_mean(name, COMMANDS) or "; hint: help"
            raise ShellError(f"{name}: there is no such command{near}")
        function, usage = COMMANDS[name]
        required = len(re.sub(r"\[[^]]*\]", "", usage).split())
        if not required <= len(args) or (len(args) > len(usage.split()) and "…" not in usage):
            raise ShellError(f"{name}: expected {name} {usage}, got {len(args)} arguments")
        try:
            return function(self, *args) or ""
        except BLAMABLE as error:
            blamed = blame(error, self.files)
            if blamed is error:
                raise
            raise blamed from error

    # --- names ---

    def map(self, name: str) -> Map:
        """Return a map by its name, or ``OBJECT.MAP`` where several objects have it."""
        of, _, which = name.rpartition(".")
        found = [
            obj.maps[which]
            for stem, obj in self.objects.items()
            if which in obj.maps and of in ("", stem)
        ]
        if len(found) != 1:
            near = "" if found else did_you_mean(name, self.map_names())
            message = f"{name}: expected the name of one map, got {len(found)} of them{near}"
            raise ShellError(message)
        return found[0]

    def map_names(self) -> list[str]:
        """Return the names of the maps of all objects."""
        return [name for obj in self.objects.values() for name in obj.maps]

    def link(self, name: str) -> BpfLink:
        """Return a link by its name."""
        if name not in self.links:
            near = did_you_mean(name, self.links)
            raise ShellError(f"{name}: there is no link of this name{near}")
        return self.links[name]

    def sock(self, name: str) -> ShellSock:
        """Return an open socket by its name."""
        if name not in self.sockets:
            near = did_you_mean(name, self.sockets)
            raise KernelError(EBADF, f"{name}: there is no socket of this name{near}")
        return self.sockets[name]

    def netns_named(self, name: str) -> NetNamespace:
        """Return a network namespace by its name."""
        if name not in self.kernel.namespaces:
            near = did_you_mean(name, self.kernel.namespaces)
            raise KernelError(ENOENT, f"no network namespace {name!r}{near}")
        return self.kernel.namespaces[name]

    # --- objects, maps, links ---

    def open(self, file: str, *names: str) -> str:
        """open a compiled object or algorithm file (which runs); MAP=NAME renames, OBJECT: names"""
        path = self._file(file)
        stem = path.stem
        renamed = {}
        for word in names:
            variable, equals, name = word.partition("=")
            if equals:
                renamed[variable] = name
            else:
                stem = variable.rstrip(":")
        if stem in self.objects:
            raise KernelError(EEXIST, f"an object {stem!r} is open already; hint: open FILE OTHER:")
        if is_object(path):
            stem = object_name(path) if stem == path.stem else stem
            self.compiled[stem] = live = self._live(path)
            obj = Object.open(live.tables, renamed)
        else:
            obj = Object.open(path, renamed, strip_get_info=True)
        self.objects[stem] = obj
        maps = ", ".join(f"{name} ({map.ops.name})" for name, map in obj.maps.items())
        return f"object {stem}: maps {maps}"

    def _file(self, name: str) -> Path:
        """Return the path of an object or algorithm file, whose mistakes are blamed on it."""
        path = self.find_file(name)
        self.files.add(str(path))
        return path

    def _live(self, path: Path) -> LiveObject:
        from ccsim.bpf.live import load_object, target_of

        return load_object(path, target=target_of(self.kernel.profile.name))

    def dump(self, obj: str) -> str:
        """show the variables and maps of a compiled object, as they are now"""
        if obj not in self.compiled:
            near = did_you_mean(obj, self.compiled)
            raise ShellError(f"{obj}: there is no compiled object of this name{near}")
        return json.dumps(self.compiled[obj].values(), indent=1)

    def flags(self, map: str, flags: str) -> None:
        """choose before loading whether a map takes a link: flags MAP link|none"""
        values = {"link": BPF_F_LINK, "none": 0}
        if flags not in values:
            raise ShellError(f"flags: expected link or none, got {flags!r}")
        self.map(map).set_map_flags(values[flags])

    def load(self, obj: str) -> str:
        """load an object: its programs are checked, its maps created"""
        if obj not in self.objects:
            near = did_you_mean(obj, self.objects)
            raise ShellError(f"{obj}: there is no object of this name{near}")
        self.objects[obj].load(self.kernel)
        return f"loaded {', '.join(self.objects[obj].maps)}"

    def attach(self, map: str, link: str = "") -> str:
        """write a map's element and link it; the link is named for the map if not otherwise"""
        name = link or map
        if name in self.links and not self.links[name].dead:
            raise KernelError(EEXIST, f"there is a link {name!r} already; hint: attach MAP OTHER")
        self.links[name] = self.map(map).attach_struct_ops()
        return f"link {name} to {map}"

    def update(self, link: str, map: str, option: str = "", old: str = "") -> None:
        """put another map behind a link, under the same name; --old: only if that is behind it"""
        if not option:
            self.link(link).update_map(self.map(map))
        elif option == "--old" and old:
            self.link(link).replace_map(self.map(old), self.map(map))
        else:
            raise ShellError(f"update: expected --old MAP, got {option} {old}".rstrip())

    def detach(self, link: str) -> None:
        """detach a link in the kernel, for good"""
        self.link(link).detach()

    def destroy(self, link: str) -> None:
        """free a link as the library does; its name goes with the last descriptor and pin"""
        self.link(link).destroy()

    def pin(self, link: str, path: str) -> None:
        """pin a link in the BPF file system, where it outlives its descriptor"""
        self.link(link).pin(path)

    def unpin(self, path: str) -> None:
        """remove a pin"""
        self.kernel.unlink(path)
        for link in [link for link in self.links.values() if link.pin_path == path]:
            link.pin_path = None

    def get(self, path: str, link: str) -> None:
        """open a pinned link anew"""
        self.links[link] = BpfLink.open(self.kernel, path)

    def register(self, map: str) -> None:
        """write a map's element; without BPF_F_LINK that registers its name"""
        self.map(map).update_elem()

    def unregister(self, map: str) -> None:
        """delete a map's element; without BPF_F_LINK that unregisters its name"""
        self.map(map).delete_elem()

    def reregister(self, old: str, new: str) -> str:
        """the way before links: unregister the old map, register the new one; shows the gap"""
        self.map(old).delete_elem()
        gap = " ".join(self.kernel.available())
        self.map(new).update_elem()
        return f"in the gap: {gap}\nafterwards: {' '.join(self.kernel.available())}"

    def close(self, name: str) -> None:
        """close a socket, or an object's descriptors"""
        if name in self.objects:
            self.objects.pop(name).close()
            self.compiled.pop(name, None)
        else:
            self.kernel.close(self.sock(name))
            del self.sockets[name]

    # --- sockets ---

    def socket(self, name: str, netns: str = "init") -> None:
        """open a socket: it binds its namespace's default"""
        if name in self.sockets:
            raise KernelError(EEXIST, f"there is a socket {name!r} already")
        sk = ShellSock(name)
        self.kernel.socket(sk, self.netns_named(netns))
        self.sockets[name] = sk

    def setsockopt(self, name: str, congestion: str) -> None:
        """choose what is registered under a name now: setsockopt(TCP_CONGESTION)"""
        self.kernel.setsockopt(self.sock(name), TCP_CONGESTION, congestion)

    def connect(self, name: str, congestion: str = "") -> None:
        """connect a socket, opened if need be, after choosing its congestion control"""
        if name not in self.sockets or self.sock(name).sk_state != TCP_SYN_SENT:
            self.syn(name, congestion)
        elif congestion:
            self.setsockopt(name, congestion)
        self.kernel.connect(self.sock(name))

    def syn(self, name: str, congestion: str = "") -> None:
        """begin to connect a socket as `connect` does, which ends it: its SYN is under way"""
        self._prepared(name, congestion)
        sk = self.sock(name)
        self.kernel.syn_sent(sk)
        needs_ecn = sk.ca_ops.flags & TCP_CONG_NEEDS_ECN
        sk.ecn_flags = TCP_ECN_OK if needs_ecn else 0  # what the SYN asks for, the peer agrees to

    def listen(self, name: str, congestion: str = "") -> None:
        """let a socket, opened if need be, listen"""
        self._prepared(name, congestion)
        self.kernel.listen(self.sock(name))

    def _prepared(self, name: str, congestion: str) -> None:
        opened = name not in self.sockets
        if opened:
            self.socket(name)
        try:
            if congestion:
                self.setsockopt(name, congestion)
        except KernelError:
            if opened:
                self.close(name)
            raise

    def accept(self, listener: str, name: str) -> None:
        """accept a connection: it inherits what the listener chose, else the default"""
        if name in self.sockets:
            raise KernelError(EEXIST, f"there is a socket {name!r} already")
        sk = ShellSock(name)
        self.kernel.accept(self.sock(listener), sk)
        self.sockets[name] = sk

    def send(self, name: str, acks: str = "10") -> str:
        """let acknowledgements arrive, so that the hooks run"""
        digits = acks.isascii() and acks.isdecimal() and len(acks) <= len(str(MAX_ACKS))
        if not digits or int(acks) > MAX_ACKS:
            expected = f"expected a number of acknowledgements up to {MAX_ACKS}"
            raise ShellError(f"send: {expected}, got {acks!r}")
        sk = self.sock(name)
        if sk.ca_initialized is False:
            raise KernelError(ENOTCONN, f"{name} is not connected")
        sk.acknowledge(int(acks))
        served = self.kernel.implementation_of(sk).map_name
        return f"{acks} ACKs served by {served}, cwnd {sk.snd_cwnd}"

    def sysctl(self, setting: str, netns: str = "init") -> str:
        """read or set net.ipv4.tcp_congestion_control[=NAME], or read …tcp_available_…"""
        where = self.netns_named(netns)
        key, equals, value = setting.partition("=")
        if key == "net.ipv4.tcp_available_congestion_control" and not equals:
            return f"{key} = {' '.join(self.kernel.available())}"
        if key != "net.ipv4.tcp_congestion_control":
            raise KernelError(ENOENT, f"sysctl: there is no setting {setting!r} to read or write")
        if equals:
            self.kernel.set_default(value, where)
        return f"{key} = {self.kernel.get_default(where)}"

    def netns(self, verb: str, name: str) -> None:
        """add or delete a network namespace: netns add|del NAME"""
        if verb not in ("add", "del"):
            raise ShellError(f"netns: expected add or del, got {verb!r}")
        if verb == "add":
            self.kernel.netns_add(name)
        else:
            self.kernel.netns_delete(name)

    def rcu(self) -> None:
        """let a grace period pass (it matters in the v2 profile)"""
        self.kernel.synchronize_rcu()

    # --- views ---

    def ss(self) -> str:
        """the sockets, what they run, and which map it came from"""
        return views.sockets(self.kernel, self.sockets)

    def maps(self) -> str:
        """the struct_ops maps: state and references"""
        return views.maps(self.kernel)

    def links_view(self) -> str:
        """the links and their maps"""
        return views.links(self.kernel, self.links)

    def fds(self) -> str:
        """the open descriptors and the pins"""
        return views.fds(self.kernel)

    def bpftool(self, subject: str, verb: str, *words: str) -> str:
        """list: what there is; struct_ops also: register FILE [LINK_DIR], unregister, dump"""
        if subject == "struct_ops" and verb in ("register", "unregister", "dump"):
            return self._struct_ops(verb, words)
        if subject not in views.BPFTOOL or verb not in ("list", "show"):
            subjects = "|".join(views.BPFTOOL)
            more = "struct_ops register|unregister|dump"
            raise ShellError(f"bpftool: expected {subjects} list, or {more}, got {subject} {verb}")
        return views.BPFTOOL[subject](self.kernel)

    def _struct_ops(self, verb: str, words: tuple[str, ...]) -> str:
        if verb == "dump":
            return shell_bpftool.dump(self.kernel, words)
        if verb == "unregister":
            return shell_bpftool.unregister(self.kernel, words)
        if not 1 <= len(words) <= 2:
            expected = "expected FILE or the name of an object that is not loaded, and LINK_DIR"
            raise ShellError(f"bpftool struct_ops register: {expected}, got {len(words)} words")
        obj = self.objects.get(words[0])
        if obj is not None and all(map.kernel is None for map in obj.maps.values()):
            del self.objects[words[0]]  # it goes with the tool
        else:
            path = self._file(words[0])
            compiled = is_object(path)
            obj = Object.open(self._live(path).tables if compiled else path, strip_get_info=True)
        return shell_bpftool.register(self.kernel, obj, *words[1:])

    def help(self, name: str = "") -> str:
        """this list, or one command of it"""
        if name and name not in COMMANDS:
            raise ShellError(f"{name}: there is no such command{did_you_mean(name, COMMANDS)}")
        return "\n".join(_help_lines([name] if name else list(COMMANDS)))

    def quit(self) -> None:
        """leave the shell"""
        self.done = True


COMMANDS: dict[str, tuple[Callable[..., str | None], str]] = {
    "open": (Shell.open, "FILE [MAP=NAME…]"),
    "dump": (Shell.dump, "OBJECT"),
    "flags": (Shell.flags, "MAP link|none"),
    "load": (Shell.load, "OBJECT"),
    "attach": (Shell.attach, "MAP [LINK]"),
    "update": (Shell.update, "LINK MAP [--old MAP]"),
    "detach": (Shell.detach, "LINK"),
    "destroy": (Shell.destroy, "LINK"),
    "pin": (Shell.pin, "LINK PATH"),
    "unpin": (Shell.unpin, "PATH"),
    "get": (Shell.get, "PATH LINK"),
    "register": (Shell.register, "MAP"),
    "unregister": (Shell.unregister, "MAP"),
    "reregister": (Shell.reregister, "OLD NEW"),
    "socket": (Shell.socket, "SOCKET [NETNS]"),
    "setsockopt": (Shell.setsockopt, "SOCKET NAME"),
    "syn": (Shell.syn, "SOCKET [NAME]"),
    "connect": (Shell.connect, "SOCKET [NAME]"),
    "listen": (Shell.listen, "SOCKET [NAME]"),
    "accept": (Shell.accept, "LISTENER SOCKET"),
    "send": (Shell.send, "SOCKET [ACKS]"),
    "close": (Shell.close, "SOCKET|OBJECT"),
    "sysctl": (Shell.sysctl, "KEY[=VALUE] [NETNS]"),
    "netns": (Shell.netns, "add|del NAME"),
    "rcu": (Shell.rcu, ""),
    "ss": (Shell.ss, ""),
    "maps": (Shell.maps, ""),
    "links": (Shell.links_view, ""),
    "fds": (Shell.fds, ""),
    "bpftool": (Shell.bpftool, "struct_ops|map|link|prog list|register|unregister|dump […]"),
    "help": (Shell.help, "[COMMAND]"),
    "quit": (Shell.quit, ""),
}


def _help_lines(names: list[str]) -> Iterator[str]:
    for name in names:
        function, usage = COMMANDS[name]
        yield f"{name} {usage}".ljust(34) + (function.__doc__ or "")
