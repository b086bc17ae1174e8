"""Who somebody is to OpenStack: what its tools read from the environment, and the token that is had for that.

https://docs.openstack.org/python-openstackclient/latest/cli/authentication.html
https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
https://docs.openstack.org/swift/latest/overview_auth.html#tempauth
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tailrace.clouds.direct.http import PORTS, Server, ask
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.transport import UNAUTHORIZED, Answer, Tls, endpoint_of, passing

_LINE: Final = re.compile(r"""\s*(?:export\s+)?((?:OS|ST)_[A-Z0-9_]+)=(?:"([^"]*)"|'([^']*)'|([^\s#"']*))\s*(?:#.*)?""")
_LONGEST_FILE: Final = 64 << 10
_SERVICE: Final = "object-store"
_NOT_FOUND: Final = 404
_NOBODY: Final = (
    "{origin}: there are no credentials for Swift; set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME, or OS_APPLICATION_CREDENTIAL_ID"
    " and _SECRET, or ST_AUTH, ST_USER and ST_KEY"
)


@dataclass(frozen=True, slots=True)
class Login:
    """Variables of OpenStack's tools, and where they were read."""

    told: Mapping[str, str] = field(repr=False)
    origin: str

    def __getitem__(self, name: str) -> str:
        """What a variable tells; empty if it is not set."""
        return self.told.get(name, "")

    @property
    def who(self) -> str:
        """As people are told."""
        user = self["OS_USERNAME"] or self["OS_USER_ID"] or self["OS_APPLICATION_CREDENTIAL_ID"] or self["ST_USER"]
        return f"{user} of {self.origin}"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in. `storage`: URL of his account, with its path; `project`: what stands for him in access lists."""

    token: str = field(repr=False)
    storage: str
    project: str
    keystone: bool


def login_of(environ: Mapping[str, str], origin: str = "the environment") -> Login:
    """Those variables that are of OpenStack."""
    return Login({name: text for name, text in environ.items() if name.startswith(("OS_", "ST_")) and text}, origin)


def login_in(path: Path) -> Login:
    """What a file sets that a shell could read, as OpenStack's dashboard gives it. It is not run. Raises UsageError."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST_FILE + 1)
    except (OSError, UnicodeError) as error:
        message = f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'it is no text'}); name a file of OS_ variables"
        raise UsageError(message) from error
    found = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        # What refers to another variable, as to a password that was asked for, is not known here.
        if match and "$" not in f"{match[2] or ''}{match[4] or ''}":
            found[match[1]] = next(filter(None, match.groups()[1:]), "")
    if len(text) > _LONGEST_FILE or not found:
        message = (
            f"{path}: no line sets a variable such as OS_AUTH_URL; name a file of OS_ variables, with a password in it"
        )
        raise UsageError(message)
    return login_of(found, str(path))


