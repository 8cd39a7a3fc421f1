"""The applications that `http_bench.py` measures: one page, behind one door or another.

Each is served by a process of its own, which reads from the environment which one it is and what it
has to know: `http_apps.py ID DESCRIPTOR` for FastAPI, `gunicorn "http_apps:wsgi()"` for the others.
"""

# FastAPI reads annotations, so they must not be strings here. Frameworks are imported where they
# are used: a process imports no other than its own.

import functools
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from harness import ISSUER, PARTY

FASTAPI = "FastAPI, uvicorn"
FLASK = "Flask, gunicorn"
DJANGO = "Django, gunicorn"
DRF = "Django REST framework, gunicorn"

HELLO = {"hello": "world"}


class Facts(NamedTuple):
    """What an application has to know to verify the token."""

    pem: str
    jwks_url: str
    issuer: str = ISSUER
    party: str = PARTY

    @classmethod
    def read(cls) -> "Facts":
        return cls(*(os.environ[f"BENCH_{name.upper()}"] for name in cls._fields))

    def environment(self) -> dict[str, str]:
        return {f"BENCH_{name.upper()}": value for name, value in self._asdict().items()}


class Variant(NamedTuple):
    """One door, and the page behind it."""

    id: str
    section: str
    name: str
    #: What it is compared with.
    base: str
    make: Callable[[Facts], Any]
    #: Whether strangers must be turned away.
    guarded: bool


VARIANTS: dict[str, Variant] = {}


def variant(
    id: str, section: str, name: str, base: str, *, guarded: bool = True
) -> Callable[[Callable[[Facts], Any]], Callable[[Facts], Any]]:
    def register(make: Callable[[Facts], Any]) -> Callable[[Facts], Any]:
        VARIANTS[id] = Variant(id, section, name, base, make, guarded)
        return make

    return register


def doorward(facts: Facts, **settings: Any) -> Any:
    from doorward import Authenticator

    return Authenticator.clerk(
        issuer=facts.issuer, jwt_key=facts.pem, authorized_parties=facts.party, **settings
    )


def pyjwt(facts: Facts) -> Callable[[str], dict[str, Any]]:
    """Verifies as PyJWT's documentation does, with its key set cached."""
    import jwt

    keys = jwt.PyJWKClient(facts.jwks_url)

    def verify(token: str) -> dict[str, Any]:
        key = keys.get_signing_key_from_jwt(token)
        return jwt.decode(token, key.key, algorithms=["RS256"], issuer=facts.issuer)

    return verify


def clerk_backend_api(facts: Facts) -> Callable[[Any], Any]:
    from clerk_backend_api import AuthenticateRequestOptions
    from clerk_backend_api.security import authenticate_request

    options = AuthenticateRequestOptions(jwt_key=facts.pem, authorized_parties=[facts.party])
    return lambda request: authenticate_request(request, options)


# ---- FastAPI ----

fastapi_variant = functools.partial(variant, section=FASTAPI, base="fastapi/open")


def fastapi(dependency: Any = None) -> Any:
    from fastapi import Depends, FastAPI

    app = FastAPI()
    if dependency is None:

        @app.get("/")
        async def hello() -> dict[str, str]:
            return HELLO

    else:

        @app.get("/")
        async def hello(caller: Annotated[Any, Depends(dependency)]) -> dict[str, str]:
            return HELLO

    return app


@fastapi_variant("fastapi/open", name="no auth, header ignored", guarded=False)
def _(facts: Facts) -> Any:
    return fastapi()


@fastapi_variant("fastapi/again", name="the same, a second server", guarded=False)
def _(facts: Facts) -> Any:
    return fastapi()


@fastapi_variant("fastapi/noop", name="a middleware that does nothing", guarded=False)
def _(facts: Facts) -> Any:
    class Nothing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    app = fastapi()
    app.add_middleware(Nothing)
    return app


