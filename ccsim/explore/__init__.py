"""A local page to look around: a scenario's knobs, its traces, and what its swaps cost."""
