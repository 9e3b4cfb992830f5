"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.rtt cimport end_of_round, new_mdev
from ccsim.tcp.sock cimport TcpSock

@cython.locals(sample=cython.longlong, m=cython.longlong)
cdef _fold_each(TcpSock sk, list samples)
@cython.locals(
    m=cython.longlong, most=cython.longlong, next_mdev=cython.longlong, steps=cython.longlong
)
cdef tuple _steps(long long excess, long long mdev, long long count)
