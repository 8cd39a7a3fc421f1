"""An API with four doors, in Starlette.

The issuer comes from the environment (`CLERK_PUBLISHABLE_KEY`, or `DOORWARD_ISSUER` and
`DOORWARD_AUDIENCE`, …):

    python -m uvicorn starlette_app:app
    python starlette_app.py --port 0    # a free port; the first line of output is {"url": "http://…"}
"""

import argparse
import json
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from doorward import Authenticator
from doorward.starlette import AuthMiddleware, identity, optional_identity, requires

auth = Authenticator.from_env()


async def public(request: Request) -> JSONResponse:
    """Open to everybody; who sends credentials is recognized."""
    visitor = optional_identity(request)
    return JSONResponse({"hello": "stranger" if visitor is None else visitor.subject})


@requires()
async def me(request: Request) -> JSONResponse:
    """For signed-in callers."""
    caller = identity(request)
    return JSONResponse(
        {
            "user_id": caller.user_id,
            "session_id": caller.session_id,
            "organization_id": caller.organization_id,
            "role": caller.role,
            "permissions": caller.permissions,
        }
    )


@requires(permission="org:posts:delete")
async def delete_post(request: Request) -> JSONResponse:
    """For members whose role may delete posts."""
    post_id: int = request.path_params["post_id"]
    return JSONResponse({"deleted": post_id, "by": identity(request).subject})


@requires(role="org:admin")
def admin(request: Request) -> JSONResponse:
    """For the organization's admins."""
    caller = identity(request)
    return JSONResponse({"admin": caller.subject, "organization_id": caller.organization_id})


app = Starlette(
    routes=[
        Route("/public", public),
        Route("/me", me),
        Route("/posts/{post_id:int}", delete_post, methods=["DELETE"]),
        Route("/admin", admin),
    ],
    middleware=[Middleware(AuthMiddleware, auth=auth, optional=True)],
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
