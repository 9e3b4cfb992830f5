"""Replays of recordings of a real Linux kernel, and what sets the simulator apart from them."""
