"""`http_client=`: the engine's requests to issuers, carried by an `httpx2.AsyncClient`.

The client belongs to an event loop, the engine's questions to a thread of its own. A thread of
Python's stands between them: it waits for a question, and has the loop that last verified a token
send it. What is asked beside the requests (keys and answers that grow old) goes the same way.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import TYPE_CHECKING, Any

from doorward._authenticator import Authenticator
from doorward._doorward import CarriedCall, Carrier

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from doorward._doorward import Identity, Pending


class Bridge:
    """Carries by `client`. One per authenticator."""

    def __init__(self, client: httpx2.AsyncClient, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self.carrier = Carrier()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def authenticator(self, settings: Mapping[str, Any]) -> Authenticator:
        """An authenticator that asks nobody but through the client."""
        made = BridgedAuthenticator.from_config(settings, carrier=self.carrier)
        assert isinstance(made, BridgedAuthenticator)
        made.bridge = self
        return made

    def attend(self) -> None:
        """Carries from now on by the running loop."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                # It holds on to the carrier alone, so that it ends with the authenticator; and it
                # is joined at the end, for an interpreter that goes down would end it in the middle
                # of foreign code.
                self._thread = threading.Thread(
                    target=_carry,
                    args=(self.carrier, weakref.ref(self)),
                    name="doorward-carry",
                )
                self._thread.start()

    def send(self, call: CarriedCall) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            call.fail("the event loop of the HTTP client is closed")
            return
        try:
            asyncio.run_coroutine_threadsafe(self._sent(call), loop)
        except RuntimeError:
            call.fail("the event loop of the HTTP client is closed")

    async def _sent(self, call: CarriedCall) -> None:
        try:
            # The client's own limit is one for each step.
            await asyncio.wait_for(self._asked(call), self._timeout)
        except Exception as error:  # whatever the client raises, its issuer gave no answer
            call.fail(type(error).__name__)

    async def _asked(self, call: CarriedCall) -> None:
        async with self._client.stream(
            call.method,
            call.url,
            headers=call.headers,
            content=call.body or None,
            timeout=self._timeout,
            # Whatever the client does elsewhere: a secret goes where the operator sends it.
            follow_redirects=False,
        ) as response:
            if response.has_redirect_location:
                call.fail("the answer is a redirect")
                return
            body = bytearray()
            async for piece in response.aiter_bytes(_PIECE):
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    call.fail(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
                    return
            headers = [
                (name, value)
                for name, value in response.headers.items()
                # The client has undone both already.
                if name.lower() not in ("content-encoding", "transfer-encoding", "content-length")
            ]
            call.answer(response.status_code, headers, bytes(body))


class BridgedAuthenticator(Authenticator):
    """Tells its bridge which loop is running."""

    bridge: Bridge

    def authenticate_nowait(self, head: Any) -> Identity | Pending:
        self.bridge.attend()
        return super().authenticate_nowait(head)

    def verify_nowait(self, token: str | bytes) -> Identity | Pending:
        self.bridge.attend()
        return super().verify_nowait(token)


def _carry(carrier: Carrier, bridge: weakref.ref[Bridge]) -> None:
    while threading.main_thread().is_alive():
        call = carrier.next(_PATIENCE)
        there = bridge()
        if there is None:
            if call is not None:
                call.fail("the authenticator is gone")
            return
        if call is not None:
            there.send(call)
        del there


#: How much of an answer is read: more than the engine takes of any.
MAX_ANSWER_BYTES = 1024 * 1024
_PIECE = 64 * 1024
#: Seconds after which the thread looks whether it is still needed.
_PATIENCE = 0.2
