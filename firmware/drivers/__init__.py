"""One file a part: bytes from a bus object passed in, to readings or a PartError."""
