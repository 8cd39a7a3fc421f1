"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support import ISSUER, PARTY, Clock, Signer, signer

from doorward import Authenticator

if TYPE_CHECKING:
    from clerk_server import BackendApi


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys() -> Signer:
    return signer()


@pytest.fixture
def auth(clock: Clock, keys: Signer) -> Authenticator:
    """Trusts one Clerk instance, whose keys it knows."""
    return Authenticator.clerk(
        issuer=ISSUER, jwt_key=keys.jwks(), authorized_parties=PARTY, clock=clock
    )


@pytest.fixture
def api() -> Iterator[BackendApi]:
    """Clerk's Backend API, as the table describes it."""
    from clerk_server import BackendApi

    api = BackendApi()
    yield api
    api.close()


@pytest.fixture(autouse=True)
def _no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLERK_API_KEY", "CLERK_SECRET_KEY", "CLERK_JWT_KEY", "CLERK_PUBLISHABLE_KEY"):
        monkeypatch.delenv(name, raising=False)
