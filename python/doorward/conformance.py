"""Checks an application: every protected route refuses a list of bad credentials, every public one
is open.

    def test_the_doors(issuer: DevIssuer) -> None:
        check(app, issuer=issuer, public=["/health"]).assert_passed()

The application may run behind a URL, in a test client, or be given as it is. What is tried and what
must come back is decided by the engine behind `doorward conformance`; here requests are sent.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from copy import copy
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Protocol, TypeAlias
from urllib.parse import urlsplit

from ._doorward import ConformanceSuite
from ._rejection import ConfigError

if TYPE_CHECKING:
    from .testing import DevIssuer

__all__ = ["Finding", "NotTried", "Report", "Route", "Skipped", "check"]


def check(
    target: Any,
    *,
    openapi: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    routes: Iterable[str] | None = None,
    issuer: DevIssuer | str | None = None,
    token: str | None = None,
    public: str | Iterable[str] = (),
    skip: str | Iterable[str] = (),
    only: str | Iterable[str] = (),
    optional: str | Iterable[str] = (),
    protect_all: bool = False,
    parameters: Mapping[str, object] | None = None,
    mint: Mapping[str, Any] | None = None,
    iss: str | None = None,
    jwks: str | Mapping[str, Any] | None = None,
    cookie: str | None = None,
    waive: str | Iterable[str] = (),
    unsafe_methods: bool = False,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    max_probes: int = 5000,
    strict: bool = False,
) -> Report:
    """Sends every bad credential to every protected route and says what came of it.

    `target` is a base URL, a test client (of Starlette, FastAPI, Litestar, Flask, Django, or an
    `httpx.Client`), or an application of FastAPI, Starlette, Litestar or Flask.

    The routes are those of the OpenAPI document: the given one (a dict, a file, a URL), or else the
    application's own. Django, Flask and Starlette have none: there all routes of the URLconf, the
    URL map or the router are protected, but for the `public` ones. Or name `routes` by hand, as in
    `"DELETE /posts/{id}"`: with a document they are added to it, without one they are all.

    A path in `public`, `optional`, `skip` and `only` may have `*` in it, and a method before it.

    With an `issuer` that the application trusts (a `DevIssuer`, or the URL of a running `doorward
    dev`) or a good `token`, much more can be tried; `mint` is what a good token of this issuer
    says. The good token goes to GET and HEAD only, unless `unsafe_methods` says otherwise.
    """
    settings: dict[str, Any] = {
        "public": _list("public", public),
        "skip": _list("skip", skip),
        "only": _list("only", only),
        "optional": _list("optional", optional),
        "waive": _list("waive", waive),
        "protect_all": protect_all,
        "parameters": {name: str(value) for name, value in (parameters or {}).items()},
        "token": token,
        "issuer": iss,
        "cookie": cookie,
        "unsafe_methods": unsafe_methods,
        "headers": list((headers or {}).items()),
        "max_probes": max_probes,
        "strict": strict,
    }
    if jwks is not None:
        settings["jwks"] = json.loads(jwks) if isinstance(jwks, str) else dict(jwks)
    if issuer is not None:
        _have_minted(issuer, mint or {}, settings, timeout)
    elif mint is not None:
        raise ConfigError("mint: it is the issuer that mints; give one as `issuer`")
    with _reach(target, timeout) as reached:
        settings["target"] = reached.name
        settings["origin"] = reached.origin
        settings["base"] = reached.base
        settings["openapi"] = _document(openapi, timeout)
        settings["routes"] = [_route(text) for text in _list("routes", routes or ())]
        # Routes by hand are enough, unless a document is given as well.
        if openapi is None and routes is None:
            settings.update(reached.routes())
        suite = ConformanceSuite(json.dumps(settings))
        _ask(suite, reached)
    return Report(*suite.report())


class Finding(NamedTuple):
    """What was found out by one request, or (`attack` is `route`) by all requests to one route."""

    #: `GET /me`
    route: str
    #: What was tried: `alg_none`, `expired`, …
    attack: str
    state: Literal["pass", "warn", "fail"]
    #: What was found: `as_expected`, `let_in`, `believed`, …
    code: str
    status: int | None
    #: What was found, in words.
    found: str
    #: How to mend it.
    mend: str


class Route(NamedTuple):
    """A route that was probed, and the worst that was found."""

    route: str
    access: Literal["protected", "optional", "public"]
    state: Literal["pass", "warn", "fail"]


class Skipped(NamedTuple):
    """A route that was not probed."""

    route: str
    why: str


class NotTried(NamedTuple):
    """An attack that was not tried, and what it takes."""

    attack: str
    needs: str


class Report:
    """What `check` found out. True if nothing failed; `str()` of it is a table."""

    def __init__(self, text: str, table: str, junit: str) -> None:
        self._json = text
        self._table = table
        self._junit = junit
        told: dict[str, Any] = json.loads(text)
        #: Whether nothing failed (and, if `strict`, nothing was odd).
        self.passed: bool = told["passed"]
        #: The numbers: `routes`, `protected`, `public`, `probes`, `failures`, `warnings`, …
        self.summary: Mapping[str, int] = told["summary"]
        self.findings: tuple[Finding, ...] = tuple(Finding(**one) for one in told["findings"])
        self.routes: tuple[Route, ...] = tuple(Route(**one) for one in told["routes"])
        self.skipped: tuple[Skipped, ...] = tuple(Skipped(**one) for one in told["skipped"])
        self.not_tried: tuple[NotTried, ...] = tuple(NotTried(**one) for one in told["not_tried"])

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What is a hole, or as good as one."""
        return tuple(finding for finding in self.findings if finding.state == "fail")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is odd."""
        return tuple(finding for finding in self.findings if finding.state == "warn")

    def to_json(self) -> str:
        """Everything, for scripts."""
        return self._json

    def to_junit(self) -> str:
        """JUnit XML, for build servers."""
        return self._junit

    def assert_passed(self) -> None:
        """Raises `AssertionError`, with the table, if something failed."""
        if not self.passed:
            raise AssertionError(f"bad credentials were not refused\n\n{self._table}")

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self._table

    def __repr__(self) -> str:
        failures, warnings = self.summary["failures"], self.summary["warnings"]
        return f"Report(passed={self.passed}, failures={failures}, warnings={warnings})"


# Asking.


class _Response(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    #: The whole body, where that was asked for.
    body: bytes = b""

    def field(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name), None)


class _Reached(Protocol):
    """An application within reach, however it is reached."""

    #: What the report calls it.
    name: str
    #: Scheme, host and port of its own URLs.
    origin: str
    #: The path under which everything is, where that is known.
    base: str | None

    def routes(self) -> dict[str, Any]:
        """The members `openapi` or `routes` of the suite's settings."""
        ...

    def send(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        *,
        whole: bool = False,
    ) -> _Response:
        """Raises `_Silence` if there is no answer; what the application raises goes through."""
        ...


