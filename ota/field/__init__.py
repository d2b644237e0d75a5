"""What a technician does beside a node: its flash image."""
