"""An authentication backend: the token's user as a row of the local user model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, models

from .conf import current, trusts_several

if TYPE_CHECKING:
    from django.http import HttpRequest

    from doorward._doorward import Identity

__all__ = ["DoorwardBackend"]


_logger = logging.getLogger("doorward")


class DoorwardBackend(ModelBackend):
    """Finds the caller among the local users. One of `AUTHENTICATION_BACKENDS`.

    `USER_FIELD` names the field of the user model that holds the token's user; it should be unique.
    Where several issuers are trusted, `USER_ISSUER_FIELD` names the one that holds the issuer.
    `CREATE_UNKNOWN_USER` makes a user at the first visit.

    With it, a caller without an active account here is refused with 403. Machines need no account:
    they stay `TokenUser`s. Permissions are `ModelBackend`'s; passwords are not its business.
    """

    #: Its name in `AUTHENTICATION_BACKENDS`.
    path = f"{__name__}.DoorwardBackend"

    def authenticate(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, request: HttpRequest | None, *, identity: Identity
    ) -> Any:
        """The user whom a verified caller is here; `None` if there is no active one."""
        wanted = _wanted(identity)
        if wanted is None:
            return None
        manager = get_user_model()._default_manager
        user: Any = manager.filter(**wanted).first()
        if user is None and current().options.create_unknown_user:
            # Of two first visits at once, one makes the user and both get it.
            try:
                user, _ = manager.get_or_create(defaults=self._new(identity, wanted), **wanted)
            except DatabaseError as error:
                # The name is somebody else's, or too long: no account, and no fault of the caller's
                # that a 500 would tell of.
                _logger.warning("no user was made for a verified caller: %s", type(error).__name__)
                return None
        if user is None or not self.user_can_authenticate(user):
            return None
        # A database may find more than was asked for: other letter cases, or a text cut short.
        if any(getattr(user, name) != value for name, value in wanted.items()):
            return None
        return user

    async def aauthenticate(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, request: HttpRequest | None, *, identity: Identity
    ) -> Any:
        """Like `authenticate`, for an event loop."""
        return await sync_to_async(self.authenticate)(request, identity=identity)

    def user_defaults(self, identity: Identity) -> dict[str, Any]:
        """What a new user gets besides, such as an e-mail address. To be overridden."""
        return {}

    def account(self, request: HttpRequest, identity: Identity) -> Any:
        """Like `authenticate`; the user is ready for `login()`."""
        user = self.authenticate(request, identity=identity)
        if user is not None:
            user.backend = self.path
        return user

    async def aaccount(self, request: HttpRequest, identity: Identity) -> Any:
        """Like `account`, for an event loop."""
        user = await self.aauthenticate(request, identity=identity)
        if user is not None:
            user.backend = self.path
        return user

    def _new(self, identity: Identity, wanted: dict[str, Any]) -> dict[str, Any]:
        model: Any = get_user_model()
        new: dict[str, Any] = {
            "password": make_password(None),
            model.USERNAME_FIELD: identity.user_id,
        }
        new.update(self.user_defaults(identity))
        return {name: value for name, value in new.items() if name not in wanted}


def _wanted(identity: Identity) -> dict[str, Any] | None:
    """The values of the fields that name a caller. `None` for one whom they cannot name."""
    options = current().options
    if options.user_field is None:
        raise ImproperlyConfigured(
            'DOORWARD["USER_FIELD"] is missing: which field of the user model holds the user of '
            'the token, such as "username"?'
        )
    if options.user_issuer_field is None and trusts_several(current().auth):
        raise ImproperlyConfigured(
            "Several issuers are trusted, and one may name a user as another does: say in "
            'DOORWARD["USER_ISSUER_FIELD"] which field of the user model holds the issuer.'
        )
    texts = {options.user_field: identity.user_id}
    if options.user_issuer_field is not None:
        texts[options.user_issuer_field] = identity.issuer
    model: Any = get_user_model()
    wanted: dict[str, Any] = {}
    for name, text in texts.items():
        if not text or "\0" in text:
            return None
        field: Any = model._meta.get_field(name)
        # Some databases cut short what is too long, and one subject would become another.
        if isinstance(field, models.CharField) and len(text) > (field.max_length or len(text)):
            return None
        try:
            value = field.to_python(text)
        except ValidationError:
            return None
        # Numbers and UUIDs have other spellings, and another spelling is another subject.
        if str(value) != text:
            return None
        wanted[name] = value
    return wanted
