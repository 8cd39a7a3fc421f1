"""Claims as a type of the application's own."""

# FastAPI evaluates the annotations of the routes below: they must not be strings.

import dataclasses
import logging
import subprocess
import sys
import typing
from typing import Annotated, Any

import msgspec
import pydantic
import pytest
import typing_extensions
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from support import ISSUER, PARTY, Clock, Signer, bearer

from doorward import Authenticator, Identity, Rejection
from doorward._typed_claims import TypedClaims
from doorward.fastapi import ClaimsMismatch, Guard, OptionalGuard

SECRET = "s3cret-of-the-token"


class Model(pydantic.BaseModel):
    sub: str
    level: int
    favourites: dict[str, int] = {}
    nickname: str | None = pydantic.Field(None, alias="nick")


class Struct(msgspec.Struct):
    sub: str
    level: int
    favourites: dict[str, int] = {}
    nickname: str | None = msgspec.field(default=None, name="nick")


@dataclasses.dataclass
class Data:
    sub: str
    level: int
    favourites: dict[str, int] = dataclasses.field(default_factory=dict)
    nick: str | None = None


@pydantic.dataclasses.dataclass
class PydanticData:
    sub: str
    level: int
    favourites: dict[str, int] = pydantic.Field(default_factory=dict)
    nick: str | None = None


class Needed(typing.TypedDict):
    sub: str
    level: int


class Typed(Needed, total=False):
    favourites: dict[str, int]
    nick: str


class TypedElsewhere(typing_extensions.TypedDict):
    sub: str
    level: int
    favourites: typing_extensions.NotRequired[dict[str, int]]
    nick: typing_extensions.NotRequired[str]


TYPES = [Model, Struct, Data, PydanticData, Typed, TypedElsewhere]


def application(auth: Authenticator, claims: type[Any], **options: Any) -> TestClient:
    app = FastAPI()
    guard = Guard(auth).claims(claims, **options)

    @app.get("/")
    async def read(found: Annotated[Any, Depends(guard)]) -> dict[str, Any]:
        assert isinstance(found, dict if issubclass(claims, dict) else claims)
        level = found["level"] if isinstance(found, dict) else found.level
        return {"level": level}

    @app.get("/maybe")
    async def maybe(found: Annotated[Any, Depends(guard.optional)]) -> bool:
        return found is None

    return TestClient(app)


@pytest.mark.parametrize("claims", TYPES)
def test_yields_the_type(auth: Authenticator, keys: Signer, claims: type[Any]) -> None:
    client = application(auth, claims)
    assert client.get("/", headers=bearer(keys.session(level=7))).json() == {"level": 7}
    assert client.get("/").json() == {"detail": "credentials_missing"}
    assert client.get("/maybe").json() is True
    assert client.get("/maybe", headers=bearer(keys.session(level=7))).json() is False


