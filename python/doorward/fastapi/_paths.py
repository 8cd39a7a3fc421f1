"""Whose path it is: the user's or the organization's own."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from starlette.requests import HTTPConnection, Request

from doorward._authenticator import Authenticator
from doorward._doorward import Identity, Policy
from doorward._rejection import Rejection
from doorward._verdict import DOOR, permitted, verdict

from ._refusals import refusal

__all__ = [
    "InPath",
    "OrganizationBy",
    "organization_in_path",
    "user_in_path",
    "verify_user_access",
]

#: By what a path names an organization.
OrganizationBy = Literal["id", "slug", "id_or_slug"]


class InPath(NamedTuple):
    """A path parameter that must name the caller, or the caller's active organization."""

    parameter: str
    by: Literal["user", OrganizationBy]
    unless: Policy | None = None

    def refusal(
        self, auth: Authenticator, identity: Identity, connection: HTTPConnection
    ) -> Rejection | None:
        """Why the caller may not enter here; `None` where it may."""
        try:
            value = str(connection.path_params[self.parameter])
        except KeyError:
            raise RuntimeError(
                f"this route has no path parameter {self.parameter!r}, which its guard compares; "
                f"it has: {', '.join(connection.path_params) or 'none'}"
            ) from None
        if value in self._own(identity) or self._is_excepted(auth, identity):
            return None
        return _refused(auth, _BE_THE_USER if self.by == "user" else _BE_HERE, identity)

    def _own(self, identity: Identity) -> tuple[str | None, ...]:
        if self.by == "user":
            return (identity.user_id,)
        # A slug counts only within an organization. Whoever chooses a slug could choose another's
        # id, so both count only where that was asked for.
        if identity.organization_id is None:
            return ()
        by_id, by_slug = identity.organization_id, identity.organization_slug
        return {"id": (by_id,), "slug": (by_slug,), "id_or_slug": (by_id, by_slug)}[self.by]

    def _is_excepted(self, auth: Authenticator, identity: Identity) -> bool:
        if self.unless is None:
            return False
        try:
            auth.permit(self.unless, identity)
        except Rejection:
            return False
        return True


def user_in_path(parameter: str, unless: Policy | None) -> InPath:
    return InPath(parameter, "user", _an_exception(unless))


def organization_in_path(parameter: str, by: OrganizationBy, unless: Policy | None) -> InPath:
    known = get_args(OrganizationBy)
    if by not in known:
        raise ValueError(f"by: expected one of {', '.join(known)}, found {by!r}")
    return InPath(parameter, by, _an_exception(unless))


def _an_exception(unless: Policy | None) -> Policy | None:
    if unless is not None and not isinstance(unless, Policy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"unless: expected a Policy, found {type(unless).__name__}")
    if unless == Policy():
        raise ValueError("unless: this policy demands nothing, so it would let everybody in")
    return unless


async def verify_user_access(request: Request, user_id: str) -> str:
    """A dependency for paths of users, behind a guard of the router: yields the id in the path if
    it is the caller's own.
    """
    auth: Authenticator | None = request.scope.get(DOOR)
    if auth is None:
        raise RuntimeError("verify_user_access: no guard stands in front of this route")
    found = await verdict(auth, request.scope)
    if isinstance(found, Identity):
        if found.user_id == user_id:
            return user_id
        found = _refused(auth, _BE_THE_USER, found)
    raise refusal(found, request)


def _refused(auth: Authenticator, policy: Policy, identity: Identity) -> Rejection:
    rejection = permitted(auth, policy, identity)
    if rejection is None:
        raise RuntimeError("a token grants what no issuer has to grant")
    return rejection


#: Demands that nobody meets, so that the engine words the refusal.
_BE_THE_USER = Policy(permission="be the user in the path")
_BE_HERE = Policy(organization="the organization in the path")