@fastapi_variant("fastapi/raw", name="a middleware that checks the bare signature", guarded=False)
def _(facts: Facts) -> Any:
    import base64

    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key: Any = load_pem_public_key(facts.pem.encode())
    scheme, digest = padding.PKCS1v15(), SHA256()

    class Signature:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                for name, value in scope["headers"]:
                    if name == b"authorization":
                        signed, _, signature = value[len(b"Bearer ") :].rpartition(b".")
                        found = base64.urlsafe_b64decode(signature + b"==")
                        key.verify(found, signed, scheme, digest)
            await self.app(scope, receive, send)

    app = fastapi()
    app.add_middleware(Signature)
    return app


@fastapi_variant("fastapi/depends", name="a dependency that does nothing", guarded=False)
def _(facts: Facts) -> Any:
    from fastapi import Request

    async def nothing(request: Request) -> None: ...

    return fastapi(nothing)


@fastapi_variant("fastapi/hit", name="doorward AuthMiddleware, cached")
def _(facts: Facts) -> Any:
    return behind_middleware(fastapi(), doorward(facts))


@fastapi_variant("fastapi/cold", name="doorward AuthMiddleware, cache off")
def _(facts: Facts) -> Any:
    return behind_middleware(fastapi(), doorward(facts, cache_bytes=0))


@fastapi_variant("fastapi/guard", name="doorward Guard, cached")
def _(facts: Facts) -> Any:
    from doorward.fastapi import Guard

    return fastapi(Guard(doorward(facts)))


@fastapi_variant("fastapi/guard-cold", name="doorward Guard, cache off")
def _(facts: Facts) -> Any:
    from doorward.fastapi import Guard

    return fastapi(Guard(doorward(facts, cache_bytes=0)))


@fastapi_variant("fastapi/both", name="doorward AuthMiddleware, then Guard, cached")
def _(facts: Facts) -> Any:
    from doorward.fastapi import Guard

    auth = doorward(facts)
    return behind_middleware(fastapi(Guard(auth)), auth)


@fastapi_variant("fastapi/fastapi-clerk-auth", name="fastapi-clerk-auth 0.0.9, key set cached")
def _(facts: Facts) -> Any:
    return fastapi(fastapi_clerk_auth(facts))


@fastapi_variant("fastapi/clerk-backend-api", name="clerk-backend-api 7, async dependency")
def _(facts: Facts) -> Any:
    from fastapi import HTTPException, Request

    authenticate = clerk_backend_api(facts)

    async def signed_in(request: Request) -> Any:
        state = authenticate(request)
        if not state.is_signed_in:
            raise HTTPException(401)
        return state

    return fastapi(signed_in)


@fastapi_variant("fastapi/pyjwt", name="PyJWT 2.15 and PyJWKClient, HTTPBearer")
def _(facts: Facts) -> Any:
    from fastapi import HTTPException, Request
    from fastapi.security import HTTPBearer
    from jwt import PyJWTError

    verify = pyjwt(facts)

    class JWTBearer(HTTPBearer):
        async def __call__(self, request: Request) -> Any:
            found = await super().__call__(request)
            assert found is not None
            try:
                return verify(found.credentials)
            except PyJWTError as error:
                raise HTTPException(401) from error

    return fastapi(JWTBearer())


def fastapi_clerk_auth(facts: Facts) -> Any:
    from fastapi_clerk_auth import ClerkConfig, ClerkHTTPBearer

    return ClerkHTTPBearer(
        ClerkConfig(jwks_url=facts.jwks_url, issuer=facts.issuer, verify_iss=True)
    )


def behind_middleware(app: Any, auth: Any) -> Any:
    from doorward.asgi import AuthMiddleware

    app.add_middleware(AuthMiddleware, auth=auth)
    return app


# ---- A page beside the guarded one, while the keys are on their way ----

stall_variant = functools.partial(variant, section="stall", base="stall/open")


def with_health(app: Any) -> Any:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return HELLO

    return app


@stall_variant("stall/open", name="nobody fetches keys", guarded=False)
def _(facts: Facts) -> Any:
    async def dependency() -> None:
        # As slow as the others, and no keys.
        import asyncio

        await asyncio.sleep(2)

    return with_health(fastapi(dependency))


