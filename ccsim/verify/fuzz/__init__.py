"""Random scenarios, on which neither cuts of windows nor vector paths may show."""
