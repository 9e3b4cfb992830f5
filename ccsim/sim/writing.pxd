"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.sim.sampler cimport Sampler
from ccsim.tcp.output cimport write_xmit
from ccsim.tcp.receiver cimport Receiver
from ccsim.tcp.sock cimport TcpSock


cdef class Writing:
    cdef dict __dict__
    cdef public TcpSock sk
    cdef public Receiver receiver
    cdef public Sampler recorder
    cdef public dict odd_last
    cdef public tuple waiting
    cdef public object closed_ns, completed_ns, source
    cdef public bint connected, passive, _handshake

    cpdef _close(self, long long t_ns)
    cdef (long long, long long) _watched(self) except *
    cdef long long _data_end(self) except? -1
    cpdef bint _acknowledged(self, long long t_ns) except? -1
    cpdef dict _odd_sizes(self, object seqs)
