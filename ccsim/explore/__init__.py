"""A local page on which one looks: a scenario's knobs, its traces, and what its swaps cost."""
