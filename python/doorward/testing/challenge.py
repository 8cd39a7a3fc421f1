"""The challenges of a refusal: `WWW-Authenticate` (RFC 9110 §11.6.1), as RFC 6750 §3 fills it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Challenge", "assert_challenge", "challenges"]


@dataclass(frozen=True)
class Challenge:
    """One challenge. Names of parameters are in lower case."""

    scheme: str
    parameters: Mapping[str, str]
    #: What stands in the place of parameters in `Negotiate` and its like.
    token68: str | None = None

    @property
    def error(self) -> str | None:
        return self.parameters.get("error")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The names in `scope`."""
        return tuple(self.parameters.get("scope", "").split())


def assert_challenge(
    response: object,
    error: str | None = "invalid_token",
    *,
    scope: str | Sequence[str] | None = None,
    status: int | None = None,
    scheme: str = "Bearer",
    **parameters: str,
) -> Challenge:
    """Asserts that a response refuses the caller properly, and returns the challenge that says so.

    `error`       `"invalid_token"`, `"insufficient_scope"`, `"invalid_request"`; `None` for the
                  bare challenge that a request without credentials is answered with
    `scope`       the scopes it names, in any order; not looked at unless given
    `status`      the one that belongs to `error`, unless given
    `parameters`  more that must be there: `realm="api"`, `resource_metadata="https://…"`

    `response` is that of any client: httpx, requests, Flask, Django, DRF, Litestar, urllib; or a
    `Rejection`.
    """
    __tracebackhide__ = True
    found = _status(response)
    sent = _fields(response)
    wrong: list[str] = []
    expected = status if status is not None else _STATUS.get(error)
    if expected is None:
        raise ValueError(f"error {error!r} is none of RFC 6750; say which status goes with it")
    if found != expected:
        wrong.append(f"status: expected {expected}, found {found}")
    wanted = dict(parameters)
    if error is not None:
        wanted["error"] = error
    names = None if scope is None else set(scope.split() if isinstance(scope, str) else scope)
    answer: Challenge | None = None
    try:
        candidates = [one for one in parse(sent) if one.scheme.lower() == scheme.lower()]
    except ValueError as malformed:
        wrong.append(f"WWW-Authenticate: {malformed}")
    else:
        tried = [(one, _mismatches(one, wanted, names)) for one in candidates]
        if tried:
            answer, mismatches = min(tried, key=lambda pair: len(pair[1]))
            wrong.extend(mismatches)
        else:
            wrong.append(f"WWW-Authenticate: expected a {scheme} challenge, found none")
    if wrong or answer is None:
        raise AssertionError(_report(response, wrong, found, sent))
    return answer


def challenges(response: object) -> list[Challenge]:
    """All challenges of a response, in their order. Raises `ValueError` if they are malformed."""
    return parse(_fields(response))


def parse(fields: Iterable[str]) -> list[Challenge]:
    """The challenges in the field's lines: `1#challenge`, where commas part both challenges and
    their parameters.
    """
    text = ", ".join(fields)
    found: list[Challenge] = []
    at = _SEPARATOR.match(text).end()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    while at < len(text):
        scheme = _expect(_TOKEN, text, at, "a scheme")
        at = scheme.end()
        token68: str | None = None
        parameters: dict[str, str] = {}
        if whole := _TOKEN68.match(text, at):
            token68, at = whole[1], whole.end()
        elif _NAME.match(text, at):
            at, parameters = _parameters(text, at)
        at = _separated(text, at)
        found.append(Challenge(scheme[0], parameters, token68))
    return found


def _parameters(text: str, at: int) -> tuple[int, dict[str, str]]:
    found: dict[str, str] = {}
    while name := _NAME.match(text, at):
        value = _expect(_VALUE, text, name.end(), "a token or a quoted string")
        key = name[1].lower()
        if key in found:
            raise _malformed(text, at, f"{key} only once")
        found[key] = value[2] or "" if value[1] is None else _PAIR.sub(r"\1", value[1])
        at = value.end()
        # A comma parts this parameter from the next, or this challenge from the next.
        after = _separated(text, at)
        if not _NAME.match(text, after):
            break
        at = after
    return at, found


def _separated(text: str, at: int) -> int:
    """Behind the commas at `at`, or at the end."""
    separator = _SEPARATOR.match(text, at)
    end = at if separator is None else separator.end()
    if end < len(text) and "," not in text[at:end]:
        raise _malformed(text, end, "a comma")
    return end


