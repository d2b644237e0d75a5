"""The fleet server: it knows every node, rolls releases out and takes readings in."""
