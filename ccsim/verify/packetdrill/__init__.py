"""Scripts of packetdrill, the field's regression language for TCP, run against the emulated stack
(Cardwell et al., USENIX ATC 2013)."""
