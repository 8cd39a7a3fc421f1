"""The security scheme for drf-spectacular, which finds it when it is imported."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class DoorwardScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`DoorwardAuthentication`, and what is made from it."""

    target_class = "doorward.drf.DoorwardAuthentication"
    match_subclasses = True
    name = "Doorward"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A bearer token, or the session cookie where this API reads one.",
        }
