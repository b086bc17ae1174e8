"""Make a project with a user and EC2 keys, or find them: `keystone_project.py URL NAME`.

Prints the ids of the project and of the user, the key, and the secret. With HTTP alone: a call takes milliseconds, one of the
command line client takes seconds.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.request import Request, urlopen

URL, NAME = sys.argv[1:]


def call(method: str, path: str, body: Any = None, token: str = "") -> tuple[Any, str]:
    """The answer, and the token that came with it."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
    with urlopen(Request(URL + path, content, headers, method=method), timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None, answer.headers.get("X-Subject-Token", "")


def login(user: str, password: str, project: str) -> str:
    """A token for a project."""
    domain = {"id": "default"}
    who = {"user": {"name": user, "domain": domain, "password": password}}
    scope = {"project": {"name": project, "domain": domain}}
    return call(
        "POST", "/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}}
    )[1]


def found_or_made(kind: str, given: dict[str, Any], token: str) -> str:
    """The id of the project, user or role of that name."""
    kinds = f"{kind}s"
    found = call("GET", f"/{kinds}?name={given['name']}", token=token)[0][kinds]
    return str((found or [call("POST", f"/{kinds}", {kind: given}, token)[0][kind]])[0]["id"])


def main() -> None:
    """Make what is missing."""
    token = login("admin", "secret", "admin")
    project = found_or_made("project", {"name": NAME, "domain_id": "default"}, token)
    user = found_or_made("user", {"name": NAME, "domain_id": "default", "password": "secret"}, token)
    role = found_or_made("role", {"name": "member"}, token)
    call("PUT", f"/projects/{project}/users/{user}/roles/{role}", token=token)
    keys = call("GET", f"/users/{user}/credentials/OS-EC2", token=token)[0]["credentials"]
    key = (
        keys[0]
        if keys
        else call("POST", f"/users/{user}/credentials/OS-EC2", {"tenant_id": project}, token)[0]["credential"]
    )
    print(project, user, key["access"], key["secret"])


main()
