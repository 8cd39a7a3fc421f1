"""The statements: the same tables, and the same rules, as the crate `doorward-sync`."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import BigInteger, Boolean, Text, bindparam, text
from sqlalchemy.exc import DatabaseError

from ._message import MAX_ID, Claim, Letter, Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, TextClause

_PREFIX = re.compile(r"([a-z][a-z0-9_]{0,19})?")
_BOOLEANS = frozenset({"banned", "locked", "verified", "is_primary"})
_INTEGERS = frozenset({"now", "most", "failures", "version", "max_allowed_memberships"})
_MIGRATION_LOCK = 0x646F_6F72_7761_7264
_LONGEST_REST = 3600.0
_LONGEST = 1000 * 365.25 * 24 * 3600
_LAST_MILLIS = 253_402_300_799_000
_MAX_ERROR = 1000
#: Workers may vanish for reasons of their own.
_CLAIMS_PER_FAILURE = 3

#: Column -> where in the object its value stands.
_COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "users": {
        "external_id": ("external_id",),
        "username": ("username",),
        "first_name": ("first_name",),
        "last_name": ("last_name",),
        "primary_email_address_id": ("primary_email_address_id",),
        "primary_email_address": (),
        "image_url": ("image_url",),
        "banned": ("banned",),
        "locked": ("locked",),
        "last_sign_in_at": ("last_sign_in_at",),
        "created_at": ("created_at",),
    },
    "organizations": {
        "name": ("name",),
        "slug": ("slug",),
        "image_url": ("image_url",),
        "max_allowed_memberships": ("max_allowed_memberships",),
        "created_by": ("created_by",),
        "created_at": ("created_at",),
    },
    "memberships": {
        "organization_provider_id": ("organization", "id"),
        "user_provider_id": ("public_user_data", "user_id"),
        "role": ("role",),
        "permissions": ("permissions",),
        "created_at": ("created_at",),
    },
    "sessions": {
        "user_provider_id": ("user_id",),
        "client_id": ("client_id",),
        "status": ("status",),
        "last_active_at": ("last_active_at",),
        "expire_at": ("expire_at",),
        "created_at": ("created_at",),
    },
}
_TABLE_OF = {
    "user": "users",
    "organization": "organizations",
    "organizationMembership": "memberships",
    "session": "sessions",
}
_REFERENCES = frozenset(
    {
        "primary_email_address_id",
        "created_by",
        "organization_provider_id",
        "user_provider_id",
        "client_id",
    }
)


class Store:
    """The statements for one prefix. Each method takes the connection of a transaction."""

    def __init__(
        self,
        prefix: str,
        *,
        sessions: bool,
        lease: float,
        max_failures: int,
        first_retry: float,
        retention: float,
        dead_letter_retention: float,
    ) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(
                "prefix: expected at most 20 lower-case letters, digits and underscores, "
                "a letter first"
            )
        patience = {
            "lease": lease,
            "first_retry": first_retry,
            "retention": retention,
            "dead_letter_retention": dead_letter_retention,
        }
        for name, seconds in patience.items():
            # NaN is neither less nor more than anything.
            if not 0 <= seconds < _LONGEST:
                raise ValueError(
                    f"{name}: expected seconds, 0 or more, and less than a thousand years"
                )
        if retention < 28 * 3600:
            raise ValueError(
                "retention: less than 28 hours, the sender's retry horizon, would let a late "
                "retry run the handlers again"
            )
        if lease < 1 or max_failures < 1:
            raise ValueError("lease and max_failures: expected 1 or more")
        self.prefix = prefix
        self.sessions = sessions
        self.lease = lease
        self.max_failures = max_failures
        self.first_retry = first_retry
        self.retention = retention
        self.dead_letter_retention = dead_letter_retention

    # -- schema --------------------------------------------------------------------------------

    def migrate(self, connection: Connection, now: int) -> list[str]:
        if _is_postgres(connection):
            # Whatever the database's default is: who waited for the lock sees what its holder did.
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
            lock = text("SELECT pg_advisory_xact_lock(:version)").bindparams(
                bindparam("version", _MIGRATION_LOCK, BigInteger())
            )
            connection.execute(lock)
        elif not _in_transaction(connection):
            # Python begins a transaction no sooner than at an INSERT, and so at each CREATE anew.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._run(
            connection,
            "CREATE TABLE IF NOT EXISTS {p}doorward_migrations (version BIGINT NOT NULL "
            "PRIMARY KEY, name VARCHAR(80) NOT NULL, applied_at BIGINT NOT NULL)",
        )
        at = self._run(
            connection, "SELECT COALESCE(MAX(version), 0) FROM {p}doorward_migrations"
        ).scalar_one()
        steps = _migrations()
        if at > len(steps):
            raise ValueError(
                f"the database is at version {at}, and this program knows {len(steps)}: "
                "upgrade doorward"
            )
        applied: list[str] = []
        for version, (name, source) in enumerate(steps[at:], at + 1):
            key = (
                "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
                if _is_postgres(connection)
                else "INTEGER PRIMARY KEY"
            )
            for statement in _statements(source):
                try:
                    self._run(connection, statement.replace("{key}", key))
                except DatabaseError as error:
                    if "already exists" in str(error.orig):
                        raise ValueError(
                            f"{error.orig}, and it is not ours: choose a prefix, as in "
                            'Inbox(engine, prefix="clerk_")'
                        ) from None
                    raise
            self._run(
                connection,
                "INSERT INTO {p}doorward_migrations (version, name, applied_at) "
                "VALUES (:version, :name, :now)",
                version=version,
                name=name,
                now=now,
            )
            applied.append(name)
        return applied

    # -- inbox ---------------------------------------------------------------------------------

    def accept(self, connection: Connection, message: Message, now: int) -> bool:
        inserted = self._run(
            connection,
            "INSERT INTO {p}doorward_inbox "
            "(id, type, payload, state, received_at, due_at, claims, failures) "
            "VALUES (:id, :type, :payload, 'waiting', :now, :now, 0, 0) "
            "ON CONFLICT (id) DO NOTHING RETURNING id",
            id=message.id,
            type=message.type,
            payload=message.body.decode(),
            now=now,
        )
        return inserted.first() is not None

    def claim(self, connection: Connection, most: int, now: int) -> list[Claim]:
        postgres = _is_postgres(connection)
        rows = self._run(
            connection,
            "WITH due AS MATERIALIZED (SELECT id FROM {p}doorward_inbox "
            "WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at LIMIT :most {skip}) "
            "UPDATE {p}doorward_inbox SET claim = {random}, claims = claims + 1, "
            "due_at = :until_at "
            "WHERE id IN (SELECT id FROM due) "
            "RETURNING id, payload, claim, received_at, failures, claims",
            postgres=postgres,
            most=most,
            now=now,
            until_at=now + _millis(self.lease),
        )
        return sorted(map(_claim, rows), key=lambda claim: claim.received_at)

    def claim_one(self, connection: Connection, id: str, now: int) -> Claim | None:
        row = self._run(
            connection,
            "UPDATE {p}doorward_inbox SET claim = {random}, claims = claims + 1, "
            "due_at = :until_at "
            "WHERE id = :id AND state = 'waiting' AND (claim IS NULL OR due_at <= :now) "
            "RETURNING id, payload, claim, received_at, failures, claims",
            postgres=_is_postgres(connection),
            id=id,
            now=now,
            until_at=now + _millis(self.lease),
        ).first()
        return None if row is None else _claim(row)

    def complete(self, connection: Connection, claim: Claim, now: int) -> bool:
        done = self._run(
            connection,
            "UPDATE {p}doorward_inbox SET state = 'done', finished_at = :now, claim = NULL, "
            "last_error = NULL WHERE id = :id AND claim = :token "
            "RETURNING id",
            id=claim.message.id,
            token=claim.token,
            now=now,
        )
        return done.first() is not None

    def fail(self, connection: Connection, claim: Claim, error: str, now: int) -> str | None:
        """The state it is in now; `None` if somebody else has it."""
        failures = claim.failures + 1
        rest = min(self.first_retry * 4 ** min(failures - 1, 20), _LONGEST_REST)
        dies = failures >= self.max_failures or self.is_worn_out(claim)
        state = "dead" if dies else "waiting"
        touched = self._run(
            connection,
            "UPDATE {p}doorward_inbox SET state = :state, failures = :failures, "
            "last_error = :error, due_at = :due_at, finished_at = :finished_at, claim = NULL "
            "WHERE id = :id AND claim = :token RETURNING id",
            state=state,
            failures=failures,
            error=_storable(error[:_MAX_ERROR]),
            due_at=now + _millis(rest),
            finished_at=now if dies else None,
            id=claim.message.id,
            token=claim.token,
        )
        return state if touched.first() is not None else None

    def is_completed(self, connection: Connection, claim: Claim) -> bool:
        """Whether the transaction is still the one that completed it."""
        row = self._run(
            connection,
            "SELECT state FROM {p}doorward_inbox WHERE id = :id",
            id=claim.message.id,
        ).first()
        return row is not None and row[0] == "done"

    def is_worn_out(self, claim: Claim) -> bool:
        return claim.claims > self.max_failures * _CLAIMS_PER_FAILURE

    def release(self, connection: Connection, claims: list[Claim], now: int) -> None:
        for claim in claims:
            self._run(
                connection,
                "UPDATE {p}doorward_inbox SET due_at = :now, claims = claims - 1, claim = NULL "
                "WHERE id = :id AND claim = :token",
                id=claim.message.id,
                token=claim.token,
                now=now,
            )

    def state(self, connection: Connection, id: str) -> str | None:
        sql = "SELECT state FROM {p}doorward_inbox WHERE id = :id"
        return self._run(connection, sql, id=id).scalar()

    def dead_letters(self, connection: Connection, most: int) -> list[Letter]:
        rows = self._run(
            connection,
            "SELECT id, payload, received_at, finished_at, failures, last_error "
            "FROM {p}doorward_inbox WHERE state = 'dead' ORDER BY finished_at DESC, id LIMIT :most",
            most=most,
        )
        return [Letter(_stored(row)[0], row[2], row[3] or 0, row[4], row[5] or "") for row in rows]

    def replay(self, connection: Connection, id: str | None, now: int) -> int:
        which = "state = 'dead'" if id is None else "id = :id AND state <> 'waiting'"
        named: dict[str, Any] = {} if id is None else {"id": id}
        touched = self._run(
            connection,
            "UPDATE {p}doorward_inbox SET state = 'waiting', due_at = :now, failures = 0, "
            f"claims = 0, claim = NULL, finished_at = NULL WHERE {which} RETURNING id",
            now=now,
            **named,
        )
        return len(touched.all())

    def status(self, connection: Connection) -> dict[str, int]:
        sql = "SELECT state, COUNT(*) FROM {p}doorward_inbox GROUP BY state"
        counted = {row[0]: int(row[1]) for row in self._run(connection, sql)}
        return {state: counted.get(state, 0) for state in ("waiting", "done", "dead")}

    def expire(self, connection: Connection, now: int) -> int:
        # What a clock that was ahead has put off: nobody puts off what was never taken, and nobody
        # puts anything off for so long.
        self._run(
            connection,
            "UPDATE {p}doorward_inbox SET due_at = :now WHERE state = 'waiting' AND due_at > :now "
            "AND ((claims = 0 AND claim IS NULL) OR due_at > :until_at)",
            now=now,
            until_at=now + _millis(max(self.lease, _LONGEST_REST)),
        )
        gone = 0
        for state, age in (("done", self.retention), ("dead", self.dead_letter_retention)):
            rows = self._run(
                connection,
                "DELETE FROM {p}doorward_inbox WHERE id IN (SELECT id FROM {p}doorward_inbox "
                "WHERE state = :state AND state <> 'waiting' AND finished_at < :before_at "
                "ORDER BY finished_at LIMIT 5000) RETURNING id",
                state=state,
                before_at=now - _millis(age),
            )
            gone += len(rows.all())
        return gone

    # -- tables --------------------------------------------------------------------------------

    def follow(self, connection: Connection, claim: Claim, now: int) -> None:
        """Writes what a message says about users, organizations, memberships and sessions.

        Raises `ValueError` for an object without a usable id.
        """
        noun, _, verb = claim.message.type.rpartition(".")
        table = _TABLE_OF.get(noun)
        if table is None or (table == "sessions" and not self.sessions):
            return
        data = _object(claim.message.data)
        if data is None or not _is_id(data.get("id")):
            raise ValueError("data.id: expected a string of 1 to 255 bytes")
        event_at = claim.message.happened_at
        if event_at is None:
            event_at = claim.received_at
        gone = verb in ("deleted", "ended", "removed", "revoked")
        # A deleted object is {"deleted": true, "id": …}, except that of a membership: it is whole.
        if not gone or ("deleted" not in data and data.get("created_at") is not None):
            text = claim.message.data_text or ""
            self._describe(connection, table, data, text, event_at, now)
        if gone:
            self._delete(connection, table, data["id"], event_at, now)

    def _describe(
        self,
        connection: Connection,
        table: str,
        data: dict[str, Any],
        text: str,
        event_at: int,
        now: int,
    ) -> None:
        columns = _COLUMNS[table]
        updated_at = _integer(data.get("updated_at"))
        if updated_at is None:
            updated_at = _integer(data.get("created_at"))
        if updated_at is None:
            updated_at = event_at
        values = {name: _value(name, path, data) for name, path in columns.items()}
        names = ", ".join(columns)
        places = ", ".join(f":{name}" for name in columns)
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
        written = self._run(
            connection,
            f"INSERT INTO {{p}}{table} "
            f"(provider_id, payload, updated_at, event_at, synced_at, {names}) "
            f"VALUES (:provider_id, :payload, :updated_at, :event_at, :now, {places}) "
            "ON CONFLICT (provider_id) DO UPDATE SET payload = excluded.payload, "
            "updated_at = excluded.updated_at, event_at = excluded.event_at, "
            f"synced_at = excluded.synced_at, {updates} "
            f"WHERE {{p}}{table}.updated_at IS NULL OR (excluded.updated_at, excluded.event_at) > "
            f"({{p}}{table}.updated_at, {{p}}{table}.event_at) RETURNING deleted_at",
            provider_id=data["id"],
            payload=text,
            updated_at=updated_at,
            event_at=event_at,
            now=now,
            **values,
        ).first()
        # No row: what is there is newer.
        if table == "users" and written is not None:
            self._addresses(connection, data, updated_at, event_at, written[0], now)

    def _addresses(
        self,
        connection: Connection,
        user: dict[str, Any],
        updated_at: int,
        event_at: int,
        deleted_at: int | None,
        now: int,
    ) -> None:
        addresses = _list(user.get("email_addresses"))
        if addresses is None:
            # They were left out, which says nothing.
            return
        for address in map(_object, addresses):
            if address is None or not _is_id(address.get("id")):
                continue
            verified = _at(address, ("verification", "status")) == "verified"
            self._run(
                connection,
                "INSERT INTO {p}email_addresses (provider_id, user_provider_id, email_address, "
                "verified, is_primary, created_at, updated_at, event_at, deleted_at, synced_at, "
                "payload) VALUES (:provider_id, :user_id, :email_address, :verified, :is_primary, "
                ":created_at, :updated_at, :event_at, :deleted_at, :now, :payload) "
                "ON CONFLICT (provider_id) DO UPDATE SET "
                "user_provider_id = excluded.user_provider_id, "
                "email_address = excluded.email_address, verified = excluded.verified, "
                "is_primary = excluded.is_primary, created_at = excluded.created_at, "
                "updated_at = excluded.updated_at, event_at = excluded.event_at, "
                "deleted_at = excluded.deleted_at, synced_at = excluded.synced_at, "
                "payload = excluded.payload",
                provider_id=address["id"],
                user_id=user["id"],
                email_address=_text(address.get("email_address")),
                verified=verified,
                is_primary=address["id"] == user.get("primary_email_address_id"),
                created_at=_integer(address.get("created_at")),
                updated_at=updated_at,
                event_at=event_at,
                deleted_at=deleted_at,
                now=now,
                payload=_json(address),
            )
        self._run(
            connection,
            # Gone since then, even if the user was deleted later or before.
            "UPDATE {p}email_addresses SET is_primary = FALSE, synced_at = :now, deleted_at = "
            "CASE WHEN deleted_at < :updated_at THEN deleted_at ELSE :updated_at END "
            "WHERE user_provider_id = :user_id "
            "AND (deleted_at IS NULL OR deleted_at > :updated_at OR is_primary) "
            "AND (updated_at, event_at) < (:updated_at, :event_at)",
            user_id=user["id"],
            updated_at=updated_at,
            event_at=event_at,
            now=now,
        )

    def _delete(
        self, connection: Connection, table: str, provider_id: str, deleted_at: int, now: int
    ) -> None:
        self._run(
            connection,
            f"INSERT INTO {{p}}{table} (provider_id, deleted_at, synced_at, payload) "
            "VALUES (:provider_id, :deleted_at, :now, '{}') "
            "ON CONFLICT (provider_id) DO UPDATE SET deleted_at = "
            f"CASE WHEN {{p}}{table}.deleted_at < excluded.deleted_at "
            f"THEN {{p}}{table}.deleted_at ELSE excluded.deleted_at END, "
            "synced_at = excluded.synced_at",
            provider_id=provider_id,
            deleted_at=deleted_at,
            now=now,
        )
        if table == "users":
            self._run(
                connection,
                "UPDATE {p}email_addresses SET deleted_at = :deleted_at, synced_at = :now "
                "WHERE user_provider_id = :provider_id "
                "AND (deleted_at IS NULL OR deleted_at > :deleted_at)",
                provider_id=provider_id,
                deleted_at=deleted_at,
                now=now,
            )

    def _run(
        self, connection: Connection, sql: str, /, *, postgres: bool = False, **values: Any
    ) -> Any:
        return connection.execute(_prepared(sql, self.prefix, postgres), values)


@lru_cache(256)
def _prepared(sql: str, prefix: str, postgres: bool) -> TextClause:
    sql = (
        sql.replace("{p}", prefix)
        .replace("{skip}", "FOR UPDATE SKIP LOCKED" if postgres else "")
        .replace(
            "{random}",
            "CAST(gen_random_uuid() AS TEXT)" if postgres else "lower(hex(randomblob(16)))",
        )
    )
    names = set(re.findall(r"(?<![:\w]):(\w+)", sql))
    return text(sql).bindparams(*(bindparam(name, type_=_type(name)) for name in names))


def _type(name: str) -> Any:
    # Drivers that cast (asyncpg) must not take milliseconds for four bytes.
    if name.endswith("_at") or name in _INTEGERS:
        return BigInteger()
    return Boolean() if name in _BOOLEANS else Text()


def _is_postgres(connection: Connection) -> bool:
    name = connection.dialect.name
    if name == "postgresql":
        return True
    if name == "sqlite":
        return False
    raise ValueError(f"{name} is not supported; SQLite and PostgreSQL are")


def _in_transaction(connection: Connection) -> bool:
    """Whether the application has SQLite's driver begin by itself."""
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


