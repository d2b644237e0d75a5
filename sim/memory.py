"""The firmware's storage port in memory: for tests of what must survive on flash.

Behaves as firmware/ports/common.Storage does over LittleFS: what a call puts on flash is there
whole or not at all. Runs on MicroPython too.
"""


class PowerCut(BaseException):
    """The power failed in the middle of a call; the object that saw it is gone."""


class Storage:
    """Files by absolute path in `files`.

    `cut_at`: the power fails at the change with this number, counted down to 0, before it takes
    hold or, with `cut_after`, when it has. `free`: what free_blocks answers.
    """

    def __init__(self, files: "dict[str, bytes] | None" = None) -> None:
        self.files = {} if files is None else files
        self.folders: set[str] = set()
        self.changes = 0
        self.cut_at = 0
        self.cut_after = False
        self.free = 400
        self.full = False

    def _changed(self, path: str, data: "bytes | None") -> None:
        self.changes += 1
        if self.cut_at and self.changes >= self.cut_at and not self.cut_after:
            raise PowerCut
        if data is None:
            self.files.pop(path, None)
        else:
            self.files[path] = data
        if self.cut_at and self.changes >= self.cut_at:
            raise PowerCut

    def read(self, path: str, limit: int) -> "bytes | None":
        """Read a whole small file."""
        data = self.files.get(path)
        if data is not None and len(data) > limit:
            raise ValueError(f"{path} is longer than {limit} bytes")
        return data

    def write(self, path: str, data: bytes) -> None:
        """Replace a file whole."""
        self._need_room()
        self._changed(path, bytes(data))

    def append(self, path: str, data: bytes) -> None:
        """Lengthen a file, made when there is none."""
        self._need_room()
        self._changed(path, self.files.get(path, b"") + bytes(data))

    def open(self, path: str, mode: str = "rb") -> object:
        """Open a file for reading."""
        import io  # noqa: PLC0415 - this module's own `open` comes first

        if mode != "rb":
            raise ValueError("only reading")
        if path not in self.files:
            raise OSError(2)
        return io.BytesIO(self.files[path])

    def remove(self, path: str) -> None:
        """Remove a file."""
        if path in self.files:
            self._changed(path, None)

    def rename(self, old: str, new: str) -> None:
        """Rename a file over another."""
        if old not in self.files:
            raise OSError(2)
        self._changed(new, self.files[old])
        self.files.pop(old)

    def make_folder(self, path: str) -> None:
        """Make a folder whose parent exists; a file that stands in its place is set aside."""
        if path in self.files:
            self.rename(path, path + ".odd")
        self.folders.add(path)

    def list(self, path: str) -> "list[str]":
        """Name the files in a folder, sorted."""
        start = path.rstrip("/") + "/"
        return sorted({p[len(start) :].split("/")[0] for p in self.files if p.startswith(start)})

    def exists(self, path: str) -> bool:
        """Say whether there is such a file or folder."""
        return path in self.files or path in self.folders

    def size(self, path: str) -> int:
        """Measure a file in bytes; 0 without it."""
        return len(self.files.get(path, b""))

    def free_blocks(self, path: str = "/data") -> int:  # noqa: ARG002 the port's
        """Count the free 4 KiB blocks."""
        return self.free

    def _need_room(self) -> None:
        if self.full:
            raise OSError(28)
