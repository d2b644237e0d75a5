"""Everything that happened to a node, from wherever it was written down."""