@stall_variant("stall/guard", name="doorward Guard")
def _(facts: Facts) -> Any:
    from doorward import Authenticator
    from doorward.fastapi import Guard

    auth = Authenticator.clerk(
        issuer=facts.issuer, jwks_url=facts.jwks_url, authorized_parties=facts.party
    )
    return with_health(fastapi(Guard(auth)))


@stall_variant("stall/fastapi-clerk-auth", name="fastapi-clerk-auth 0.0.9")
def _(facts: Facts) -> Any:
    return with_health(fastapi(fastapi_clerk_auth(facts)))


# ---- Flask ----

flask_variant = functools.partial(variant, section=FLASK, base="flask/open")


def page(app: Any, guard: Callable[[Any], Any] = lambda view: view) -> Any:
    @app.get("/")
    @guard
    def hello() -> Any:
        return HELLO

    return app


def flask() -> Any:
    from flask import Flask

    return Flask("bench")


@flask_variant("flask/open", name="no auth, header ignored", guarded=False)
def _(facts: Facts) -> Any:
    return page(flask())


@flask_variant("flask/again", name="the same, a second server", guarded=False)
def _(facts: Facts) -> Any:
    return page(flask())


@flask_variant("flask/hit", name="doorward required, cached")
def _(facts: Facts) -> Any:
    from doorward.flask import Doorward

    app = flask()
    return page(app, Doorward(app, doorward(facts)).required)


@flask_variant("flask/cold", name="doorward required, cache off")
def _(facts: Facts) -> Any:
    from doorward.flask import Doorward

    app = flask()
    return page(app, Doorward(app, doorward(facts, cache_bytes=0)).required)


@flask_variant("flask/protect", name="doorward protect=True, cached")
def _(facts: Facts) -> Any:
    from doorward.flask import Doorward

    app = flask()
    Doorward(app, doorward(facts), protect=True)
    return page(app)


@flask_variant("flask/flask-jwt-extended", name="flask-jwt-extended 4.7, public key")
def _(facts: Facts) -> Any:
    from flask_jwt_extended import JWTManager, jwt_required

    app = flask()
    app.config["JWT_ALGORITHM"] = "RS256"
    app.config["JWT_PUBLIC_KEY"] = facts.pem
    app.config["JWT_DECODE_ISSUER"] = facts.issuer
    JWTManager(app)
    return page(app, jwt_required())


@flask_variant("flask/clerk-backend-api", name="clerk-backend-api 7, decorator")
def _(facts: Facts) -> Any:
    from flask import abort, g, request

    authenticate = clerk_backend_api(facts)

    def guard(view: Any) -> Any:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            state = authenticate(request)
            if not state.is_signed_in:
                abort(401)
            g.auth_state = state
            return view(*args, **kwargs)

        return guarded

    return page(flask(), guard)


@flask_variant("flask/pyjwt", name="PyJWT 2.15 and PyJWKClient, decorator")
def _(facts: Facts) -> Any:
    from flask import abort, g, request
    from jwt import PyJWTError

    verify = pyjwt(facts)

    def guard(view: Any) -> Any:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                g.claims = verify(request.headers.get("Authorization", "").removeprefix("Bearer "))
            except PyJWTError:
                abort(401)
            return view(*args, **kwargs)

        return guarded

    return page(flask(), guard)


# ---- Django and REST framework ----

django_variant = functools.partial(variant, section=DJANGO, base="django/open")
drf_variant = functools.partial(variant, section=DRF, base="drf/open")


def django(view: Callable[[], Any], **chosen: Any) -> Any:
    """A project without middleware, and the one view that is returned by `view`."""
    import django as package
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        LOGGING_CONFIG=None,
        ROOT_URLCONF=__name__,
        SECRET_KEY="nothing is signed with it",
        USE_TZ=True,
        **{"MIDDLEWARE": [], **chosen},
    )
    package.setup()
    global urlpatterns
    urlpatterns = [path("", view())]
    return get_wsgi_application()


urlpatterns: list[Any] = []


def plain_view() -> Any:
    from django.http import JsonResponse

    def hello(request: Any) -> Any:
        return JsonResponse(HELLO)

    return hello