@lru_cache(1)
def _migrations() -> list[tuple[str, str]]:
    folder = files("doorward.sync") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(name[5:-4], (folder / name).read_text("utf-8")) for name in names]


def _statements(source: str) -> Iterator[str]:
    code = "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("--"))
    for statement in code.split(";"):
        if statement.strip():
            yield statement.strip()


def _storable(text: str) -> str:
    """Without what a database refuses: NUL, and halves of pairs (RFC 3629 §3)."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _claim(row: Any) -> Claim:
    message, unreadable = _stored(row)
    return Claim(message, row[2], row[3], row[4], row[5], unreadable)


def _stored(row: Any) -> tuple[Message, str | None]:
    """A message as it was kept, and why it cannot be read, for somebody else may have kept it."""
    try:
        return Message(row[0], row[1].encode()), None
    except ValueError as error:
        return Message.unread(row[0], row[1]), f"it cannot be read: {error}"


def _value(column: str, path: tuple[str, ...], data: dict[str, Any]) -> Any:
    if column == "primary_email_address":
        return _primary_address(data)
    value = _at(data, path)
    if column in _BOOLEANS:
        return value if isinstance(value, bool) else None
    if column.endswith("_at") or column in _INTEGERS:
        return _integer(value)
    if column == "permissions":
        return None if value is None else _json(value)
    value = _text(value)
    if column in _REFERENCES and value is not None and len(value.encode()) > MAX_ID:
        return None
    return value


def _primary_address(user: dict[str, Any]) -> str | None:
    primary = user.get("primary_email_address_id")
    for address in map(_object, _list(user.get("email_addresses")) or ()):
        if address is not None and primary is not None and address.get("id") == primary:
            return _text(address.get("email_address"))
    return None


def _at(data: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = data
    for name in path:
        members = _object(value)
        value = None if members is None else members.get(name)
    return value


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _list(value: Any) -> Sequence[Any] | None:
    return cast("Sequence[Any]", value) if isinstance(value, list) else None


def _text(value: Any) -> str | None:
    # PostgreSQL's text knows no NUL, and UTF-8 no lone surrogate.
    if not isinstance(value, str):
        return None
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _integer(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # A time that is none, beyond the year 9999 for example, would stand above every later one.
    return int(value) if 0 <= value <= _LAST_MILLIS else None


def _is_id(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value.encode("utf-8", "replace")) <= MAX_ID
        and "\0" not in value
    )


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _millis(seconds: float) -> int:
    return int(seconds * 1000)
