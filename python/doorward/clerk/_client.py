"""The client: resources and operations as the table has them, made when they are asked for."""

from __future__ import annotations

import os

from doorward._doorward import BackendApi, Calling
from doorward._rejection import ConfigError

from ._arguments import Step, json_of, steps
from ._cast import cast
from ._errors import failed
from ._objects import List, listed, listed_unread, wrapped
from ._table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from inspect import Signature
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from ._pages import AsyncPages, Pages
    from ._table import Operation
    from .types import Resources as _Resources

    Bearer = str | Callable[[], str | None] | None
else:
    _Resources = object

__all__ = ["Clerk"]


class Clerk(_Resources):
    """A client of Clerk's Backend API.

    `bearer_auth` is the instance's secret key, or a function that is asked for it at each call;
    without it `CLERK_SECRET_KEY`. Machine tokens are created with `machine_secret_key`
    (`CLERK_MACHINE_SECRET_KEY`); a machine's key will do as `bearer_auth` too. `server_url` is the
    API (`CLERK_API_URL`; https, or this machine). `timeout_ms` is how long a call may take with all
    its attempts (default 30 seconds, at most 55), `retries` how often it may be tried again
    (default 3; a POST only where it cannot have taken effect).

    Nothing is opened before the first call. One client serves all threads and event loops, and goes
    on working after a fork.

    Raises `doorward.ConfigError` for a setting that makes no sense.
    """

    def __init__(
        self,
        bearer_auth: Bearer = None,
        *,
        machine_secret_key: str | None = None,
        server_url: str | None = None,
        timeout_ms: float | None = None,
        retries: int | None = None,
    ) -> None:
        if bearer_auth is not None and not isinstance(bearer_auth, str):
            if not callable(bearer_auth):
                found = type(bearer_auth).__name__
                raise ConfigError(f"bearer_auth: expected text or a function, found {found}")
            self._ask: Callable[[], str | None] | None = bearer_auth
            secret_key = None
        else:
            self._ask = None
            # What is given counts, even if it is empty: another instance's key must not stand in.
            secret_key = _or(bearer_auth, os.environ.get("CLERK_SECRET_KEY") or None)
        machine = _or(machine_secret_key, os.environ.get("CLERK_MACHINE_SECRET_KEY") or None)
        if machine is None and secret_key is not None and secret_key.startswith("ak_"):
            machine = secret_key
        self._has_machine_key = machine is not None

        # Keys are nowhere that `vars` or a debugger's list of attributes would show them.
        def at(url: str | None) -> BackendApi:
            return BackendApi(base_url=url, secret_key=secret_key, machine_secret_key=machine)

        self._api_at = at
        try:
            self._timeout = _seconds(timeout_ms)
            self._attempts = _attempts(retries)
        except (TypeError, ValueError) as error:
            raise ConfigError(str(error)) from None
        server_url = _or(server_url, os.environ.get("CLERK_API_URL") or None)
        self._api = at(server_url)

    def send(self, method: str, target: str, body: Any = None, **options: Any) -> Any:
        """Sends what the table does not know: a path after the base URL with its query, percent-
        encoded, and a JSON body. The answer is plain JSON.
        """
        return _read(None, _waited(self._start_raw(method, target, body, options)))

    async def send_async(self, method: str, target: str, body: Any = None, **options: Any) -> Any:
        """Like `send`, for an event loop."""
        return _read(None, await _awaited(self._start_raw(method, target, body, options)))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Resource:
            verbs = table().verbs(name)
            if verbs is None:
                raise _unknown(self, "clerk", name, table().resources)
            # The next time it is an ordinary attribute.
            resource = self.__dict__[name] = Resource(self, name, verbs)
            return resource

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *table().resources})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is closed by hand: connections end with the client, or when they rest."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def __repr__(self) -> str:
        return "Clerk()"

    def begin(self, step: Step, options: Options) -> Calling:
        """Starts one request. For the operations."""
        return self._at(options).start(
            step.operation.id,
            step.arguments,
            files=step.files,
            secret_key=self._key(step.operation.auth),
            timeout=_or(_seconds(options.timeout_ms), self._timeout),
            attempts=_or(_attempts(options.retries), self._attempts),
            headers=list((options.http_headers or {}).items()),
        )

    def _start_raw(self, method: str, target: str, body: Any, given: dict[str, Any]) -> Calling:
        options = Options(**given)
        return self._at(options).start_raw(
            method.upper(),
            target,
            None if body is None else json_of(body),
            secret_key=self._key("secret"),
            timeout=_or(_seconds(options.timeout_ms), self._timeout),
            attempts=_or(_attempts(options.retries), self._attempts),
            headers=list((options.http_headers or {}).items()),
        )

    def _at(self, options: Options) -> BackendApi:
        if options.server_url is None:
            return self._api
        return self._api_at(options.server_url)

    def _key(self, auth: str) -> str | None:
        """The key of this call, where it has one of its own."""
        own = auth == "machine" and self._has_machine_key
        if self._ask is None or own or auth == "none":
            return None
        key = self._ask()
        if not key:
            # And not the machine's, which may be there.
            raise failed("arguments", "bearer_auth returned no key", None, None, None, 0, False)
        return key


