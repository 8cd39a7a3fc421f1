"""What type checkers must say about webhooks. Checked, never run."""

from typing import Annotated, Any

from django.http import HttpRequest, JsonResponse
from fastapi import Depends, FastAPI
from flask import Flask
from typing_extensions import assert_type

from doorward.compat.svix.webhooks import Webhook as Svix
from doorward.django import webhook as django_webhook
from doorward.fastapi import WebhookGuard
from doorward.fastapi import webhook as fastapi_webhook
from doorward.flask import webhook as flask_webhook
from doorward.webhooks import (
    Webhook,
    WebhookEvent,
    WebhookMessage,
    WebhookReason,
    WebhookRejection,
    verify,
)

SECRET = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw="


def native(body: bytes, headers: dict[str, str]) -> None:
    hook = Webhook([SECRET])
    assert_type(hook.verify_message(body, headers), WebhookMessage)
    try:
        event = verify(body, headers, secret=SECRET)
    except WebhookRejection as rejection:
        assert_type(rejection.reason, WebhookReason)
        assert_type(rejection.status, int)
        return
    assert_type(event, WebhookEvent)
    assert_type(event.type, str)
    assert_type(event.timestamp, int | None)
    assert_type(event.payload, dict[str, Any])


def compatible(body: bytes, headers: dict[str, str]) -> str:
    event = Svix(SECRET).verify(body, headers)
    return str(event["type"])


app = FastAPI()
hook = fastapi_webhook(SECRET)
assert_type(hook, WebhookGuard)


@app.post("/fastapi")
async def in_fastapi(event: Annotated[WebhookEvent, Depends(hook)]) -> str:
    return event.type


flask = Flask(__name__)


@flask.post("/flask")
@flask_webhook(SECRET)
def in_flask(event: WebhookEvent) -> str:
    return event.type


@django_webhook(SECRET)
def in_django(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
    return JsonResponse({"type": event.type})


@django_webhook(SECRET)
async def in_async_django(request: HttpRequest, event: WebhookEvent, name: str) -> JsonResponse:
    return JsonResponse({"type": event.type, "name": name})
