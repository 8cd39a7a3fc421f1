"""Webhooks through FastAPI, Flask and Django, sync and async, as their servers call them.

No request may become a 500, and each must get the answer the vectors say.
"""

# FastAPI reads annotations that name what stands in a test, so they are no strings here.

import asyncio
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, NamedTuple

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path
from fastapi import Depends, FastAPI, Request
from flask import Flask, jsonify
from flask import request as flask_request
from mysite import set_up
from webhook_table import SECRET, every_case

from doorward import Authenticator, ConfigError
from doorward.django import webhook as django_webhook
from doorward.fastapi import Guard, WebhookRefused
from doorward.fastapi import webhook as fastapi_webhook
from doorward.flask import Doorward
from doorward.flask import webhook as flask_webhook
from doorward.testing import DevIssuer
from doorward.webhooks import Webhook, WebhookEvent, sign

set_up()

Head = list[tuple[bytes, bytes]]
BODY = b'{"type":"user.created","data":{"id":"user_1"}}'


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[[Head, bytes], Answer]


def by_fastapi(webhook: Webhook) -> Iterator[Ask]:
    app = FastAPI()
    hook = fastapi_webhook(webhook)

    @app.post("/hook")
    async def handle(
        event: Annotated[WebhookEvent, Depends(hook)], request: Request
    ) -> dict[str, Any]:
        # The body may be read again.
        return {"id": event.id, "type": event.type, "bytes": len(await request.body())}

    yield lambda head, body: asgi(app, head, body)


def by_fastapi_sync(webhook: Webhook) -> Iterator[Ask]:
    app = FastAPI()
    hook = fastapi_webhook(webhook)

    @app.post("/hook")
    def handle(event: Annotated[WebhookEvent, Depends(hook)]) -> dict[str, Any]:
        return {"id": event.id, "type": event.type, "bytes": len(event.body)}

    yield lambda head, body: asgi(app, head, body)


def by_flask(webhook: Webhook) -> Iterator[Ask]:
    app = Flask(__name__)

    @app.post("/hook")
    @flask_webhook(webhook)
    def handle(event: WebhookEvent) -> Any:
        return jsonify(id=event.id, type=event.type, bytes=len(flask_request.get_data()))

    yield lambda head, body: wsgi(app, head, body)


def by_flask_async(webhook: Webhook) -> Iterator[Ask]:
    app = Flask(__name__)

    @app.post("/hook")
    @flask_webhook(webhook)
    async def handle(event: WebhookEvent) -> Any:
        await asyncio.sleep(0)
        return jsonify(id=event.id, type=event.type, bytes=len(event.body))

    yield lambda head, body: wsgi(app, head, body)


