"""A guarded websocket, in FastAPI.

A browser cannot set a header on a websocket. It can offer its token as a sub-protocol:

    const socket = new WebSocket("ws://127.0.0.1:8000/echo", ["echo", `bearer.${token}`])

or rely on the session cookie, which counts on pages of ours only. The connection closes with 4401
when the token's time is up; until then a fresh one makes it go on:

    socket.send(JSON.stringify({ token: freshToken }))

The issuer comes from the environment (`CLERK_PUBLISHABLE_KEY`, or `DOORWARD_ISSUER` and
`DOORWARD_AUDIENCE`, …):

    python fastapi_websocket_app.py --port 0    # a free port; the first line is {"url": "http://…"}
"""

import argparse
import json
import socket
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, WebSocket

from doorward import Authenticator, Identity
from doorward.fastapi import Guard, renew

guard = Guard(Authenticator.from_env())

Caller = Annotated[Identity, Depends(guard.websocket(close_at_expiry=True))]
Admin = Annotated[Identity, Depends(guard.requires(role="org:admin").websocket())]

app = FastAPI(title="Doorward websocket example", lifespan=guard.lifespan)


@app.websocket("/echo")
async def echo(websocket: WebSocket, caller: Caller) -> None:
    """Says everything back, as long as the caller's tokens are good."""
    await websocket.accept()
    await websocket.send_json({"hello": caller.subject})
    async for message in websocket.iter_json():
        match message:
            case {"token": str(fresh)}:
                caller = await renew(websocket, fresh)
                await websocket.send_json({"until": caller.expires_at})
            case _:
                await websocket.send_json({"echo": message})


@app.websocket("/admin")
async def admin(websocket: WebSocket, caller: Admin) -> None:
    """For the organization's admins. Everybody else is refused before the connection stands."""
    await websocket.accept()
    await websocket.send_json({"admin": caller.subject})
    await websocket.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A guarded websocket.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    listener = socket.create_server((arguments.host, arguments.port))
    host, port = listener.getsockname()[:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
