"""One file a part: bytes from a bus object passed in, to readings or a PartError.

Every driver has `async read()`, which returns {stream: value} within a second or a few, or raises
PartError (silent, absent, another part) or FrameError (answered unsoundly); `faults` counts those.
Bus objects are those of MicroPython's `machine` (UART, I2C, PWM, Pin, ADC) or alike.
"""