class _Silence(Exception):
    """There is no answer. `refused`: nobody listens."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


def _ask(suite: ConformanceSuite, reached: _Reached) -> None:
    routes = suite.routes()
    silences: Counter[int] = Counter()
    refused = 0
    patience = _Patience()
    for index, (method, target, headers, body) in enumerate(suite.requests()):
        if silences[routes[index]] >= _MOST_SILENCES:
            suite.silent(index, "the route gave no answer before, so it was not asked again")
            continue
        if sum(silences.values()) >= _MOST_SILENCES_IN_ALL:
            suite.silent(index, "too many requests went unanswered, so it was not asked")
            continue
        try:
            answer = _persist(reached, method, target, headers, body, patience)
        except _Silence as silence:
            silences[routes[index]] += 1
            refused = refused + 1 if silence.refused else 0
            if refused >= _MOST_REFUSALS:
                raise ConnectionError(f"there is no API at {reached.name}: {silence}") from None
            suite.silent(index, str(silence))
        except Exception as error:
            # A test client hands on what the application raises. Its text may have a token in it.
            suite.crashed(index, type(error).__name__)
        else:
            refused = 0
            suite.answered(index, answer.status, answer.headers)


class _Patience:
    """How many seconds all requests together may wait because they were asked to."""

    def __init__(self) -> None:
        self.left = 60

    def spend(self, seconds: int) -> bool:
        """Waits, if there is enough left. Who asks to be asked at once is not asked for ever."""
        self.left -= max(seconds, 1)
        if self.left >= 0:
            time.sleep(seconds)
        return self.left >= 0


def _persist(
    reached: _Reached,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: str | None,
    patience: _Patience,
) -> _Response:
    """Sends one probe; waits where that is asked for, and follows where the engine lets it."""
    octets = None if body is None else body.encode()
    tries = hops = 0
    while True:
        answer = reached.send(method, target, headers, octets)
        seconds = ConformanceSuite.retry_after(answer.status, answer.field("retry-after"), tries)
        if seconds is not None and patience.spend(seconds):
            tries += 1
            continue
        location = answer.field("location")
        if location is not None and hops < _MOST_HOPS:
            origin = reached.origin
            further = ConformanceSuite.follow(origin, method, target, answer.status, location)
            if further is not None:
                hops += 1
                target = further
                continue
        return answer


# Documents and tokens.


def _document(
    openapi: str | os.PathLike[str] | Mapping[str, Any] | None, timeout: float
) -> Mapping[str, Any] | None:
    if openapi is None or isinstance(openapi, Mapping):
        return openapi
    place = os.fspath(openapi)
    if not place.startswith(("http://", "https://")):
        with open(place, encoding="utf-8") as file:
            return _read(file.read())
    parts = urlsplit(place)
    with closing(_Url(f"{parts.scheme}://{parts.netloc}", timeout)) as server:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        answer = server.send("GET", target, [("Accept", _DOCUMENT_TYPES)], None, whole=True)
    if answer.status != 200:
        raise ConfigError(f"openapi: {place} answered {answer.status}")
    return _read(answer.body.decode())


def _read(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ConformanceSuite.document(text))
    return document


def _found(reached: _Reached) -> dict[str, Any]:
    """The document an application serves itself, where frameworks put it."""
    for path in ConformanceSuite.documents():
        target = (reached.base or "").rstrip("/") + path
        try:
            answer = reached.send("GET", target, [("Accept", _DOCUMENT_TYPES)], None, whole=True)
        except _Silence as silence:
            raise ConnectionError(f"there is no API at {reached.name}: {silence}") from None
        if answer.status == 200:
            try:
                document = _read(answer.body.decode())
            except (ConfigError, UnicodeDecodeError):
                continue
            if "openapi" in document:
                return {"openapi": document}
    raise ConfigError(
        f"there is no OpenAPI document at {reached.name}/openapi.json, nor at other usual places; "
        "give it as `openapi`, or the routes as `routes`"
    )


def _have_minted(
    issuer: DevIssuer | str, mint: Mapping[str, Any], settings: dict[str, Any], timeout: float
) -> None:
    """Has a good token minted, and those that are nearly good."""
    minted: dict[str, str] = {}
    specs = ConformanceSuite.mints(json.dumps(dict(mint)))
    if isinstance(issuer, str):
        url = issuer.rstrip("/")
        with closing(_Url(url, timeout)) as server:
            for name, spec in specs:
                minted[name] = _ask_issuer(server, "POST", "/dev/mint", spec)["token"]
            keys = _ask_issuer(server, "GET", "/.well-known/jwks.json", None)
    else:
        for name, spec in specs:
            minted[name] = issuer.mint(**json.loads(spec))
        keys = json.loads(issuer.jwks())
    settings["minted"] = minted
    settings.setdefault("jwks", keys)


def _ask_issuer(server: _Url, method: str, target: str, spec: str | None) -> dict[str, Any]:
    body = None if spec is None else spec.encode()
    target = (server.base or "") + target
    json_type = [("Content-Type", "application/json")]
    try:
        answer = server.send(method, target, json_type, body, whole=True)
        told: dict[str, Any] = json.loads(answer.body)
    except (_Silence, ValueError) as error:
        raise ConnectionError(
            f"there is no local issuer at {server.name} ({error}); start one with `doorward dev`"
        ) from None
    if answer.status != 200:
        raise ConfigError(f"issuer: {told.get('message', answer.status)}")
    return told


def _list(name: str, given: str | Iterable[str]) -> list[str]:
    items = [given] if isinstance(given, str) else list(given)
    wrong: list[object] = [item for item in items if not isinstance(item, str)]  # pyright: ignore[reportUnnecessaryIsInstance]
    if wrong:
        raise TypeError(f"{name}: expected text, found {wrong[0]!r}")
    return items


def _route(text: str) -> dict[str, Any]:
    method, _, path = text.strip().rpartition(" ")
    return {"method": method.strip() or None, "path": path}


# Ways to reach an application.


@contextmanager
def _reach(target: Any, timeout: float) -> Generator[_Reached]:
    if isinstance(target, str):
        with closing(_Url(target, timeout)) as server:
            yield server
        return
    for is_it, reach in _WAYS:
        if is_it(target):
            with reach(target) as reached:
                yield reached
            return
    kind = f"{type(target).__module__}.{type(target).__qualname__}"
    _unreachable(f"{kind} is neither a URL nor a test client nor an application it knows")


def _unreachable(why: str) -> NoReturn:
    raise TypeError(
        f"check: {why}. It takes a base URL; a test client of Starlette, FastAPI, Litestar, Flask "
        "or Django, or an httpx.Client; an application of FastAPI, Starlette, Litestar or Flask. "
        "Whatever else there is, start it and give its URL"
    )


class _Url:
    """A server."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError("target: expected a URL as in http://127.0.0.1:8000")
        if parts.username or parts.password:
            raise ConfigError(
                "target: the URL has credentials in it, which all requests would carry"
            )
        if parts.query or parts.fragment:
            raise ConfigError("target: the URL has a query or a fragment")
        self.name = url.rstrip("/")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.base = parts.path.rstrip("/") or None
        https = parts.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)

    def routes(self) -> dict[str, Any]:
        return _found(self)

    def send(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        *,
        whole: bool = False,
    ) -> _Response:
        while True:
            reused = self._connection.sock is not None
            try:
                if not reused:
                    self._connect()
                return self._once(method, target, headers, body, whole)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                # A server may close a connection that it has answered on before.
                if not (reused and isinstance(error, ConnectionError)):
                    raise _Silence(_why(error)) from None

    def _connect(self) -> None:
        try:
            self._connection.connect()
        except OSError as error:
            self._connection.close()
            raise _Silence(_why(error), refused=True) from None

    def _once(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        whole: bool,
    ) -> _Response:
        connection = self._connection
        connection.putrequest(method, target, skip_accept_encoding=True)
        connection.putheader("User-Agent", "doorward-conformance")
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        read = b""
        # What is short is read, so that the connection can be used again; a stream has no end.
        if whole or (answer.length is not None and answer.length <= _SMALL_BODY):
            read = answer.read(_LARGEST_DOCUMENT)
        if not answer.isclosed():
            connection.close()
        return _Response(answer.status, answer.getheaders(), read)

    def close(self) -> None:
        self._connection.close()