class Options:
    """What every call takes besides its arguments."""

    def __init__(
        self,
        retries: Any = None,
        server_url: str | None = None,
        timeout_ms: float | None = None,
        http_headers: Mapping[str, str] | None = None,
    ) -> None:
        self.retries = retries
        self.server_url = server_url
        self.timeout_ms = timeout_ms
        self.http_headers = http_headers


class Resource:
    """The operations of one resource: `clerk.users.get(…)`, `await clerk.users.get_async(…)`."""

    def __init__(self, clerk: Clerk, name: str, verbs: dict[str, Operation]) -> None:
        self._clerk = clerk
        self._name = name
        self._verbs = verbs

    def __getattr__(self, name: str) -> _Bound:
        # A resource that is being copied has nothing yet.
        if name.startswith("_"):
            raise AttributeError(name)
        for kind, ending in _METHODS.items():
            operation = self._verbs.get(name.removesuffix(ending))
            if operation is not None and name.endswith(ending) and kind.fits(operation):
                method = self.__dict__[name] = kind(self._clerk, operation, name)
                return method
        raise _unknown(self, f"clerk.{self._name}", name, dir(self))

    def __dir__(self) -> list[str]:
        return sorted(
            f"{verb}{ending}"
            for kind, ending in _METHODS.items()
            for verb, operation in self._verbs.items()
            if kind.fits(operation)
        )

    def __repr__(self) -> str:
        return f"<clerk.{self._name}: {', '.join(sorted(self._verbs))}>"


class _Bound:
    """An operation of a client."""

    #: What it answers, if that is not what the operation does.
    answers: str | None = None

    @staticmethod
    def fits(operation: Operation) -> bool:
        """Whether the operation can be called this way."""
        return True

    def __init__(self, clerk: Clerk, operation: Operation, name: str) -> None:
        self._clerk = clerk
        self._operation = operation
        self.__name__ = name
        self.__qualname__ = f"clerk.{operation.resource}.{name}"
        self.__doc__ = None

    def __getattribute__(self, name: str) -> Any:
        if name == "__doc__":
            from ._describe import description

            return description(self._operation, self.answers)
        return super().__getattribute__(name)

    @property
    def __signature__(self) -> Signature:
        from ._describe import signature

        return signature(self._operation, self.answers)

    def __repr__(self) -> str:
        return f"<{self.__qualname__}: {self._operation.method} {self._operation.path}>"

    def _prepared(
        self, positional: tuple[Any, ...], request: Any, keywords: dict[str, Any]
    ) -> tuple[list[Step], Options]:
        if positional:
            first = next(iter(self._operation.parameters), "request")
            raise TypeError(f"{self.__qualname__}() takes keywords only: {first}=…")
        options = Options(**{name: keywords.pop(name) for name in _OPTIONS & keywords.keys()})
        return steps(self._operation, self.__qualname__, request, keywords), options


class Method(_Bound):
    """An operation, called like a function."""

    def __call__(
        self,
        *positional: Any,
        request: Any = None,
        **keywords: Any,
    ) -> Any:
        steps, options = self._prepared(positional, request, keywords)
        result = None
        for step in steps:
            result = self._sent(step, options)
        return result

    def _sent(self, step: Step, options: Options) -> Any:
        with step:
            answer = _waited(self._clerk.begin(step, options))
        return _read(step.operation, answer)


class AsyncMethod(_Bound):
    """An operation, called like a coroutine function."""

    async def __call__(
        self,
        *positional: Any,
        request: Any = None,
        **keywords: Any,
    ) -> Any:
        steps, options = self._prepared(positional, request, keywords)
        result = None
        for step in steps:
            result = await self._sent(step, options)
        return result

    async def _sent(self, step: Step, options: Options) -> Any:
        with step:
            answer = await _awaited(self._clerk.begin(step, options))
        return _read(step.operation, answer)


