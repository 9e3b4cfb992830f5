"""What other programs write and read: captures, qlog, flent's files, ``ss``, and their like."""
