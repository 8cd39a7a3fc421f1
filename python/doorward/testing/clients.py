"""Test clients that send a user's credentials with every request."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, MutableMapping
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from .mint import Mint, Minter

    Undo = Callable[[], None]
    Enter = Callable[[Any, str | None, str, str | None], Undo]

__all__ = ["AsUser", "as_user", "signed_in"]

Client = TypeVar("Client")
Via = Literal["header", "cookie"]


def as_user(
    client: Client, token: str, *, via: Via = "header", cookie: str = "__session"
) -> Client:
    """The same client, which from now on presents `token` with every request, and with every
    websocket it opens.

    `via="cookie"` presents it as the session cookie. The client had other credentials before? They
    are taken from it: it is one user at a time. Known are the test clients of Starlette, FastAPI,
    Flask, Django, Django REST framework and Litestar, and the clients of httpx.
    """
    _sign_in(client, token, via, cookie)
    return client


@contextmanager
def signed_in(
    client: Client, token: str, *, via: Via = "header", cookie: str = "__session"
) -> Generator[Client, None, None]:
    """Like `as_user`, until the end of the `with` block; then the client has back what it had.

    It has a name of its own because clients are context managers themselves, which start the
    application or keep its context.
    """
    undo = _sign_in(client, token, via, cookie)
    try:
        yield client
    finally:
        undo()


class AsUser:
    """`as_user` with an issuer at hand: takes a token, or the arguments to mint one.

        as_user(client, sub="user_1", role="admin").get("/admin")
        with as_user.signed_in(client, mint.expired()): ...

    As a context manager it gives all clients back what they had.
    """

    def __init__(self, mint: Minter, default: Mint | None = None) -> None:
        self._mint = mint
        self._default: Mint = {} if default is None else default
        self._undone = ExitStack()

    def __call__(
        self,
        client: Client,
        token: str | None = None,
        /,
        *,
        via: Via = "header",
        cookie: str = "__session",
        **spec: Unpack[Mint],
    ) -> Client:
        """The same client, as this user from now on."""
        self._undone.callback(_sign_in(client, self._token(token, spec), via, cookie))
        return client

    @contextmanager
    def signed_in(
        self,
        client: Client,
        token: str | None = None,
        /,
        *,
        via: Via = "header",
        cookie: str = "__session",
        **spec: Unpack[Mint],
    ) -> Generator[Client, None, None]:
        """The same client, as this user in the `with` block."""
        with signed_in(client, self._token(token, spec), via=via, cookie=cookie):
            yield client

    def _token(self, token: str | None, spec: Mint) -> str:
        if token is None:
            return self._mint(**(spec or self._default))
        if spec:
            raise TypeError(f"a token, or what to mint ({', '.join(spec)}), but not both")
        return token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undone.close()

    def __repr__(self) -> str:
        return "AsUser()"


def _sign_in(client: object, token: str, via: str, cookie: str) -> Undo:
    """Puts the credentials into the client; returns what puts back those it had."""
    if not isinstance(token, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"as_user: a token is a str, found {type(token).__name__}")
    if token[:7].lower() == "bearer ":
        raise ValueError("as_user: the token alone, without its scheme")
    if via not in ("header", "cookie"):
        raise ValueError(f"as_user: via is 'header' or 'cookie', found {via!r}")
    for recognizes, enter in _KINDS:
        if recognizes(client):
            if via == "header":
                return enter(client, f"Bearer {token}", cookie, None)
            return enter(client, None, cookie, token)
    kind = type(client)
    raise TypeError(
        f"as_user: {kind.__module__}.{kind.__qualname__} is no client it knows; {_KNOWN}"
    )


def _httpx(client: Any, authorization: str | None, name: str, cookie: str | None) -> Undo:
    """httpx and httpx2, and what Starlette, FastAPI and Litestar make of their clients."""
    jar = client.cookies.jar
    had = client.headers.get("authorization")
    auth = client.auth
    cookies = [one for one in jar if _is_session(one.name, name)]

    def clear() -> None:
        for one in [one for one in jar if _is_session(one.name, name)]:
            jar.clear(one.domain, one.path, one.name)

    def undo() -> None:
        _put(client.headers, "authorization", had)
        client.auth = auth
        clear()
        for one in cookies:
            jar.set_cookie(one)

    # It would write a header of its own over ours.
    client.auth = None
    _put(client.headers, "authorization", authorization)
    clear()
    if cookie is not None:
        client.cookies.set(name, cookie)
    return undo


def _flask(client: Any, authorization: str | None, name: str, cookie: str | None) -> Undo:
    environ = client.environ_base
    had = environ.get("HTTP_AUTHORIZATION")
    # The client sends a cookie to its domain alone, and the application says what that is.
    domain = (client.application.config.get("SERVER_NAME") or "localhost").partition(":")[0]
    keys = {name, "__session"}
    cookies = {key: client.get_cookie(key, domain=domain) for key in keys}

    def undo() -> None:
        _put(environ, "HTTP_AUTHORIZATION", had)
        for key, one in cookies.items():
            if one is None:
                client.delete_cookie(key, domain=domain)
            else:
                client.set_cookie(
                    key,
                    one.decoded_value,
                    domain=domain,
                    origin_only=one.origin_only,
                    max_age=one.max_age,
                    expires=one.expires,
                    secure=one.secure,
                    httponly=one.http_only,
                    samesite=one.same_site,
                )

    _put(environ, "HTTP_AUTHORIZATION", authorization)
    for key in keys:
        client.delete_cookie(key, domain=domain)
    if cookie is not None:
        client.set_cookie(name, cookie, domain=domain, origin_only=False)
    return undo


def _django(client: Any, authorization: str | None, name: str, cookie: str | None) -> Undo:
    """Django's clients and request factories, and those of Django REST framework."""
    # The asynchronous ones call a header by its name, the others as a WSGI environ does.
    field = "authorization" if hasattr(client, "_base_scope") else "HTTP_AUTHORIZATION"
    # What APIClient.credentials() was given outranks the defaults.
    stores = [client.defaults, getattr(client, "_credentials", {})]
    had = [{key: store[key] for key in store if key.lower() == field.lower()} for store in stores]
    cookies = {key: one for key, one in client.cookies.items() if _is_session(key, name)}

    def clear() -> None:
        for store in stores:
            for key in [key for key in store if key.lower() == field.lower()]:
                del store[key]
        for key in [key for key in client.cookies if _is_session(key, name)]:
            del client.cookies[key]

    def undo() -> None:
        clear()
        for store, entries in zip(stores, had, strict=True):
            store.update(entries)
        for key, one in cookies.items():
            client.cookies[key] = one

    clear()
    if authorization is not None:
        client.defaults[field] = authorization
    if cookie is not None:
        client.cookies[name] = cookie
    return undo


