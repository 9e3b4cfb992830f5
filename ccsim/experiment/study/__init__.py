"""Studies: one scenario over a design and seeds, run once each, stored as one table."""
