"""The GC heap's second segment on an ESP32: taken early, of a bounded size, and kept.

A full GC heap grows by all that the IDF heap has left, and TLS starves. So the largest blocks of
the IDF heap are held by the receive buffers of idle UARTs while one allocation makes the heap
grow; a buffer that stays in the new segment keeps it from being given back.
"""

import gc

import esp32
import machine

_SEGMENT_BYTES = 42 * 1024
_FILL_MAX = 60  # more than the first segment holds


def claim(tx: int, rx: int, piece: int, more: int = 0) -> tuple:
    """Give (bytes of heap gained, the buffer of `piece` bytes that pins them).

    more: bytes beyond what is usual. The pins are a bus's, idle high: the UARTs' default ones may
    be the lamp's.
    """
    before = gc.mem_alloc() + gc.mem_free() - _idf()[1]
    ballast = []
    pin = None
    try:
        for number in (1, 2):
            free, largest = _idf()
            size = largest - _SEGMENT_BYTES - more
            if size > 1024:
                # More than all other blocks hold: it has to come out of the largest one.
                size = max(size, min(free - largest + 1, largest - 1024))
                ballast.append(machine.UART(number, tx=tx, rx=rx, rxbuf=size))
        pin = _grow(piece)
    except (MemoryError, ValueError, OSError):
        pass  # nothing is gained then; the heap grows when it must
    finally:
        for held in ballast:
            held.deinit()
    gc.collect()
    return gc.mem_alloc() + gc.mem_free() - _idf()[1] - before, pin


def _grow(piece: int) -> bytearray | None:
    """Allocate until the IDF heap shrinks: that block lies in the new segment."""
    fill = []
    while len(fill) < _FILL_MAX:
        free = _idf()[0]
        block = bytearray(piece)
        if _idf()[0] < free - piece:
            return block
        fill.append(block)
    return None


def _idf() -> tuple:
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    return sum([r[1] for r in regions]), max([r[2] for r in regions])
