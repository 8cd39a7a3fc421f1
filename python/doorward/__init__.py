"""Doorward decides whether a request may enter an API.

One engine, written in Rust, verifies bearer tokens and session cookies; this package is how Python
talks to it. Nothing but the standard library is imported, and no thread, socket or key is made
before one is needed.

    from doorward import Authenticator

    auth = Authenticator.from_env()
    identity = await auth.authenticate(request)  # or: auth.authenticate_blocking(request)

The framework doors are modules of their own: `doorward.fastapi`, `doorward.asgi`. Whoever comes
from another package finds its names in `doorward.compat`.
"""

from . import jws
from ._authenticator import Authenticator
from ._doorward import ANY, Identity, Issuer, Logout, Policy, ProtectedResource, __version__
from ._reason import Reason
from ._rejection import ConfigError, Rejection, RevocationNotShared

__all__ = [
    "ANY",
    "Authenticator",
    "ConfigError",
    "Identity",
    "Issuer",
    "Logout",
    "Policy",
    "ProtectedResource",
    "Reason",
    "Rejection",
    "RevocationNotShared",
    "__version__",
    "jws",
]
