"""A slow key source delays who waits for it, and nobody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
import uvloop

from doorward import Authenticator, Rejection
from doorward.testing import DevIssuer

#: Seconds the key endpoint takes.
SLOW = 2.0
#: Seconds the loop may stand still meanwhile.
LONGEST_STALL = 0.05


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        yield issuer


def authenticator(issuer: DevIssuer) -> Authenticator:
    return Authenticator.clerk(issuer=issuer.issuer, jwks_url=issuer.jwks_url)


async def longest_stall(done: asyncio.Event) -> float:
    """How long the loop kept a task waiting that wanted to run all the time."""
    longest, last = 0.0, time.perf_counter()
    while not done.is_set():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_slow_key_source_never_blocks_the_loop(issuer: DevIssuer, runner: object) -> None:
    issuer.fault("slow", SLOW)
    auth = authenticator(issuer)
    token = issuer.mint()

    async def main() -> tuple[float, float]:
        done = asyncio.Event()
        watch = asyncio.create_task(longest_stall(done))
        start = time.perf_counter()
        callers = await asyncio.gather(*(auth.verify_async(token) for _ in range(16)))
        took = time.perf_counter() - start
        done.set()
        assert len({caller.subject for caller in callers}) == 1
        return took, await watch

    took, stall = runner(main())  # type: ignore[operator]
    assert took >= SLOW
    assert stall < LONGEST_STALL
    # 64 cold requests wait for one fetch.
    assert issuer.jwks_fetches == 1


async def test_cancelling_one_waiter_leaves_the_others(issuer: DevIssuer) -> None:
    issuer.fault("slow", 0.5)
    auth = authenticator(issuer)
    token = issuer.mint()
    first, second = (asyncio.create_task(auth.verify_async(token)) for _ in range(2))
    # Both have asked, and wait.
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).subject
    assert issuer.jwks_fetches == 1


async def test_a_timeout_of_the_callers_own(issuer: DevIssuer) -> None:
    issuer.fault("slow", 0.5)
    auth = authenticator(issuer)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(auth.verify_async(issuer.mint()), 0.01)
    assert (await auth.verify_async(issuer.mint())).subject


def test_a_loop_that_closes_during_a_fetch_harms_nobody(issuer: DevIssuer) -> None:
    issuer.fault("slow", 0.3)
    auth = authenticator(issuer)
    token = issuer.mint()

    async def impatient() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(auth.verify_async(token), 0.01)

    asyncio.run(impatient())
    assert auth.verify(token).subject


async def test_a_dead_key_source_is_our_trouble(issuer: DevIssuer) -> None:
    issuer.fault("down")
    with pytest.raises(Rejection) as caught:
        await authenticator(issuer).verify_async(issuer.mint())
    assert caught.value.reason == "keys_unavailable"
    assert caught.value.status == 503
    assert "retry-after" in dict(caught.value.headers)
    assert "www-authenticate" not in dict(caught.value.headers)


async def test_many_loops_share_one_authenticator(issuer: DevIssuer) -> None:
    auth = authenticator(issuer)
    token = issuer.mint()

    def loop() -> str:
        return asyncio.run(auth.verify_async(token)).subject

    subjects = await asyncio.gather(*(asyncio.to_thread(loop) for _ in range(8)))
    assert len(set(subjects)) == 1
    assert issuer.jwks_fetches == 1