@pytest.mark.parametrize("claims", TYPES)
@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"level": SECRET}, "level"),
        ({}, "level"),
        ({"level": 7, "favourites": {SECRET: SECRET}}, "favourites"),
        ({"level": 7, "nick": [SECRET]}, "nick"),
    ],
)
def test_a_token_that_does_not_fit_is_refused(
    auth: Authenticator,
    keys: Signer,
    claims: type[Any],
    wrong: dict[str, Any],
    where: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    client = application(auth, claims)
    for path in ("/", "/maybe"):
        answer = client.get(path, headers=bearer(keys.session(**wrong)))
        assert answer.status_code == 401
        assert answer.json() == {"detail": "claim_malformed"}
        assert answer.headers["www-authenticate"] == (
            'Bearer error="invalid_token", '
            'error_description="A claim of the token has a wrong type or an impossible value."'
        )
        assert answer.headers["cache-control"] == "no-store"
    assert f"not as {claims.__name__} has it: {where}" in caplog.text
    assert SECRET not in caplog.text


def test_tells_no_names_that_are_the_tokens(
    auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    class Closed(pydantic.BaseModel, extra="forbid"):
        sub: str

    class ClosedStruct(msgspec.Struct, forbid_unknown_fields=True):
        sub: str

    for claims in (Closed, ClosedStruct):
        answer = application(auth, claims).get("/", headers=bearer(keys.session(**{SECRET: 1})))
        assert answer.status_code == 401
    assert caplog.text.count("the claims") >= 2
    assert SECRET not in caplog.text


@pytest.mark.parametrize("claims", TYPES)
def test_or_it_is_our_own_mistake(auth: Authenticator, keys: Signer, claims: type[Any]) -> None:
    client = application(auth, claims, on_mismatch="raise")
    with pytest.raises(ClaimsMismatch, match="level") as mistake:
        client.get("/", headers=bearer(keys.session(level=SECRET)))
    seen: BaseException | None = mistake.value
    while seen is not None:
        assert SECRET not in str(seen)
        seen = seen.__cause__ or seen.__context__


def test_explains_and_has_problem_details(keys: Signer, clock: Clock) -> None:
    for options in ({"explain": True}, {"problem_details": True}):
        auth = Authenticator.clerk(issuer=ISSUER, jwt_key=keys.jwks(), clock=clock, **options)
        client = application(auth, Model)
        body = client.get("/", headers=bearer(keys.session(level=SECRET))).json()
        # The engine's own refusals of the same kind have the same members.
        like = client.get("/", headers=bearer("junk")).json()
        assert list(body) == list(like)
        assert SECRET not in str(body)
        if "problem_details" in options:
            assert body["reason"] == "claim_malformed"
            assert body["detail"] == "A claim of the token has a wrong type or an impossible value."
        else:
            assert body["detail"] == "claim_malformed"
            assert body["summary"] == body["summary"].capitalize()
            assert body["explanation"] == "not as Model has it: level (int_parsing)"
            assert "type" in body["hint"]


def test_decodes_once_for_a_request(auth: Authenticator, keys: Signer) -> None:
    decoded: list[str] = []

    class Counted(pydantic.BaseModel):
        sub: str

        @pydantic.field_validator("sub")
        @classmethod
        def count(cls, value: str) -> str:
            decoded.append(value)
            return value

    guard = Guard(auth)
    app = FastAPI(dependencies=[Depends(guard.claims(Counted))])

    @app.get("/")
    async def read(
        one: Annotated[Counted, Depends(guard.claims(Counted))],
        two: Annotated[Counted, Depends(guard.requires(role="admin").claims(Counted))],
        caller: Annotated[Identity, Depends(guard)],
    ) -> bool:
        return one is two and one.sub == caller.subject

    client = TestClient(app)
    assert client.get("/", headers=bearer(keys.session())).json() is True
    assert decoded == ["user_1"]
    member = keys.session(o={"id": "org_1", "rol": "member"}, fea=None)
    assert client.get("/", headers=bearer(member)).json() == {"detail": "role_required"}


def test_nothing_is_decoded_for_who_may_not_enter(auth: Authenticator, keys: Signer) -> None:
    app = FastAPI()
    guard = Guard(auth).requires(role="owner").claims(Model)
    app.get("/", dependencies=[Depends(guard)])(lambda: None)
    answer = TestClient(app).get("/", headers=bearer(keys.session(level="seven")))
    assert answer.json() == {"detail": "role_required"}


@pytest.mark.parametrize("claims", [Model, Struct])
def test_members_that_are_not_to_be_believed_are_left_out(
    auth: Authenticator, keys: Signer, claims: type[Any]
) -> None:
    class Smuggled(claims):  # type: ignore[misc]
        org_id: str | None = None

    typed = TypedClaims(Smuggled)
    identity = auth.verify(keys.session(level=7, org_id="org_victim", o=None, fea=None))
    assert b"org_victim" in identity.raw_claims
    found = typed.read(auth, {}, identity)
    assert not isinstance(found, Rejection)
    assert (found.level, found.org_id) == (7, None)


def test_subscripted(auth: Authenticator, keys: Signer) -> None:
    assert Guard[Model] is Guard[Model]
    assert issubclass(Guard[Model], Guard)
    assert Guard[Model].__name__ == "Guard[Model]"
    guard = Guard[Model](auth)
    assert isinstance(guard.optional, OptionalGuard)
    app = FastAPI()

    @app.get("/")
    async def read(found: Annotated[Model, Depends(guard.requires(role="admin"))]) -> int:
        return found.level

    @app.get("/identity")
    async def identity(found: Annotated[Identity, Depends(Guard[Identity](auth))]) -> str:
        return found.subject

    client = TestClient(app)
    headers = bearer(keys.session(level=7))
    assert client.get("/", headers=headers).json() == 7
    assert client.get("/identity", headers=headers).json() == "user_1"


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        (int, "int is none of those"),
        (dict, "dict is none of those"),
        (Identity, "Identity is none of those"),
        (Struct("user_1", 7), "found an instance of Struct"),
    ],
)
def test_what_says_not_what_it_holds(auth: Authenticator, claims: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        Guard(auth).claims(claims)


def test_unknown_options(auth: Authenticator) -> None:
    with pytest.raises(ValueError, match="expected 'refuse' or 'raise', found 'refused'"):
        Guard(auth).claims(Model, on_mismatch="refused")  # type: ignore[arg-type]


def test_equal_types_are_one_object(auth: Authenticator) -> None:
    guard = Guard(auth)
    one = guard.claims(Model)
    assert one is guard.claims(Model)
    assert one is not guard.claims(Model, on_mismatch="raise")
    assert one is not guard.claims(Struct)


@pytest.mark.parametrize(
    ("needs", "claims", "spares"),
    [
        ("msgspec", "class Claims(msgspec.Struct): sub: str", "pydantic"),
        ("pydantic", "class Claims(pydantic.BaseModel): sub: str", "msgspec"),
    ],
)
def test_imports_what_the_type_needs(needs: str, claims: str, spares: str) -> None:
    code = f"""
import sys, {needs}
from doorward._typed_claims import TypedClaims
{claims}
TypedClaims(Claims)
print({spares!r} in sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("missing", ["pydantic", "msgspec", "both"])
def test_dataclasses_take_what_there_is(missing: str) -> None:
    hidden = ["pydantic", "msgspec"] if missing == "both" else [missing]
    code = f"""
import dataclasses, sys
for name in {hidden!r}:
    sys.modules[name] = None
from doorward._typed_claims import TypedClaims
@dataclasses.dataclass
class Claims:
    sub: str
print(type(TypedClaims(Claims)._decode(b'{{"sub": "user_1"}}')).__name__)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    if missing == "both":
        assert "to decode Claims, install pydantic or msgspec" in run.stderr
    else:
        assert run.stdout.strip() == "Claims"


def test_websockets_as_well(auth: Authenticator, keys: Signer) -> None:
    from fastapi import WebSocket

    app = FastAPI()

    @app.websocket("/")
    async def greet(
        websocket: WebSocket,
        found: Annotated[Model, Depends(Guard(auth).claims(Model).websocket())],
    ) -> None:
        await websocket.accept()
        await websocket.send_json(found.level)
        await websocket.close()

    headers = {"Authorization": f"Bearer {keys.session(level=7)}", "Origin": PARTY}
    with TestClient(app).websocket_connect("/", headers=headers) as session:
        assert session.receive_json() == 7
