"""Nothing of machine.pyx is for other modules."""
