"""Error reports that show no token."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

__all__ = ["SafeReporterFilter"]


class SafeReporterFilter(SafeExceptionReporterFilter):
    """Django's own filter hides the `Authorization` header and the cookie of its own session. This
    one hides every cookie, for one may hold a token, and the secrets in `DOORWARD`.

        DEFAULT_EXCEPTION_REPORTER_FILTER = "doorward.django.reports.SafeReporterFilter"
    """

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|AUTH|BEARER|HEADERS", re.IGNORECASE
    )

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return dict.fromkeys(getattr(request, "COOKIES", {}), self.cleansed_substitute)
