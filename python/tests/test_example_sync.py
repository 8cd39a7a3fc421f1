"""The examples that keep a table of users: from the local issuer's events to the row."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from command import doorward

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "python" / "examples"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class App:
    def __init__(self, name: str, folder: Path) -> None:
        self.database = folder / "app.db"
        self.prefix = "clerk_" if name == "django" else ""
        driver = "sqlite+aiosqlite" if name == "fastapi" else "sqlite"
        self.environment = {
            **os.environ,
            "CLERK_WEBHOOK_SIGNING_SECRET": SECRET,
            "DATABASE_URL": f"{driver}:///{self.database}",
            "DATABASE": str(self.database),
        }
        command = [sys.executable, str(EXAMPLES / f"{name}_sync_app.py"), "--port", "0"]
        self.server = subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.server.stdout is not None
        self.url = json.loads(self.server.stdout.readline())["url"]

    def send(self, *flags: str) -> Any:
        command = [doorward(), "--json", "webhooks", "send", "--to", f"{self.url}/webhooks/clerk"]
        sent = subprocess.run(
            [*command, *flags],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(sent.stdout)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database, timeout=20)) as connection:
            return connection.execute(sql.replace("{p}", self.prefix)).fetchall()

    def settled(self) -> None:
        end = time.monotonic() + 30
        while self.rows("SELECT 1 FROM {p}doorward_inbox WHERE state <> 'done'"):
            assert time.monotonic() < end, self.rows("SELECT * FROM {p}doorward_inbox")
            time.sleep(0.05)


@pytest.fixture(params=["fastapi", "flask", "django"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    app = App(request.param, tmp_path)
    yield app
    app.server.terminate()
    app.server.wait(20)
    assert app.server.stdout is not None
    app.server.stdout.close()


def test_from_the_event_to_the_row(app: App) -> None:
    flags = ["--count", "5", "--duplicates", "3", "--shuffle", "--bad-signatures", "100"]
    sent = app.send("--type", "user.created", "--type", "user.updated", *flags)
    assert (sent["delivered"], sent["forged_refused"], sent["undelivered"]) == (30, 10, 0)
    app.settled()
    found = app.rows("SELECT COUNT(*), COUNT(DISTINCT primary_email_address) FROM {p}users")
    assert found == [(5, 5)]
    # Each handler ran once, although each event came three times.
    assert app.rows("SELECT COUNT(*), COUNT(DISTINCT user_id) FROM mails") == [(5, 5)]
    app.send("--type", "user.deleted")
    app.settled()
    assert app.rows("SELECT COUNT(*) FROM {p}users WHERE deleted_at IS NULL") == [(4,)]
    if app.prefix:
        with urlopen(f"{app.url}/users", timeout=20) as answer:
            assert json.load(answer) == {"users": 4}


def test_every_type_of_event_is_taken(app: App) -> None:
    assert app.send("--all")["delivered"] == 45
    app.settled()
    assert app.rows("SELECT COUNT(*) FROM {p}doorward_inbox") == [(45,)]
