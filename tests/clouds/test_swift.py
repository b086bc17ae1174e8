"""Swift's own API, by logins of tempauth and of Keystone."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from logins import GUEST, call, project_of, token_of, v1, v3
from services.openstack import Swift as Server
from tailrace.clouds.direct.openstack import Identity, login_in, login_of
from tailrace.clouds.direct.swift import RefusedError, Swift
from tailrace.errors import Fatal, Retryable, UsageError


@pytest.fixture
def container(openstack: Server) -> str:
    name = f"c-{uuid4().hex[:12]}"
    openstack.client().create_bucket(Bucket=name)
    return name


def test_tempauth(openstack: Server, container: str) -> None:
    store = Swift(v1(openstack))
    assert (store.session.project, store.session.keystone) == ("test", False)
    assert store.storage == f"{openstack.endpoint}/v1/AUTH_test"
    found = store.container(container)
    assert found
    assert found["x-container-object-count"] == "0"
    assert store.container(f"{container}-none") is None
    assert store.knows("test") is None


def test_keystone(openstack: Server) -> None:
    project = project_of(openstack.keystone, "sw-one")
    store = Swift(v3(openstack, "sw-one", OS_REGION_NAME="RegionOne"))
    assert (store.session.project, store.session.keystone) == (project.id, True)
    assert store.storage == f"{openstack.by_keystone}/v1/AUTH_{project.id}"
    assert store.container("none") is None


@pytest.mark.long
def test_regions_and_interfaces_of_the_catalog(openstack: Server) -> None:
    assert Swift(v3(openstack, "sw-one", OS_REGION_NAME="Elsewhere")).storage == "http://127.0.0.1:1/v1/AUTH_x"
    there = r"no public endpoint of object-store in region Nowhere \(there are: Elsewhere, RegionOne\)"
    for more, told in (
        ({"OS_REGION_NAME": "Nowhere"}, there),
        ({}, r"in region \(not told\)"),
        ({"OS_REGION_NAME": "RegionOne", "OS_INTERFACE": "internalURL"}, "no internal endpoint"),
    ):
        with pytest.raises(Fatal, match=told):
            _ = Swift(v3(openstack, "sw-one", **more)).session


@pytest.mark.long
def test_projects_and_ids(openstack: Server) -> None:
    project = project_of(openstack.keystone, "sw-one")
    ids = {"OS_USERNAME": "", "OS_USER_ID": project.user, "OS_PROJECT_NAME": "", "OS_PROJECT_ID": project.id}
    store = Swift(v3(openstack, "sw-one", OS_REGION_NAME="RegionOne", **ids))
    assert store.session.project == project.id
    assert store.knows("0" * 32) in (None, False)
    admin = login_of({"OS_AUTH_URL": f"{openstack.keystone.url}/v3/", "OS_USERNAME": "admin", "OS_PASSWORD": "secret",
                      "OS_PROJECT_NAME": "admin", "OS_REGION_NAME": "RegionOne", "OS_USER_DOMAIN_NAME": "Default",
                      "OS_PROJECT_DOMAIN_NAME": "Default"})  # fmt: skip
    asking = Swift(admin)
    assert (asking.knows(project.id), asking.knows("0" * 32)) == (True, False)


def test_an_application_credential(openstack: Server) -> None:
    v3(openstack, "sw-app")
    project = project_of(openstack.keystone, "sw-app")
    token = token_of(openstack.keystone, "sw-app")
    body = {"application_credential": {"name": f"c-{uuid4().hex}"}}
    made = call(openstack.keystone, "POST", f"/users/{project.user}/application_credentials", body, token)[0]
    credential = made["application_credential"]
    told = {
        "OS_AUTH_URL": openstack.keystone.url,
        "OS_REGION_NAME": "RegionOne",
        "OS_APPLICATION_CREDENTIAL_SECRET": credential["secret"],
    }
    by_id = login_of({**told, "OS_APPLICATION_CREDENTIAL_ID": credential["id"]})
    name = {"OS_APPLICATION_CREDENTIAL_NAME": credential["name"], "OS_USERNAME": "sw-app"}
    assert Swift(by_id).session.project == Swift(login_of({**told, **name})).session.project == project.id


def test_objects(openstack: Server, container: str) -> None:
    store = Swift(v1(openstack))
    store.put(
        container, "a b/ü?#", io.BytesIO(b"x" * 600_000), {"Content-Type": "text/plain", "X-Delete-After": "1000"}
    )
    assert list(store.names(container)) == ["a b/ü?#"]
    assert store.read(container, "a b/ü?#", 5) == b"xxxxx"
    told = store.describe(container, "a b/ü?#")
    assert told
    assert (told["content-length"], told["content-type"], "x-delete-at" in told) == ("600000", "text/plain", True)
    store.put(container, "empty", io.BytesIO(b""), {})
    assert store.read(container, "empty") == b""
    assert "x-delete-at" not in (store.describe(container, "empty") or {})
    store.expire(container, "empty", 1000)
    assert "x-delete-at" in (store.describe(container, "empty") or {})
    store.delete(container, "empty")
    store.delete(container, "empty")
    assert store.describe(container, "empty") is None
    with pytest.raises(Fatal, match="has nothing there to read"):
        store.read(container, "empty")
    with pytest.raises(Fatal, match="there is no container"):
        store.put(f"{container}-none", "k", io.BytesIO(b""), {})


def test_more_names_than_a_page_has(openstack: Server, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.clouds.direct.swift._PAGE", 3)
    store = Swift(v1(openstack))
    for number in range(7):
        store.put(container, f"AWSLogs/{number}/x", io.BytesIO(b""), {})
    assert list(store.names(container)) == [f"AWSLogs/{number}/x" for number in range(7)]
    assert list(store.names(container, "AWSLogs/", "/")) == [f"AWSLogs/{number}/" for number in range(7)]


def test_s3_lets_objects_expire_too(openstack: Server, container: str) -> None:
    """The header passes through the S3 API of the openstack, so that whoever puts by that needs nothing else."""
    s3 = openstack.client()
    s3.meta.events.register(
        "before-sign.s3.PutObject", lambda request, **_: request.headers.add_header("X-Delete-After", "1000")
    )
    s3.put_object(Bucket=container, Key="k", Body=b"x")
    assert "x-delete-at" in (Swift(v1(openstack)).describe(container, "k") or {})


def test_a_token_that_is_over_is_had_again(openstack: Server, container: str) -> None:
    store = Swift(v1(openstack))
    object.__setattr__(store.session, "token", "AUTH_tk0000")
    assert store.container(container) is not None
    store = Swift(v1(openstack))
    object.__setattr__(store.session, "token", "AUTH_tk0000")
    store.put(container, "k", io.BytesIO(b"again"), {})
    assert store.read(container, "k") == b"again"


def test_refusals_tell_who_and_what_and_no_secret(openstack: Server, container: str) -> None:
    guest = Swift(v1(openstack, GUEST))
    with pytest.raises(
        RefusedError, match=r"refuses test:tester3 of the environment to list c-.* \(HTTP 403\)"
    ) as caught:
        list(guest.names(container))
    assert guest.session.token not in f"{caught.value}{guest.session!r}{guest.login!r}"
    assert "testing3" not in f"{guest.login!r}"
    with pytest.raises(Fatal, match=r"does not accept the credentials of test:tester") as refused:
        _ = Swift(v1(openstack, ("test:tester", "wrong-key"))).session
    assert "wrong-key" not in str(refused.value)
    with pytest.raises(Fatal, match="does not accept the credentials of sw-one"):
        _ = Swift(v3(openstack, "sw-one", OS_PASSWORD="wrong")).session


def test_a_token_is_sent_to_one_store_only(openstack: Server) -> None:
    other = Swift(v1(openstack), "http://127.0.0.1:1/v1/AUTH_test2")
    with pytest.raises(Fatal, match="is not at the object store of test:tester"):
        other.container("x")
    assert Swift(v1(openstack), account="test2").storage == f"{openstack.endpoint}/v1/AUTH_test2"
    told = {**v1(openstack).told, "OS_STORAGE_URL": f"{openstack.endpoint}/v1/mine"}
    with pytest.raises(Fatal, match="does not end with the project test"):
        _ = Swift(login_of(told), account="test2").storage


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A openstack that says the same to everybody; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client, client.makefile("rb") as request:
                head = b"".join(iter(request.readline, b"\r\n"))
                length = re.search(rb"Content-Length: (\d+)", head)
                request.read(int(length[1]) if length else 0)
                client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def body(text: str, status: str = "201 Created", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (body("", "302 Found", "Location: http://127.0.0.1:1/\r\n"), Fatal, "answers 302"),
        (body("", "503 Busy"), Retryable, "answers 503"),
        (body("no json"), Fatal, "answers what no Keystone does"),
        (body('{"token": []}'), Fatal, "answers what no Keystone does"),
        (body('{"token": {"project": {"id": "p"}, "catalog": [{}]}}'), Fatal, "answers what no Keystone does"),
        (body('{"token": {"project": {"id": "p"}}}', more="X-Subject-Token: t\r\n"), Fatal, r"there are: none"),
        (b"\x00garbage", Retryable, "no HTTP"),
    ],
)
def test_an_identity_service_that_is_none(answer: bytes, error: type[Exception], told: str) -> None:
    names = {"OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "p"}
    with saying(answer) as url, pytest.raises(error, match=told):
        Identity(login_of({"OS_AUTH_URL": url, **names}), 2).session()


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({}, "no credentials for Swift"),
        ({"OS_AUTH_URL": "http://h:1", "OS_USERNAME": "u"}, "no credentials for Swift"),
        ({"OS_AUTH_URL": "http://h:1", "OS_USERNAME": "u", "OS_PASSWORD": "p"}, "OS_PROJECT_ID or OS_PROJECT_NAME"),
        ({"OS_AUTH_URL": "http://h:1", "OS_APPLICATION_CREDENTIAL_ID": "u"}, "CREDENTIAL_SECRET is not set"),
        ({"ST_AUTH": "http://h:1", "ST_USER": "u"}, "no credentials for Swift"),
        ({"OS_AUTH_URL": "ftp://h"}, "expected http"),
    ],
)
def test_what_is_not_enough_to_log_in(told: Mapping[str, str], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        Identity(login_of(told)).session()


def test_a_file_of_variables_is_read_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "openrc"
    path.write_text(
        '#!/usr/bin/env bash\nexport OS_AUTH_URL=https://k:5000/v3 # here\nexport OS_PROJECT_NAME="my project"\n'
        "OS_USERNAME='it'\nread -sr OS_PASSWORD_INPUT\nexport OS_PASSWORD=$OS_PASSWORD_INPUT\nexport HOME=/x\nunset OS_TENANT_ID\n"
    )
    login = login_in(path)
    assert (login["OS_AUTH_URL"], login["OS_PROJECT_NAME"], login["OS_USERNAME"]) == (
        "https://k:5000/v3",
        "my project",
        "it",
    )
    assert (login["HOME"], login["OS_PASSWORD"], login.origin) == ("", "", str(path))
    for name in ("none", "."):
        with pytest.raises(UsageError, match="cannot be read"):
            login_in(tmp_path / name)
    path.write_text("echo")
    with pytest.raises(UsageError, match="no line sets a variable"):
        login_in(path)
