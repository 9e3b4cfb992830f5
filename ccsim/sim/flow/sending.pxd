"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.ints cimport fresh
from ccsim.net.batch cimport Batch, as_list
from ccsim.sim.acks cimport Sacks, AcksInColumns
from ccsim.sim.flow.application cimport Application
from ccsim.sim.flow.path cimport FlowPath
from ccsim.sim.sampler cimport Sampler
from ccsim.sim.sender_events cimport fire_timers, take_rows
from ccsim.tcp.ack_rows cimport AckRows
from ccsim.tcp.host cimport Host
from ccsim.tcp.sock cimport TcpSock

cdef int ALL_TAKEN, SOURCE_FIRST


cdef class SendingSide:
    cdef public TcpSock sk
    cdef public Host host
    cdef public FlowPath path
    cdef public Sampler recorder
    cdef public Application application
    cdef public object acks, codepoints, established_ns, handshake, late, tally
    cdef public list chunks
    cdef public tuple waiting
    cdef public long long first_syn_ns, index, sent, syn_ns, syn_timer_ns, syn_tries
    cdef public bint closed, connected, first_syn_answered, passive, vector, _in_handshake

    cpdef connect(self, long long t_ns)
    cdef _established(self, long long t_ns, long long echo_us)
    cpdef hear(self, AckRows acks)
    cpdef hear_train(self, AcksInColumns acks)
    cpdef advance(self, long long horizon_ns)
    cdef _come_to(self, long long t_ns)
    cpdef _fire_before(self, long long t_ns)
    @cython.locals(one_by_one=AckRows)
    cpdef _next_rows(self)
    cpdef _take_acks(self, rows, long long horizon_ns)
    cdef _take_rows(self, rows, long long horizon_ns)
    cdef _one_by_one(self, rows, long long horizon_ns, why)
    cdef _take_train(self, AcksInColumns rows, long long horizon_ns)
    cpdef left(self, object sent_ns)
    cpdef _flush(self)
    cpdef Batch collect(self, long long until_ns)
    cdef dict _odd_sizes(self, object seqs)


@cython.locals(one_by_one=AckRows, in_columns=AcksInColumns)
cdef long long first_time(rows) except? -1
