"""Parts at byte level, one class a file; none of them knows MicroPython."""