class Identity:
    """Logs somebody in. Requests go to the identity service that is told, and nowhere else."""

    def __init__(self, login: Login, patience: float = 30.0) -> None:
        """Raises UsageError for what is not enough to log in."""
        self._login, self._patience = login, patience
        self._url = (login["OS_AUTH_URL"] or login["ST_AUTH"]).rstrip("/")
        if not self._url:
            raise UsageError(_NOBODY.format(origin=login.origin))
        self.keystone = bool(login["OS_AUTH_URL"]) and login["OS_AUTH_TYPE"] != "v1password"
        if self.keystone and not self._url.endswith("/v3"):
            self._url += "/v3"
        self._server = server_of(self._url, login, patience)

    def session(self) -> Session:
        """Log in. Raises Fatal if that is refused, Retryable if it cannot be done now, UsageError for settings that are not enough."""
        return self._by_keystone() if self.keystone else self._by_v1()

    def knows(self, project: str, session: Session) -> bool | None:
        """Whether there is a project of that id; None if that is not told, as to most."""
        headers = {"Host": self._server.host, "X-Auth-Token": session.token, "Accept": "application/json"}
        answer = ask(self._server, f"GET {urlsplit(self._url).path}/projects/{quote(project, safe='')}", headers)
        return True if answer.ok else False if answer.status == _NOT_FOUND else None

    def _by_v1(self) -> Session:
        user, key = (
            self._login["ST_USER"] or self._login["OS_USERNAME"],
            self._login["ST_KEY"] or self._login["OS_PASSWORD"],
        )
        if not user or not key:
            raise UsageError(_NOBODY.format(origin=self._login.origin))
        headers = {"Host": self._server.host, "X-Auth-User": user, "X-Auth-Key": key}
        answer = self._accepted(ask(self._server, f"GET {urlsplit(self._url).path or '/'}", headers))
        storage, token = answer.headers.get("x-storage-url", ""), answer.headers.get("x-auth-token", "")
        return self._session(token, self._login["OS_STORAGE_URL"] or storage, user.partition(":")[0])

    def _by_keystone(self) -> Session:
        body = json.dumps({"auth": self._wanted()}).encode()
        headers = {"Host": self._server.host, "Content-Type": "application/json", "Content-Length": str(len(body))}
        line = f"POST {urlsplit(self._url).path}/auth/tokens"
        answer = self._accepted(ask(self._server, line, headers, [body]))
        try:
            told = json.loads(answer.body)["token"]
            project = str(told.get("project", {}).get("id") or "")
            storage = self._login["OS_STORAGE_URL"] or self._endpoint(told.get("catalog", []))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            message = f"{self._url} answers what no Keystone does; check OS_AUTH_URL"
            raise Fatal(message) from error
        return self._session(answer.headers.get("x-subject-token", ""), storage, project)

    def _session(self, token: str, storage: str, project: str) -> Session:
        if not token or not project or urlsplit(storage).scheme not in PORTS:
            message = f"{self._url} lets {self._login.who} in, but tells no token, project or URL of an object store; check the project"
            raise Fatal(message)
        return Session(token, storage.rstrip("/"), project, self.keystone)

    def _wanted(self) -> dict[str, Any]:
        login = self._login
        if login["OS_APPLICATION_CREDENTIAL_ID"] or login["OS_APPLICATION_CREDENTIAL_NAME"]:
            return {"identity": {"methods": ["application_credential"], "application_credential": self._application()}}
        if not (login["OS_USERNAME"] or login["OS_USER_ID"]) or not login["OS_PASSWORD"]:
            raise UsageError(_NOBODY.format(origin=login.origin))
        identity = {"methods": ["password"], "password": {"user": {**self._user(), "password": login["OS_PASSWORD"]}}}
        name, identifier = (
            login["OS_PROJECT_NAME"] or login["OS_TENANT_NAME"],
            login["OS_PROJECT_ID"] or login["OS_TENANT_ID"],
        )
        if not name and not identifier:
            message = f"{login.origin}: OS_PROJECT_ID or OS_PROJECT_NAME is not set; name the project"
            raise UsageError(message)
        project = {"id": identifier} if identifier else {"name": name, "domain": self._domain("PROJECT")}
        return {"identity": identity, "scope": {"project": project}}

    def _application(self) -> dict[str, Any]:
        login = self._login
        secret = login["OS_APPLICATION_CREDENTIAL_SECRET"]
        if not secret:
            message = f"{login.origin}: OS_APPLICATION_CREDENTIAL_SECRET is not set; set it too"
            raise UsageError(message)
        if identifier := login["OS_APPLICATION_CREDENTIAL_ID"]:
            return {"id": identifier, "secret": secret}
        return {"name": login["OS_APPLICATION_CREDENTIAL_NAME"], "secret": secret, "user": self._user()}

    def _user(self) -> dict[str, Any]:
        login = self._login
        if login["OS_USER_ID"]:
            return {"id": login["OS_USER_ID"]}
        return {"name": login["OS_USERNAME"], "domain": self._domain("USER")}

    def _domain(self, of: str) -> dict[str, str]:
        login = self._login
        if identifier := login[f"OS_{of}_DOMAIN_ID"] or login["OS_DEFAULT_DOMAIN_ID"] or login["OS_DEFAULT_DOMAIN"]:
            return {"id": identifier}
        name = login[f"OS_{of}_DOMAIN_NAME"] or login["OS_DOMAIN_NAME"]
        return {"name": name} if name else {"id": "default"}

    def _endpoint(self, catalog: Any) -> str:
        """The object store's URL among those of all services. Raises Fatal."""
        region, interface = self._login["OS_REGION_NAME"], (self._login["OS_INTERFACE"] or "public").removesuffix("URL")
        places = [each for service in catalog if service["type"] == _SERVICE for each in service["endpoints"]]
        places = [each for each in places if each["interface"] == interface]
        regions = sorted({str(each.get("region_id") or each.get("region")) for each in places})
        if not region and len(regions) == 1:
            region = regions[0]
        found = [str(each["url"]) for each in places if region in (each.get("region_id"), each.get("region"))]
        if found:
            return found[0]
        there = ", ".join(regions) or "none"
        message = f"{self._url} has no {interface} endpoint of {_SERVICE} in region {region or '(not told)'} (there are: {there}); set OS_REGION_NAME"
        raise Fatal(message)

    def _accepted(self, answer: Answer) -> Answer:
        if answer.status in UNAUTHORIZED:
            message = (
                f"{self._url} does not accept the credentials of {self._login.who}; check user, password and project"
            )
            raise Fatal(message)
        if passing(answer.status):
            message = f"{self._url} answers {answer.status}; try again later"
            raise Retryable(message)
        if not answer.ok:
            message = f"{self._url} answers {answer.status}, as no identity service does; check OS_AUTH_URL"
            raise Fatal(message)
        return answer


def server_of(url: str, login: Login, patience: float) -> Server:
    """Where requests for a URL go. Raises UsageError."""
    parts = urlsplit(url)
    place = endpoint_of(f"{parts.scheme}://{parts.netloc}", PORTS)
    insecure = login["OS_INSECURE"].lower() in ("1", "true", "yes")
    tls = Tls(ca=login["OS_CACERT"], verify=not insecure) if place.scheme == "https" else Tls()
    return Server(place, tls.context_for(place), patience)
