"""Calls of an algorithm's hooks in machine code: what `ccsim.tcp.hooks` defines.

A function that a `.pxd` file declares is offered by its module as a function of C, under its name
and with its type in words (``__pyx_capi__``). A hook is called so if it is that function and the
type is what it must be; all others are called as Python calls them.
"""

from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.string cimport strcmp

__all__ = ["hooks_of"]


cdef class Hooks:
    """The hooks of one table."""

    def __init__(self, TcpCongestionOps ops):
        self.ops = ops
        self.c_cong_avoid = <CongAvoid>function(ops.cong_avoid, like_cong_avoid)
        self.c_cong_control = <CongControl>function(ops.cong_control, like_cong_control)
        self.c_in_ack_event = <InAckEvent>function(ops.in_ack_event, like_in_ack_event)
        self.c_pkts_acked = <PktsAcked>function(ops.pkts_acked, like_pkts_acked)

    cdef cong_avoid(self, Sock sk, long long ack, long long acked):
        if self.c_cong_avoid != NULL:
            return self.c_cong_avoid(sk, ack, acked, 0)
        return self.ops.cong_avoid(sk, ack, acked)

    cdef cong_control(self, Sock sk, long long ack, long long flag, RateSample rs):
        if self.c_cong_control != NULL:
            return self.c_cong_control(sk, ack, flag, rs, 0)
        return self.ops.cong_control(sk, ack, flag, rs)

    cdef in_ack_event(self, Sock sk, long long flags):
        if self.c_in_ack_event != NULL:
            return self.c_in_ack_event(sk, flags, 0)
        return self.ops.in_ack_event(sk, flags)

    cdef pkts_acked(self, Sock sk, AckSample sample):
        if self.c_pkts_acked != NULL:
            return self.c_pkts_acked(sk, sample, 0)
        return self.ops.pkts_acked(sk, sample)


cpdef Hooks hooks_of(TcpSock sk):
    """Return the hooks of a socket's algorithm, as they are at this moment."""
    if sk.hooks is None or (<Hooks>sk.hooks).ops is not sk.ca_ops:
        sk.hooks = Hooks(sk.ca_ops)
    return <Hooks>sk.hooks


cdef void *function(object hook, object like) except? NULL:
    """Return a hook as a function of C of the type of ``like``; NULL if it is none."""
    offered = _offered(hook)
    expected = _offered(like)
    if offered is None or strcmp(PyCapsule_GetName(offered), PyCapsule_GetName(expected)):
        return NULL
    return PyCapsule_GetPointer(offered, PyCapsule_GetName(offered))


cdef _offered(object hook):
    """Return the capsule of a function that its module offers to C; None if it offers none."""
    if type(hook) is not type(like_pkts_acked):
        return None
    module = hook.__globals__
    if module.get(hook.__name__) is not hook:
        return None
    return module.get("__pyx_capi__", {}).get(hook.__name__)


cpdef like_cong_avoid(Sock sk, long long ack, long long acked):
    """Have the type of ``cong_avoid``."""


cpdef like_cong_control(Sock sk, long long ack, long long flag, RateSample rs):
    """Have the type of ``cong_control``."""


cpdef like_in_ack_event(Sock sk, long long flags):
    """Have the type of ``in_ack_event``."""


cpdef like_pkts_acked(Sock sk, AckSample sample):
    """Have the type of ``pkts_acked``."""
