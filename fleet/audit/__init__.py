"""The append-only record of consequential acts."""
