"""Keys before the first request."""

from __future__ import annotations

import asyncio

from doorward._authenticator import Authenticator

__all__ = ["warm_up"]


async def warm_up(auth: Authenticator) -> None:
    """Fetches the keys now, so that the first request need not wait for them.

    For a lifespan of your own. Keys out of reach do not stop the start-up: they are tried again
    when a request needs them.
    """
    await asyncio.to_thread(auth.refresh)
