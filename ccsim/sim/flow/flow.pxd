"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.net.batch cimport Batch
from ccsim.sim.flow.application cimport Application
from ccsim.sim.flow.path cimport FlowPath
from ccsim.sim.flow.receiving cimport ReceivingSide
from ccsim.sim.flow.sending cimport SendingSide
from ccsim.sim.sampler cimport Sampler
from ccsim.tcp.sock cimport TcpSock


cdef class Flow:
    cdef public TcpSock sk
    cdef public Sampler recorder
    cdef public FlowPath path
    cdef public SendingSide sending
    cdef public ReceivingSide receiving
    cdef public Application application
    cdef public long long index
    cdef public bint begun, passive
    cdef public object closed_ns, followers, network, planned, socket, world

    cpdef advance(self, long long horizon_ns)
    cpdef flush_receiver(self, long long horizon_ns)
    cpdef Batch collect(self, long long until_ns)
    cpdef deliver(self, Batch batch)
