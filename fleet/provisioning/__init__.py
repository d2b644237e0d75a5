"""What a technician puts on nodes, from one place."""
