"""The tables, made once and emptied after each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core.management import call_command

from .models import Member


@contextmanager
def tables() -> Iterator[None]:
    _make()
    yield
    for model in (User, Session, Member):
        model.objects.all().delete()


@cache
def _make() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    assert Permission.objects.exists()
