"""Swift's own API, for what its S3 API cannot: who may read a container, in whoever's account it is, and objects that expire.

https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final
from urllib.parse import quote, urlsplit

from tailrace.clouds.direct.http import ask
from tailrace.clouds.direct.openstack import Identity, Login, Session, server_of
from tailrace.errors import Fatal, Retryable
from tailrace.transport import Answer, passing

_PIECE: Final = 256 << 10
_PAGE: Final = 1000
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_UNPROCESSABLE: Final = 422


class RefusedError(Fatal):
    """Somebody is known, but may not do this. `status`: of the answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Swift:
    """An object store, as somebody. One thread at a time uses it. Tokens are had when they are needed, and again when they are over."""

    def __init__(self, login: Login, storage: str = "", account: str = "", patience: float = 60.0) -> None:
        """`storage`: URL of the account whose containers are meant, or `account`, the project that has it, if that is not one's own.

        Raises UsageError for what is not enough to log in.
        """
        self.login, self._elsewhere, self._account, self._patience = login, storage.rstrip("/"), account, patience
        self._identity = Identity(login, patience)
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """Log in, if that is not done. Raises Fatal, Retryable."""
        if self._session is None:
            self._session = self._identity.session()
        return self._session

    @property
    def storage(self) -> str:
        """URL of the account whose containers are meant. Raises Fatal if it is at another store, for tokens are sent there."""
        own = self.session
        if self._account:
            begin = own.storage.removesuffix(own.project)
            if begin == own.storage:
                message = f"{own.storage} does not end with the project {own.project}, so that of {self._account} is not known"
                raise Fatal(message)
            return begin + quote(self._account, safe="")
        if self._elsewhere and urlsplit(self._elsewhere)[:2] != urlsplit(own.storage)[:2]:
            message = (
                f"{self._elsewhere} is not at the object store of {self.login.who}; give credentials for that store"
            )
            raise Fatal(message)
        return self._elsewhere or own.storage

    def knows(self, project: str) -> bool | None:
        """Whether there is a project of that id; None if that is not told."""
        return self._identity.knows(project, self.session) if self._identity.keystone else None

    def container(self, name: str) -> Mapping[str, str] | None:
        """The headers of a container, in lower case; None if there is none."""
        answer = self._asked("HEAD", _path(name))
        return None if answer.status == _NOT_FOUND else self._good(answer, f"look at {name}").headers

    def change(self, name: str, headers: Mapping[str, str]) -> None:
        """Change headers of a container."""
        self._good(self._asked("POST", _path(name), headers=headers), f"change {name}")

    def names(self, name: str, prefix: str = "", delimiter: str = "") -> Iterator[str]:
        """The names of a container's objects that begin so; with a delimiter, up to that, if there is more behind it."""
        marker = ""
        while True:
            told = {"limit": str(_PAGE), "prefix": prefix, "delimiter": delimiter, "marker": marker}
            query = "&".join(f"{key}={quote(value, safe='')}" for key, value in told.items() if value)
            answer = self._good(
                self._asked("GET", _path(name), query, headers={"Accept": "text/plain"}), f"list {name}"
            )
            page = answer.body.decode("utf-8", "replace").splitlines()
            yield from page
            if len(page) < _PAGE or page[-1] <= marker:
                return
            marker = page[-1]

    def read(self, name: str, key: str, longest: int = 1024) -> bytes:
        """The beginning of an object."""
        answer = self._asked("GET", _path(name, key), headers={"Range": f"bytes=0-{longest - 1}"})
        if answer.status == 416:  # noqa: PLR2004 - of an object that is empty there is no range
            return b""
        return self._good(answer, f"read {name}/{key}").body

    def describe(self, name: str, key: str) -> Mapping[str, str] | None:
        """The headers of an object; None if there is none."""
        answer = self._asked("HEAD", _path(name, key))
        return None if answer.status == _NOT_FOUND else self._good(answer, f"look at {name}/{key}").headers

    def expire(self, name: str, key: str, seconds: int) -> None:
        """Let an object be gone after so many seconds. What else is said about it stays, but for its own metadata."""
        headers = {"X-Delete-After": str(seconds)}
        self._good(self._asked("POST", _path(name, key), headers=headers), f"change {name}/{key}")

    def delete(self, name: str, key: str) -> None:
        """Take an object away, if it is there."""
        answer = self._asked("DELETE", _path(name, key))
        if answer.status != _NOT_FOUND:
            self._good(answer, f"delete {name}/{key}")

    def put(self, bucket: str, key: str, body: BinaryIO, headers: Mapping[str, str]) -> None:
        """Make an object of all that is in `body`, whole or not at all (as `loadbalancer.model.Store` says)."""
        size, digest = _measured(body)
        told = {**headers, "Content-Length": str(size), "ETag": digest}
        answer = self._asked("PUT", _path(bucket, key), headers=told, body=body)
        if answer.status == _UNPROCESSABLE:  # what came was not what was sent
            message = f"{self.storage} did not get {bucket}/{key} whole"
            raise Retryable(message)
        if answer.status == _NOT_FOUND:
            message = f"there is no container {bucket} at {self.storage}; make it first"
            raise Fatal(message)
        self._good(answer, f"put {bucket}/{key}")

    def _asked(
        self, method: str, path: str, query: str = "", headers: Mapping[str, str] | None = None, body: BinaryIO | None = None
    ) -> Answer:  # fmt: skip
        answer = self._sent(method, f"{path}{'?' if query else ''}{query}", headers or {}, body)
        if answer.status == _UNAUTHORIZED:
            self._session = None  # the token is over
            answer = self._sent(method, f"{path}{'?' if query else ''}{query}", headers or {}, body)
        return answer

    def _sent(self, method: str, target: str, headers: Mapping[str, str], body: BinaryIO | None) -> Answer:
        server = server_of(self.storage, self.login, self._patience)
        line = f"{method} {urlsplit(self.storage).path}/{target}"
        told = {"Host": server.host, "X-Auth-Token": self.session.token, **headers}
        if body is None:
            return ask(server, line, {**told, "Content-Length": "0"} if method == "POST" else told)
        body.seek(0)
        return ask(server, line, told, iter(lambda: body.read(_PIECE), b""))

    def _good(self, answer: Answer, what: str) -> Answer:
        if answer.ok:
            return answer
        where = self.storage
        if answer.status in (_UNAUTHORIZED, _FORBIDDEN):
            message = f"{where} refuses {self.login.who} to {what} (HTTP {answer.status})"
            raise RefusedError(message, answer.status)
        if answer.status == _NOT_FOUND:
            message = f"{where} has nothing there to {what} (HTTP 404)"
            raise Fatal(message)
        if passing(answer.status):
            message = f"{where} cannot {what} now (HTTP {answer.status}); try again"
            raise Retryable(message)
        message = f"{where} refuses to {what} (HTTP {answer.status})"
        raise Fatal(message)


def _path(container: str, key: str = "") -> str:
    return quote(container, safe="") + (f"/{quote(key, safe='/')}" if key else "")


def _measured(body: BinaryIO) -> tuple[int, str]:
    """Its length and its MD5, which Swift compares with what it got."""
    body.seek(0)
    size, digest = 0, hashlib.md5(usedforsecurity=False)
    while piece := body.read(_PIECE):
        size += len(piece)
        digest.update(piece)
    return size, digest.hexdigest()
