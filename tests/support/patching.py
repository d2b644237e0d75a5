"""What a patch says, read by its description (fleet/releases/patches.py), not by a node's code."""

import struct
import zlib

from ota.core import limits


def patched(old, patch):
    """Return what a patch makes of `old`."""
    new, at = b"", 0
    while at < len(patch):
        begin, length, size, packed = struct.unpack_from(">HHHH", patch, at)
        at += 8
        dictionary = old[begin : begin + length]
        inflater = zlib.decompressobj(-limits.WINDOW_BITS, zdict=dictionary)
        new += inflater.decompress(patch[at : at + packed], size)
        at += packed
    return new
