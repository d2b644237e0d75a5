"""Rules of an update, shared by node and host: pure, on whatever Python."""