def _why(error: Exception) -> str:
    """What went wrong, without the request."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, ssl.SSLError):
        return "no TLS: " + (error.reason or "the handshake failed")
    return "the connection was cut"


class _Client:
    """A client in the manner of httpx: Starlette's, FastAPI's, Litestar's, or httpx's own."""

    def __init__(self, client: Any, app: Any = None) -> None:
        for field in ("authorization", "cookie"):
            if field in client.headers:
                raise ConfigError(
                    f"the client sends {field!r} with every request, which would hide what is "
                    "checked; give one that is not signed in"
                )
        url = urlsplit(str(client.base_url))
        self.origin = f"{url.scheme}://{url.netloc}"
        self.base = url.path.rstrip("/") or None
        self.name = self.origin + (self.base or "") if app is None else _name(app)
        self._client = client
        self._app = app

    def routes(self) -> dict[str, Any]:
        found = None if self._app is None else _routes_of(self._app)
        # An application inside another, as in a middleware, is asked for its document.
        return _found(self) if found is None else found

    def send(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        *,
        whole: bool = False,
    ) -> _Response:
        # A cookie that a good token was answered with would let the next bad one in.
        self._client.cookies.clear()
        answer = self._client.request(
            method,
            self.origin + target,
            headers=headers,
            content=body,
            follow_redirects=False,
            # Not even what a .netrc file has for this host.
            auth=None,
        )
        fields = [(str(name), str(value)) for name, value in answer.headers.multi_items()]
        return _Response(answer.status_code, fields, answer.content if whole else b"")


@contextmanager
def _client(client: Any) -> Generator[_Reached]:
    if iscoroutinefunction(client.request):
        _unreachable("an asynchronous client cannot be used from here")
    reached = _Client(client, getattr(client, "app", None))
    kept = list(client.cookies.jar)
    try:
        yield reached
    finally:
        client.cookies.clear()
        for cookie in kept:
            client.cookies.jar.set_cookie(cookie)


@contextmanager
def _asgi(app: Any) -> Generator[_Reached]:
    """An application of FastAPI or Starlette, started and stopped."""
    from starlette.testclient import TestClient

    started: Any = TestClient(app, raise_server_exceptions=False)
    with started as client, _client(client) as reached:
        yield reached


@contextmanager
def _litestar(app: Any) -> Generator[_Reached]:
    from litestar.testing import TestClient

    started: Any = TestClient(app, raise_server_exceptions=False)
    with started as client, _client(client) as reached:
        yield reached


class _Flask:
    """An application of Flask, by a client of its own that keeps no cookies."""

    base: str | None = None

    def __init__(self, app: Any) -> None:
        self.name = _name(app)
        self.origin = f"http://{app.config.get('SERVER_NAME') or 'localhost'}"
        self._app = app
        self._client = app.test_client(use_cookies=False)

    def routes(self) -> dict[str, Any]:
        return {"routes": list(_of_url_map(self._app.url_map))}

    def send(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        *,
        whole: bool = False,
    ) -> _Response:
        answer = self._client.open(
            target, method=method, headers=headers, data=body, follow_redirects=False
        )
        fields = [(str(name), str(value)) for name, value in answer.headers.items()]
        read: bytes = answer.get_data() if whole else b""
        answer.close()
        return _Response(answer.status_code, fields, read)


@contextmanager
def _flask(app: Any) -> Generator[_Reached]:
    if hasattr(app, "asgi_app"):
        _unreachable("Quart's test client is asynchronous")
    yield _Flask(app)


class _Django:
    """Django, by a copy of the client that has neither its cookies nor its credentials."""

    base: str | None = None
    name = "django"

    def __init__(self, client: Any) -> None:
        from django.conf import settings

        self._client = copy(client)
        self._client.raise_request_exception = False
        self._client.defaults = {
            name: value
            for name, value in client.defaults.items()
            if name not in {"HTTP_AUTHORIZATION", "HTTP_COOKIE"}
        }
        self._no_cookies: Callable[[], Any] = type(client.cookies)
        self._secure = bool(getattr(settings, "SECURE_SSL_REDIRECT", False))
        host = client.defaults.get("SERVER_NAME", "testserver")
        self.origin = f"http{'s' if self._secure else ''}://{host}"

    def routes(self) -> dict[str, Any]:
        from django.urls import get_resolver

        return {"routes": list(_of_urlconf(get_resolver().url_patterns, "/"))}

    def send(
        self,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        *,
        whole: bool = False,
    ) -> _Response:
        self._client.cookies = self._no_cookies()
        # WSGI has one value for each name; servers join the lines (RFC 9110 §5.2).
        joined: dict[str, str] = {}
        for name, value in headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        kind = joined.pop("Content-Type", "application/octet-stream")
        answer = self._client.generic(
            method, target, body or b"", kind, secure=self._secure, headers=joined
        )
        fields = [(str(name), str(value)) for name, value in answer.items()]
        read: bytes = answer.getvalue() if whole else b""
        return _Response(answer.status_code, fields, read)


@contextmanager
def _django(client: Any) -> Generator[_Reached]:
    if iscoroutinefunction(client.request):
        _unreachable("an asynchronous client cannot be used from here")
    yield _Django(client)


def _name(app: Any) -> str:
    return str(getattr(app, "title", None) or getattr(app, "name", None) or type(app).__name__)


#: How to tell a kind of target, and how to reach one.
_Way: TypeAlias = "tuple[Callable[[Any], bool], Callable[[Any], AbstractContextManager[_Reached]]]"


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda target: all(hasattr(target, name) for name in names)


#: How each kind of target is told from the others, and how it is reached. A litestar and a Flask
#: have much of what a Starlette has, so they stand before it.
_WAYS: tuple[_Way, ...] = (
    (_has("url_map", "test_client"), _flask),
    (_has("application", "open"), lambda client: _flask(client.application)),
    (_has("handler", "generic", "cookies"), _django),
    (_has("base_url", "request", "cookies"), _client),
    (_has("openapi_schema", "asgi_handler"), _litestar),
    (_has("router", "routes", "middleware_stack"), _asgi),
)


# Routes of applications.


def _routes_of(app: Any) -> dict[str, Any] | None:
    """The routes of an application: from its document if it can make one, else from its table."""
    if callable(getattr(app, "openapi", None)):
        return {"openapi": app.openapi()}
    if hasattr(app, "asgi_handler"):
        if app.openapi_config is None:
            raise ConfigError("the application makes no OpenAPI document; give its `routes`")
        return {"openapi": app.openapi_schema.to_schema()}
    if hasattr(app, "routes"):
        return {"routes": list(_of_starlette(app.routes, ""))}
    return None


def _of_url_map(url_map: Any) -> Iterator[dict[str, Any]]:
    """Flask's rules (Werkzeug): everything but static files is protected, unless it is named."""
    for rule in url_map.iter_rules():
        if rule.websocket or rule.endpoint.rpartition(".")[2] == "static":
            continue
        path, parameters = _braced(rule.rule, _WERKZEUG)
        for method in sorted(rule.methods & _METHODS):
            yield {"method": method, "path": path, "parameters": parameters}


