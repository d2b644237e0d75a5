"""Which node gets which release, and what became of it."""
