"""Swaps while traffic runs: mechanisms, state policies, triggers, and guards of roll-outs."""