def _of_starlette(routes: Iterable[Any], prefix: str) -> Iterator[dict[str, Any]]:
    for route in routes:
        path, parameters = _braced(prefix + route.path, _STARLETTE)
        for method in sorted((getattr(route, "methods", None) or set[str]()) & _METHODS):
            yield {"method": method, "path": path, "parameters": parameters}
        if getattr(route, "routes", None):
            yield from _of_starlette(route.routes, prefix + route.path)


def _of_urlconf(patterns: Iterable[Any], prefix: str) -> Iterator[dict[str, Any]]:
    """Django's URLconf: everything in it is protected, unless it is named."""
    from django.urls import URLResolver

    for one in patterns:
        path = prefix + _of_django_pattern(one.pattern)
        if isinstance(one, URLResolver):
            yield from _of_urlconf(one.url_patterns, path)
            continue
        path, parameters = _braced(path, _DJANGO)
        for method in _methods_of_view(one.callback):
            yield {"method": method, "path": path, "parameters": parameters}


def _of_django_pattern(pattern: Any) -> str:
    from django.urls.resolvers import RegexPattern
    from django.utils.regex_helper import normalize

    if not isinstance(pattern, RegexPattern):
        return str(pattern)
    # What `reverse` would fill in: `%(name)s`.
    possible = normalize(pattern.regex.pattern)
    text = possible[0][0] if possible else ""
    return re.sub(r"%\((\w+)\)s", r"<\1>", text).replace("%%", "%")


