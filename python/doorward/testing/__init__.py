"""Tests with real tokens: real signatures, no network, no account.

    from doorward.testing import DevIssuer, as_user, assert_challenge

    issuer = DevIssuer()
    app = create_app(issuer.authenticator())
    client = as_user(TestClient(app), issuer.mint(sub="user_1"))

Nothing of the application is switched off: a test's token goes the way every token goes. Under
pytest there are fixtures for all of this (`doorward.pytest_plugin`).
"""

from ._defects import DEFECTS, Defect
from .challenge import Challenge, assert_challenge, challenges
from .clients import AsUser, as_user, signed_in
from .clock import Clock
from .issuer import DevIssuer
from .mint import Mint, Minter, Organization

__all__ = [
    "DEFECTS",
    "AsUser",
    "Challenge",
    "Clock",
    "Defect",
    "DevIssuer",
    "Mint",
    "Minter",
    "Organization",
    "as_user",
    "assert_challenge",
    "challenges",
    "signed_in",
]
