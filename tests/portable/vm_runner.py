"""Runs on the MicroPython VM: imports a portable test file, then runs the functions asked for.

Arguments: checkout root, test file, marker. Each line on stdin is a function's name; the answer on
stdout is what the function printed, its traceback if it raised, and then a line `<marker> ok` or
`<marker> failed`.
"""

import gc
import sys

root, path, marker = sys.argv[1:4]
folder, name = path.rsplit("/", 1)
sys.path[:] = [root, ".frozen", folder, root + "/tests/support"]


def attempt(step):
    """Run one step; print its traceback and what became of it."""
    try:
        step()
    except BaseException as error:  # noqa: BLE001 - whatever a test raises is its verdict
        sys.print_exception(error)
        print(marker, "failed")  # noqa: T201 - the protocol
        return False
    print(marker, "ok")  # noqa: T201 - the protocol
    return True


def load():
    """Import the test file."""
    global tests  # noqa: PLW0603 - the one result of this step
    tests = __import__(name[: -len(".py")])


tests = None
if attempt(load):
    while True:
        wanted = sys.stdin.readline().strip()
        if not wanted:
            break
        gc.collect()
        attempt(getattr(tests, wanted))
