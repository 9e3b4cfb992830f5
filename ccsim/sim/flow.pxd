"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.sim.acks cimport SackTrainRows, TrainRows
from ccsim.sim.delivering cimport Delivering
from ccsim.sim.sender_events cimport fire_timers, take_rows
from ccsim.tcp.ack_rows cimport AckRows
from ccsim.tcp.host cimport Host
from ccsim.tcp.train cimport TrainOutcome, ack_train, may_take_train

cdef int ALL_TAKEN, SOURCE_FIRST


cdef class Flow(Delivering):
    cdef public Host host
    cdef public bint first_syn_answered
    cdef public long long first_syn_ns, syn_ns, syn_timer_ns, syn_tries
    cdef public list followers
    cdef public object established_ns

    cpdef connect(self, long long t_ns)
    cpdef advance(self, long long horizon_ns)
    cdef _come_to(self, long long t_ns)
    cpdef _fire_before(self, long long t_ns)
    cpdef _next_rows(self)
    cpdef _take_acks(self, rows, long long horizon_ns)
    cdef _take_rows(self, rows, long long horizon_ns)
    cdef bint _take_train(self, TrainRows rows, long long horizon_ns) except -1
    cdef _established(self, long long t_ns, long long echo_us)
    cpdef _close(self, long long t_ns)


cdef long long first_time(rows) except? -1
