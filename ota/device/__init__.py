"""The node's half of an update: I/O around the rules of ota.core."""
