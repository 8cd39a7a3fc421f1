"""The FastAPI door: guards to depend on."""

# FastAPI reads the annotations of `__call__` from an instance, so they must not be strings here.

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from fastapi import HTTPException
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection

from ._authenticator import Authenticator
from ._doorward import Identity, Policy
from ._reason import Reason
from ._rejection import Rejection
from ._types import TokenKind
from ._verdict import report, verdict

__all__ = ["Guard", "OptionalGuard", "Refused"]

_DESCRIPTION = "A bearer token, or the session cookie where this API reads one."


class Refused(HTTPException):
    """A refusal, as FastAPI knows one: exception handlers and CORS see it like any other
    `HTTPException`.

    `detail` is the code of the reason, unless the authenticator was built with `explain=True`.
    """

    def __init__(self, rejection: Rejection) -> None:
        body: dict[str, Any] = json.loads(rejection.body)
        super().__init__(
            status_code=rejection.status,
            detail=body["detail"] if len(body) == 1 else body,
            headers=dict(rejection.headers),
        )
        self.rejection = rejection

    @property
    def reason(self) -> Reason:
        return self.rejection.reason


class _Door(SecurityBase):
    """What required and optional guards have in common."""

    def __init__(
        self,
        auth: Authenticator,
        *,
        scheme_name: str = "Doorward",
        description: str | None = _DESCRIPTION,
    ) -> None:
        self.auth = auth
        self.scheme_name = scheme_name
        self.model = HTTPBearer(bearerFormat="JWT", description=description)
        self._root: _Door = self
        self._policies: tuple[Policy, ...] = ()
        self._derived: dict[tuple[Policy, ...], Guard] = {}
        self._scopes: dict[tuple[str, ...], Policy] = {}

    async def _open(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> Identity | Rejection:
        """The caller who satisfies this door's policies and the route's scopes, or why there is
        none.
        """
        found = await verdict(self.auth, connection.scope)
        if isinstance(found, Rejection):
            return found
        try:
            for policy in self._policies:
                self.auth.permit(policy, found)
            if security_scopes.scopes:
                self.auth.permit(self._demanded(tuple(security_scopes.scopes)), found)
        except Rejection as rejection:
            report(rejection)
            return rejection
        return found

    def _demanded(self, scopes: tuple[str, ...]) -> Policy:
        # Routes are finite, and so are the scopes they name.
        policy = self._scopes.get(scopes)
        if policy is None:
            policy = self._scopes[scopes] = Policy(scopes=scopes)
        return policy

    def _override(self, connection: HTTPConnection) -> Callable[..., Any] | None:
        """What a test put in the place of this guard.

        FastAPI looks up the very object it was given. Here also count the guard that this one was
        derived from, and the class, so that one override opens every door of an application.
        """
        overrides = getattr(connection.scope.get("app"), "dependency_overrides", None)
        if not overrides:
            return None
        keys = (self._root, type(self), type(self._root))
        return next((overrides[key] for key in keys if key in overrides), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.auth!r})"


class Guard(_Door):
    """A dependency that yields the verified caller, and refuses everybody else.

        guard = Guard(Authenticator.from_env())

        @app.get("/me")
        async def me(caller: Annotated[Identity, Depends(guard)]): ...

    Works on routes, routers, websockets and as a dependency of dependencies. However many guards a
    route has, the token is verified once. `Security(guard, scopes=["posts:write"])` demands scopes.
    """

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> Identity:
        override = self._override(connection)
        if override is not None:
            return await _answer(override, connection)
        found = await self._open(connection, security_scopes)
        if isinstance(found, Rejection):
            raise refusal(found, connection)
        return found

    @cached_property
    def optional(self) -> "OptionalGuard":
        """A guard that yields `None` for a request without credentials. Bad credentials are refused
        all the same.
        """
        guard = OptionalGuard(self.auth, scheme_name=self.scheme_name)
        _derive(guard, self, self._policies)
        return guard

    def requires(
        self,
        *,
        accepts: TokenKind | Sequence[TokenKind] | None = None,
        scopes: str | Sequence[str] = (),
        any_scope: Sequence[str] = (),
        role: str | None = None,
        permission: str | None = None,
        permissions: Sequence[str] = (),
        feature: str | None = None,
        plan: str | None = None,
        reverification: str | Mapping[str, Any] | tuple[str, int] | None = None,
        organization: bool | str = False,
        deny_impersonation: bool = False,
    ) -> "Guard":
        """A guard that demands more of the caller; the arguments are those of `Policy`.

        Equal arguments give the same object, so FastAPI calls it once per request and tests can
        override it. What the guard it is called on demands already stays demanded.
        """
        policy = Policy(
            accepts=accepts,
            scopes=scopes,
            any_scope=any_scope,
            role=role,
            permission=permission,
            permissions=permissions,
            feature=feature,
            plan=plan,
            reverification=reverification,
            organization=organization,
            deny_impersonation=deny_impersonation,
        )
        return self.permits(policy)

    def permits(self, policy: Policy) -> "Guard":
        """Like `requires`, for a policy that is already there."""
        policies = (*self._policies, policy)
        derived = self._root._derived
        guard = derived.get(policies)
        if guard is None:
            guard = derived[policies] = Guard(self.auth, scheme_name=self.scheme_name)
            _derive(guard, self, policies)
        return guard


class OptionalGuard(_Door):
    """A dependency that yields the verified caller or, for a request without any credentials,
    `None`.
    """

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> Identity | None:
        override = self._override(connection)
        if override is not None:
            return await _answer(override, connection)
        found = await self._open(connection, security_scopes)
        if isinstance(found, Rejection):
            if found.absent:
                return None
            raise refusal(found, connection)
        return found


def refusal(rejection: Rejection, connection: HTTPConnection) -> Exception:
    """The exception that makes FastAPI answer `rejection` on this connection."""
    scope = connection.scope
    if scope["type"] == "websocket" and "websocket.http.response" not in (
        scope.get("extensions") or {}
    ):
        # This server cannot answer a handshake with a status of ours. RFC 6455 §7.4.1: policy
        # violation.
        return WebSocketException(1008, rejection.reason.value)
    return Refused(rejection)


def _derive(guard: _Door, parent: _Door, policies: tuple[Policy, ...]) -> None:
    """Makes `guard` a variant of `parent`: one scheme for OpenAPI, one key to override."""
    guard.model = parent.model
    guard._root = parent._root  # pyright: ignore[reportPrivateUsage]
    guard._policies = policies  # pyright: ignore[reportPrivateUsage]


async def _answer(override: Callable[..., Any], connection: HTTPConnection) -> Any:
    """Calls an override with the connection, or with nothing if it takes nothing."""
    if inspect.isgeneratorfunction(override) or inspect.isasyncgenfunction(override):
        raise TypeError(
            "an override keyed by a guard's class returns its answer; for one that yields, use the "
            "guard object itself as the key"
        )
    parameters = inspect.signature(override).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = any(one.kind in positional and one.default is one.empty for one in parameters)
    answer = override(connection) if wanted else override()
    return await answer if inspect.isawaitable(answer) else answer
