"""How a call ends, on either interpreter: MicroPython has no pytest."""


def finish(generator):
    """Return what a generator returns at its end."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def raised(error, act, *arguments):
    """Return the error of this class that a call has to raise."""
    try:
        act(*arguments)
    except error as found:
        return found
    raise AssertionError(arguments)


def refused(error, act, *arguments):
    """Return what the error says that a call has to raise."""
    return str(raised(error, act, *arguments))