class Walking(Method):
    """A list, walked through page by page."""

    answers = "Pages"

    @staticmethod
    def fits(operation: Operation) -> bool:
        return operation.is_paginated

    def __call__(
        self,
        *positional: Any,
        request: Any = None,
        **keywords: Any,
    ) -> Pages[Any]:
        from ._pages import Pages

        (step,), options = self._prepared(positional, request, keywords)
        return Pages(step, lambda page: self._sent(page, options), self.__qualname__)


class AsyncWalking(AsyncMethod):
    """A list, walked through with `async for`."""

    answers = "AsyncPages"

    @staticmethod
    def fits(operation: Operation) -> bool:
        return operation.is_paginated

    # The walk is what is awaited, not the call.
    def __call__(  # type: ignore[override]
        self,
        *positional: Any,
        request: Any = None,
        **keywords: Any,
    ) -> AsyncPages[Any]:
        from ._pages import AsyncPages

        (step,), options = self._prepared(positional, request, keywords)
        return AsyncPages(step, lambda page: self._sent(page, options), self.__qualname__)


_OPTIONS = {"retries", "server_url", "timeout_ms", "http_headers"}
#: The ways to call an operation, and what each adds to its verb.
_METHODS: dict[type[_Bound], str] = {
    Method: "",
    AsyncMethod: "_async",
    Walking: "_iter",
    AsyncWalking: "_iter_async",
}

_Answer = tuple[int, list[tuple[str, str]], bytes]


def _waited(calling: Calling) -> _Answer:
    try:
        calling.wait()
    except BaseException:
        calling.cancel()
        raise
    return calling.outcome()


async def _awaited(calling: Calling) -> _Answer:
    from doorward._authenticator import settled

    try:
        await settled(calling)
    except BaseException:
        calling.cancel()
        raise
    return calling.outcome()


def _read(operation: Operation | None, answer: _Answer) -> Any:
    import json

    _, _, body = answer
    shape = operation.shape if operation is not None else "any"
    if shape == "text":
        return body.decode("utf-8", "replace")
    if not body.strip():
        nothing: List[Any] = List()
        return nothing if shape in ("array", "page") else None
    if operation is not None and shape in ("array", "page"):
        unread = listed_unread(body, operation.items, operation.response)
        if unread is not None:
            return unread
    try:
        # A letter that is no UTF-8 is lost, and not the answer.
        value = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as error:
        name = "" if operation is None else f"{operation.method} {operation.path}: "
        why = f"{name}the answer is a success, and not JSON that can be read"
        raise failed("unreadable", why, answer, None, None, 1, True) from error
    if operation is None:
        return value
    if shape in ("array", "page"):
        return listed(value, operation.items, operation.response)
    if isinstance(value, list):
        return listed(cast("Any", value), None, operation.response)
    named = operation.response not in (None, "object")
    return wrapped(value, operation.response if named else "Object")


def _seconds(timeout_ms: float | None) -> float | None:
    if timeout_ms is None:
        return None
    if not isinstance(cast("object", timeout_ms), (int, float)) or not 0 < timeout_ms < _NEVER:
        raise ValueError(f"timeout_ms: expected milliseconds from 1 up, found {timeout_ms!r}")
    return timeout_ms / 1000


#: No deadline is that far away; the engine's own is 55 seconds.
_NEVER = 1e12


#: The deadline ends a call long before.
_MOST_RETRIES = 1000


def _attempts(retries: Any) -> int | None:
    """Attempts, for a number of retries or a `RetryConfig` of the original."""
    if retries is None:
        return None
    if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
        return min(retries, _MOST_RETRIES) + 1
    strategy = getattr(retries, "strategy", None)
    if strategy is None:
        raise TypeError("retries: expected a number from 0 up")
    return 1 if strategy == "none" else None


def _or(own: Any, general: Any) -> Any:
    return general if own is None else own


def _unknown(owner: object, path: str, name: str, known: Any) -> AttributeError:
    if name.startswith("__"):
        return AttributeError(name)
    from doorward.compat._suggest import did_you_mean

    hint = did_you_mean(name, known)
    return AttributeError(f"{path} has no {name!r}{hint}", name=name, obj=owner)
