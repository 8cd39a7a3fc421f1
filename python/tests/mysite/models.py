"""A user model that is not Django's."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Member(AbstractBaseUser):
    """Somebody, by the fields a token's user may be found by."""

    name = models.CharField(max_length=40)
    #: This database takes no notice of letter case here, as others do everywhere.
    loose = models.CharField(max_length=40, db_collation="NOCASE", default="")
    number = models.IntegerField(null=True)
    key = models.UUIDField(null=True)
    issuer = models.CharField(max_length=80, default="")
    is_active = models.BooleanField(default=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "name"

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name", "issuer"], name="one_member"),)
