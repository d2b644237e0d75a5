"""Two that trust a repository as a node does: by the rules alone, and with a flash."""

import asyncio
import io

import pytest
from outcomes import finish
from updating import NOW, MemoryClient

from ota.core import errors, tuf
from ota.device import fetch

PATH = "esp32/1.0.0.jsonl"


class Trust:
    """What has been verified (`kept`), refreshed from a repository's files."""

    def __init__(self, repository):
        self.repository = repository
        self.kept = {"root": repository.files["1.root.json"]}

    def refresh(self, now=NOW):
        """Do what ota.device.fetch does, in memory; return what is trusted."""
        files = self.repository.files
        trusted = tuf.Trusted(io.BytesIO(self.kept["root"]), now)
        while data := files.get(f"{trusted.root['version'] + 1}.root.json"):
            finish(trusted.update_root(io.BytesIO(data)))
            self.kept["root"] = data
        self._offer(trusted.update_timestamp, "timestamp")
        if finish(trusted.update_timestamp(io.BytesIO(files["timestamp.json"]))):
            self.kept["timestamp"] = files["timestamp.json"]
        for name in ("snapshot", "targets"):
            update = getattr(trusted, f"update_{name}")
            options = (True,) if name == "snapshot" else ()
            if not self._offer(update, name, *options):
                data = files[f"{trusted.told(name)['version']}.{name}.json"]
                finish(update(io.BytesIO(data)))
                self.kept[name] = data
        return trusted

    def _offer(self, update, name, *options):
        try:
            finish(update(io.BytesIO(self.kept.get(name, b"")), *options))
        except errors.RepositoryError:
            return False
        return True

    def refuses(self, error, match=None, now=NOW):
        """Assert that a refresh raises and that nothing kept has changed."""
        before = dict(self.kept)
        with pytest.raises(error, match=match):
            self.refresh(now)
        assert self.kept == before


class Flash:
    """A node's flash, and what it asked the server for."""

    def __init__(self, folder, fleet):
        self.data = folder / "data"
        self.data.mkdir()
        self.factory = folder / "root.json"
        self.factory.write_bytes(fleet.repository.files["1.root.json"])
        self.client = MemoryClient(fleet)
        self.served = fleet.served

    def refresh(self, now=NOW):
        self.served.clear()
        return asyncio.run(fetch.refresh(self.client, str(self.data), str(self.factory), now))

    def find(self, path=PATH, now=NOW):
        """Refresh and look for a target; the names of delegated roles that were fetched."""
        trusted = self.refresh(now)
        self.served.clear()
        found = asyncio.run(fetch.find(self.client, str(self.data), trusted, path))
        return found, [name.split("/")[-1] for name in self.asked()]

    def asked(self):
        return [path.removeprefix("/tuf/metadata/") for _, path in self.served]

    def kept(self, name):
        return self.data / "tuf" / f"{name}.json"

    def roles(self):
        """Return the names of the files of delegated roles that are kept."""
        top = {"root.json", "timestamp.json", "snapshot.json", "targets.json", "time"}
        return {path.name for path in (self.data / "tuf").iterdir()} - top


@pytest.fixture
def trust(repository):
    """Give one that has refreshed from a repository with one target."""
    repository.add(PATH, b"first")
    repository.publish()
    made = Trust(repository)
    made.refresh()
    return made


@pytest.fixture
def flash(tmp_path, fleet, quick):
    return Flash(tmp_path, fleet)
