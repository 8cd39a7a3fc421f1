"""Claims as a type of the application's own: a pydantic model, a msgspec struct, a dataclass or a
TypedDict.

Neither pydantic nor msgspec is imported unless the type needs it. What a token says is never
repeated, neither to the caller nor in a log: only where it does not fit.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from ._doorward import REASONS
from ._reason import Reason
from ._rejection import Rejection
from ._verdict import report

if TYPE_CHECKING:
    from ._authenticator import Authenticator
    from ._doorward import Identity

__all__ = ["ClaimsMismatch", "OnMismatch", "TypedClaims"]

C = TypeVar("C")
#: Whose fault a token is that does not fit: the caller's (401), or ours (an exception, so a 500).
OnMismatch = Literal["refuse", "raise"]


class ClaimsMismatch(ValueError):
    """A verified token does not fit the type. Tells where, and nothing of what it says."""


class TypedClaims(Generic[C]):
    """One type of claims, and how a mismatch is answered. Equal ones are interchangeable."""

    def __init__(self, claims: type[C], on_mismatch: OnMismatch = "refuse") -> None:
        if on_mismatch not in get_args(OnMismatch):
            raise ValueError(f"on_mismatch: expected 'refuse' or 'raise', found {on_mismatch!r}")
        self.claims = claims
        self.on_mismatch: OnMismatch = on_mismatch
        self._key: tuple[object, str] = (claims, on_mismatch)
        self._decode = _decoder(claims)

    def read(
        self, auth: Authenticator, request: MutableMapping[str, Any], identity: Identity
    ) -> C | Rejection:
        """The caller's claims, decoded once for a request however many want to know."""
        remembered = request.setdefault(_CLAIMS, {}).get(self.claims)
        if remembered is not None and remembered[0] is identity:
            found = remembered[1]
        else:
            try:
                found = self._decode(_payload(identity))
            except ClaimsMismatch as mismatch:
                # A traceback would keep the request in a reference cycle.
                found = mismatch.with_traceback(None)
            request[_CLAIMS][self.claims] = (identity, found)
        if not isinstance(found, ClaimsMismatch):
            return found
        if self.on_mismatch == "raise":
            raise ClaimsMismatch(*found.args)
        rejection = _malformed(auth, str(found))
        report(rejection)
        return rejection

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedClaims) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


#: Where a request remembers the claims it decoded.
_CLAIMS = "doorward.claims"


def _payload(identity: Identity) -> bytes:
    """The bytes that were signed, without members that must not be believed."""
    if not identity.flags:
        return identity.raw_claims
    believed = identity.claims
    members = json.loads(identity.raw_claims)
    return json.dumps({name: members[name] for name in members if name in believed}).encode()


def _decoder(claims: Any) -> Callable[[bytes], Any]:
    """How claims of that type are decoded. What cannot be is said at start-up."""
    name = getattr(claims, "__name__", type(claims).__name__)
    if not isinstance(claims, type):
        raise TypeError(f"claims: expected a class, found an instance of {name}")
    if _is_subclass(claims, "pydantic", "BaseModel") or hasattr(claims, "__pydantic_validator__"):
        return _by_pydantic(claims)
    if _is_subclass(claims, "msgspec", "Struct"):
        return _by_msgspec(claims)
    if not hasattr(claims, "__required_keys__") and not dataclasses.is_dataclass(claims):
        raise TypeError(
            f"claims: {name} is none of those that say what they hold: a pydantic model, a "
            "msgspec struct, a dataclass, a TypedDict"
        )
    for build in (_by_pydantic, _by_msgspec):
        try:
            return build(claims)
        except (ImportError, _NotForPydantic):
            continue
    raise TypeError(
        f"claims: to decode {name}, install pydantic or msgspec (and for pydantic before Python "
        "3.12, take TypedDict from typing_extensions)"
    )


def _is_subclass(claims: type, module: str, name: str) -> bool:
    """Whether the class is derived from another module's, which then has been imported."""
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and issubclass(claims, base)


class _NotForPydantic(Exception):
    """A type that pydantic understands on later Pythons only."""


def _by_pydantic(claims: type[Any]) -> Callable[[bytes], Any]:
    from pydantic import PydanticUserError, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(claims)
    except PydanticUserError as error:
        if error.code == "typed-dict-version":
            raise _NotForPydantic from error
        raise
    own = _names(claims)

    def decode(payload: bytes) -> Any:
        try:
            return adapter.validate_json(payload)
        except ValidationError as error:
            # The kind of an error is pydantic's, a place is told if the application named it.
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = [f"{_place(one['loc'], own)} ({one['type']})" for one in errors[:_TOLD]]
        raise ClaimsMismatch(f"not as {claims.__name__} has it: " + ", ".join(wrong))

    return decode


def _by_msgspec(claims: type[Any]) -> Callable[[bytes], Any]:
    import msgspec

    decoder = msgspec.json.Decoder(claims)
    own = _names(claims)

    def decode(payload: bytes) -> Any:
        try:
            return decoder.decode(payload)
        except msgspec.ValidationError as error:
            # The rest of the message can quote the token.
            found = re.search(r"(?: - at `\$\.|required field `)(\w+)", str(error))
            place = _place(found.groups() if found else (), own)
        raise ClaimsMismatch(f"not as {claims.__name__} has it: {place}")

    return decode


def _place(path: tuple[object, ...], own: frozenset[str]) -> str:
    """The claim that does not fit, if the type has a field for it; other names are the token's."""
    return str(path[0]) if path and path[0] in own else "the claims"


def _names(claims: Any) -> frozenset[str]:
    """The members a type has fields for."""
    models: dict[str, Any] = getattr(claims, "model_fields", {})
    names = {field.alias for field in models.values() if field.alias}
    for members in ("__dataclass_fields__", "__struct_encode_fields__", *_TYPED_DICT):
        names.update(getattr(claims, members, ()))
    return frozenset([*names, *models])


def _malformed(auth: Authenticator, detail: str) -> Rejection:
    """`claim_malformed`, worded as this authenticator words its refusals."""
    reason = Reason.CLAIM_MALFORMED.value
    try:
        auth.verify_nowait(_JUNK)
    except Rejection as template:
        was, now = (_SUMMARIES[code] for code in (template.reason.value, reason))
        headers = [(name, value.replace(was, now)) for name, value in template.headers]
        body: dict[str, Any] = json.loads(template.body)
        body["reason" if "reason" in body else "detail"] = reason
        body.update({name: now for name in ("summary", "detail") if body.get(name) == was})
        if "explanation" in body:
            body.update(explanation=detail, hint=_HINT)
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        content_type = template.content_type
        return Rejection(reason, template.status, headers, text, detail, _HINT, content_type)
    raise AssertionError("no authenticator takes junk for a token")


_TYPED_DICT = ("__required_keys__", "__optional_keys__")
_SUMMARIES = {code: summary for code, _, _, _, summary in REASONS}
#: Three segments that are no base64url.
_JUNK = "a.a.a"
_HINT = "Make the type fit what the issuer puts into its tokens, or the other way round."
#: Errors told of one token.
_TOLD = 5
