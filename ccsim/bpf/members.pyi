"""Members of the kernel's structures where compiled objects keep them (members.pyx)."""

def places(struct: str) -> dict[str, tuple[int, int]]:
    """Return where attributes that are integers of C lie in their objects, by name."""