def _expect(pattern: re.Pattern[str], text: str, at: int, what: str) -> re.Match[str]:
    match = pattern.match(text, at)
    if match is None:
        raise _malformed(text, at, what)
    return match


def _malformed(text: str, at: int, what: str) -> ValueError:
    found = repr(text[at : at + 20]) if at < len(text) else "the end"
    return ValueError(f"malformed at character {at}: expected {what}, found {found}")


def _mismatches(
    challenge: Challenge, wanted: Mapping[str, str], names: set[str] | None
) -> list[str]:
    wrong: list[str] = []
    for name, value in wanted.items():
        found = challenge.parameters.get(name.lower())
        if found != value:
            wrong.append(f"{name}: expected {value!r}, found {_shown(found)}")
    if "error" not in wanted and challenge.error is not None:
        wrong.append(f"error: expected none, found {challenge.error!r}")
    if names is not None and set(challenge.scopes) != names:
        found = challenge.parameters.get("scope")
        wrong.append(f"scope: expected {' '.join(sorted(names))!r}, found {_shown(found)}")
    return wrong


def _shown(found: str | None) -> str:
    return "none" if found is None else repr(found)


def _report(response: object, wrong: list[str], status: int, sent: list[str]) -> str:
    lines = ["the response does not refuse as expected", *(f"  {one}" for one in wrong)]
    lines += ["it was", f"  {status}"]
    lines += [f"  WWW-Authenticate: {field}" for field in sent] or ["  no WWW-Authenticate"]
    body = _body(response)
    if body:
        lines.append(f"  {body}")
    return "\n".join(lines)


def _status(response: Any) -> int:
    # werkzeug's `status` is "401 UNAUTHORIZED", so the number is asked for first.
    for name in ("status_code", "status", "code"):
        found = getattr(response, name, None)
        if isinstance(found, int):
            return int(found)
    raise TypeError(
        f"expected a response with .status_code or .status, found {type(response).__name__}"
    )


def _fields(response: Any) -> list[str]:
    """The lines of `WWW-Authenticate`, wherever and however this framework keeps them."""
    headers = getattr(response, "headers", None)
    if headers is None:
        raise TypeError(f"expected a response with .headers, found {type(response).__name__}")
    # In turn: httpx; Starlette and werkzeug; email.message, which is http.client's; multidict.
    for name in ("get_list", "getlist", "get_all", "getall"):
        method = getattr(headers, name, None)
        if callable(method):
            found: Any = method(_FIELD) if name != "getall" else method(_FIELD, [])
            return [_text(one) for one in found or ()]
    pairs = cast("Iterable[tuple[Any, Any]]", getattr(headers, "items", lambda: headers)())
    return [_text(value) for name, value in pairs if _text(name).lower() == _FIELD]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(response: Any) -> str:
    """The beginning of the body, if it is there without waiting for it."""
    for name in ("content", "body", "data"):
        try:
            found = getattr(response, name, None)
        # A streaming response that was not read says so in its own framework's words.
        except Exception:
            continue
        if isinstance(found, bytes):
            found = found.decode("utf-8", "replace")
        if isinstance(found, str):
            return found if len(found) <= _SHOWN else found[:_SHOWN] + "…"
    return ""


_FIELD = "www-authenticate"
#: RFC 6750 §3.1, and the challenge without an error.
_STATUS: Mapping[str | None, int] = {
    None: 401,
    "invalid_token": 401,
    "invalid_request": 400,
    "insufficient_scope": 403,
}
#: Characters of a body that a failure shows.
_SHOWN = 400

# RFC 9110 §5.6.2, §5.6.4, §11.2.
_T = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TOKEN = re.compile(_T)
_TOKEN68 = re.compile(r" +([A-Za-z0-9\-._~+/]+=*)(?=[ \t]*(?:,|\Z))")
_NAME = re.compile(rf"[ \t]*({_T})[ \t]*=[ \t]*")
_QUOTED = r'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\U0010ffff]|\\[\t \x21-\x7e\x80-\U0010ffff])*)"'
_VALUE = re.compile(rf"{_QUOTED}|({_T})")
_PAIR = re.compile(r"\\(.)")
#: §5.6.1.2: a recipient reads empty elements of a list as nothing.
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)*")
