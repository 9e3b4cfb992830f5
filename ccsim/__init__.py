"""ccsim: what it costs to hot-swap TCP congestion control while traffic runs."""

__version__ = "0.1.0"
