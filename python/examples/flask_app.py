"""An API with four doors, in Flask.

The issuer comes from the environment (`CLERK_PUBLISHABLE_KEY`, or `DOORWARD_ISSUER` and
`DOORWARD_AUDIENCE`, …):

    gunicorn flask_app:app
    python flask_app.py --port 0    # a free port; the first line of output is {"url": "http://…"}
"""

import argparse
import json
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from doorward.flask import Doorward, current_identity

app = Flask(__name__)
auth = Doorward(app)


@app.get("/public")
@auth.optional
def public() -> dict[str, Any]:
    """Open to everybody; who sends credentials is recognized."""
    return {"hello": current_identity.subject if current_identity else "stranger"}


@app.get("/me")
@auth.required
def me() -> dict[str, Any]:
    """For signed-in callers."""
    return {
        "user_id": current_identity.user_id,
        "session_id": current_identity.session_id,
        "organization_id": current_identity.organization_id,
        "role": current_identity.role,
        "permissions": current_identity.permissions,
    }


@app.delete("/posts/<int:post_id>")
@auth.requires(permission="org:posts:delete")
def delete_post(post_id: int) -> dict[str, Any]:
    """For members whose role may delete posts."""
    return {"deleted": post_id, "by": current_identity.subject}


@app.get("/admin")
@auth.requires(role="org:admin")
def admin() -> dict[str, Any]:
    """For the organization's admins."""
    return {"admin": current_identity.subject, "organization_id": current_identity.organization_id}


def main() -> None:
    parser = argparse.ArgumentParser(description="An API with four doors.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    server = make_server(arguments.host, arguments.port, app, threaded=True)
    print(json.dumps({"url": f"http://{server.host}:{server.port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
