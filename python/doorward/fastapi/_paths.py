"""Whose path it is: the user's or the organization's own."""

from __future__ import annotations

from typing import Literal, NamedTuple

from starlette.requests import HTTPConnection, Request

from doorward._authenticator import Authenticator
from doorward._doorward import Identity, Policy
from doorward._rejection import Rejection
from doorward._verdict import VERDICT, permitted

from ._refusals import refusal

__all__ = ["InPath", "OrganizationBy", "verify_user_access"]

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


async def verify_user_access(request: Request, user_id: str) -> str:
    """A dependency for paths of users, behind a guard of the router: yields the id in the path if
    it is the caller's own.
    """
    auth, _, found = request.scope.get(VERDICT) or (None, None, None)
    if auth is None:
        raise RuntimeError("verify_user_access: no guard stands in front of this route")
    if isinstance(found, Identity):
        found = _refused(auth, _BE_THE_USER, found) if found.user_id != user_id else None
    if found is not None:
        raise refusal(found, request)
    return user_id


def _refused(auth: Authenticator, policy: Policy, identity: Identity) -> Rejection:
    rejection = permitted(auth, policy, identity)
    if rejection is None:
        raise RuntimeError("a token grants what no issuer has to grant")
    return rejection


#: Demands that nobody meets, so that the engine words the refusal.
_BE_THE_USER = Policy(permission="be the user in the path")
_BE_HERE = Policy(organization="the organization in the path")
