"""A refusal, as an exception."""

from __future__ import annotations

from ._reason import Reason


class Rejection(Exception):
    """One refusal of one request.

    `reason` is for programs, `headers` and `body` are what an adapter sends, `detail` and `hint`
    are for the operator's log and never reach the caller. `headers` are all but `content_type`,
    which belongs to the body.
    """

    reason: Reason
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    detail: str
    hint: str
    content_type: str

    def __init__(
        self,
        reason: str,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes,
        detail: str,
        hint: str,
        content_type: str = "application/json",
    ) -> None:
        super().__init__(reason)
        self.reason = Reason(reason)
        self.status = status
        self.headers = headers
        self.body = body
        self.detail = detail
        self.hint = hint
        self.content_type = content_type

    @property
    def absent(self) -> bool:
        """Whether there were no credentials at all: what optional authentication lets through."""
        return self.reason is Reason.CREDENTIALS_MISSING

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value

    def __reduce__(self) -> tuple[type[Rejection], tuple[object, ...]]:
        return type(self), (
            self.reason.value,
            self.status,
            self.headers,
            self.body,
            self.detail,
            self.hint,
            self.content_type,
        )


class ConfigError(ValueError):
    """The operator's mistake, found at start-up: names the setting, what was found and what would
    be right.
    """


class RevocationNotShared(Exception):
    """What was revoked is refused in this process, and the store that others read is away. It is
    written when the store is back.
    """
