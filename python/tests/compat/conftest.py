"""Tokens of a local issuer, signed by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from support import Signer

from doorward.testing import DevIssuer


@pytest.fixture
def outsider() -> Callable[[DevIssuer], Signer]:
    """A signer that holds the issuer's first key."""

    def build(issuer: DevIssuer) -> Signer:
        signer = Signer.__new__(Signer)
        signer.kid = json.loads(issuer.jwks())["keys"][0]["kid"]
        key = serialization.load_pem_private_key(issuer.private_pem().encode(), None)
        signer._key = key  # type: ignore[assignment]
        return signer

    return build
