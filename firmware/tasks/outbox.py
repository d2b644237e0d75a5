"""The outbox: windows on flash until the server has acknowledged them; no task, all synchronous.

`/data/outbox` holds numbered segments `<number>.<box>`, each at most one flash block of lines (see
core/outboxlog), only ever appended to. `box` is a random name of this run of sequence numbers: a
new one is made when nothing is there or the newest segment is damaged, so that a pair (box, seq)
is never given twice. Lines without streams are marks, told apart by `mark`:

    head  first line of a segment: `seq` the next to give, `ack`, `lost`, `dropped`, `times`
    ack   all up to `seq` of this box is acknowledged
    time  windows of the start `boot` that carry `up` ended at `up` + `offset` (unix s)

The newest segment alone tells all that has to be known after a start, and is never removed.
"""

from binascii import hexlify

from firmware.core import outboxlog

FOLDER = "/data/outbox"
REJECTED = "/data/rejected"
BLOCK_BYTES = 4096
SEGMENTS_MAX = 160  # some eight windows each: nine days at ten minutes
RESERVE_BLOCKS = 24  # left free for an update's staging beside the outbox
_TIMES_MAX = 4
_LIE_S = 300


class Outbox:
    """A bounded queue of windows on flash; when it is full the oldest go, and are counted."""

    def __init__(self, storage, random, segments_max: int = SEGMENTS_MAX) -> None:
        self._storage = storage
        self._random = random
        self._segments_max = segments_max
        self.boot = hexlify(random(4)).decode()
        self.lost = 0  # windows that can no longer be sent: dropped, damaged or undatable
        self.dropped = 0  # of these, the ones that had to make room
        self.rejected = 0  # records that the server refused, since the start
        self._recover()

    def add(self, window: dict) -> int:
        """Keep a window and give its seq: outboxlog's keys but `seq`; while unsynced `up` for `t`.

        OSError when the flash refuses even after the oldest segment has gone.
        """
        entry = dict(window)
        entry["seq"] = self.seq
        if "t" not in entry:
            entry["boot"] = self.boot
            self._undated = True
        self._append(outboxlog.encode(entry))
        self.seq += 1
        return entry["seq"]

    def dated(self, offset: int) -> None:
        """Tell that unix time is uptime plus `offset` s; written down if a window waits for it.

        Far from the word before, that was a lie: what it has dated since is dated by this one.
        """
        before, self._offset = self._offset, offset
        is_new = before is None or abs(offset - before) > _LIE_S
        if is_new:
            self._lied = (self._since, self.seq, offset - before if before else 0)
            self._since = self.seq
        if self._undated and (is_new or self.boot not in self._times):
            self._times[self.boot] = offset
            self._mark({"seq": self.seq, "mark": "time", "boot": self.boot, "offset": offset})

    def pending(self):
        """Iterate over what is to be sent, oldest first: (position, box, entry with `t`).

        Stops before a window that may yet be dated. `acknowledge` takes a position. A file stays
        open between two steps: close the generator before anything else is done to the outbox.
        """
        for name in self.segments():
            number, box = _split(name)
            offset = 0
            if number < self._at[0]:
                continue
            if number == self._at[0]:
                offset = self._at[1]
            with self._storage.open(FOLDER + "/" + name) as file:
                reader = outboxlog.Reader(file, offset)
                for end, entry in reader:
                    if not self._is_due(box, entry):
                        continue
                    if not _is_sound(entry):
                        self._lose_once((number, end))
                        continue
                    if not self._date(box, entry):
                        if entry["boot"] == self.boot:
                            return
                        self._lose_once((number, end))
                        continue
                    yield (number, end), box, entry
                if reader.damaged:
                    self._lose_once((number, reader.offset), reader.damaged)

    def acknowledge(self, position: tuple, box: str, seq: int) -> None:
        """Forget all up to this position: the server has it."""
        if position <= self._at:
            return
        self._at = position
        for name in self.segments()[:-1]:
            if _split(name)[0] < position[0]:
                self._storage.remove(FOLDER + "/" + name)
        if box == self.box and seq > self.ack:
            self.ack = seq
            self._mark({"seq": seq, "mark": "ack"})

    def set_aside(self, text: str) -> None:
        """Keep what the server refused for people to look at; one block, the older half goes."""
        self.rejected += 1
        line = (text[:400] + "\n").encode()
        if self._storage.size(REJECTED) + len(line) > BLOCK_BYTES:
            self._storage.rename(REJECTED, REJECTED + ".1")
        self._storage.append(REJECTED, line)

    def segments(self) -> list:
        """Name the segments, oldest first."""
        return [n for n in self._storage.list(FOLDER) if _is_segment(n)]

    def _recover(self) -> None:
        self.box = ""
        self.seq = 1
        self.ack = 0
        self._times = {}
        self._undated = False
        self._offset = None  # the clock's last word in this start
        self._since = self.seq  # the first window since then
        self._lied = (0, 0, 0)  # windows from and before these, and what their dates are off by
        self._size = 0
        self._number = 0
        self._at = (0, 0)
        self._counted = (0, 0)
        self._storage.make_folder(FOLDER)
        for name in self._storage.list(FOLDER):
            if name.endswith(".new"):
                self._storage.remove(FOLDER + "/" + name)
        names = self.segments()
        if names:
            self._number, self.box = _split(names[-1])
            if self._read_newest(names[-1]):
                return
        self.box = hexlify(self._random(4)).decode()
        self.seq = 1
        self.ack = 0
        self._begin(b"")

    def _read_newest(self, name: str) -> bool:
        """Take the state from the newest segment; False when it is damaged."""
        path = FOLDER + "/" + name
        heads = 0
        with self._storage.open(path) as file:
            reader = outboxlog.Reader(file)
            for _, entry in reader:
                heads += entry.get("mark") == "head"
                try:
                    self._take(entry)
                except (KeyError, TypeError, ValueError):
                    return False  # of a release that writes them otherwise
        self._size = self._storage.size(path)
        return heads == 1 and not reader.damaged

    def _take(self, entry: dict) -> None:
        mark = entry.get("mark")
        if mark == "head":
            self.seq = entry["seq"]
            self.ack = entry["ack"] + 0
            self.lost = entry["lost"] + 0
            self.dropped = entry.get("dropped", 0) + 0
            self._times = {boot: offset + 0 for boot, offset in entry["times"]}
        elif mark == "ack":
            self.ack = entry["seq"]
        elif mark == "time":
            self._times[entry["boot"]] = entry["offset"] + 0
        else:
            self.seq = entry["seq"] + 1

    def _append(self, line: bytes) -> None:
        if self._size + len(line) > BLOCK_BYTES:
            self._begin(line)
            return
        try:
            self._storage.append(self._path(), line)
        except OSError:
            self._begin(line)  # no room, or a bad block: the oldest segment goes
            return
        self._size += len(line)

    def _mark(self, mark: dict) -> None:
        mark["streams"] = {}
        self._append(outboxlog.encode(mark))

    def _begin(self, line: bytes) -> None:
        """Start a segment with this line, dropping the oldest ones when there are too many."""
        names = self.segments()
        while names and (
            len(names) >= self._segments_max
            or (len(names) > 1 and self._storage.free_blocks() < RESERVE_BLOCKS)
        ):
            self._drop(names.pop(0))
        while len(self._times) > _TIMES_MAX:
            self._times.pop(next(boot for boot in self._times if boot != self.boot))
        head = {
            "seq": self.seq,
            "streams": {},
            "mark": "head",
            "ack": self.ack,
            "lost": self.lost,
            "dropped": self.dropped,
            "times": [[boot, self._times[boot]] for boot in self._times],
        }
        self._number += 1
        data = outboxlog.encode(head) + line
        self._storage.write(self._path(), data)
        self._size = len(data)

    def _drop(self, name: str) -> None:
        number, box = _split(name)
        before = self.lost
        with self._storage.open(FOLDER + "/" + name) as file:
            for end, entry in outboxlog.Reader(file):
                if (number, end) > self._at and self._is_due(box, entry):
                    self._lose_once((number, end))
        self.dropped += self.lost - before
        self._storage.remove(FOLDER + "/" + name)

    def _is_due(self, box: str, entry: dict) -> bool:
        return "mark" not in entry and (box != self.box or entry["seq"] > self.ack)

    def _date(self, box: str, entry: dict) -> bool:
        if "t" in entry:
            if box == self.box and self._lied[0] <= entry["seq"] < self._lied[1]:
                entry["t"] += self._lied[2]
            return True
        offset = self._times.get(entry["boot"])
        if offset is not None:
            entry["t"] = entry["up"] + offset
        return offset is not None

    def _lose_once(self, position: tuple, count: int = 1) -> None:
        """Count what cannot be sent, however often it is come across."""
        if position > self._counted:
            self._counted = position
            self.lost += count

    def _path(self) -> str:
        return "%s/%08d.%s" % (FOLDER, self._number, self.box)


def _is_segment(name: str) -> bool:
    # Below 90 million, so that the next one has eight digits as well.
    return len(name) == 17 and name[:8].isdigit() and name[0] < "9" and name[8] == "."


def _is_sound(entry: dict) -> bool:
    """Say whether a window is of this form: what is not would stop all that wait behind it."""
    try:
        total = 0 + entry["len"] + entry["exp"]
        total += entry["t"] if "t" in entry else entry["up"] + len(entry["boot"])
        for count, mean, least, greatest in entry["streams"].values():
            total += count + (mean + least + greatest if count else 0)
    except (KeyError, TypeError, ValueError):
        return False
    return True


def _split(name: str) -> tuple:
    return int(name[:8]), name[9:]
