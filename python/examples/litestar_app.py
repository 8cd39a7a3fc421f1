"""An API with four doors, in Litestar.

The issuer comes from the environment (`CLERK_PUBLISHABLE_KEY`, or `DOORWARD_ISSUER` and
`DOORWARD_AUDIENCE`, …):

    litestar --app litestar_app:app run
    python litestar_app.py --port 0    # a free port; the first line of output is {"url": "http://…"}
"""

import argparse
import json
import socket
from typing import Any

import uvicorn
from litestar import Litestar, Request, delete, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from doorward import Identity
from doorward.litestar import DoorwardPlugin, User, requires


@get("/public", optional_auth=True)
async def public(optional_identity: NamedDependency[Identity | None]) -> dict[str, Any]:
    """Open to everybody; who sends credentials is recognized."""
    return {"hello": "stranger" if optional_identity is None else optional_identity.subject}


@get("/me")
async def me(request: Request[User, Identity, State]) -> dict[str, Any]:
    """For signed-in callers."""
    caller = request.auth
    return {
        "user_id": caller.user_id,
        "session_id": caller.session_id,
        "organization_id": caller.organization_id,
        "role": caller.role,
        "permissions": caller.permissions,
    }


@delete("/posts/{post_id:int}", guards=[requires(permission="org:posts:delete")], status_code=200)
async def delete_post(
    post_id: FromPath[int], identity: NamedDependency[Identity]
) -> dict[str, Any]:
    """For members whose role may delete posts."""
    return {"deleted": post_id, "by": identity.subject}


@get("/admin", guards=[requires(role="org:admin")])
async def admin(identity: NamedDependency[Identity]) -> dict[str, Any]:
    """For the organization's admins."""
    return {"admin": identity.subject, "organization_id": identity.organization_id}


app = Litestar(
    [public, me, delete_post, admin], plugins=[DoorwardPlugin(exclude=["/schema", "/schema/*"])]
)


def main() -> None:
    parser = argparse.ArgumentParser(description="An API with four doors.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    listener = socket.create_server((arguments.host, arguments.port))
    host, port = listener.getsockname()[:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
