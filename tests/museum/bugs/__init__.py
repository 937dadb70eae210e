"""One report a file: what was averaged, before and after, and where to read about it."""
