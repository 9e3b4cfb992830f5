"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.sim.sampler cimport Sampler
from ccsim.tcp.output cimport write_xmit
from ccsim.tcp.receiver cimport Receiver
from ccsim.tcp.sock cimport TcpSock


cdef class Application:
    cdef public TcpSock sk
    cdef public Receiver receiver
    cdef public Sampler recorder
    cdef public dict odd_last
    cdef public object close, completed_ns, source

    cdef (long long, long long) watched(self) except *
    cdef long long _data_end(self) except? -1
    cpdef bint acknowledged(self, long long t_ns) except? -1
    cpdef dict odd_sizes(self, object seqs)
