"""Fixtures that every kind of test may use: a PostgreSQL, a fleet server on either engine."""

import gc
import os
import secrets
import signal
import sys
from pathlib import Path

import pytest

# Helpers are plain modules beside the tests, which are no package; neither are the rigs.
sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(1, str(Path(__file__).parent.parent))

import fleetserver
import postgres
import scheduling

# A suite in the background ignores Ctrl-C, and so would the commands that it starts and stops.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A node's code asks for this after every write; here it would flush the whole machine's disks.
os.sync = lambda: None


def pytest_collection_finish():
    """Take what is loaded by now out of the collections that a node's code asks for."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let `--dist loadscope` keep a city's tests together; any other way is xdist's own."""
    if config.getoption("dist") == "loadscope":
        return scheduling.ByCity(config, log)
    return None


ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgresql():
    """Give the session's PostgreSQL server, or skip and say why there is none."""
    try:
        server = postgres.Postgres()
    except postgres.CannotStartError as error:
        pytest.skip(f"no PostgreSQL: {error}")
    yield server
    server.stop()


@pytest.fixture(scope="session", params=ENGINES)
def engine(request):
    """Name the database engine."""
    return request.param


@pytest.fixture(scope="session")
def database_url(engine, request):
    """Give a function that makes an empty database; it returns its URL (None: the default)."""
    if engine == "sqlite":
        return lambda: None
    server = request.getfixturevalue("postgresql")
    return lambda: server.create(f"fleet_{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
def server(database_url, tmp_path_factory):
    """Give one running server for the whole session: tests bring devices of their own."""
    yield from _running(tmp_path_factory.mktemp("home"), database_url())


@pytest.fixture
def fresh_server(database_url, tmp_path):
    """Give a running server that nobody else uses: to be killed, filled or restarted."""
    yield from _running(tmp_path / "home", database_url())


def _running(home, url):
    made = fleetserver.Server(home, url)
    made.start()
    try:
        yield made
    finally:
        made.close()
