"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.net.qdisc.base cimport Packet
from ccsim.net.qdisc.codel cimport CodelFlow, CodelQdisc

cdef long long _NEW, _NO_LIST, _OLD, _U32

cdef class FqCodelFlow(CodelFlow):
    cdef public long long backlog, deficit, index, list

cdef class FqCodel(CodelQdisc):
    cdef public long long drop_batch, drop_overlimit, drop_overmemory, flow_count, limit
    cdef public long long memory_limit, memory_usage, new_flow_count, quantum
    cdef public dict flows
    cdef public object new_flows, old_flows

    @cython.locals(index=cython.longlong, flow=FqCodelFlow, over=cython.bint)
    cpdef long long enqueue(self, Packet packet, long long now) except? -1
    @cython.locals(packet=Packet, own=FqCodelFlow)
    cpdef Packet _take(self, CodelFlow flow)
    @cython.locals(flow=FqCodelFlow, packet=Packet)
    cpdef Packet dequeue(self, long long now)
    cdef _to_old(self, object head)
