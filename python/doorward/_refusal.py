"""What all refusals have, whether of a request or of a webhook."""

from __future__ import annotations


class Refusal(Exception):
    """`headers` and `body` are what an adapter sends, `detail` and `hint` are for the operator's
    log and never reach the other side. `headers` are all but `content_type`, which belongs to the
    body.
    """

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
        self.status = status
        self.headers = headers
        self.body = body
        self.detail = detail
        self.hint = hint
        self.content_type = content_type

    @property
    def _code(self) -> str:
        code: str = self.args[0]
        return code

    def __str__(self) -> str:
        return f"{self._code}: {self.detail}" if self.detail else self._code

    def __reduce__(self) -> tuple[type[Refusal], tuple[object, ...]]:
        return type(self), (
            self._code,
            self.status,
            self.headers,
            self.body,
            self.detail,
            self.hint,
            self.content_type,
        )