def by_django(webhook: Webhook) -> Iterator[Ask]:
    @django_webhook(webhook)
    def handle(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
        return JsonResponse({"id": event.id, "type": event.type, "bytes": len(request.body)})

    with override_settings(ROOT_URLCONF=(path("hook", handle),)):
        yield lambda head, body: wsgi(WSGIHandler(), head, body)


def by_django_async(webhook: Webhook) -> Iterator[Ask]:
    @django_webhook(webhook)
    async def handle(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
        await asyncio.sleep(0)
        return JsonResponse({"id": event.id, "type": event.type, "bytes": len(request.body)})

    with override_settings(ROOT_URLCONF=(path("hook", handle),)):
        yield lambda head, body: asgi(ASGIHandler(), head, body)


DOORS = (by_fastapi, by_fastapi_sync, by_flask, by_flask_async, by_django, by_django_async)
OVER_WSGI = (by_flask, by_flask_async, by_django)


@pytest.fixture(params=DOORS, ids=lambda door: door.__name__)
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def ask(door: Any) -> Iterator[Ask]:
    yield from door(Webhook(SECRET))


def test_every_vector_is_answered_as_it_says(door: Any) -> None:
    asked = 0
    for case in every_case():
        if case.expect == "config_error" or not case.is_sayable:
            continue
        webhook = Webhook(case.secrets, clock=lambda now=case.now: now)
        for ask in door(webhook):
            answer = ask(case.head, case.body)
            asked += 1
            if case.expect == "accept" and is_event(case.body):
                assert answer.status == 200, (case.name, answer)
                assert json.loads(answer.body)["bytes"] == len(case.body)
                continue
            expected = {"payload_malformed" if case.expect == "accept" else case.expect}
            if case.expect == "headers_repeated" and door in OVER_WSGI:
                # PEP 3333: repeated fields are joined by commas, which no value may have.
                expected |= {"id_malformed", "timestamp_malformed", "signatures_malformed"}
                expected |= {"signature_mismatch"}
            assert answer.status == (413 if case.expect == "body_too_large" else 400), case.name
            assert json.loads(answer.body)["detail"] in expected, (case.name, answer)
            assert answer.headers["content-type"].startswith("application/json")
            assert answer.headers["cache-control"] == "no-store"
    assert asked > 170


def test_a_genuine_event_comes_in(ask: Ask) -> None:
    answer = ask(signed(BODY), BODY)
    assert answer.status == 200
    assert json.loads(answer.body) == {"id": "msg_1", "type": "user.created", "bytes": len(BODY)}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type":7}', b"\xff", b"[" * 9000])
def test_what_is_no_event_is_refused(ask: Ask, body: bytes) -> None:
    answer = ask(signed(body), body)
    assert (answer.status, json.loads(answer.body)) == (400, {"detail": "payload_malformed"})


@pytest.mark.parametrize(
    "length", [b"-1", b"99999999999999999999999999", b"1e9", b"\xb2", b"", b"0x10", b"9" * 9000]
)
def test_an_announced_length_is_not_trusted(ask: Ask, length: bytes) -> None:
    answer = ask([*signed(BODY), (b"content-length", length)], BODY)
    # A server refuses most of these itself.
    assert answer.status in (200, 400, 413)


def test_content_types_change_nothing(ask: Ask) -> None:
    for kind in (
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"multipart/form-data; boundary=x",
        b"text/plain; charset=utf-16",
        b"\xff",
    ):
        answer = ask([*signed(BODY), (b"content-type", kind)], BODY)
        assert answer.status == 200, (kind, answer)


def test_a_refusal_is_told_to_the_log(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "doorward"):
        assert ask(signed(BODY), BODY + b" ").status == 400
    told = [record for record in caplog.records if record.name == "doorward"]
    assert [record.reason for record in told] == ["signature_mismatch"]  # type: ignore[attr-defined]
    assert SECRET not in caplog.text


def test_an_endless_body_is_read_to_the_limit() -> None:
    """Over ASGI nobody need say how long a body is."""
    taken = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"a" * 65536

    app = FastAPI()
    hook = fastapi_webhook(SECRET)

    @app.post("/hook")
    async def handle(event: Annotated[WebhookEvent, Depends(hook)]) -> None: ...

    answer = asgi(app, signed(BODY), chunks())
    assert (answer.status, answer.body) == (413, b'{"detail":"body_too_large"}')
    assert taken < 20


def test_a_client_that_goes_away_raises_nothing() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield BODY[:5]
        raise Gone

    app = FastAPI()
    hook = fastapi_webhook(SECRET)

    @app.post("/hook")
    async def handle(event: Annotated[WebhookEvent, Depends(hook)]) -> None: ...

    answer = asgi(app, signed(BODY), chunks())
    assert (answer.status, answer.body) == (400, b'{"detail":"body_unreadable"}')


def test_wsgi_bodies_that_break_off_are_refused() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("the client went away")

        def readinto(self, buffer: Any) -> int:
            raise OSError("the client went away")

        def readable(self) -> bool:
            return True

    for door in OVER_WSGI:
        for app in applications(door):
            head = [*signed(BODY), (b"content-length", b"40")]
            answer = wsgi(app, head, BODY, stream=Broken())
            assert answer.status == 400, door
            assert answer.body == b'{"detail":"body_unreadable"}'


def applications(door: Any) -> Iterator[Any]:
    for ask in door(Webhook(SECRET)):
        cells = dict(zip(ask.__code__.co_freevars, ask.__closure__ or (), strict=True))
        yield cells["app"].cell_contents if "app" in cells else WSGIHandler()


def test_a_body_that_a_middleware_has_read() -> None:
    app = FastAPI()
    hook = fastapi_webhook(SECRET)

    @app.post("/hook")
    async def handle(event: Annotated[WebhookEvent, Depends(hook)]) -> str:
        return event.id

    async def reads_it(scope: Any, receive: Any, send: Any) -> None:
        await receive()

        async def nothing_left() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        await app(scope, nothing_left, send)

    @app.middleware("http")
    async def reads_it_well(request: Request, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)

    assert asgi(app, signed(BODY), BODY).status == 200
    answer = asgi(reads_it, signed(BODY), BODY)
    assert (answer.status, answer.body) == (400, b'{"detail":"signature_mismatch"}')

    flask = Flask(__name__)

    @flask.before_request
    def looks() -> None:
        flask_request.get_data()

    @flask.post("/hook")
    @flask_webhook(SECRET)
    def flask_handle(event: WebhookEvent) -> str:
        return event.id

    assert wsgi(flask, signed(BODY), BODY).status == 200


def reads_the_form(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> Any:
        _ = request.POST.get("x")
        return get_response(request)

    return middleware


def test_a_django_middleware_that_reads_forms_makes_no_500() -> None:
    @django_webhook(SECRET)
    def handle(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
        return JsonResponse({"id": event.id})

    with override_settings(
        ROOT_URLCONF=(path("hook", handle),), MIDDLEWARE=[f"{__name__}.reads_the_form"]
    ):
        app = WSGIHandler()
        assert wsgi(app, [*signed(BODY)], BODY).status == 200
        form = (b"content-type", b"multipart/form-data; boundary=x")
        answer = wsgi(app, [*signed(BODY), form], BODY)
        assert (answer.status, answer.body) == (400, b'{"detail":"body_unreadable"}')


def test_a_lower_limit_of_the_applications_own_counts() -> None:
    flask = Flask(__name__)
    flask.config["MAX_CONTENT_LENGTH"] = 10

    @flask.post("/hook")
    @flask_webhook(SECRET)
    def flask_handle(event: WebhookEvent) -> str:
        return event.id

    answer = wsgi(flask, signed(BODY), BODY)
    assert (answer.status, answer.body) == (413, b'{"detail":"body_too_large"}')

    @django_webhook(SECRET)
    def handle(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
        return JsonResponse({"id": event.id})

    with override_settings(ROOT_URLCONF=(path("hook", handle),), DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        answer = wsgi(WSGIHandler(), signed(BODY), BODY)
    assert (answer.status, answer.body) == (413, b'{"detail":"body_too_large"}')


def test_no_gate_asks_a_webhook_for_credentials() -> None:
    auth = authenticator()
    flask = Flask(__name__)
    Doorward(flask, auth, protect=True)

    @flask.post("/hook")
    @flask_webhook(SECRET)
    def flask_handle(event: WebhookEvent) -> str:
        return event.id

    assert wsgi(flask, signed(BODY), BODY).body == b"msg_1"
    assert wsgi(flask, [], BODY).status == 400

    @django_webhook(SECRET)
    def handle(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
        return JsonResponse({"id": event.id})

    middleware = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "doorward.django.AuthMiddleware",
    ]
    with override_settings(
        ROOT_URLCONF=(path("hook", handle),), MIDDLEWARE=middleware, DOORWARD={"AUTH": auth}
    ):
        app = WSGIHandler()
        assert wsgi(app, signed(BODY), BODY).status == 200
        assert wsgi(app, [], BODY).status == 400
        assert wsgi(app, signed(BODY), BODY, method="GET").status == 405

    # A guard on another router of the same application.
    api = FastAPI()
    api.get("/me", dependencies=[Depends(Guard(auth))])(lambda: None)
    hook = fastapi_webhook(SECRET)

    @api.post("/hook")
    async def take(event: Annotated[WebhookEvent, Depends(hook)]) -> str:
        return event.id

    assert asgi(api, signed(BODY), BODY).status == 200


def test_overrides_and_handlers_of_the_application_apply() -> None:
    app = FastAPI()
    hook = fastapi_webhook(SECRET)

    @app.post("/hook")
    async def take(event: Annotated[WebhookEvent, Depends(hook)]) -> str:
        return event.id

    @app.exception_handler(WebhookRefused)
    async def handled(request: Request, error: WebhookRefused) -> Any:
        from fastapi.responses import PlainTextResponse

        return PlainTextResponse(error.rejection.reason, 422)

    assert asgi(app, [], BODY) == Answer(
        422,
        {"content-length": "15", "content-type": "text/plain; charset=utf-8"},
        b"headers_missing",
    )
    event = WebhookEvent("msg_2", 0, 0, b'{"type":"a"}')
    app.dependency_overrides[hook] = lambda: event
    assert asgi(app, [], BODY).body == b'"msg_2"'


def test_a_missing_secret_stops_the_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLERK_WEBHOOK_SIGNING_SECRET", "DOORWARD_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for make in (fastapi_webhook, flask_webhook, django_webhook):
        with pytest.raises(ConfigError, match="CLERK_WEBHOOK_SIGNING_SECRET"):
            make()
        with pytest.raises(ConfigError, match="API secret key"):
            make("sk_test_0123456789012345678901234567890123")
    monkeypatch.setenv("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
    for make in (fastapi_webhook, flask_webhook, django_webhook):
        make()
    with override_settings(CLERK_WEBHOOK_SIGNING_SECRET="whsec_"), pytest.raises(ConfigError):
        django_webhook()


def authenticator() -> Authenticator:
    issuer = DevIssuer(issuer="https://clerk.example.com")
    return Authenticator.clerk(
        issuer=issuer.issuer, jwt_key=issuer.public_pem(), authorized_parties=["http://a.example"]
    )


def is_event(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and bool(found.get("type"))


def signed(body: bytes) -> Head:
    fields = sign(SECRET, "msg_1", time.time(), body)
    return [(name.encode(), value.encode()) for name, value in fields.items()]


class Gone(Exception):
    """The client went away."""


def asgi(app: Any, head: Head, body: bytes | AsyncIterator[bytes]) -> Answer:
    """What an ASGI application answers."""

    async def once() -> AsyncIterator[bytes]:
        assert isinstance(body, bytes)
        yield body[:7]
        yield body[7:]

    async def run() -> Answer:
        chunks = once() if isinstance(body, bytes) else body
        sent: list[Any] = []
        is_read = False

        async def receive() -> Any:
            nonlocal is_read
            if is_read:
                # The client waits for its answer.
                await asyncio.get_running_loop().create_future()
            try:
                return {"type": "http.request", "body": await anext(chunks), "more_body": True}
            except StopAsyncIteration:
                is_read = True
                return {"type": "http.request", "body": b"", "more_body": False}
            except Gone:
                return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/hook",
            "raw_path": b"/hook",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in head],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
        }
        await asyncio.wait_for(app(scope, receive, send), 20)
        start = next(one for one in sent if one["type"] == "http.response.start")
        bodies = [one.get("body", b"") for one in sent if one["type"] == "http.response.body"]
        fields = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], fields, b"".join(bodies))

    return asyncio.run(run())


def wsgi(app: Any, head: Head, body: bytes, *, method: str = "POST", stream: Any = None) -> Answer:
    """What a WSGI application answers."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/hook",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body) if stream is None else stream,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in head:
        variable = name.decode().upper().replace("-", "_")
        text = value.decode("latin-1")
        if variable in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            environ[variable] = text
            continue
        variable = f"HTTP_{variable}"
        environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    started: list[Any] = []
    answer = app(environ, lambda status, fields, _=None: started.append((status, fields)))
    try:
        content = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    status, fields = started[-1]
    return Answer(int(status[:3]), {name.lower(): value for name, value in fields}, content)
