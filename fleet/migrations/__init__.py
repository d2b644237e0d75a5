"""Alembic migrations: from the first table on."""

# The revision that this code needs; a test holds it against the files in versions/.
HEAD = "0004"
