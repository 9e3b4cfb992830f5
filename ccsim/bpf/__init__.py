"""Compiled BPF objects as congestion control: read, linked and verified as libbpf and Linux do."""
