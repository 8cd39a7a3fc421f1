"""The caller as a Django user, without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from doorward._authenticator import Authenticator
    from doorward._doorward import Identity

__all__ = ["TokenUser", "anonymous"]


class _Plain:
    """What Django and the packages around it read of a user that no table knows."""

    __slots__ = ()

    is_active = False
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str | None:
        return None

    @property
    def id(self) -> str | None:
        return self.pk

    @property
    def username(self) -> str:
        return self.pk or ""

    def get_username(self) -> str:
        return self.username

    def natural_key(self) -> tuple[str]:
        return (self.username,)

    def get_user_permissions(self, obj: object = None) -> set[str]:
        return self.get_all_permissions(obj)

    def get_group_permissions(self, obj: object = None) -> set[str]:
        return set()

    def get_all_permissions(self, obj: object = None) -> set[str]:
        return set()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return perm in self.get_all_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        if isinstance(perm_list, str):
            raise ValueError("perm_list must be an iterable of permissions")
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        """What Django's admin asks before it lists an application. No token opens the admin."""
        return False

    async def aget_user_permissions(self, obj: object = None) -> set[str]:
        return self.get_user_permissions(obj)

    async def aget_group_permissions(self, obj: object = None) -> set[str]:
        return self.get_group_permissions(obj)

    async def aget_all_permissions(self, obj: object = None) -> set[str]:
        return self.get_all_permissions(obj)

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        return self.has_perm(perm, obj)

    async def ahas_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return self.has_perms(perm_list, obj)

    async def ahas_module_perms(self, app_label: str) -> bool:
        return self.has_module_perms(app_label)

    def __str__(self) -> str:
        return self.username


class TokenUser(_Plain):
    """`request.user`, made of a verified token alone: nothing is looked up, nothing is stored.

    `username` is the token's subject, and so are `pk` and `id`, by which throttles count; unless
    several issuers are trusted, who may give one subject to two people: then the issuer stands in
    front (`qualified`). `identity` is the whole caller, and `has_perm` asks the token's
    permissions. It is never staff, so Django's admin stays closed.
    """

    __slots__ = ("identity", "qualified")

    is_active = True
    is_authenticated = True
    is_anonymous = False

    def __init__(self, identity: Identity, *, qualified: bool = False) -> None:
        self.identity = identity
        self.qualified = qualified

    @classmethod
    def of(cls, auth: Authenticator, identity: Identity) -> TokenUser:
        """The caller whom this authenticator knows."""
        # A template stands for as many issuers as there are tenants.
        several = len(auth.issuers) > 1 or any("{tenant}" in one for one in auth.issuers)
        return cls(identity, qualified=several)

    @property
    def pk(self) -> str:
        subject = self.identity.subject
        return f"{self.identity.issuer}|{subject}" if self.qualified else subject

    @property
    def username(self) -> str:
        return self.identity.subject

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """The token's permissions. It has none on single objects, as in Django's own backend."""
        return set() if obj is not None else set(self.identity.permissions)

    def __eq__(self, other: object) -> bool:
        # Another issuer may give the same subject to somebody else.
        return (
            isinstance(other, TokenUser)
            and self.identity.subject == other.identity.subject
            and self.identity.issuer == other.identity.issuer
        )

    def __hash__(self) -> int:
        return hash(self.identity.subject)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class _Stranger(_Plain):
    """Nobody, in a project without `django.contrib.auth`."""

    __slots__ = ()

    is_authenticated = False
    is_anonymous = True


def anonymous() -> Any:
    """Django's `AnonymousUser`, or its like where Django's users are not installed."""
    if apps.is_installed("django.contrib.auth"):
        # Models can be imported only when all applications are loaded.
        from django.contrib.auth.models import AnonymousUser

        return AnonymousUser()
    return _Stranger()
