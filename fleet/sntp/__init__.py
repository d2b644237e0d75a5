"""Time for nodes: SNTP answers over UDP."""
