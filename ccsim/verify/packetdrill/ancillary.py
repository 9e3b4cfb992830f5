"""Control messages of ``recvmsg``: what a script expects compared with what comes."""

from __future__ import annotations

from typing import Any

from ccsim.units import NS_PER_S
from ccsim.verify.packetdrill.errors import CannotExpress, Differs
from ccsim.verify.packetdrill.errqueue import Notice
from ccsim.verify.packetdrill.script import ANY, Call

__all__ = ["check_control", "inq_message", "messages_of"]

NUMBERS = {
    "SOL_IP": 0, "SOL_SOCKET": 1, "SOL_TCP": 6, "IPPROTO_TCP": 6, "IP_RECVERR": 11,
    "SCM_TIMESTAMPING": 37, "TCP_CM_INQ": 36, "SO_EE_ORIGIN_TIMESTAMPING": 4,
    "SO_EE_ORIGIN_ZEROCOPY": 5, "SO_EE_CODE_ZEROCOPY_COPIED": 1, "SCM_TSTAMP_SND": 0,
    "SCM_TSTAMP_SCHED": 1, "SCM_TSTAMP_ACK": 2, "ENOMSG": 42,
}  # fmt: skip
Message = dict[str, Any]


def messages_of(notice: Notice, start_ns: int) -> list[Message]:
    """Return the control messages of a notice; timestamps count from ``start_ns``."""
    messages = []
    if notice.at_ns is not None:
        seconds, rest = divmod(notice.at_ns - start_ns, NS_PER_S)
        messages.append(_message("SOL_SOCKET", "SCM_TIMESTAMPING",
                                 {"scm_sec": seconds, "scm_nsec": rest}))  # fmt: skip
    error = {
        "ee_errno": notice.errno, "ee_origin": notice.origin, "ee_type": 0,
        "ee_code": notice.code, "ee_info": notice.info, "ee_data": notice.data,
    }  # fmt: skip
    return [*messages, _message("SOL_IP", "IP_RECVERR", error)]


def inq_message(unread: int) -> list[Message]:
    """Return the control message that says how much is left to be read."""
    return [_message("SOL_TCP", "TCP_CM_INQ", unread)]


def _message(level: str, kind: str, data: Any) -> Message:
    return {"cmsg_level": NUMBERS[level], "cmsg_type": NUMBERS[kind], "cmsg_data": data}


def check_control(call: Call, got: list[Message], tolerance_ns: int) -> None:
    """Compare control messages with those that the call expects, if it names any."""
    expected = call.args[1].get("msg_control", ANY)
    if expected is ANY:
        return
    if not isinstance(expected, list):
        raise CannotExpress(call.place, "expected msg_control=[{...}, ...]")
    if len(expected) != len(got):
        raise Differs(
            call.place, f"expected {len(expected)} control messages, got {len(got)}: {got}"
        )
    for wanted, there in zip(expected, got, strict=True):
        if not _same(call, wanted, there, tolerance_ns):
            raise Differs(call.place, f"expected {wanted}, got {there}")


def _same(call: Call, wanted: Any, there: Any, tolerance_ns: int) -> bool:
    if wanted is ANY:
        return True
    if not isinstance(there, dict):
        return bool(_value(call, wanted) == there)
    if not isinstance(wanted, dict) or wanted.keys() - there.keys():
        raise CannotExpress(call.place, f"the control message {wanted!r}")
    if "scm_sec" in there:
        apart = _moment(call, wanted) - _moment(call, there)
        return abs(apart) <= tolerance_ns
    return all(_same(call, wanted[name], there[name], tolerance_ns) for name in wanted)


def _moment(call: Call, stamp: Message) -> int:
    seconds, rest = (int(_value(call, stamp.get(name, 0))) for name in ("scm_sec", "scm_nsec"))
    return seconds * NS_PER_S + rest


def _value(call: Call, wanted: Any) -> int:
    value = NUMBERS.get(str(wanted), wanted)
    if not isinstance(value, int):
        raise CannotExpress(call.place, f"{wanted!r} in a control message")
    return value
