"""What operators see: log records, span attributes, counters. Never a token."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support import Signer, bearer_scope

from doorward import Authenticator, Policy, observe
from doorward._verdict import permitted, verdict, verdict_blocking

READER = InMemoryMetricReader()
SPANS = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def _providers() -> None:
    # They can be set once in a process, and no other test does.
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(SPANS))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([READER]))


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    observe.configure()
    SPANS.clear()
    yield
    observe.configure()


def marked(run: Any) -> dict[str, Any]:
    """The attributes of the span around a call."""
    with trace.get_tracer("test").start_as_current_span("request"):
        run()
    return dict(SPANS.get_finished_spans()[-1].attributes or {})


def counted() -> dict[tuple[str, str | None], int]:
    data = READER.get_metrics_data()
    found: dict[tuple[str, str | None], int] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == "doorward.verdicts":
                    for point in metric.data.data_points:
                        labels = dict(point.attributes or {})
                        key = (
                            str(labels.pop("doorward.outcome")),
                            labels.pop("doorward.reason", None),
                        )
                        assert not labels
                        found[key] = point.value
    return found


def environ(token: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": "GET", "HTTP_AUTHORIZATION": f"Bearer {token}"}


def test_spans_and_counters(auth: Authenticator, keys: Signer) -> None:
    before = counted()
    good = marked(lambda: verdict_blocking(auth, environ(keys.session())))
    bad = marked(lambda: verdict_blocking(auth, environ(keys.session(exp=1))))
    assert good == {"doorward.outcome": "verified"}
    assert bad == {"doorward.outcome": "refused", "doorward.reason": "token_expired"}
    after = counted()
    for key in (("verified", None), ("refused", "token_expired")):
        assert after[key] == before.get(key, 0) + 1


async def test_a_request_counts_once(auth: Authenticator, keys: Signer) -> None:
    scope = bearer_scope(keys.session())
    before = counted().get(("verified", None), 0)
    for _ in range(3):
        await verdict(auth, scope)
    assert counted()[("verified", None)] == before + 1


def test_a_policy_has_the_last_word(auth: Authenticator, keys: Signer) -> None:
    def run() -> None:
        found = verdict_blocking(auth, environ(keys.session()))
        assert not isinstance(found, Exception)
        assert permitted(auth, Policy(role="org:owner"), found) is not None

    assert marked(run) == {"doorward.outcome": "refused", "doorward.reason": "role_required"}


def test_the_caller_is_named_on_demand_only(auth: Authenticator, keys: Signer) -> None:
    observe.configure(user_id=True)
    attributes = marked(lambda: verdict_blocking(auth, environ(keys.session())))
    assert attributes == {"doorward.outcome": "verified", "enduser.id": "user_1"}


def test_telemetry_can_be_switched_off(auth: Authenticator, keys: Signer) -> None:
    observe.configure(telemetry=False)
    assert marked(lambda: verdict_blocking(auth, environ(keys.session()))) == {}


def test_the_log_shows_detail_and_hint_and_no_token(
    auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    token = keys.session(exp=1)
    with caplog.at_level(logging.INFO, "doorward"):
        verdict_blocking(auth, environ(token))
    (record,) = caplog.records
    assert "token_expired" in record.getMessage()
    assert "`exp` is" in record.detail  # type: ignore[attr-defined]
    assert record.reason == "token_expired"  # type: ignore[attr-defined]
    assert record.hint in record.getMessage()  # type: ignore[attr-defined]
    assert token not in record.getMessage()
    assert token.split(".")[1] not in str(record.__dict__)


def test_prometheus_collects_the_numbers(auth: Authenticator, keys: Signer) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    token = keys.session()
    for _ in range(2):
        auth.verify(token)
    registry = CollectorRegistry()
    registry.register(observe.collector(auth))
    text = generate_latest(registry).decode()
    assert "doorward_healthy 1.0" in text
    assert 'doorward_cache_hits_total{cache="tokens"} 1.0' in text
    assert "# TYPE doorward_cache_hits_total counter" in text
    assert token not in text


def test_opentelemetry_watches_the_numbers(auth: Authenticator, keys: Signer) -> None:
    reader = InMemoryMetricReader()
    observe.watch(auth, MeterProvider([reader]).get_meter("doorward"))
    auth.verify(keys.session())
    data = reader.get_metrics_data()
    assert data
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    found = {metric.name: list(metric.data.data_points) for metric in metrics}
    (healthy,) = found["doorward_healthy"]
    assert healthy.value == 1
    entries = {
        dict(point.attributes)["cache"]: point.value for point in found["doorward_cache_entries"]
    }
    assert entries == {"tokens": 1, "answers": 0}
