"""The Django application: system checks, and the scheme for drf-spectacular."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig, apps


class DoorwardConfig(AppConfig):
    name = "doorward.django"
    label = "doorward"
    verbose_name = "Doorward"

    def ready(self) -> None:
        # Importing them registers them.
        import_module("doorward.django.checks")
        if apps.is_installed("drf_spectacular"):
            import_module("doorward.django._spectacular")
