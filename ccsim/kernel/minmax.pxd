"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython

cpdef tuple no_samples(long long time, long long value=*)
@cython.locals(age=cython.longlong)
cpdef tuple running_max(tuple samples, long long window, long long time, long long value)
@cython.locals(age=cython.longlong)
cdef tuple _age(tuple samples, long long window, tuple new)
cpdef long long settled_until(tuple samples, long long window)
