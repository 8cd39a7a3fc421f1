"""Where the authorization server keeps what it remembers, and with what it is sealed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs

from doorward._rejection import ConfigError


@dataclass(frozen=True, repr=False)
class Storage:
    """A store's URL, and the secret of everything that is kept there."""

    url: str
    secret: str


def storage(given: object, key: str | bytes | None, name: str) -> Storage:
    """What `client_storage` and `jwt_signing_key` come to. `name` tells one server's data from
    another's.
    """
    url = _url(given, name)
    if key is not None:
        return Storage(url, _stretched(key))
    if url == "memory:":
        return Storage(url, secrets.token_hex(32))
    if url.startswith("sqlite:"):
        return Storage(url, _kept(Path(unquote(urlsplit(url).path) + ".secret")))
    raise ConfigError(
        "jwt_signing_key: is missing; every process that shares a store needs the same one"
        " (32 random bytes: `openssl rand -hex 32`)"
    )


def _url(given: object, name: str) -> str:
    if given is None:
        # FastMCP keeps its own data in such a place too.
        folder = Path(platformdirs.user_data_dir("doorward", appauthor=False)) / "mcp"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return (folder / f"{digest}.db").as_uri().replace("file://", "sqlite://", 1)
    if isinstance(given, str):
        return given
    kind = type(given)
    # Nothing is lost by keeping in our memory what would be kept in theirs.
    if kind.__name__ == "MemoryStore" and kind.__module__.startswith("key_value."):
        return "memory:"
    raise ConfigError(
        f"client_storage: a {kind.__name__} can get and put, and cannot take a code so that of two"
        " who come at once only one gets it; give the URL of a store: sqlite:///path, redis://…,"
        " postgres://… or memory:"
    )


def _stretched(key: str | bytes) -> str:
    if isinstance(key, bytes):
        if len(key) < _LEAST:
            raise ConfigError(
                f"jwt_signing_key: has {len(key)} bytes; {_LEAST} random ones are needed"
            )
        return key.hex()
    if not key:
        raise ConfigError("jwt_signing_key: is empty")
    # A text may be a word that can be guessed; this makes each guess dear, as FastMCP does it.
    return hashlib.pbkdf2_hmac("sha256", key.encode(), b"doorward mcp", _ROUNDS).hex()


def _kept(path: Path) -> str:
    """A random secret in a file that only its owner reads. Of many processes that come first, one
    makes it.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> str:
    with path.open() as file:
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and mode & 0o077:
            raise ConfigError(f"{path}: others than its owner may read it (chmod 600)")
        secret = file.read(_MOST).strip()
    if len(secret) < _LEAST:
        raise ConfigError(f"{path}: holds no secret; delete it, and everybody logs in anew")
    return secret


_LEAST = 32
_MOST = 1024
_ROUNDS = 1_000_000
