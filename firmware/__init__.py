"""What runs on a node: MicroPython, importable on CPython too (see README.md, The house)."""
