"""Emulated nodes: the real firmware in a MicroPython VM, among parts played by the host."""