def _methods_of_view(view: Any) -> Sequence[str]:
    """What a view answers to. A function does not say; GET is what most of them do."""
    actions: Mapping[str, str] | None = getattr(view, "actions", None)
    if actions:
        return sorted({method.upper() for method in actions} & _METHODS)
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if kind is None:
        return ["GET"]
    names = [name.upper() for name in kind.http_method_names if hasattr(kind, name)]
    return sorted(set(names) & _METHODS)


def _braced(path: str, parameter: re.Pattern[str]) -> tuple[str, dict[str, str]]:
    """A path with its parameters in braces, and what to put there."""
    values: dict[str, str] = {}

    def brace(found: re.Match[str]) -> str:
        name, kind = found["name"], found["kind"] or ""
        arguments = found.groupdict().get("arguments") or ""
        values[name] = _VALUES.get(kind, "1")
        if kind == "any":
            values[name] = arguments.split(",")[0].strip(" '\"")
        return "{" + name + "}"

    return parameter.sub(brace, path), values


#: `<int(min=1):id>`, `<id>`
_WERKZEUG = re.compile(r"<(?:(?P<kind>[a-zA-Z_]\w*)(?:\((?P<arguments>.*?)\))?:)?(?P<name>\w+)>")
#: `{id:int}`, `{id}`
_STARLETTE = re.compile(r"\{(?P<name>\w+)(?::(?P<kind>\w+))?\}")
#: `<int:id>`, `<id>`
_DJANGO = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
#: What a converter takes, if that is not a one.
_VALUES = {"float": "1.0", "uuid": "00000000-0000-4000-8000-000000000000"}
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_DOCUMENT_TYPES = (
    "application/vnd.oai.openapi+json, application/json, application/yaml;q=0.8, */*;q=0.1"
)
_LARGEST_DOCUMENT = 16 * 1024 * 1024
_SMALL_BODY = 64 * 1024
#: Requests to one route that may wait in vain.
_MOST_SILENCES = 3
#: Requests that may wait in vain.
_MOST_SILENCES_IN_ALL = 30
#: Connections refused in a row after which there is no API.
_MOST_REFUSALS = 3
#: Redirects that one request follows.
_MOST_HOPS = 3
