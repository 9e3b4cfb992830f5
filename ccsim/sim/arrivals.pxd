"""C types for `ccsim compile`: they belong to the Python file beside this one."""
