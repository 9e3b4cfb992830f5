"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

@cython.locals(sample=tuple)
cpdef tuple no_samples(long long time, long long value=*)
@cython.locals(
    best=tuple, second=tuple, third=tuple, new=tuple, best_at=cython.longlong,
    most=cython.longlong, second_at=cython.longlong, middle=cython.longlong,
    third_at=cython.longlong, least=cython.longlong,
)
cpdef tuple running_max(tuple samples, long long window, long long time, long long value)
@cython.locals(
    best=tuple, second=tuple, third=tuple, time=cython.longlong, age=cython.longlong,
    best_at=cython.longlong, second_at=cython.longlong, third_at=cython.longlong,
)
cdef tuple _age(tuple samples, long long window, tuple new)
@cython.locals(
    best=tuple, second=tuple, third=tuple, best_at=cython.longlong, second_at=cython.longlong,
    third_at=cython.longlong,
)
cpdef long long settled_until(tuple samples, long long window)
