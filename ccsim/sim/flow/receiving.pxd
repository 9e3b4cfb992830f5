"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.ints cimport Ints, as_ints, in_us, kept, later, least, picked
from ccsim.net.batch cimport Batch, as_column
from ccsim.sim.flow.path cimport FlowPath
from ccsim.sim.flow.sending cimport SendingSide
from ccsim.tcp.ack_rows cimport AckRows
from ccsim.tcp.receiver cimport Receiver


cdef class ReceivingSide:
    cdef public Receiver receiver
    cdef public FlowPath path
    cdef public SendingSide sender
    cdef public bint vector
    cdef public long long run_end_ns, delivered, arriving, dropped
    cdef public object ack_path, late, reception, way_back

    @cython.locals(handshake=cython.bint)
    cpdef deliver(self, Batch batch)
    @cython.locals(n=cython.Py_ssize_t, late=cython.Py_ssize_t, times=Ints, acks=AckRows, rows=Ints)
    cdef _deliver_rows(self, Ints departures, Ints seqs, Ints arrivals, bint handshake)
    cpdef flush(self, long long horizon_ns)
    cpdef flush_before(self, long long t_ns)
    cpdef send_acks(self, AckRows acks)
