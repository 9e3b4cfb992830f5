"""A scenario on the machine's own kernel: real sockets and algorithms over an emulated path.

Three processes carry a run: the senders' host and the receivers' host, each in network namespaces
of its own that have no name and go with it, and the path between their TUN devices, a queue in
virtual time. Nothing of the host's network is touched. What the children import is the standard
library, `ccsim.net.fifo` and `ccsim.net.loss`: they must be there at once.
"""
