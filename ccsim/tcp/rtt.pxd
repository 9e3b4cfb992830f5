"""C types for `ccsim compile`: they belong to the Python file beside this one."""

cimport cython
from ccsim.tcp.sock cimport TcpSock

cpdef rtt_estimator(TcpSock sk, long long m)
cpdef end_of_round(TcpSock sk, long long nxt)
cpdef set_rto(TcpSock sk)
cpdef update_rtt(TcpSock sk, long long seq_rtt_us, long long ca_rtt_us)
