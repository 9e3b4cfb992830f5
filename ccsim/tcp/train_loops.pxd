"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.packets cimport PacketColumns
from ccsim.tcp.rtt cimport end_of_round, new_mdev
from ccsim.tcp.sock cimport TcpSock

cdef int T_US, ACKED, LAST_TX, CA_RTT, RTT, DELIVERED, PRIOR_DELIVERED, INTERVAL, PRIOR_US
cdef long long MANY

@cython.locals(
    acked=cython.longlong, base=cython.longlong, ca_rtt=cython.longlong, end=cython.longlong,
    k=cython.Py_ssize_t, last_tx=cython.longlong, least=cython.longlong, least_rtt=cython.longlong,
    most=cython.longlong, most_rtt=cython.longlong, now=cython.longlong, rtt=cython.longlong,
    tx_us=cython.longlong[::1],
)
cpdef tuple read(
    PacketColumns packets, long long before, const long long[:] t, const long long[:] una,
    long long[:, ::1] columns
)
@cython.locals(
    k=cython.Py_ssize_t, m=cython.longlong, mdev=cython.longlong, mdev_max=cython.longlong,
    srtt=cython.longlong, stop=cython.longlong,
)
cpdef list fold_each(
    TcpSock sk, const long long[:] una, const long long[:, ::1] columns, const long long[:] nxt,
    object stops
)
@cython.locals(
    base=cython.longlong, delivered=cython.longlong[::1], delivered_us=cython.longlong[::1],
    first=cython.longlong, first_tx_us=cython.longlong[::1], k=cython.Py_ssize_t,
    now_us=cython.longlong, row=cython.longlong, seq=cython.longlong, tx_us=cython.longlong[::1],
)
cpdef stamp(
    PacketColumns packets, const long long[:] nxt, const long long[:] una,
    const long long[:, ::1] columns, long long not_acked, const long long[:] t,
    long long[::1] sent_ns, bint paced
)
@cython.locals(
    base=cython.longlong, delivered_us=cython.longlong[::1], first_tx_us=cython.longlong[::1],
    interval=cython.longlong, k=cython.Py_ssize_t, least=cython.longlong,
    not_acked=cython.longlong, packets=PacketColumns, prior_us=cython.longlong,
    row=cython.longlong,
)
cpdef rates(
    TcpSock sk, const long long[:] una, const long long[:, ::1] columns, long long[:, ::1] found
)
@cython.locals(
    end=cython.longlong, k=cython.Py_ssize_t, most=cython.longlong, noted=cython.longlong,
    out=cython.longlong, used=cython.longlong,
)
cpdef note_use(TcpSock sk, const long long[:] una, const long long[:] nxt, long long count)
