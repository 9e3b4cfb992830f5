"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

from ccsim.linux.bottleneck cimport Bottleneck

cdef class Emulator:
    cdef public list senders, namespace, stalls
    cdef public object queue, kernels, path, lateness
    cdef public long long receiver, refused, foreign
    cdef public bint prompt

    @cython.locals(now=cython.longlong, due=cython.longlong, came=cython.longlong)
    cpdef run(self, long long t0_ns, long long until_ns)
    @cython.locals(
        t=cython.longlong, to=cython.longlong, flow=cython.longlong, fd=cython.longlong,
        late=cython.longlong,
    )
    cdef _deliver(self, long long now_ns, long long t0_ns)
    @cython.locals(k=cython.longlong, packet=bytes, found=tuple, flows=cython.longlong)
    cdef _read(self, long long fd, long long t0_ns, long long now)
