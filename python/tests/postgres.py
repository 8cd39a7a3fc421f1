"""A PostgreSQL of one's own, in a temporary folder, on a free port of this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres() -> Iterator[int]:
    """The port of a server that ends with the block."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="doorward-pg-"))
    # PostgreSQL refuses to run as root.
    other = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    user: dict[str, int] = {}
    if other:
        os.chown(folder, other.pw_uid, other.pw_gid)
        user = {"user": other.pw_uid, "group": other.pw_gid}
    data = str(folder / "data")
    initdb = [str(binaries / "initdb"), "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8"]
    subprocess.run(
        [*initdb, "-D", data], check=True, capture_output=True, cwd="/", timeout=120, **user
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [str(binaries / "postgres"), "-D", data, "-p", str(port)]
    server = subprocess.Popen(
        [*command, "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **user,
    )
    try:
        end = time.monotonic() + 30
        ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < end, "PostgreSQL did not come up"
            time.sleep(0.02)
        yield port
    finally:
        server.kill()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    # Debian keeps them off the PATH.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = versions[-1] if versions else shutil.which("initdb")
    assert found, "PostgreSQL is not installed; run scripts/tools"
    return Path(found).parent
