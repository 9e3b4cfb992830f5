"""What a script's set-up says of the host: options, sysctls and the lines of its commands.

Commands are data: nothing is executed, no file is opened. A line is understood, known to change
nothing here, or the script cannot be expressed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from ccsim.verify.packetdrill.errors import CannotExpress, PktError, Place
from ccsim.verify.packetdrill.fastopen import CookieCache, key_of
from ccsim.verify.packetdrill.script import Command, Packet, Script

__all__ = ["KERNEL", "Settings", "apply_command", "settings_of"]

BARE_BYTES = 40  # IP and TCP headers
ETHERNET_MTU = 1500

# What the common set-up of the public scripts asks for, as far as it matters here.
COMMON = {
    "tcp_rmem": "4096 540000 15728640",
    "tcp_wmem": "4096 262144 4194304",
    "tcp_slow_start_after_idle": "0",
    "tcp_early_retrans": "4",
    "tcp_ecn": "0",
    "tcp_notsent_lowat": "4294967295",
    "tcp_syn_retries": "5",
    "tcp_fastopen": "0x70403",
    "tcp_fastopen_key": "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4",
}
# The settings of a host that has just been started.
KERNEL = {
    "tcp_rmem": "4096 131072 33554432",
    "tcp_wmem": "4096 16384 4194304",
    "tcp_timestamps": "1",
    "tcp_sack": "1",
    "tcp_dsack": "1",
    "tcp_window_scaling": "1",
    "tcp_frto": "2",
    "tcp_reordering": "3",
    "tcp_max_reordering": "300",
    "tcp_congestion_control": "cubic",
    "tcp_slow_start_after_idle": "1",
    "tcp_early_retrans": "3",
    "tcp_min_rtt_wlen": "300",
    "tcp_recovery": "1",
    "tcp_ecn": "2",
    "tcp_ecn_fallback": "1",
    "tcp_pacing_ss_ratio": "200",
    "tcp_pacing_ca_ratio": "120",
    "tcp_min_tso_segs": "2",
    "tcp_tso_win_divisor": "3",
    "tcp_syn_retries": "6",
    "tcp_synack_retries": "5",
    "tcp_retries2": "15",
    "tcp_notsent_lowat": "4294967295",
    "tcp_fack": "0",
    "tcp_retrans_collapse": "1",
    "tcp_autocorking": "1",
    "tcp_moderate_rcvbuf": "1",
    "tcp_no_metrics_save": "0",
    "tcp_mtu_probing": "0",
    "tcp_fin_timeout": "60",
    "tcp_rto_min_us": "200000",
    "tcp_ecn_option": "2",
    "tcp_abort_on_overflow": "0",
    "tcp_syncookies": "1",
    "tcp_invalid_ratelimit": "500",
    "tcp_tso_rtt_log": "9",
    "tcp_syn_linear_timeouts": "4",
    "tcp_rto_max_ms": "120000",
    "tcp_fastopen": "1",
    "tcp_fastopen_key": "0-0-0-0",
}
# What was not a setting before Linux 6.5.
OLDER = {"tcp_syn_linear_timeouts": "0"}
# What a setting must be, if it is set, for the stack to be what the script means.
ONLY = {
    "tcp_recovery": {"1", "3", "5", "7"},
    "tcp_mtu_probing": {"0"},
    "tcp_abort_on_overflow": {"0"},
}
# Settings that change nothing that is modelled.
HARMLESS = re.compile(
    r"tcp_(fastopen_blackhole_timeout_sec|syncookies|mem|base_mss|probe_\w+|keepalive\w*|comp_sack\w*|"
    r"limit_output_bytes|challenge_ack_limit|max_tw_buckets|tw_reuse|low_latency|thin\w*|"
    r"adv_win_scale|app_win|workaround_signed_windows|orphan\w*|plb_\w+|reflect_tos|"
    r"shrink_window|rfc1337|stdurg|backlog\w*|early_demux|l3mdev_accept|migrate_req|"
    r"available_congestion_control|allowed_congestion_control|min_snd_mss|"
    r"pingpong_thresh)"
)
HARMLESS_TREES = ("net.core.", "net.ipv6.", "net.ipv4.icmp", "net.ipv4.route", "net.ipv4.ip_",
                  "net.ipv4.conf", "net.mptcp")  # fmt: skip
IGNORED = {
    "ethtool",
    "iptables",
    "ip6tables",
    "rm",
    "dd",
    "touch",
    "chmod",
    "true",
    "sync",
    "modprobe",
}
SILENT_OPTIONS = {
    "ip_version", "bind_port", "local_ip", "remote_ip", "gateway_ip", "netmask_ip", "verbose",
    "speed", "mtu", "wire_client", "wire_server", "debug", "dry_run", "connect_port", "define",
    "tolerance_usecs", "tolerance_percent", "tcp_ts_tick_usecs", "mss", "init_scripts",
    "send_omit_free", "code_command", "code_format", "code_sockopt", "strict_segments",
}  # fmt: skip


@dataclass
class Settings:
    """The host of a script. ``sysctl`` holds ``net.ipv4`` by their last name."""

    sysctl: dict[str, str] = field(default_factory=lambda: dict(KERNEL))
    tolerance_us: int = 4_000
    tolerance_percent: float = 0.0
    ts_tick_us: int = 0
    mtu: int = ETHERNET_MTU
    advmss: int | None = None  # of the route
    initcwnd: int = 10
    fair_queueing: bool = False  # the device's qdisc is fq
    gro_mss: int | None = None
    hz: int = 1_000
    older: bool = False  # as before Linux 6.5, in what scripts seldom say
    own_scale: int | None = None  # of the host's windows, where its memory decides
    local_ip: str = "192.168.0.1"
    remote_ip: str = "192.0.2.1"
    cookies: CookieCache = field(default_factory=CookieCache)

    def flag(self, name: str) -> bool:
        """Return a sysctl that switches something."""
        return self.number(name) != 0

    def number(self, name: str, part: int = 0) -> int:
        """Return a sysctl, or a part of one, as a number."""
        return int(self.sysctl[name].split()[part], 0)

    @property
    def own_mss(self) -> int:
        """The largest segment that this host announces [bytes]."""
        own = self.mtu - BARE_BYTES
        return own if self.advmss is None else min(own, self.advmss)


def settings_of(script: Script, *, hz: int, older: bool) -> Settings:
    """Return what a script's options and set-up say of a host with a tick of ``hz``, or an
    ``older`` one; CannotExpress for what is not modelled."""
    settings = Settings(hz=hz, older=older)
    if older:
        settings.sysctl |= OLDER
    for name, (value, place) in script.options.items():
        _option(settings, name, value, place)
    for command in script.setup:
        apply_command(settings, command)
    if settings.sysctl["tcp_rmem"] == KERNEL["tcp_rmem"]:
        settings.own_scale = _expected_scale(script)
    return settings


def _expected_scale(script: Script) -> int | None:
    """Return the window scale that the host is expected to announce.

    The most that a receive buffer may hold follows from a machine's memory (``tcp_init``) and, with
    it, the scale; a script that does not set it was written for some machine.
    """
    for event in script.events:
        packet = event.action
        if isinstance(packet, Packet) and not packet.inbound and "S" in packet.segment.flags:
            scale = packet.segment.option("wscale")
            return scale[0] if scale else None
    return None


def _option(settings: Settings, name: str, value: str, place: Place) -> None:
    if name not in SILENT_OPTIONS:
        raise CannotExpress(place, f"the option --{name} is not known")
    numbers = {"tolerance_usecs": "tolerance_us", "tcp_ts_tick_usecs": "ts_tick_us", "mtu": "mtu",
               "mss": "gro_mss"}  # fmt: skip
    if name in numbers:
        setattr(settings, numbers[name], _number(value, place))
    elif name == "tolerance_percent":
        settings.tolerance_percent = float(_number(value, place))
    elif name in ("local_ip", "remote_ip"):
        setattr(settings, name, _address(value, place))
    elif name == "ip_version" and value not in ("ipv4", "ipv4_mapped_ipv6"):
        raise CannotExpress(place, "IPv6 is not modelled")


def _address(text: str, place: Place) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise CannotExpress(place, f"expected an address of IPv4, got {text!r}") from error


def _number(text: str, place: Place) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 31:
        raise PktError(place, f"expected a number, got {text!r}")
    return number


def apply_command(settings: Settings, command: Command) -> None:
    """Do to the settings what a command does to a host; CannotExpress if that is not known."""
    text = command.text.replace("\\\n", " ").replace("\\`", "`")
    for number, line in enumerate(text.split("\n")):
        place = Place(command.place.file, command.place.line + number, 1)
        for part in re.split(r"&&|\|\||;", _without_comment(line)):
            _line(settings, part, place)


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line)


def _line(settings: Settings, line: str, place: Place) -> None:
    line = re.sub(r"(\d|&)?>{1,2}\s*(/dev/null|&\d)", " ", line)
    line = re.sub(r"\$\(\((\d+(?:\*\d+)*)\)\)", _product, line)
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise CannotExpress(place, f"the command {line.strip()!r} is not understood") from error
    if not words:
        return
    verb = words[0].rsplit("/", 1)[-1]
    act = VERBS.get(verb)
    if act is not None:
        act(settings, words[1:], place)
        if words[0] == "./defaults.sh":
            settings.sysctl["tcp_fastopen"] = "0x3"  # that of the kernel's selftests
    elif verb not in IGNORED and not verb.startswith("sysctl_restore"):
        raise CannotExpress(place, f"the command {verb!r} is not understood")


def _product(found: re.Match[str]) -> str:
    product = 1
    for factor in found.group(1).split("*")[:8]:
        product = min(product * int(factor[:12]), 1 << 40)
    return str(product)


def _common(settings: Settings, words: list[str], place: Place) -> None:
    settings.sysctl.update(COMMON)


def _sysctl(settings: Settings, words: list[str], place: Place) -> None:
    """Do ``sysctl -q name=value …`` and ``set_sysctls.py /proc/sys/name=value …``."""
    pairs = [word for word in words if not word.startswith("-")]
    for word in pairs:
        name, equals, value = word.partition("=")
        name = name.strip().removeprefix("/proc/sys/").replace("/", ".")
        if equals:
            _set(settings, name, value.strip(), place)


def _set(settings: Settings, name: str, value: str, place: Place) -> None:
    last = name.removeprefix("net.ipv4.")
    if name.startswith(HARMLESS_TREES) or HARMLESS.fullmatch(last):
        return
    if last not in settings.sysctl or not name.startswith("net.ipv4."):
        raise CannotExpress(place, f"the sysctl {name} is not modelled")
    if last == "tcp_fastopen_key":
        if key_of(value) is None:
            raise CannotExpress(place, f"the sysctl {name}: expected one key, got {value!r}")
    elif last != "tcp_congestion_control" and not re.fullmatch(
        r"(?:0x[0-9a-fA-F]+|\d+)(?:\s+\d+)*", value
    ):
        raise CannotExpress(place, f"the sysctl {name}: expected numbers, got {value!r}")
    if value not in ONLY.get(last, {value}):
        raise CannotExpress(place, f"{name}={value} is not modelled")
    if last == "tcp_ecn" and value not in ("0", "1", "2"):
        raise CannotExpress(place, "AccECN is not modelled")
    settings.sysctl[last] = value


def _tc(settings: Settings, words: list[str], place: Place) -> None:
    """Do ``tc qdisc replace dev tun0 root fq``."""
    if words[:1] != ["qdisc"] or len(words) < 2:
        raise CannotExpress(place, "of tc only 'tc qdisc' is modelled")
    if words[1] in ("del", "delete", "show"):
        settings.fair_queueing = False
        return
    kind = words[words.index("root") + 1 :] if "root" in words else []
    if kind[:1] == ["fq"] and len(kind) == 1:
        settings.fair_queueing = True
    elif kind in (["pfifo"], ["pfifo_fast"], ["fq_codel"], ["noqueue"], ["bfifo"]):
        settings.fair_queueing = False
    else:
        raise CannotExpress(place, f"the qdisc {' '.join(kind) or '(none)'} is not modelled")


def _ip(settings: Settings, words: list[str], place: Place) -> None:
    """Do ``ip route change … mtu lock 640 advmss 600 initcwnd 11``; links and metrics are ready."""
    words = [word for word in words if not word.startswith("-")]
    if words[:2] in (["tcp_metrics", "flush"], ["tcp_metrics", "delete"]):
        settings.cookies.forget()
    if words[:1] in (["tcp_metrics"], ["link"], ["addr"], ["netns"]):
        return
    if words[:1] not in (["route"], ["ro"], ["r"]):
        raise CannotExpress(place, f"'ip {' '.join(words[:2])}' is not understood")
    for name in ("advmss", "initcwnd", "mtu"):
        if name in words:
            rest = [word for word in words[words.index(name) + 1 :] if word != "lock"]
            setattr(settings, name, _number(rest[0] if rest else "", place))
    for name in ("rto_min", "quickack", "initrwnd", "congctl", "features", "window", "cwnd"):
        if name in words:
            raise CannotExpress(place, f"{name} of a route is not modelled")


def _echo(settings: Settings, words: list[str], place: Place) -> None:
    """Do ``echo 3 > /sys/module/tcp_cubic/parameters/hystart_detect``: that is the default."""
    if ">" not in words:
        return
    value, target = " ".join(words[: words.index(">")]), words[-1]
    if target.startswith("/proc/sys/"):
        _set(settings, target.removeprefix("/proc/sys/").replace("/", "."), value, place)
    elif not (target.endswith("tcp_cubic/parameters/hystart_detect") and value == "3"):
        raise CannotExpress(place, f"writing to {target} is not modelled")


def _nstat(settings: Settings, words: list[str], place: Place) -> None:
    """Forget or hide the kernel's counters, which changes nothing; what they count is not known."""
    if "|" in words:
        raise CannotExpress(place, "what nstat counts is not modelled")


VERBS: dict[str, Callable[[Settings, list[str], Place], None]] = {
    "defaults.sh": _common,
    "sysctl": _sysctl,
    "set_sysctls.py": _sysctl,
    "tc": _tc,
    "ip": _ip,
    "echo": _echo,
    "nstat": _nstat,
}
