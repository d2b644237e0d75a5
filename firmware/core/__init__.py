"""Rules of a node: pure, on whatever Python; time, randomness and I/O are arguments."""
