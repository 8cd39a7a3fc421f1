"""What OpenAPI and Swagger UI show of a guard."""

# FastAPI evaluates the annotations of the routes below: they must not be strings.

import json
import re
from typing import Annotated, Any

import jsonschema
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.testclient import TestClient
from openapi_spec_validator import validate
from support import ISSUER, Clock, Signer, bearer

from doorward import Authenticator, Identity
from doorward.fastapi import Guard, install, oauth2, openid, swagger_ui_init_oauth

AUTHORIZE = "https://idp.example/authorize"
TOKEN = "https://idp.example/token"


def application(guard: Guard, **options: Any) -> FastAPI:
    app = FastAPI(**options)

    @app.get("/public")
    async def public() -> None: ...

    @app.get("/me")
    async def me(caller: Annotated[Identity, Depends(guard)]) -> None: ...

    @app.get("/maybe")
    async def maybe(caller: Annotated[Identity | None, Depends(guard.optional)]) -> None: ...

    @app.post(
        "/posts",
        dependencies=[Security(guard, scopes=["posts:write"])],
        responses={401: {"description": "told by the application"}},
    )
    async def write() -> None: ...

    return app


def written(app: FastAPI) -> dict[str, Any]:
    """The document as it is served, after a validator has read it."""
    document: dict[str, Any] = TestClient(app).get("/openapi.json").json()
    validate(document)
    return document


def test_authorization_code(auth: Authenticator) -> None:
    scheme = oauth2(
        authorization_url=AUTHORIZE,
        token_url=TOKEN,
        refresh_url="/refresh",
        scopes={"posts:write": "Write posts"},
    )
    document = written(application(Guard(auth, scheme=scheme, scheme_name="OAuth2")))
    assert document["components"]["securitySchemes"] == {
        "OAuth2": {
            "type": "oauth2",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": AUTHORIZE,
                    "tokenUrl": TOKEN,
                    "refreshUrl": "/refresh",
                    "scopes": {"posts:write": "Write posts"},
                }
            },
        }
    }
    paths = document["paths"]
    assert paths["/me"]["get"]["security"] == [{"OAuth2": []}]
    assert paths["/maybe"]["get"]["security"] == [{"OAuth2": []}]
    assert paths["/posts"]["post"]["security"] == [{"OAuth2": ["posts:write"]}]
    assert "security" not in paths["/public"]["get"]


def test_what_strangers_may_use_as_well_is_told_as_optional(auth: Authenticator) -> None:
    guard = Guard(auth)
    app = application(guard)
    router = APIRouter(prefix="/below/{part}", dependencies=[Depends(guard.optional)])

    @router.put("/maybe", include_in_schema=True)
    async def maybe(part: str) -> None: ...

    @router.put("/both", dependencies=[Depends(guard.requires(role="admin"))])
    async def both(part: str) -> None: ...

    app.include_router(router)
    install(app, guard, guard.optional)
    for _ in range(2):
        paths = written(app)["paths"]
        app.openapi_schema = None
        assert paths["/maybe"]["get"]["security"] == [{}, {"Doorward": []}]
        assert paths["/me"]["get"]["security"] == [{"Doorward": []}]
        assert paths["/below/{part}/maybe"]["put"]["security"] == [{}, {"Doorward": []}]
        assert paths["/below/{part}/both"]["put"]["security"] == [{"Doorward": []}]
        assert "401" in paths["/below/{part}/maybe"]["put"]["responses"]


def test_scopes_without_descriptions() -> None:
    for scopes in ("a b", ["a", "b"], ("a", "b")):
        scheme = oauth2(authorization_url=AUTHORIZE, token_url=TOKEN, scopes=scopes)
        assert scheme.flows.authorizationCode is not None
        assert scheme.flows.authorizationCode.scopes == {"a": "", "b": ""}


