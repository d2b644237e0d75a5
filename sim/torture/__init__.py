"""Takes an update apart into the states its flash goes through, and starts a node from each."""
