"""Lists of nodes from a real database: one query, any order, stable pages; what stays bounded."""

import asyncio

import pytest
from sqlalchemy import event

from fleet import migrate
from fleet.access.scope import EVERYWHERE, Scope
from fleet.audit import service as audit
from fleet.db import Database
from fleet.devices import listing, service
from fleet.devices.errors import BadCursor
from fleet.heartbeat import parse
from fleet.heartbeat import service as heartbeat
from fleet.timeline import service as timeline


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Give a function that runs one coroutine function on a database of forty nodes."""
    found = Database(f"sqlite:///{tmp_path_factory.mktemp('fleet')}/fleet.db")

    async def fill():
        await migrate.migrate(found)
        async with found.write() as session:
            for number in range(40):
                device_id = f"{number:016x}"
                await service.add(
                    session,
                    found,
                    1000,
                    "local",
                    device_id=device_id,
                    site=f"site{number % 4}",
                    name=f"Pier {number % 7}",
                    board="esp32",
                )
                if number % 5:
                    said = parse.read({"outbox": str(number % 6), "starts.crash": str(number % 3)})
                    await heartbeat.take(session, 2000, device_id, said, None, whole=True)
                    await service.seen(session, device_id, 2000 + number % 2)
                    await service.running(session, device_id, f"1.{number % 3 + 8}.0")

    def run(act):
        async def whole():
            try:
                return await act(found)
            finally:
                await found.close()

        return asyncio.run(whole())

    asyncio.run(fill())
    return run


def test_a_list_with_all_last_values_is_one_query(fleet):
    async def act(found):
        statements = []
        listen = event.listens_for(found._reader.sync_engine, "before_cursor_execute")
        listen(lambda *arguments: statements.append(arguments[2]))
        async with found.read() as session:
            page = await listing.page(
                session, EVERYWHERE, listing.Filter(), sort="restarts", limit=1000
            )
        return page, statements

    page, statements = fleet(act)
    assert len(statements) == 1, statements
    assert len(page.rows) == 40
    told = {device.id: beat for device, beat in page.rows}
    assert (told[f"{7:016x}"].outbox, told[f"{7:016x}"].restarts) == (1, 1)
    assert told[f"{5:016x}"] is None


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["id", "name", "site", "version", "seen", "restarts", "outbox"])
def test_pages_are_stable_under_every_order(fleet, sort, descending):
    scope = Scope(sites=frozenset({"site0", "site1", "site3"}))
    options = {"sort": sort, "descending": descending}

    async def act(found):
        async with found.read() as session:
            whole = await listing.page(session, scope, listing.Filter(), **options, limit=1000)
            rows, after, pages = [], None, 0
            while True:
                page = await listing.page(
                    session, scope, listing.Filter(), **options, after=after, limit=4
                )
                rows, after, pages = [*rows, *page.rows], page.after, pages + 1
                if after is None:
                    return whole.rows, rows, pages

    whole, rows, pages = fleet(act)
    ids = [device.id for device, _ in rows]
    assert ids == [device.id for device, _ in whole]
    assert len(ids) == len(set(ids)) == 30
    assert pages == 8
    values = {
        "id": [device.id for device, _ in rows],
        "name": [device.name.lower() for device, _ in rows],
        "site": [device.site for device, _ in rows],
        "version": [device.version_order or "" for device, _ in rows],
        "seen": [device.seen_at or -1 for device, _ in rows],
        "restarts": [-1 if beat is None else beat.restarts for _, beat in rows],
        "outbox": [-1 if beat is None else beat.outbox for _, beat in rows],
    }[sort]
    assert values == sorted(values, reverse=descending)


def test_filters_narrow_the_list(fleet):
    async def act(found):
        async with found.read() as session:

            async def count(**wanted):
                filters = listing.Filter(**wanted)
                return len((await listing.page(session, EVERYWHERE, filters, limit=1000)).rows)

            return [
                await count(site="site1"),
                await count(state="active"),
                await count(board="esp32"),
                await count(version="1.9.0"),
                await count(silent_since=1999),
                await count(silent_since=2000),
            ]

    assert fleet(act) == [10, 0, 40, 11, 8, 24]


@pytest.mark.parametrize(
    ("sort", "after"),
    [
        ("seen", "0" * 16),
        ("seen", "0" * 16 + ".AAAA"),
        ("outbox", "0" * 16 + "." + "9" * 19),
        ("name", "0" * 16 + ".A"),
        ("name", "0" * 16 + ".AA"),
        ("name", "0" * 16 + "._w"),
    ],
)
def test_a_cursor_of_another_order_is_refused(fleet, sort, after):
    async def act(found):
        async with found.read() as session:
            with pytest.raises(BadCursor):
                await listing.page(
                    session, EVERYWHERE, listing.Filter(), sort=sort, after=after, limit=4
                )

    fleet(act)


def test_the_audit_about_a_node_leaves_out_what_the_node_tells_itself(fleet):
    me, other = f"{2:016x}", f"{3:016x}"

    async def act(found):
        async with found.write() as session:
            for actor, word, subject in (
                (f"node:{me}", "update.confirmed", me),
                (f"node:{me}", "update.again", me),
                ("rollouts", "update.failed", me),
                ("operator:1", "update.confirmed", me),
                (f"node:{other}", "update.confirmed", other),
            ):
                audit.record(session, 5000, actor, word, subject, site="site2")
        async with found.read() as session:
            entries, following = await timeline.page(
                session, EVERYWHERE, me, refusals=True, before=None, limit=3
            )
        return [(entry.actor, entry.what) for entry in entries], following

    entries, following = fleet(act)
    assert entries == [
        ("operator:1", "update.confirmed"),
        ("rollouts", "update.failed"),
        (f"node:{me}", "update.again"),
    ]
    assert following is not None


def test_events_are_bounded_and_the_newest_stay(fleet):
    device_id = f"{1:016x}"

    async def act(found):
        for number in range(205):
            async with found.write() as session:
                said = parse.read({"starts.crash": str(number + 2)})
                total = await heartbeat.take(
                    session, 3000 + number, device_id, said, None, whole=True
                )
                assert await heartbeat.restarts(session, device_id) == total
        async with found.read() as session:
            return (
                await heartbeat.events(session, device_id, before=None, limit=1000),
                await heartbeat.restarts(session, f"{5:016x}"),
            )

    events, never = fleet(act)
    assert len(events) == 200
    assert (events[0].at, events[-1].at) == (3204, 3005)
    assert never is None
