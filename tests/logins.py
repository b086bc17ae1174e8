"""Logins of Swift's users for tests: those of its configuration, and projects of Keystone, which tells where Swift is."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from urllib.request import Request, urlopen

from services.openstack import Keystone, Project, Swift
from tailrace.clouds.direct.openstack import Login, login_of

OWNER, OTHER, GUEST = ("test:tester", "testing"), ("test2:tester2", "testing2"), ("test:tester3", "testing3")


def v1(server: Swift, user: tuple[str, str] = OWNER) -> Login:
    return login_of({"ST_AUTH": f"{server.endpoint}/auth/v1.0", "ST_USER": user[0], "ST_KEY": user[1]})


def v3(server: Swift, project: str, **more: str) -> Login:
    cataloged(server)
    project_of(server.keystone, project)
    names = {"OS_USERNAME": project, "OS_PASSWORD": "secret", "OS_PROJECT_NAME": project}
    return login_of({"OS_AUTH_URL": server.keystone.url, **names, **more})


def call(
    keystone: Keystone, method: str, path: str, body: Any = None, token: str = ""
) -> tuple[Any, Mapping[str, str]]:
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Auth-Token": token}
    with urlopen(Request(f"{keystone.url}/v3{path}", content, headers, method=method), timeout=30) as answer:
        return json.loads(answer.read() or b"null"), answer.headers


@cache
def project_of(keystone: Keystone, name: str) -> Project:
    return keystone.project(name)


@cache
def token_of(keystone: Keystone, name: str, password: str = "secret") -> str:
    domain = {"id": "default"}
    who = {"methods": ["password"], "password": {"user": {"name": name, "domain": domain, "password": password}}}
    wanted = {"auth": {"identity": who, "scope": {"project": {"name": name, "domain": domain}}}}
    return call(keystone, "POST", "/auth/tokens", wanted)[1]["X-Subject-Token"]


@cache
def cataloged(server: Swift) -> None:
    """See to it that Keystone tells where the object store is, in two regions of which the other is nowhere."""
    port = server.keystone.url.rpartition(":")[2]
    with (Path(gettempdir()) / f"tailrace-catalog-{port}").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        admin = token_of(server.keystone, "admin")
        services = call(server.keystone, "GET", "/services?type=object-store", token=admin)[0]["services"]
        if services:
            return
        service = call(
            server.keystone, "POST", "/services", {"service": {"type": "object-store", "name": "swift"}}, admin
        )
        identity = service[0]["service"]["id"]
        urls = {
            "RegionOne": f"{server.by_keystone}/v1/AUTH_%(project_id)s",
            "Elsewhere": "http://127.0.0.1:1/v1/AUTH_x",
        }
        for region, url in urls.items():
            if region == "Elsewhere":
                call(server.keystone, "POST", "/regions", {"region": {"id": region}}, admin)
            told = {"service_id": identity, "interface": "public", "region_id": region, "url": url}
            call(server.keystone, "POST", "/endpoints", {"endpoint": told}, admin)