def nothing_middleware(get_response: Any) -> Any:
    return lambda request: get_response(request)


def rest_view(authentication: Callable[[], Any] | None = None) -> Any:
    """A view of REST framework. Without `authentication` it is open, and nobody is asked."""
    from rest_framework.permissions import IsAuthenticated
    from rest_framework.renderers import JSONRenderer
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Hello(APIView):
        authentication_classes = [] if authentication is None else [authentication()]
        permission_classes = [] if authentication is None else [IsAuthenticated]
        renderer_classes = [JSONRenderer]  # noqa: RUF012

        def get(self, request: Any) -> Any:
            return Response(HELLO)

    return Hello.as_view()


@django_variant("django/open", name="no auth, header ignored", guarded=False)
def _(facts: Facts) -> Any:
    return django(plain_view)


@django_variant("django/noop", name="a middleware that does nothing", guarded=False)
def _(facts: Facts) -> Any:
    return django(plain_view, MIDDLEWARE=[f"{__name__}.nothing_middleware"])


@django_variant("django/hit", name="doorward AuthMiddleware, cached")
def _(facts: Facts) -> Any:
    return django(
        plain_view,
        MIDDLEWARE=["doorward.django.AuthMiddleware"],
        DOORWARD={"AUTH": doorward(facts)},
    )


@drf_variant("drf/open", name="no authentication, header ignored", guarded=False)
def _(facts: Facts) -> Any:
    return django(rest_view)


@drf_variant("drf/again", name="the same, a second server", guarded=False)
def _(facts: Facts) -> Any:
    return django(rest_view)


@drf_variant("drf/hit", name="doorward DoorwardAuthentication, cached")
def _(facts: Facts) -> Any:
    return django(doorward_view, DOORWARD={"AUTH": doorward(facts)})


@drf_variant("drf/cold", name="doorward DoorwardAuthentication, cache off")
def _(facts: Facts) -> Any:
    return django(doorward_view, DOORWARD={"AUTH": doorward(facts, cache_bytes=0)})


def doorward_view() -> Any:
    def authentication() -> Any:
        from doorward.drf import DoorwardAuthentication

        return DoorwardAuthentication

    return rest_view(authentication)


@drf_variant("drf/simplejwt", name="simplejwt 5.5, JWTStatelessUserAuthentication")
def _(facts: Facts) -> Any:
    def authentication() -> Any:
        from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication

        return JWTStatelessUserAuthentication

    settings = {
        "ALGORITHM": "RS256",
        "ISSUER": facts.issuer,
        "JTI_CLAIM": None,
        "TOKEN_TYPE_CLAIM": None,
        "USER_ID_CLAIM": "sub",
        "VERIFYING_KEY": facts.pem,
    }
    return django(lambda: rest_view(authentication), SIMPLE_JWT=settings)


@drf_variant("drf/clerk-backend-api", name="clerk-backend-api 7, authentication class")
def _(facts: Facts) -> Any:
    authenticate = clerk_backend_api(facts)

    def authentication() -> Any:
        from rest_framework.authentication import BaseAuthentication
        from rest_framework.exceptions import AuthenticationFailed

        class Caller:
            is_authenticated = True

            def __init__(self, claims: dict[str, Any]) -> None:
                self.pk = claims["sub"]

        class ClerkAuthentication(BaseAuthentication):
            def authenticate(self, request: Any) -> Any:
                state = authenticate(request)
                if not state.is_signed_in:
                    raise AuthenticationFailed
                return Caller(state.payload), state

            def authenticate_header(self, request: Any) -> str:
                return "Bearer"

        return ClerkAuthentication

    return django(lambda: rest_view(authentication))


# ---- Serving ----


def wsgi() -> Any:
    return made(os.environ["BENCH_VARIANT"])


def made(id: str) -> Any:
    for name in ("doorward", "django.request"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return VARIANTS[id].make(Facts.read())


def serve(id: str, descriptor: int) -> None:
    import uvicorn

    config = uvicorn.Config(
        made(id),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        # Servers wait long for their turn.
        timeout_keep_alive=600,
    )
    uvicorn.Server(config).run([socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
