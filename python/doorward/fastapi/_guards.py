"""Guards to depend on."""

# FastAPI reads the annotations of `__call__` from an instance, so they must not be strings here.

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeVar

from fastapi.openapi.models import SecurityBase as Scheme
from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection

from doorward._authenticator import Authenticator
from doorward._doorward import Identity, Policy
from doorward._rejection import Rejection
from doorward._typed_claims import OnMismatch, TypedClaims
from doorward._types import TokenKind
from doorward._websocket import Places

from ._door import DESCRIPTION, Door, T_co
from ._openapi import responses
from ._overrides import answer
from ._paths import InPath, OrganizationBy, organization_in_path, user_in_path
from ._refusals import refusal
from ._sockets import WebSocketGuard
from ._warm_up import warm_up

__all__ = ["Guard", "OptionalGuard"]

C = TypeVar("C")


class Guard(Door[T_co]):
    """A dependency that yields the verified caller, and refuses everybody else.

        guard = Guard(Authenticator.from_env())

        @app.get("/me")
        async def me(caller: Annotated[Identity, Depends(guard)]): ...

    Works on routes, routers, websockets and as a dependency of dependencies. However many guards a
    route has, the token is verified once. `Security(guard, scopes=["posts:write"])` demands scopes.

    `scheme`       what OpenAPI shows instead of a bearer token: `oauth2(…)` or `openid(…)`.
    `scheme_name`  its name there. Two schemes in one application need two names.
    `check_origin`  refuses (403) what another site makes a browser send with the session cookie,
                    unless the method is GET, HEAD or OPTIONS.

    `Guard[MyClaims](auth)` is short for `Guard(auth).claims(MyClaims)`.
    """

    def __init__(
        self,
        auth: Authenticator,
        *,
        scheme: Scheme | None = None,
        scheme_name: str = "Doorward",
        description: str | None = DESCRIPTION,
        check_origin: bool = True,
    ) -> None:
        self._become_root(auth, scheme, scheme_name, description, check_origin)
        if self._claims is not None:
            self._demands = self._demands._replace(claims=TypedClaims(self._claims))

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> T_co:
        override = self._override(connection)
        if override is not None:
            return await answer(override, connection, security_scopes)
        found = await self._open(connection, security_scopes)
        if isinstance(found, Rejection):
            raise refusal(found, connection)
        return found

    @property
    def optional(self) -> "OptionalGuard[T_co]":
        """A guard that yields `None` for a request without credentials. Bad credentials are refused
        all the same.
        """
        return self._variant(OptionalGuard, self._demands)

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
    ) -> "Guard[T_co]":
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

    def permits(self, policy: Policy) -> "Guard[T_co]":
        """Like `requires`, for a policy that is already there."""
        policies = (*self._demands.policies, policy)
        return self._variant(Guard, self._demands._replace(policies=policies))

    def claims(self, claims: type[C], *, on_mismatch: OnMismatch = "refuse") -> "Guard[C]":
        """A guard that yields the claims as a pydantic model, a msgspec struct, a dataclass or a
        TypedDict, decoded once per request.

        A verified token that does not fit is refused (401, `claim_malformed`);
        `on_mismatch="raise"` raises `ClaimsMismatch` instead, a 500. Neither tells what it says.
        """
        typed = TypedClaims(claims, on_mismatch)
        return self._variant(Guard, self._demands._replace(claims=typed))

    def user_in_path(self, parameter: str, *, unless: Policy | None = None) -> "Guard[T_co]":
        """A guard for paths of users: lets in the user whose id the path names.

        `unless` lets others in as well. Mind that a role is one in the caller's own organization
        and says nothing about the user in the path: demand an organization, or a scope, that only
        your own people have.
        """
        return self._in_path(user_in_path(parameter, unless))

    def organization_in_path(
        self, parameter: str, *, by: OrganizationBy = "id", unless: Policy | None = None
    ) -> "Guard[T_co]":
        """A guard for paths of organizations: lets in whose active organization the path names.

        `by`  whether the path has ids, slugs, or either. `unless` is as for `user_in_path`.
        """
        return self._in_path(organization_in_path(parameter, by, unless))

    def websocket(
        self,
        *,
        close_at_expiry: bool = False,
        cookies: bool = True,
        subprotocol: str | None = "bearer",
        query_parameter: str | None = None,
    ) -> WebSocketGuard[T_co]:
        """A guard for websockets, where a browser cannot set a header.

        `close_at_expiry`  closes with 4401 when the token's time is up, unless `renew` brought a
                           fresh one.
        `cookies`          reads the session cookie, if the handshake comes from an authorized party
                           or from this host.
        `subprotocol`      reads the token from an offered sub-protocol `bearer.<token>`, and has
                           `accept()` answer with another that was offered.
        `query_parameter`  reads it from the URL. URLs end up in logs and histories: for clients
                           that can do nothing else.
        """
        demands = self._demands._replace(
            places=Places(cookies, subprotocol, query_parameter), close_at_expiry=close_at_expiry
        )
        return self._variant(WebSocketGuard, demands)

    def responses(self) -> dict[int | str, dict[str, Any]]:
        """What this guard answers instead, for `responses=` of an application, router or route."""
        return responses(self.auth)

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncGenerator[None, None]:
        """Fetches the keys before the first request: `FastAPI(lifespan=guard.lifespan)`."""
        await warm_up(self.auth)
        yield

    def _in_path(self, path: InPath) -> "Guard[T_co]":
        paths = (*self._demands.paths, path)
        return self._variant(Guard, self._demands._replace(paths=paths))

    #: What the class was subscripted with.
    _claims: type[Any] | None = None

    def __class_getitem__(cls, parameter: Any) -> Any:
        # For type checkers it is a generic class like others. At runtime the parameter matters,
        # and typing tells it to nobody.
        if not isinstance(parameter, type) or parameter in (Any, Identity):
            return super().__class_getitem__(parameter)  # type: ignore[misc]
        return _subscripted(cls, parameter)  # type: ignore[arg-type]  # Classes are hashable.


@lru_cache(256)
def _subscripted(guard: type["Guard[Any]"], claims: type) -> type["Guard[Any]"]:
    """The guard class whose instances yield these claims."""
    name = f"{guard.__name__}[{claims.__name__}]"
    return type(name, (guard,), {"_claims": claims, "__module__": guard.__module__})


class OptionalGuard(Door[T_co]):
    """A dependency that yields the verified caller or, for a request without any credentials,
    `None`.
    """

    is_optional = True

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> T_co | None:
        override = self._override(connection)
        if override is not None:
            return await answer(override, connection, security_scopes)
        found = await self._open(connection, security_scopes)
        if isinstance(found, Rejection):
            if found.absent:
                return None
            raise refusal(found, connection)
        return found
