"""What a token shall say, and the minter that signs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from doorward._types import Algorithm

from ._defects import Defect, Defects

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Mint", "Minter", "Organization"]


class Organization(TypedDict, total=False):
    """An organization the subject is active in."""

    id: str
    slug: str
    #: With or without `org:`; each version of the token writes it its own way.
    role: str
    #: `org:posts:read`
    permissions: Sequence[str]


class Mint(TypedDict, total=False):
    """What a token shall say. Everything has a default: nothing at all is a good Clerk session."""

    kind: Literal[
        "session",
        "session_v1",
        "oauth",
        "m2m",
        "template",
        "oidc",
        "logout",
        "oauth_opaque",
        "m2m_opaque",
        "api_key",
        "opaque",
    ]
    sub: str
    sid: str
    azp: str
    aud: str | Sequence[str]
    iss: str
    #: Its id, or all about it.
    org: str | Organization
    #: The role in the organization; `admin` unless said.
    role: str
    #: The permissions in the organization: `org:posts:read`.
    permissions: Sequence[str]
    #: Scoped: `o:posts`, `u:beta`.
    features: Sequence[str]
    #: Scoped: `u:pro`.
    plans: Sequence[str]
    scopes: Sequence[str]
    client_id: str
    status: Literal["active", "pending"]
    #: Minutes since the first and the second factor; -1 is never.
    fva: tuple[int, int]
    #: `act`, who acts as the subject.
    actor: dict[str, Any]
    #: Seconds from `iat` to `exp`. An API key does not expire unless this is said.
    ttl: int
    #: `iat`, if not the clock's time.
    issued_at: int
    #: More claims, merged last: they add or override.
    claims: dict[str, Any]
    #: More header parameters: they add or override.
    header: dict[str, Any]
    #: Claims to leave out, after everything else was put in.
    without: Sequence[str]
    alg: Algorithm
    #: How the text of an opaque token begins: `m2m_` for the machine tokens of old.
    prefix: str
    #: The name of an API key.
    name: str
    #: Why the token was revoked, if that is its defect.
    revocation_reason: str
    #: The one thing that shall be wrong.
    defect: Defect


class Minter(Defects):
    """Signs tokens in an issuer's name: `mint(sub="user_1")`.

    Every defect is a method that signs a token which is right but for that: `mint.expired()`. What
    a misspelt or misplaced argument would silently leave out of the token is a `TypeError`.
    """

    def __init__(self, sign: Callable[[str], str]) -> None:
        self._sign = sign

    def __call__(self, **spec: Unpack[Mint]) -> str:
        """A signed token. The arguments are the members of a mint specification; none make a good
        session token.
        """
        return self._sign(json.dumps(specification(spec)))

    def headers(self, **spec: Unpack[Mint]) -> dict[str, str]:
        """The header fields of a request that presents such a token."""
        return {"Authorization": f"Bearer {self(**spec)}"}

    def __repr__(self) -> str:
        return "Minter()"


def specification(spec: Mint) -> dict[str, Any]:
    """`spec` in the engine's words. Raises `TypeError` for what it would not understand or would
    ignore.
    """
    given: dict[str, Any] = dict(spec)
    check_names(given, known_names(), "mint()", "; claims go into claims={…}")
    kind = given.get("kind", "session")
    spoilt = _SPOILT.get(given.get("defect", ""))
    for name in (*given, *(spoilt or ())):
        carriers = _CARRIERS.get(name)
        if carriers is not None and kind not in carriers:
            raise TypeError(
                f"mint(): a token of kind {kind!r} carries no {name}; "
                f"those of kind {', '.join(map(repr, carriers))} do"
            )
    shorthand = {name: given.pop(name) for name in ("role", "permissions") if name in given}
    if isinstance(given.get("org"), str):
        given["org"] = {"id": given["org"]}
    if shorthand:
        organization: dict[str, Any] = dict(given.get("org", ()))
        for name in shorthand:
            if name in organization:
                raise TypeError(f"mint(): {name} is said twice, in org and beside it")
        given["org"] = {**organization, **shorthand}
    return given


def known_names() -> frozenset[str]:
    """The members of a mint specification."""
    return Mint.__optional_keys__


def check_names(given: Iterable[str], known: Iterable[str], where: str, advice: str = "") -> None:
    """Raises `TypeError` for a name that is not known, and says which one may have been meant."""
    import difflib

    names = sorted(known)
    for name in given:
        if name in names:
            continue
        meant = _OTHER_WORDS.get(name)
        near = [meant] if meant in names else difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else advice
        raise TypeError(f"{where} got an unexpected {name!r}{hint}")


_SESSIONS = ("session", "session_v1")
_JWTS = (*_SESSIONS, "oauth", "m2m", "template", "oidc", "logout")
_OPAQUE = ("oauth_opaque", "m2m_opaque", "api_key", "opaque")
#: JWTs say it themselves, of the others introspection does.
_SAID_IN_FULL = (*_JWTS, "oauth_opaque", "opaque")
#: What only some kinds of token carry: asked of others, it would go unsaid.
_CARRIERS = {
    "org": _SESSIONS,
    "role": _SESSIONS,
    "permissions": _SESSIONS,
    "features": ("session",),
    "plans": ("session",),
    "status": _SESSIONS,
    "fva": _SESSIONS,
    "scopes": ("oauth", "m2m", "oidc", *_OPAQUE),
    "sid": _SAID_IN_FULL,
    "azp": _SAID_IN_FULL,
    "aud": _SAID_IN_FULL,
    "iss": _SAID_IN_FULL,
    "client_id": _SAID_IN_FULL,
    "actor": _SAID_IN_FULL,
    "header": _JWTS,
    "alg": _JWTS,
    "prefix": _OPAQUE,
    "name": ("api_key",),
}
#: What a defect would spoil unseen, where the token does not carry it.
_SPOILT = {"wrong_iss": ("iss",), "wrong_aud": ("aud",)}
#: What the same things are called elsewhere.
_OTHER_WORDS = {
    "user": "sub",
    "user_id": "sub",
    "subject": "sub",
    "organization": "org",
    "organization_id": "org",
    "audience": "aud",
    "issuer": "iss",
    "session_id": "sid",
    "authorized_party": "azp",
    "headers": "header",
    "expires_in": "ttl",
    "algorithm": "alg",
}
