"""What all guards have in common."""

# FastAPI reads the annotations of `__call__` from an instance, so they must not be strings here.

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple
from weakref import WeakValueDictionary

from fastapi.openapi.models import HTTPBearer
from fastapi.openapi.models import SecurityBase as Scheme
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from typing_extensions import TypeVar

from doorward._authenticator import Authenticator
from doorward._doorward import Identity, Policy
from doorward._rejection import Rejection
from doorward._typed_claims import TypedClaims
from doorward._verdict import permitted, verdict
from doorward._websocket import HEADERS, Places, Scope, handshake

from ._paths import InPath

#: What a guard yields.
T_co = TypeVar("T_co", covariant=True, default=Identity)


class Demands(NamedTuple):
    """What a guard wants of a caller, and what it yields. Equal demands make one guard."""

    policies: tuple[Policy, ...] = ()
    paths: tuple[InPath, ...] = ()
    claims: TypedClaims[Any] | None = None
    places: Places = HEADERS
    optional: bool = False
    close_at_expiry: bool = False


class Door(SecurityBase, Generic[T_co]):
    """A guard. All that were derived from one share its scheme for OpenAPI, and its overrides."""

    auth: Authenticator
    check_origin: bool
    #: Whether strangers pass.
    is_optional = False
    scheme_name: str
    model: Scheme
    #: The guard that this one was derived from; itself, if it was not.
    _root: "Door[Any]"
    _demands: Demands

    def _become_root(
        self,
        auth: Authenticator,
        scheme: Scheme | None,
        scheme_name: str,
        description: str | None,
        check_origin: bool,
    ) -> None:
        if not isinstance(auth, Authenticator):  # pyright: ignore[reportUnnecessaryIsInstance]
            # The value itself is not shown: it may be a secret key.
            raise TypeError(
                f"a guard takes an Authenticator, found {type(auth).__name__}; write "
                f"{type(self).__name__}(Authenticator.from_env()), or any other authenticator"
            )
        if scheme is not None and description is not DESCRIPTION:
            raise TypeError("description: a scheme brings its own; give it to the scheme")
        self.auth = auth
        self.check_origin = check_origin
        self.scheme_name = scheme_name
        self.model = scheme or HTTPBearer(bearerFormat="JWT", description=description)
        self._root = self
        self._demands = _NONE
        # Routes hold on to their guards; those that nobody holds are forgotten.
        self._variants: WeakValueDictionary[Any, Door[Any]] = WeakValueDictionary()

    def _variant(self, kind: "type[Door[Any]]", demands: Demands) -> Any:
        """The guard with other demands. The same one every time, as long as it is in use."""
        variants = self._root._variants
        found = variants.get((kind, demands))
        if found is None:
            found = kind.__new__(kind)
            found.auth, found.scheme_name, found.model = self.auth, self.scheme_name, self.model
            found.check_origin = self.check_origin
            found._root, found._demands = self._root, demands
            variants[kind, demands] = found
        return found

    async def _open(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> Any | Rejection:
        """What the dependency gives (`T_co`) for a caller who satisfies this guard's demands and
        the route's scopes, or why there is none.
        """
        scope = connection.scope
        if scope["type"] == "websocket":
            scope = self._judged(scope)
        found = await verdict(self.auth, scope, check_origin=self.check_origin)
        scopes = security_scopes.scopes
        if isinstance(found, Rejection) or (self._demands is _NONE and not scopes):
            return found
        rejection = self._lacking(found, connection, scopes)
        if rejection is not None:
            return rejection
        claims = self._demands.claims
        return found if claims is None else claims.read(self.auth, scope, found)

    def _judged(self, scope: Scope) -> Scope:
        """What of a websocket's handshake is judged."""
        return handshake(self.auth, scope, self._demands.places)

    def _lacking(
        self, identity: Identity, connection: HTTPConnection, scopes: Sequence[str]
    ) -> Rejection | None:
        """Why a caller does not satisfy the demands; `None` for one who does."""
        demands = self._demands
        policies = (*demands.policies, _demanding(tuple(scopes))) if scopes else demands.policies
        for policy in policies:
            rejection = permitted(self.auth, policy, identity)
            if rejection is not None:
                return rejection
        for path in demands.paths:
            rejection = path.refusal(self.auth, identity, connection)
            if rejection is not None:
                return rejection
        return None

    def _override(self, connection: HTTPConnection) -> Callable[..., Any] | None:
        """What a test put in the place of this guard.

        FastAPI looks up the very object it was given. Here also count the guard that this one was
        derived from, and the classes, so that one override opens every door of an application.
        """
        overrides = getattr(connection.scope.get("app"), "dependency_overrides", None)
        if not overrides:
            return None
        keys = (self._root, *type(self).__mro__, *type(self._root).__mro__)
        return next((overrides[key] for key in keys if key in overrides), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.auth!r})"


_NONE = Demands()


@lru_cache(256)
def _demanding(scopes: tuple[str, ...]) -> Policy:
    return Policy(scopes=scopes)


DESCRIPTION = "A bearer token, or the session cookie where this API reads one."
