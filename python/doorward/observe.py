"""What operators see of the verdicts: a logger, and OpenTelemetry where it is in use.

The logger `doorward` tells every refusal with its detail and hint; the records carry `reason`,
`detail` and `hint`. Trouble on our side (503) is a warning, a request without credentials is for
debuggers, everything else is information.

Where the OpenTelemetry SDK is loaded, the current span gets `doorward.outcome` (`verified`,
`refused` or `anonymous`) and, for a refusal, `doorward.reason`; the counter `doorward.verdicts`
counts by both.

How an authenticator is (keys, caches, breakers, revocation) reaches a monitor by `collector`, for
`prometheus_client`, or by `watch`, for OpenTelemetry; a health check asks `Authenticator.status`.

No token, no key and no caller is ever among them, unless `configure(user_id=True)` asks for
`enduser.id`.
"""

from __future__ import annotations

from sys import modules
from typing import TYPE_CHECKING, Any

from ._doorward import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions, Meter, Observation
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector

    from ._authenticator import Authenticator
    from ._doorward import Identity
    from ._rejection import Rejection

__all__ = ["collector", "configure", "watch"]


class _Settings:
    """What `configure` said."""

    telemetry: bool | None = None
    user_id = False
    counter: Any = None


def configure(*, telemetry: bool | None = None, user_id: bool = False) -> None:
    """Says what OpenTelemetry is told.

    `telemetry`  `None` (the default) speaks when the SDK is loaded; `True` also to another
                 implementation of the API; `False` never.
    `user_id`    puts the caller's subject on the span as `enduser.id`. It is personal data.
    """
    _Settings.telemetry = telemetry
    _Settings.user_id = user_id
    _Settings.counter = None


def verified(identity: Identity) -> None:
    """Somebody was let in."""
    if _wanted():
        attributes = {"doorward.outcome": "verified"}
        _count(attributes)
        if _Settings.user_id:
            attributes["enduser.id"] = identity.subject
        _mark(attributes)


def refused(rejection: Rejection) -> None:
    """Somebody was not."""
    if _wanted():
        outcome = "anonymous" if rejection.absent else "refused"
        attributes = {"doorward.outcome": outcome, "doorward.reason": rejection.reason.value}
        _count(attributes)
        _mark(attributes)


def _wanted() -> bool:
    # FastAPI brings the API along; without the SDK there is nobody to tell, and asking costs.
    if _Settings.telemetry is None:
        return "opentelemetry.sdk" in modules
    return _Settings.telemetry


def _mark(attributes: dict[str, str]) -> None:
    from opentelemetry import trace

    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(attributes)


def _count(attributes: dict[str, str]) -> None:
    if _Settings.counter is None:
        from opentelemetry import metrics

        _Settings.counter = metrics.get_meter("doorward").create_counter(
            "doorward.verdicts", unit="{verdict}", description="Verdicts on requests"
        )
    _Settings.counter.add(1, attributes)


def collector(auth: Authenticator) -> Collector:
    """The numbers of an authenticator, for `prometheus_client`: register it once.

    from prometheus_client import REGISTRY

    REGISTRY.register(doorward.observe.collector(auth))
    """
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector

    class Numbers(Collector):
        def collect(self) -> Iterator[Metric]:
            families: dict[str, Metric] = {}
            for name, text, kind, labels, value in auth.samples():
                if name not in families:
                    family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
                    families[name] = family(name, text)
                families[name].add_sample(name, labels, value)
            yield from families.values()

    return Numbers()


def watch(auth: Authenticator, meter: Meter | None = None) -> None:
    """Has OpenTelemetry observe the numbers of an authenticator, at each export. Call it once,
    after the meter provider is set.
    """
    from functools import partial

    from opentelemetry import metrics
    from opentelemetry.metrics import Observation

    meter = meter or metrics.get_meter("doorward")

    def observe(name: str, options: CallbackOptions) -> Iterable[Observation]:
        for own, _, _, labels, value in auth.samples():
            if own == name:
                yield Observation(value, labels)

    for name, grows, text in METRICS:
        create = meter.create_observable_counter if grows else meter.create_observable_gauge
        create(name, callbacks=[partial(observe, name)], description=text)
