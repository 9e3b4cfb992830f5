"""What the kernel verifies before a program may run, path by path (``kernel/bpf/verifier.c``)."""
