"""A slot on trial, for either interpreter."""

from ota.core import bootrecord as br

MANIFEST = "0123456789abcdef" * 4


def trial(record=None):
    """Return a record whose slot b has been staged and started."""
    return br.decide(br.stage(record or br.fresh(), "b", MANIFEST, "7", "1.1.0"), "hard")