def test_openid(auth: Authenticator) -> None:
    url = "https://idp.example/.well-known/openid-configuration"
    document = written(application(Guard(auth, scheme=openid(url, description="Sign in"))))
    assert document["components"]["securitySchemes"] == {
        "Doorward": {"type": "openIdConnect", "openIdConnectUrl": url, "description": "Sign in"}
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"authorization_url": "http://idp.example/a", "token_url": TOKEN}, "authorization_url: "),
        ({"authorization_url": AUTHORIZE, "token_url": "javascript:alert(1)"}, "token_url: "),
        ({"authorization_url": "//idp.example/a", "token_url": TOKEN}, "expected an https URL"),
        (
            {"authorization_url": AUTHORIZE, "token_url": TOKEN, "refresh_url": ""},
            "refresh_url: ",
        ),
    ],
)
def test_urls_that_are_none(arguments: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        oauth2(**arguments)


def test_urls_of_this_machine() -> None:
    oauth2(authorization_url="http://localhost:5001/authorize", token_url="/token")


def test_an_issuer_is_no_discovery_document() -> None:
    meant = "https://idp.example/.well-known/openid-configuration"
    with pytest.raises(ValueError, match=f"did you mean {re.escape(meant)}"):
        openid("https://idp.example/")


def test_swagger_ui_signs_in_with_pkce(auth: Authenticator) -> None:
    scheme = oauth2(authorization_url=AUTHORIZE, token_url=TOKEN, scopes=["openid"])
    settings = swagger_ui_init_oauth(
        "my-client", scopes=["openid", "email"], audience="https://api.example", app_name="Mine"
    )
    app = application(Guard(auth, scheme=scheme), swagger_ui_init_oauth=settings)
    page = TestClient(app).get("/docs").text
    shown = re.search(r"ui\.initOAuth\((.*)\)", page)
    assert shown is not None
    assert json.loads(shown[1]) == {
        "clientId": "my-client",
        "usePkceWithAuthorizationCodeGrant": True,
        "scopes": "openid email",
        "additionalQueryStringParams": {"audience": "https://api.example"},
        "appName": "Mine",
    }
    assert "oauth2RedirectUrl: window.location.origin + '/docs/oauth2-redirect'" in page
    assert TestClient(app).get("/docs/oauth2-redirect").status_code == 200
    with pytest.raises(ValueError, match="client_id is empty"):
        swagger_ui_init_oauth(" ")
    with pytest.raises(TypeError):
        swagger_ui_init_oauth("my-client", client_secret="s3cret")  # type: ignore[call-arg]


def test_responses_of_a_router(auth: Authenticator) -> None:
    guard = Guard(auth)
    app = FastAPI()
    router = APIRouter(dependencies=[Depends(guard)], responses=guard.responses())

    @router.get("/me")
    async def me() -> None: ...

    app.include_router(router)
    told = written(app)["paths"]["/me"]["get"]["responses"]
    assert set(told) == {"200", "400", "401", "403", "503"}
    assert set(told["401"]["headers"]) == {"WWW-Authenticate", "Cache-Control"}
    assert set(told["503"]["headers"]) == {"Retry-After", "Cache-Control"}
    schema = told["401"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["detail"]
    assert "token_expired" in schema["properties"]["detail"]["enum"]
    assert "role_required" not in schema["properties"]["detail"]["enum"]


def test_an_installed_application_tells_everything(auth: Authenticator) -> None:
    guard = Guard(auth)
    app = application(guard)
    install(app, guard)
    paths = written(app)["paths"]
    assert set(paths["/public"]["get"]["responses"]) == {"200"}
    for path in ("/me", "/maybe"):
        assert set(paths[path]["get"]["responses"]) == {"200", "400", "401", "403", "503"}
    told = paths["/posts"]["post"]["responses"]
    assert told["401"] == {"description": "told by the application"}
    assert {"400", "403", "503"} < set(told)


def test_each_guard_tells_its_own(keys: Signer, clock: Clock, auth: Authenticator) -> None:
    problems = Authenticator.clerk(
        issuer=ISSUER, jwt_key=keys.jwks(), clock=clock, problem_details=True
    )
    app = FastAPI()
    one, two = Guard(auth, scheme_name="One"), Guard(problems, scheme_name="Two")
    app.get("/one", dependencies=[Depends(one)])(lambda: None)
    app.get("/two", dependencies=[Depends(two)])(lambda: None)
    install(app, one, two)
    paths = written(app)["paths"]
    assert list(paths["/one"]["get"]["responses"]["401"]["content"]) == ["application/json"]
    assert list(paths["/two"]["get"]["responses"]["401"]["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("options", [{}, {"problem_details": True}, {"explain": True}])
def test_answers_are_as_they_are_told(keys: Signer, clock: Clock, options: dict[str, bool]) -> None:
    """Every refusal has the status, headers and members that the document promises."""
    auth = Authenticator.clerk(issuer=ISSUER, jwt_key=keys.jwks(), clock=clock, **options)
    guard = Guard(auth).requires(role="owner")
    app = FastAPI()
    app.get("/", dependencies=[Depends(guard)])(lambda: None)
    install(app, guard)
    client = TestClient(app)
    told = written(app)["paths"]["/"]["get"]["responses"]
    for headers, status in (
        ([], 401),
        ([("Authorization", "Bearer junk")], 401),
        ([("Authorization", "Bearer")], 400),
        (list(bearer(keys.session()).items()), 403),
    ):
        answer = client.get("/", headers=headers)
        assert answer.status_code == status
        promised = told[str(status)]
        assert all(name in answer.headers for name in promised["headers"])
        schema = promised["content"][answer.headers["content-type"]]["schema"]
        jsonschema.validate(answer.json(), schema)


def test_an_application_that_writes_its_own_document(auth: Authenticator) -> None:
    guard = Guard(auth)
    app = application(guard)
    document = app.openapi

    def own() -> dict[str, Any]:
        return {**document(), "x-own": True}

    app.openapi = own  # type: ignore[method-assign]
    install(app, guard)
    found = written(app)
    assert found["x-own"] is True
    assert "503" in found["paths"]["/me"]["get"]["responses"]