def _put(store: MutableMapping[str, str], key: str, value: str | None) -> None:
    if value is None:
        store.pop(key, None)
    else:
        store[key] = value


def _is_session(key: str, name: str) -> bool:
    """Whether a cookie of this name may carry a session: the one that is written, and Clerk's."""
    return key in (name, "__session") or key.startswith("__session_")


def _has(*names: str) -> Callable[[object], bool]:
    return lambda client: all(hasattr(client, name) for name in names)


def _is_httpx(client: object) -> bool:
    # A response has headers and cookies as well, and does not always part with the latter.
    return _has("headers", "auth")(client) and hasattr(getattr(client, "cookies", None), "jar")


#: Who is known, and how to sign in there. Frameworks are recognized, not imported.
_KINDS: tuple[tuple[Callable[[object], bool], Enter], ...] = (
    (_is_httpx, _httpx),
    (_has("environ_base", "application", "set_cookie"), _flask),
    (_has("defaults", "cookies", "generic"), _django),
)
_KNOWN = (
    "it knows Starlette's and FastAPI's TestClient, Client and AsyncClient of httpx and httpx2, "
    "Flask's test client, Django's Client, AsyncClient and request factories, Django REST "
    "framework's APIClient and APIRequestFactory, Litestar's TestClient and AsyncTestClient; "
    "others take mint.headers() with a request"
)
