"""A refusal, as an exception."""

from __future__ import annotations

from ._reason import Reason
from ._refusal import Refusal


class Rejection(Refusal):
    """One refusal of one request.

    `reason` is for programs, `headers` and `body` are what an adapter sends, `detail` and `hint`
    are for the operator's log and never reach the caller. `headers` are all but `content_type`,
    which belongs to the body.
    """

    @property
    def reason(self) -> Reason:
        """Why."""
        return Reason(self._code)

    @property
    def absent(self) -> bool:
        """Whether there were no credentials at all: what optional authentication lets through."""
        return self.reason is Reason.CREDENTIALS_MISSING


class ConfigError(ValueError):
    """The operator's mistake, found at start-up: names the setting, what was found and what would
    be right.
    """


class RevocationNotShared(Exception):
    """What was revoked is refused in this process, and the store that others read is away. It is
    written when the store is back.
    """
