"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cdef long long _SIGN, _MASK

cpdef long long s32(long long value)
cpdef long long usecs_to_jiffies(long long usecs, long long hz)
cpdef long long msecs_to_jiffies(long long msecs, long long hz)
