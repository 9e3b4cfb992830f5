"""What congestion controls are written with, beside the kernel's own functions: arithmetic,
filters, models of a path, pacing, and the forms that take a train of ACKs at once.
"""
