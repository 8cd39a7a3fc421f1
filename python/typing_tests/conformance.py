"""What type checkers must say about the conformance suite. Checked, never run."""

from pathlib import Path
from typing import Literal

from typing_extensions import assert_type

from doorward.conformance import Finding, Report, Route, check
from doorward.testing import DevIssuer


def ask(app: object, issuer: DevIssuer) -> None:
    assert_type(check("http://127.0.0.1:8000"), Report)
    check(app, issuer=issuer, public="/health", skip=["/admin/*"], mint={"kind": "oauth"})
    check(app, issuer="http://127.0.0.1:4747", openapi=Path("openapi.yaml"))
    check(app, openapi={"openapi": "3.1.0"}, parameters={"id": 7}, strict=True)
    check(app, routes=["GET /me"], token="a.b.c", unsafe_methods=True)
    check(app, pubic="/health")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    check(app, public=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check(app, None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def read(report: Report) -> None:
    assert_type(report.passed, bool)
    assert_type(report.findings, tuple[Finding, ...])
    assert_type(report.failures, tuple[Finding, ...])
    assert_type(report.routes, tuple[Route, ...])
    assert_type(report.summary["failures"], int)
    assert_type(report.findings[0].state, Literal["pass", "warn", "fail"])
    assert_type(report.findings[0].status, int | None)
    assert_type(report.to_json(), str)
    assert_type(report.to_junit(), str)
    report.assert_passed()
