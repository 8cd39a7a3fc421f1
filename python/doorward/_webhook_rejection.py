"""A refusal of a webhook, as an exception."""

from __future__ import annotations

from ._reason import WebhookReason


class WebhookRejection(Exception):
    """One refusal of one webhook.

    `reason` is for programs; `status` (400 or 413), `headers` and `body` are what an adapter sends;
    `detail` and `hint` are for the operator's log and never reach the sender.
    """

    reason: WebhookReason
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
        self.reason = WebhookReason(reason)
        self.status = status
        self.headers = headers
        self.body = body
        self.detail = detail
        self.hint = hint
        self.content_type = content_type

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value

    def __reduce__(self) -> tuple[type[WebhookRejection], tuple[object, ...]]:
        return type(self), (
            self.reason.value,
            self.status,
            self.headers,
            self.body,
            self.detail,
            self.hint,
            self.content_type,
        )
