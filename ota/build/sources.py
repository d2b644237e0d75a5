"""Which files a slot holds: firmware/ and ota/{core,device} as installed, and an overlay.

Left out is what never runs in a slot: firmware/root (lies outside the slots), tests, schemas,
decision records, linter settings, and `__init__.py` files without code (MicroPython takes a
folder without one as a package); and, unless wanted, what only other repositories ask for.
"""

import ast
import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ota.build.errors import BuildError
from ota.core import limits

PACKAGES = ("firmware", "ota.core", "ota.device")
# Left out unless wanted: what a node of ours has no need of, and the modules that it takes.
OPTIONAL = {
    "pkcs1": ("ota/core/pkcs1.py",),
    "ed25519": ("ota/core/ed25519.py", "ota/core/sha512.py"),
    "sha512": ("ota/core/sha512.py",),
}
_LEFT_OUT = {"root", "decisions", "tests", "schema", "__pycache__"}
_PATH = re.compile(r"(?:[a-z0-9_]+/)+[a-z0-9_]+\.py")


@dataclass(frozen=True)
class Source:
    """One Python file of a slot: `path` as imported (`firmware/main.py`) and where it lies."""

    path: str
    file: Path

    @property
    def module(self) -> str:
        """Its dotted name."""
        return self.path.removesuffix(".py").replace("/", ".")


def package_folder(name: str) -> Path:
    """Return the folder of an installed package; BuildError when it is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise BuildError(f"package {name} is not installed here")
    return Path(spec.submodule_search_locations[0])


def collect(overlay: Path | None = None, wanted: Iterable[str] = ()) -> list[Source]:
    """Return the sources of a slot by path, the overlay's files in place of the installed ones.

    `wanted`: names of OPTIONAL parts that this release has nevertheless.
    """
    found = {}
    for package in PACKAGES:
        for source in _scan(package_folder(package), package.replace(".", "/")):
            found[source.path] = source
    unwanted = {path for name in OPTIONAL for path in OPTIONAL[name]}
    unwanted -= {path for name in wanted for path in OPTIONAL[name]}
    for path in unwanted:
        found.pop(path, None)
    if overlay is not None:
        for source in _overlay(overlay):
            found[source.path] = source
    return [found[path] for path in sorted(found) if _has_code(found[path])]


def _scan(folder: Path, prefix: str) -> list[Source]:
    return [
        Source(_checked(f"{prefix}/{file.relative_to(folder).as_posix()}"), file)
        for file in sorted(folder.rglob("*.py"))
        if not _LEFT_OUT.intersection(file.relative_to(folder).parts)
    ]


def _overlay(folder: Path) -> list[Source]:
    """Return the overlay's files as sources of firmware/; whatever could not ship is refused."""
    if not folder.is_dir():
        raise BuildError(f"the overlay {folder} is no folder")
    root = folder.resolve()
    sources = []
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder)
        if "__pycache__" in relative.parts or (file.is_dir() and not file.is_symlink()):
            continue
        if not file.resolve().is_relative_to(root):
            raise BuildError(f"overlay: {relative} leads out of {folder}")
        if file.suffix != ".py" or not file.is_file():
            raise BuildError(f"overlay: {relative} is no Python file; a slot holds nothing else")
        if (
            relative.parts[0] in {"firmware", "ota"}
            and not (package_folder("firmware") / relative.parts[0]).is_dir()
        ):
            raise BuildError(
                f"overlay: {relative}: paths are relative to firmware/, so lay"
                f" firmware/main.py at {folder}/main.py; ota/ cannot be overlaid"
            )
        outside = _LEFT_OUT.intersection(relative.parts)
        if outside:
            raise BuildError(f"overlay: {relative}: {outside.pop()}/ lies outside the slots")
        sources.append(Source(_checked(f"firmware/{relative.as_posix()}"), file))
    if not sources:
        raise BuildError(f"the overlay {folder} holds no Python file")
    return sources


def _checked(path: str) -> str:
    if not _PATH.fullmatch(path) or len(path) > limits.PATH_CHARS:
        raise BuildError(
            f"{path}: a path in a slot has lower-case letters, digits and _ only,"
            f" and at most {limits.PATH_CHARS} characters"
        )
    return path


def _has_code(source: Source) -> bool:
    """Tell whether a file does anything: an `__init__.py` of docstrings only does not."""
    if source.file.name != "__init__.py":
        return True
    try:
        tree = ast.parse(source.file.read_bytes())
    except SyntaxError:
        return True  # the compiler says what is wrong
    return not all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body
    )
