"""An API with four doors, in FastAPI.

The issuer comes from the environment (`CLERK_PUBLISHABLE_KEY`, or `DOORWARD_ISSUER` and
`DOORWARD_AUDIENCE`, …):

    python -m uvicorn fastapi_app:app
    python fastapi_app.py --port 0    # a free port; the first line of output is {"url": "http://…"}
"""

import argparse
import json
import socket
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI

from doorward import Authenticator, Identity
from doorward.fastapi import Guard, install

auth = Authenticator.from_env()
guard = Guard(auth)

Caller = Annotated[Identity, Depends(guard)]
Visitor = Annotated[Identity | None, Depends(guard.optional)]
PostDeleter = Annotated[Identity, Depends(guard.requires(permission="org:posts:delete"))]
Admin = Annotated[Identity, Depends(guard.requires(role="org:admin"))]

app = FastAPI(title="Doorward example", lifespan=guard.lifespan)
install(app, guard)


@app.get("/public")
async def public(visitor: Visitor) -> dict[str, Any]:
    """Open to everybody; who sends credentials is recognized."""
    return {"hello": "stranger" if visitor is None else visitor.subject}


@app.get("/me")
async def me(caller: Caller) -> dict[str, Any]:
    """For signed-in callers."""
    return {
        "user_id": caller.user_id,
        "session_id": caller.session_id,
        "organization_id": caller.organization_id,
        "role": caller.role,
        "permissions": caller.permissions,
    }


@app.delete("/posts/{post_id}")
async def delete_post(post_id: int, caller: PostDeleter) -> dict[str, Any]:
    """For members whose role may delete posts."""
    return {"deleted": post_id, "by": caller.subject}


@app.get("/admin")
async def admin(caller: Admin) -> dict[str, Any]:
    """For the organization's admins."""
    return {"admin": caller.subject, "organization_id": caller.organization_id}


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
