"""Nodes that the fleet knows."""
