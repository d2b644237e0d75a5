"""What the VM of an emulated node is started with; everything else is on its flash."""

import micropython

micropython.opt_level(3)  # the shims without line numbers: the heap is the firmware's
import time  # noqa: E402 - the shims stay in sys.modules and so come before the built-ins

from _runner import start  # noqa: E402

micropython.opt_level(0)
start(globals())
del start, time, micropython
