"""The inbox in one's own database: SQLite and PostgreSQL, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import postgres
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

import doorward.sync
from doorward.sync import AsyncInbox, Inbox, Message, Unavailable

T = 1_799_999_000_000
PREFIXES = (f"t{number}_" for number in itertools.count())


@pytest.fixture(scope="module")
def postgres_port() -> Iterator[int]:
    with postgres() as port:
        yield port


class Place:
    """An inbox of either kind behind one face, and a look into its database."""

    def __init__(self, url: str, async_url: str | None, **settings: Any) -> None:
        self.now = 1_800_000_000.0
        self.prefix = next(PREFIXES)
        self.engine = create_engine(url)
        self.is_async = async_url is not None
        settings = {"prefix": self.prefix, "clock": lambda: self.now, **settings}
        self.loop = asyncio.new_event_loop()
        if async_url is None:
            self.inbox: Any = Inbox(sessionmaker(self.engine), **settings)
        else:
            self.async_engine = create_async_engine(async_url)
            self.inbox = AsyncInbox(async_sessionmaker(self.async_engine), **settings)
        assert self.do("migrate") == ["inbox", "tables", "backfill"]
        assert self.do("migrate") == []

    def do(self, name: str, *arguments: Any, **named: Any) -> Any:
        result = getattr(self.inbox, name)(*arguments, **named)
        return self.loop.run_until_complete(result) if self.is_async else result

    def on(self, handler: Any, *types: str) -> None:
        """Registers `handler(message) -> statement or None`."""

        def statement(message: Message) -> Any:
            sql = handler(message)
            return None if sql is None else text(sql.replace("{p}", self.prefix))

        if self.is_async:

            @self.inbox.on(*types)
            async def handle_async(session: AsyncSession, message: Message) -> None:
                sql = statement(message)
                if sql is not None:
                    await session.execute(sql)

        else:

            @self.inbox.on(*types)
            def handle(session: Session, message: Message) -> None:
                sql = statement(message)
                if sql is not None:
                    session.execute(sql)

    def take(self, *messages: Message) -> None:
        for message in messages:
            assert self.do("accept", message)
            assert self.do("work").done == 1

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.engine.begin() as connection:
            result = connection.execute(text(sql.replace("{p}", self.prefix)))
            return [tuple(row) for row in result] if result.returns_rows else []

    def close(self) -> None:
        if self.is_async:
            self.loop.run_until_complete(self.async_engine.dispose())
        self.loop.close()
        self.engine.dispose()


@pytest.fixture(params=["sqlite", "aiosqlite", "psycopg", "asyncpg", "psycopg_async"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if "sqlite" in request.param:
        url, async_url = f"sqlite:///{tmp_path}/a.db", f"sqlite+aiosqlite:///{tmp_path}/a.db"
    else:
        at = f"postgres@127.0.0.1:{request.getfixturevalue('postgres_port')}/postgres"
        driver = request.param.removesuffix("_async")
        url, async_url = f"postgresql+psycopg://{at}", f"postgresql+{driver}://{at}"
    is_async = request.param in ("aiosqlite", "asyncpg", "psycopg_async")
    place = Place(url, async_url if is_async else None)
    yield place
    place.close()


def message(id: str, kind: str, at: int, data: Any) -> Message:
    event = {"object": "event", "type": kind, "timestamp": at, "data": data}
    return Message(id, json.dumps(event).encode())


def user(name: str, at: int, *addresses: str) -> dict[str, Any]:
    return {
        "id": "user_1",
        "object": "user",
        "first_name": name,
        "primary_email_address_id": f"idn_{addresses[0]}" if addresses else None,
        "email_addresses": [
            {"id": f"idn_{one}", "email_address": one, "verification": {"status": "verified"}}
            for one in addresses
        ],
        "banned": False,
        "created_at": T,
        "updated_at": at,
    }


def test_once_however_often_it_is_delivered(place: Place) -> None:
    place.rows("CREATE TABLE {p}effects (id TEXT)")
    place.on(lambda m: f"INSERT INTO {{p}}effects VALUES ('{m.id}')", "user.created")
    created = message("msg_1", "user.created", T, user("Ada", T, "a@x.test"))
    assert place.do("accept", created)
    assert not place.do("accept", created)
    assert place.do("work").done == 1
    assert not place.do("accept", created)
    place.now += 1000
    assert place.do("work").taken == 0
    assert place.rows("SELECT id FROM {p}effects") == [("msg_1",)]
    found = place.rows("SELECT provider_id, first_name, primary_email_address FROM {p}users")
    assert found == [("user_1", "Ada", "a@x.test")]
    assert place.do("status") == {"waiting": 0, "done": 1, "dead": 0}
    assert "Ada" not in repr(created)


def test_the_newest_stands_and_a_deletion_is_final(place: Place) -> None:
    place.take(
        message("m3", "user.updated", T + 2, user("Third", T + 2, "c@x.test")),
        message("m1", "user.created", T, user("First", T, "a@x.test")),
        message("m2", "user.updated", T + 1, user("Second", T + 1, "b@x.test")),
        message("m9", "user.deleted", T + 9, {"id": "user_1", "deleted": True, "object": "user"}),
        message("m4", "user.updated", T + 4, user("Fourth", T + 4, "d@x.test")),
    )
    found = place.rows("SELECT first_name, updated_at, deleted_at FROM {p}users")
    assert found == [("Fourth", T + 4, T + 9)]
    assert place.rows("SELECT 1 FROM {p}email_addresses WHERE deleted_at IS NULL") == []


def test_the_same_addresses_whatever_the_order(place: Place) -> None:
    told = [
        message("m0", "user.created", T, user("Ada", T, "a@x.test")),
        message("m1", "user.updated", T + 1, user("Ada", T + 1, "b@x.test")),
        message("m2", "user.deleted", T + 2, {"id": "user_1", "deleted": True}),
    ]
    for order in itertools.permutations(told):
        for table in ("doorward_inbox", "users", "email_addresses"):
            place.rows(f"DELETE FROM {{p}}{table}")
        place.take(*order)
        found = place.rows(
            "SELECT email_address, deleted_at, CASE WHEN is_primary THEN 1 ELSE 0 END "
            "FROM {p}email_addresses"
        )
        # Of an address that was gone before it came, nothing need be there.
        assert set(found) - {("a@x.test", T + 1, 0)} == {("b@x.test", T + 2, 1)}


@pytest.mark.parametrize("absurd", [2**64 - 1, 2**63 - 1, 9e15, 1e300, -5])
def test_an_absurd_time_leads_nobody_astray(tmp_path: Path, absurd: float) -> None:
    place = Place(f"sqlite:///{tmp_path}/a.db", None)
    place.take(
        message("m0", "user.created", T, {**user("Odd", T), "updated_at": absurd}),
        message("m1", "user.updated", T + 1, user("Later", T + 1)),
    )
    assert place.rows("SELECT first_name FROM {p}users") == [("Later",)]
    place.close()


def test_what_a_wrong_clock_put_off_is_taken_at_once(place: Place) -> None:
    place.now += 3600
    place.do("accept", message("msg_1", "a.b", T, {}))
    place.now -= 3600
    place.do("accept", message("msg_2", "a.b", T, {}))
    place.rows(
        "UPDATE {p}doorward_inbox SET failures = 1, claims = 1, due_at = 1800086400000 "
        "WHERE id = 'msg_2'"
    )
    assert place.do("work").done == 0
    place.do("expire")
    assert place.do("work").done == 2


def test_the_time_of_an_event_as_standard_webhooks_writes_it(place: Place) -> None:
    body = '{"type":"user.deleted","timestamp":"2027-01-15T08:00:00.5Z","data":{"id":"user_1"}}'
    place.take(Message("msg_1", body.encode()))
    assert place.rows("SELECT deleted_at FROM {p}users") == [(1_800_000_000_500,)]


def test_what_users_write_hides_nothing_else(place: Place) -> None:
    deep = "[" * 500 + "1" + "]" * 500
    body = (
        '{"type":"user.created","data":{"id":"user_1","updated_at":7,"first_name":"\\ud800",'
        f'"unsafe_metadata":{deep}}}}}'
    )
    place.take(Message("msg_1", body.encode()))
    ((updated_at, name, payload),) = place.rows(
        "SELECT updated_at, first_name, payload FROM {p}users"
    )
    assert (updated_at, name) == (7, None)
    assert f'"unsafe_metadata":{deep}' in payload


def test_a_membership_is_held_until_its_organization_is_there(place: Place) -> None:
    member = {
        "id": "orgmem_1",
        "role": "org:admin",
        "permissions": ["org:posts:read"],
        "organization": {"id": "org_1"},
        "public_user_data": {"user_id": "user_1"},
        "created_at": T,
        "updated_at": T,
    }
    place.take(
        message("m1", "organizationMembership.created", T, member),
        message("m2", "user.created", T, user("Ada", T)),
    )
    assert place.rows("SELECT role FROM {p}held_memberships") == [("org:admin",)]
    organization = {"id": "org_1", "name": "Acme", "created_at": T, "updated_at": T}
    place.take(message("m3", "organization.created", T, organization))
    found = place.rows("SELECT role, permissions FROM {p}current_memberships")
    assert found == [("org:admin", '["org:posts:read"]')]
    place.take(message("m4", "organizationMembership.deleted", T + 5, member))
    assert place.rows("SELECT 1 FROM {p}current_memberships") == []


def test_failures_rest_then_die_then_are_replayed(place: Place) -> None:
    place.rows("CREATE TABLE {p}effects (id TEXT)")
    works = False

    def stubborn(message: Message) -> None:
        if not works:
            raise OSError("the mail server is on fire")

    place.on(lambda m: "INSERT INTO {p}effects VALUES ('once')")
    place.on(stubborn)
    place.do("accept", message("msg_1", "user.created", T, user("Ada", T)))
    for rest in (1, 4, 16, 64, 256, 1024, 3600):
        assert place.do("work").failed == 1
        place.now += rest - 0.5
        assert place.do("work").taken == 0
        place.now += 0.5
    assert place.do("work").dead == 1
    assert place.rows("SELECT 1 FROM {p}effects") == []
    assert place.rows("SELECT 1 FROM {p}users") == []
    (letter,) = place.do("dead_letters")
    assert (letter.message.id, letter.failures) == ("msg_1", 8)
    assert letter.last_error == "OSError: the mail server is on fire"
    works = True
    assert place.do("replay") == 1
    assert place.do("work").done == 1
    assert place.rows("SELECT 1 FROM {p}effects") == [(1,)]
    assert place.do("replay", "msg_1") == 1
    assert place.do("replay", "nobody") == 0


def test_what_the_provider_must_not_send_dies_alone(place: Place) -> None:
    bad: list[Any] = [{"object": "user"}, {"id": 7}, {"id": "x" * 256}, {"id": "a\0b"}, [], None]
    for number, data in enumerate(bad):
        place.do("accept", message(f"bad_{number}", "user.created", T, data))
    odd = user("A\0da \U0001f600", T, "a@x.test")
    odd |= {"banned": "yes", "image_url": {"an": "object"}, "last_sign_in_at": 1.8e12}
    odd["email_addresses"] += [7, {"id": None}]
    odd["username"] = "'; DROP TABLE users; -- :now"
    place.do("accept", message("good", "user.created", T, odd))
    turn = place.do("work")
    assert (turn.done, turn.failed) == (1, 6)
    found = place.rows("SELECT first_name, banned, image_url, last_sign_in_at FROM {p}users")
    assert found == [("A\ufffdda \U0001f600", None, None, 1_800_000_000_000)]


def test_a_lease_that_is_over_goes_to_the_next(place: Place) -> None:
    place.do("accept", message("msg_1", "user.created", T, user("Ada", T)))
    place.rows("UPDATE {p}doorward_inbox SET claim = 'a worker that died', due_at = 1800000060000")
    assert place.do("work").taken == 0
    assert place.do("handle_now", "msg_1") == "in_hand"
    place.now += 60
    assert place.do("work").done == 1
    assert place.do("handle_now", "msg_1") == "done"


def test_at_once_if_asked(place: Place) -> None:
    fails = [True, False]
    place.on(lambda m: 1 / 0 if fails.pop(0) else None)
    place.do("accept", message("msg_1", "a.b", T, {}))
    assert place.do("handle_now", "msg_1") == "failed"
    assert place.do("handle_now", "msg_1") == "done"
    assert fails == []


def test_records_expire_in_time(place: Place) -> None:
    place.take(message("msg_1", "a.b", T, {}))
    place.do("accept", message("msg_2", "a.b", T, {}))
    place.now += 7 * 24 * 3600
    assert place.do("expire") == 0
    place.now += 1
    assert place.do("expire") == 1
    assert place.do("status") == {"waiting": 1, "done": 0, "dead": 0}


def test_in_a_session_of_ones_own(place: Place) -> None:
    event = message("msg_1", "a.b", T, {})
    if place.is_async:

        async def accept(commit: bool) -> None:
            async with AsyncSession(place.async_engine) as session:
                assert await place.inbox.accept(event, session=session)
                await (session.commit() if commit else session.rollback())

        for commit in (False, True):
            place.loop.run_until_complete(accept(commit))
            assert place.do("status")["waiting"] == commit
    else:
        for commit in (False, True):
            with Session(place.engine) as session:
                assert place.inbox.accept(event, session=session)
                (session.commit if commit else session.rollback)()
            assert place.do("status")["waiting"] == commit


def test_workers_share_the_work(place: Place) -> None:
    place.rows("CREATE TABLE {p}effects (id TEXT)")
    place.on(lambda m: f"INSERT INTO {{p}}effects VALUES ('{m.id}')")
    for number in range(60):
        place.do("accept", message(f"m{number}", "user.updated", T, user("Ada", T + number)))
    if place.is_async:
        place.loop.run_until_complete(_work_in_tasks(place.inbox))
    else:
        _work_in_threads(place.inbox)
    found = place.rows("SELECT id, COUNT(*) FROM {p}effects GROUP BY id")
    assert sorted(found) == sorted((f"m{number}", 1) for number in range(60))
    assert place.rows("SELECT updated_at FROM {p}users") == [(T + 59,)]


async def _work_in_tasks(inbox: AsyncInbox) -> None:
    workers = [asyncio.create_task(inbox.run()) for _ in range(3)]
    for _ in range(600):
        if (await inbox.status())["done"] == 60:
            break
        await asyncio.sleep(0.05)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


def _work_in_threads(inbox: Inbox) -> None:
    stop = threading.Event()
    workers = [threading.Thread(target=inbox.run, args=[stop]) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(600):
        if inbox.status()["done"] == 60:
            break
        stop.wait(0.05)
    stop.set()
    for worker in workers:
        worker.join(30)


def test_a_database_that_is_away_is_told_apart() -> None:
    inbox = Inbox(create_engine("postgresql+psycopg://postgres@127.0.0.1:1/postgres"))
    with pytest.raises(Unavailable):
        inbox.accept(message("m", "a.b", T, {}))
    there = AsyncInbox(create_async_engine("postgresql+asyncpg://postgres@127.0.0.1:1/postgres"))
    with pytest.raises(Unavailable):
        asyncio.run(there.accept(message("m", "a.b", T, {})))


#: What a connection is told, and the refusal that follows.
TROUBLES = {
    "55P03": {"lock_timeout": "50"},
    "57014": {"statement_timeout": "50"},
    "25006": {"default_transaction_read_only": "on"},
}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
@pytest.mark.parametrize("state", TROUBLES)
def test_trouble_that_passes_is_told_apart(postgres_port: int, driver: str, state: str) -> None:
    at = f"postgres@127.0.0.1:{postgres_port}/postgres"
    other = create_engine(f"postgresql+psycopg://{at}")
    prefix = next(PREFIXES)
    Inbox(other, prefix=prefix).migrate()
    settings = TROUBLES[state]
    with other.begin() as connection:
        if state != "25006":
            connection.execute(text(f"LOCK TABLE {prefix}doorward_inbox"))
        arriving = message("m", "a.b", T, {})
        if driver == "psycopg":
            options = " ".join(f"-c {name}={value}" for name, value in settings.items())
            engine = create_engine(f"postgresql+psycopg://{at}", connect_args={"options": options})
            with pytest.raises(Unavailable):
                Inbox(engine, prefix=prefix).accept(arriving)
            engine.dispose()
        else:
            asyncio.run(_refused_by_asyncpg(at, prefix, settings))
    other.dispose()


async def _refused_by_asyncpg(at: str, prefix: str, settings: dict[str, str]) -> None:
    url = f"postgresql+asyncpg://{at}"
    engine = create_async_engine(url, connect_args={"server_settings": settings})
    inbox = AsyncInbox(engine, prefix=prefix)
    with pytest.raises(Unavailable):
        await inbox.accept(message("m", "a.b", T, {}))
    with pytest.raises(asyncio.TimeoutError):
        # A worker waits it out.
        await asyncio.wait_for(inbox.run(), 0.3)
    await engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_too_many_connections_are_trouble_that_passes(postgres_port: int, driver: str) -> None:
    at = f"127.0.0.1:{postgres_port}/postgres"
    other = create_engine(f"postgresql+psycopg://postgres@{at}")
    prefix, role = next(PREFIXES), f"lonely_{driver}"
    Inbox(other, prefix=prefix).migrate()
    with other.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1"))
        connection.execute(text(f"GRANT ALL ON {prefix}doorward_inbox TO {role}"))
    first = create_engine(f"postgresql+psycopg://{role}@{at}")
    with first.connect():
        arriving = message("m", "a.b", T, {})
        if driver == "psycopg":
            engine = create_engine(f"postgresql+psycopg://{role}@{at}")
            with pytest.raises(Unavailable):
                Inbox(engine, prefix=prefix).accept(arriving)
        else:
            second = create_async_engine(f"postgresql+asyncpg://{role}@{at}")
            with pytest.raises(Unavailable):
                asyncio.run(AsyncInbox(second, prefix=prefix).accept(arriving))
    first.dispose()
    other.dispose()


def test_a_connection_that_ends_is_trouble_that_passes(place: Place) -> None:
    if place.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no server to end it")
    place.on(lambda m: None)
    place.do("accept", message("msg_1", "a.b", T, {}))
    follow = place.inbox._store.follow

    def vanish(connection: Any, claim: Any, now: int) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    place.inbox._store.follow = vanish
    for attempt in (("work",), ("handle_now", "msg_1")):
        with pytest.raises(Unavailable):
            place.do(*attempt)
    place.inbox._store.follow = follow
    # It was given back, and no failure was counted.
    assert place.rows("SELECT failures, claims, claim FROM {p}doorward_inbox") == [(0, 0, None)]
    assert place.do("handle_now", "msg_1") == "done"


def test_a_lock_that_is_held_too_long_is_trouble_that_passes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    inbox = Inbox(create_engine(url, connect_args={"timeout": 0.05}))
    inbox.migrate()
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            inbox.accept(message("m", "a.b", T, {}))
    assert inbox.accept(message("m", "a.b", T, {}))
    with pytest.raises(Unavailable):
        Inbox(create_engine(f"sqlite:///{tmp_path}/nowhere/a.db")).status()


def test_what_will_not_pass_stays_what_it_is(place: Place) -> None:
    place.rows("ALTER TABLE {p}doorward_inbox RENAME TO {p}elsewhere")
    with pytest.raises(DBAPIError, match=r"doorward_inbox"):
        place.do("accept", message("m", "a.b", T, {}))


def test_a_foreign_table_stays_as_it_is(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (name TEXT)"))
    with pytest.raises(ValueError, match="prefix"):
        Inbox(engine).migrate()
    assert len(Inbox(engine, prefix="clerk_").migrate()) == 3
    engine.dispose()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"retention": 3600}, "retry horizon"),
        ({"prefix": "a; DROP"}, "prefix"),
        ({"lease": 0}, "lease"),
        ({"lease": float("nan")}, "lease"),
        ({"lease": float("inf")}, "lease"),
        ({"retention": float("nan")}, "retention"),
        ({"first_retry": -5}, "first_retry"),
        ({"first_retry": float("nan")}, "first_retry"),
        ({"dead_letter_retention": float("inf")}, "dead_letter_retention"),
    ],
)
def test_settings_that_break_the_promise(settings: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Inbox(create_engine("sqlite://"), **settings)


@pytest.mark.parametrize(
    ("id", "body"),
    [
        ("", b'{"type":"a"}'),
        ("a b", b'{"type":"a"}'),
        ("m", b"\xff"),
        ("m", b"[]"),
        ("m", b'{"type":7}'),
        ("m", b'{"type":"a\\u0000"}'),
        ("m", b"[" * 200_000),
        ("m", b" " * (1024 * 1024 + 1)),
    ],
)
def test_what_is_no_event(id: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"id:|body:"):
        Message(id, body)


def test_errors_keep_statements_to_themselves(tmp_path: Path) -> None:
    inbox = Inbox(create_engine(f"sqlite:///{tmp_path}/a.db"))
    inbox.migrate()

    @inbox.on()
    def twice(session: Session, message: Message) -> None:
        sql = text("INSERT INTO doorward_migrations VALUES (1, :name, 1)")
        with pytest.raises(IntegrityError):
            session.execute(sql, {"name": "x"})
        session.execute(sql, {"name": "ada@example.com"})

    inbox.accept(message("m", "a.b", T, {}))
    assert inbox.work().failed == 1
    with create_engine(f"sqlite:///{tmp_path}/a.db").begin() as connection:
        error = connection.execute(text("SELECT last_error FROM doorward_inbox")).scalar_one()
    assert "IntegrityError" in error
    assert "ada" not in error


def test_what_is_kept_of_an_error_is_no_value(place: Place) -> None:
    place.rows("CREATE TABLE {p}effects (email TEXT UNIQUE)")
    place.on(lambda m: "INSERT INTO {p}effects VALUES ('ada@example.com')")
    place.do("accept", message("m1", "a.b", T, {}))
    place.do("accept", message("m2", "a.b", T, {}))
    assert place.do("work").failed == 1
    ((error,),) = place.rows("SELECT last_error FROM {p}doorward_inbox WHERE failures > 0")
    assert "IntegrityError" in error
    assert "ada" not in error


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_migrations_at_the_same_time(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each in a process of its own, and on a PostgreSQL whose default is another isolation."""
    prefix = next(PREFIXES)
    if database == "sqlite":
        url = f"sqlite:///{tmp_path}/a.db"
    else:
        port = request.getfixturevalue("postgres_port")
        url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        url += "?options=-c%20default_transaction_isolation%3Dserializable"
    script = (
        "import sys; from sqlalchemy import create_engine; from doorward.sync import Inbox\n"
        "inbox = Inbox(create_engine(sys.argv[1]), prefix=sys.argv[2])\n"
        "print('ready', flush=True); sys.stdin.readline(); print(inbox.migrate(), flush=True)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, url, prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    told = [process.stdin for process in processes if process.stdin]
    for pipe in told:
        pipe.write("go\n")
        pipe.flush()
    said = sorted(process.communicate(timeout=60)[0] for process in processes)
    assert said == ["['inbox', 'tables', 'backfill']\n", *["[]\n"] * 3]


def test_a_migration_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    inbox = Inbox(engine)
    run = inbox._store._run
    left = 6

    def run_some(*arguments: Any, **values: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return run(*arguments, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inbox._store, "_run", run_some)
        with pytest.raises(KeyboardInterrupt):
            inbox.migrate()
    assert len(inbox.migrate()) == 3
    engine.dispose()


def test_the_migrations_are_the_crates() -> None:
    ours = Path(doorward.sync.__file__).parent / "migrations"
    theirs = Path(__file__).parents[2] / "crates" / "doorward-sync" / "migrations"
    texts = [
        {path.name: path.read_text() for path in folder.iterdir()} for folder in (ours, theirs)
    ]
    assert texts[0] == texts[1]


def test_a_handler_that_ends_the_transaction_has_failed(place: Place) -> None:
    place.rows("CREATE TABLE {p}effects (id TEXT PRIMARY KEY)")
    place.rows("INSERT INTO {p}effects VALUES ('taken')")
    insert = text(f"INSERT INTO {place.prefix}effects VALUES ('taken')")
    if place.is_async:

        @place.inbox.on()
        async def swallow_async(session: AsyncSession, message: Message) -> None:
            try:
                await session.execute(insert)
            except DBAPIError:
                await session.rollback()

    else:

        @place.inbox.on()
        def swallow(session: Session, message: Message) -> None:
            try:
                session.execute(insert)
            except DBAPIError:
                session.rollback()

    place.do("accept", message("msg_1", "a.b", T, {}))
    assert place.do("handle_now", "msg_1") == "failed"
    assert place.do("status") == {"waiting": 1, "done": 0, "dead": 0}
    error = place.rows("SELECT last_error FROM {p}doorward_inbox")[0][0]
    assert "ended the transaction" in error


def test_a_message_that_cannot_be_read_blocks_nobody(place: Place) -> None:
    for id in ("msg_1", "msg_2", "msg_3"):
        place.do("accept", message(id, "a.b", T, {}))
    place.rows("UPDATE {p}doorward_inbox SET payload = '[]' WHERE id = 'msg_1'")

    def fail(message: Message) -> None:
        if message.id == "msg_2":
            raise ValueError("no such name: \ud800\0")

    place.on(fail)
    turn = place.do("work")
    assert (turn.done, turn.failed) == (1, 2)
    for _ in range(7):
        place.now += 3600
        place.do("work")
    letters = {letter.message.id: letter for letter in place.do("dead_letters")}
    assert letters.keys() == {"msg_1", "msg_2"}
    assert "cannot be read" in letters["msg_1"].last_error
    assert "no such name: ??" in letters["msg_2"].last_error.replace("\ufffd", "?")
