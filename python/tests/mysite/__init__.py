"""A Django project for the tests of three adapters, and for the guide.

Django has one configuration per process. `set_up` makes it, once; every test overrides what it is
about. Logging and the time zone are left as they are, for other tests share the process.
"""

from __future__ import annotations

import os
import time

import django
from django.apps import apps


def set_up() -> None:
    if apps.ready:
        return
    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    zone = os.environ.get("TZ")
    django.setup()
    # Django sets the zone of the whole process.
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()
