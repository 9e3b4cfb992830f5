"""C types for `ccsim compile`: they belong to the Python file beside this one."""

from ccsim.kernel.sock cimport Sock
from ccsim.tcp.host cimport Host


cdef class LinuxSock(Sock):
    cdef public Host host
    cdef public long long ack_ns, back_ns, cwnd_usage_nxt, echo_us, handshake_segs, high
    cdef public long long jiffies0_ns, jiffy_ns, lsnd_ns, nxt, rack_end, rtt_nxt, rwnd
    cdef public long long snd_cwnd_stamp_ns, tlp_high, una, undo_from, write_limit

    cpdef long long _ticks(self) except? -1
    cpdef long long _out(self) except? -1
    cdef long long _tick(self, long long t_ns) except? -1
