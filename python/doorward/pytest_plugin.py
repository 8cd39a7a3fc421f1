"""The pytest plugin: real tokens in tests, without a network and without an account.

    def test_me(client, doorward_as_user):
        assert doorward_as_user(client, sub="user_1").get("/me").status_code == 200

Nothing happens to tests that do not ask for a `doorward_` fixture, and nothing is imported before
one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._authenticator import Authenticator
    from ._types import TokenKind
    from .conformance import Report
    from .testing import AsUser, Clock, DevIssuer, Mint, Minter
    from .testing.pool import Pool


@pytest.fixture
def doorward_clock() -> Clock:
    """The time of the issuers and of `doorward_auth`. It stands still until it is moved:
    `doorward_clock.advance(60)`, `doorward_clock.set(1_800_000_000)`.
    """
    from .testing import Clock

    return Clock()


@pytest.fixture
def doorward_issuer(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, doorward_clock: Clock
) -> Iterator[DevIssuer]:
    """An issuer in this process, without a socket, unless the marker's `accepts` names a kind of
    token that it has to be asked about. `doorward_issuer.environment()` are the variables that make
    an application trust it.
    """
    served = bool(_OPAQUE.intersection(_accepted(_node(request)) or ()))
    with _pool(pytestconfig).lent(doorward_clock, served=served) as issuer:
        yield issuer


@pytest.fixture
def doorward_http_issuer(pytestconfig: pytest.Config, doorward_clock: Clock) -> Iterator[DevIssuer]:
    """An issuer on a loopback port, whose keys are fetched and which is asked about opaque tokens:
    `down()`, `slow(2)`, `up()`, `rotate()`, `revoke(token)`, `requests("verify")`.
    """
    with _pool(pytestconfig).lent(doorward_clock, served=True) as issuer:
        yield issuer


@pytest.fixture
def doorward_auth(
    request: pytest.FixtureRequest, doorward_issuer: DevIssuer, doorward_clock: Clock
) -> Authenticator:
    """An authenticator that trusts `doorward_issuer` and goes by `doorward_clock`. It accepts
    session tokens, or the kinds that `@pytest.mark.doorward(accepts=[…])` names.
    """
    # A suite that puts an issuer of its own in the place of ours may have given it a clock.
    clock = doorward_issuer.clock or doorward_clock
    return doorward_issuer.authenticator(clock=clock, accepts=_accepted(_node(request)))


@pytest.fixture
def doorward_mint(doorward_issuer: DevIssuer) -> Minter:
    """Signs tokens: `doorward_mint(sub="user_1", role="admin")`, `doorward_mint.expired()`. Makes
    opaque ones too: `doorward_mint(kind="api_key", scopes=["posts:read"])`.
    """
    return doorward_issuer.mint


@pytest.fixture
def doorward_token(request: pytest.FixtureRequest, doorward_mint: Minter) -> str:
    """A token that says what `@pytest.mark.doorward(user="user_1", …)` says."""
    return doorward_mint(**_marked(_node(request)))


@pytest.fixture
def doorward_headers(doorward_token: str) -> dict[str, str]:
    """The header fields of a request that presents `doorward_token`."""
    return {"Authorization": f"Bearer {doorward_token}"}


@pytest.fixture
def doorward_as_user(request: pytest.FixtureRequest, doorward_mint: Minter) -> Iterator[AsUser]:
    """Signs a test client in: `doorward_as_user(client, sub="user_1")`, or with a token. After the
    test the client has back what it had.
    """
    from .testing import AsUser

    with AsUser(doorward_mint, _marked(_node(request))) as as_user:
        yield as_user


@pytest.fixture
def doorward_conformance() -> Callable[..., Report]:
    """Tries bad tokens on each route of an application: `doorward_conformance(app)` is
    `doorward.conformance.check`.
    """
    from .conformance import check

    return check


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "doorward(user=..., org=..., role=..., permissions=[...], kind=..., ...): who "
        "doorward_token, doorward_headers and doorward_as_user(client) are; the keywords of "
        "doorward_mint, or user; and accepts=[...], the kinds of token that doorward_auth takes",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuses a marker with a mistake in it, even where no fixture reads it."""
    if item.get_closest_marker("doorward") is not None:
        _marked(item)
        _accepted(item)


def _marked(node: pytest.Item) -> Mint:
    """What the markers of a test say; the closer one to the test wins, name by name."""
    from .testing.mint import check_names, known_names, specification

    merged: dict[str, Any] = {}
    try:
        for marker in reversed(list(node.iter_markers("doorward"))):
            if marker.args:
                raise TypeError("@pytest.mark.doorward takes keywords: user='user_1', …")
            said = dict(marker.kwargs)
            check_names(said, {*known_names(), "user", "accepts"}, "@pytest.mark.doorward")
            said.pop("accepts", None)
            if "user" in said:
                if "sub" in said:
                    raise TypeError("@pytest.mark.doorward: user and sub are the same; say one")
                said["sub"] = said.pop("user")
            merged.update(said)
        spec = cast("Mint", merged)
        specification(spec)
    except TypeError as mistake:
        pytest.fail(str(mistake), pytrace=False)
    return spec


def _accepted(node: pytest.Item) -> list[TokenKind] | None:
    """The kinds of token that the marker closest to a test names, if one does."""
    from ._types import TokenKind

    for marker in node.iter_markers("doorward"):
        if "accepts" in marker.kwargs:
            accepts: Any = marker.kwargs["accepts"]
            several = isinstance(accepts, (list, tuple, set, frozenset))
            names: list[Any] = [*accepts] if several else [accepts]
            unknown = [name for name in names if name not in get_args(TokenKind)]
            if unknown or not names:
                found = repr(unknown[0]) if unknown else "none"
                known = ", ".join(get_args(TokenKind))
                said = (
                    f"@pytest.mark.doorward: accepts takes kinds of token ({known}), found {found}"
                )
                pytest.fail(said, pytrace=False)
            return cast("list[TokenKind]", names)
    return None


def _node(request: pytest.FixtureRequest) -> pytest.Item:
    # pytest does not say of what type; a function-scoped fixture has a test.
    return cast("pytest.Item", request.node)  # pyright: ignore[reportUnknownMemberType]


def _pool(config: pytest.Config) -> Pool:
    """The issuers of this run."""
    if _POOL not in config.stash:
        from .testing.pool import Pool

        config.stash[_POOL] = Pool()
        config.add_cleanup(config.stash[_POOL].close)
    return config.stash[_POOL]


#: Kinds that have a form which only the issuer can read.
_OPAQUE = frozenset({"api_key", "oauth_token", "m2m_token"})
_POOL = pytest.StashKey["Pool"]()
