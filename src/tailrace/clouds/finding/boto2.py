"""boto 2's configuration: `/etc/boto.cfg`, `~/.boto`, and its JSON of endpoints, {service: {region: host}}."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from tailrace.clouds import amazon, services
from tailrace.clouds.cloud import Told, User
from tailrace.clouds.finding import inifiles, telling
from tailrace.clouds.finding.inifiles import Dialect, Table
from tailrace.clouds.finding.telling import Given, Part
from tailrace.errors import UsageError

_DIALECT: Final = Dialect(inline=(";",), interpolated=True)
_IMPORT: Final = re.compile(r"^#import[ \t]+(\S+)[ \t]*$", re.MULTILINE)
_MOST_IMPORTS: Final = 20
_OLD: Final = {"s3": Told("v2", "default of boto 2")}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
EUCALYPTUS: Final = "eucalyptus"
"""The region that boto 2 gives to what `eucalyptus_host` and `walrus_host` name."""
STORE: Final = "boto"
"""What the cloud of `s3_host` is called here where boto 2's files name no region."""
_EUCA_HOSTS: Final = {"ec2": ("eucalyptus_host", "/services/Eucalyptus"), "s3": ("walrus_host", "/services/Walrus")}


@dataclass(frozen=True, slots=True)
class Boto2:
    """Its options, and its endpoints by region and service."""

    options: Table
    regions: Mapping[str, Mapping[str, Told]]

    @classmethod
    def read(cls, given: Given) -> Boto2:
        """Read its files. Raises UsageError."""
        options = inifiles.merged(_tables(given))
        named = Told(given.environ.get("BOTO_ENDPOINTS", ""), "BOTO_ENDPOINTS")
        told = named if named.value else options.get("Boto", {}).get("endpoints_path")
        return cls(options, _regions(told, given) if told and told.value else {})

    def names(self) -> Iterable[str]:
        """The regions of its JSON, and those that its options stand for."""
        return dict.fromkeys((*self.regions, *self._of_options()))

    def part(self, region: str) -> Part | None:
        """What it tells of a region. Raises UsageError."""
        if region not in self.names():
            return None
        hosts = self.regions.get(region, {})
        endpoints = {service: self._url(told, service, secure=True) for service, told in hosts.items()}
        endpoints = {**self._of_options().get(region, {}), **endpoints}
        store = self._store()
        if store and not amazon.is_region(region):
            endpoints["s3"] = store
        return Part(
            endpoints=endpoints,
            signatures=self._signatures(),
            usual=_OLD,
            region=Told("us-east-1", "default") if region == STORE else None,
            verify=self._verify(),
            user=lambda: self._keys(region),
        )

    def user(self, name: str) -> User | None:
        """The keys of a [profile NAME]."""
        return self._user(f"profile {name}", "aws", name)

    def users(self) -> Iterable[str]:
        """Its profiles."""
        return (section.removeprefix("profile ").strip() for section in self.options if section.startswith("profile "))

    def default_region(self) -> Told | None:
        """`[Boto] ec2_region_name`."""
        return self._boto("ec2_region_name")

    def _boto(self, option: str) -> Told | None:
        told = self.options.get("Boto", {}).get(option)
        return told if told and told.value else None

    def _of_options(self) -> dict[str, dict[str, Told]]:
        """Endpoints that options of [Boto] name, not the JSON."""
        found: dict[str, dict[str, Told]] = {}
        for service, (option, path) in _EUCA_HOSTS.items():
            if host := self._boto(option):
                port = "" if ":" in host.value else f":{services.EUCALYPTUS_PORT}"
                url = self._url(Told(host.value + port, f"{host.origin} {option}"), service, secure=False)
                found.setdefault(EUCALYPTUS, {})[service] = Told(url.value + path, url.origin)
        name, endpoint = self._boto("ec2_region_name"), self._boto("ec2_region_endpoint")
        if name and endpoint:
            told = Told(endpoint.value, f"{endpoint.origin} ec2_region_endpoint")
            found.setdefault(name.value, {})["ec2"] = self._url(told, "ec2", secure=True)
        private = [region for region in (*self.regions, *found) if not amazon.is_region(region)]
        store = self._store()
        if store and not private:
            found[STORE] = {"s3": store}
        return found

    def _store(self) -> Told | None:
        """The endpoint that `s3_host` and `s3_port` name, unless it is AWS's own."""
        credentials = self.options.get("Credentials", {})
        host, port = credentials.get("s3_host"), credentials.get("s3_port")
        if not host or not host.value or amazon.is_host(f"https://{host.value}"):
            return None
        if port and not (port.value.isdecimal() and port.value.isascii() and 0 < int(port.value[:6]) <= 65535):  # noqa: PLR2004
            message = f"{port.origin}: s3_port must be a number from 1 to 65535, not {port.value!r}"
            raise UsageError(message)
        told = Told(f"{host.value}:{port.value}" if port else host.value, f"{host.origin} s3_host")
        return self._url(told, "s3", secure=True)

    def _url(self, host: Told, service: str, *, secure: bool) -> Told:
        """The URL of a host, by https unless [Boto] is_secure tells otherwise."""
        if not _HOST.fullmatch(host.value):
            message = f"{host.origin}: the endpoint of {service} must be a host's name, without scheme and path; correct it, or write [clouds.NAME] with URLs"
            raise UsageError(message)
        told = self._boto("is_secure")
        scheme = "https" if (telling.boolean(told, "is_secure") if told else secure) else "http"
        return telling.url(Told(f"{scheme}://{host.value}", host.origin))

    def _signatures(self) -> dict[str, Told]:
        found = {}
        for service in ("ec2", "s3"):
            told = self.options.get(service, {}).get("use-sigv4")
            if told:
                found[service] = Told("v4" if telling.boolean(told, "use-sigv4") else "v2", f"{told.origin} use-sigv4")
        return found

    def _verify(self) -> Told | None:
        told, file = self._boto("https_validate_certificates"), self._boto("ca_certificates_file")
        if told and not telling.boolean(told, "https_validate_certificates"):
            return Told("false", f"{told.origin} https_validate_certificates")
        if file and file.value != "system":
            return Told(file.value, f"{file.origin} ca_certificates_file")
        return Told("true", f"{told.origin} https_validate_certificates") if told else None

    def _keys(self, region: str) -> User | None:
        """The keys of [Credentials]; those that are meant for Eucalyptus, where the region is its."""
        euca = self._user("Credentials", "euca", "Credentials") if region == EUCALYPTUS else None
        return euca or self._user("Credentials", "aws", "Credentials")

    def _user(self, section: str, prefix: str, name: str) -> User | None:
        options = self.options.get(section, {})
        access, secret = options.get(f"{prefix}_access_key_id"), options.get(f"{prefix}_secret_access_key")
        if not access or not access.value:
            return None
        if not secret or not secret.value:
            where = "in a keyring, which is not read" if "keyring" in options else "not there"
            message = f"{access.origin}: {prefix}_access_key_id is told, but its secret is {where}; write {prefix}_secret_access_key"
            raise UsageError(message)
        token = options.get(f"{prefix}_security_token")
        return User(
            name=Told(name, access.origin),
            access_key=telling.key(access.value, access.origin, f"{prefix}_access_key_id"),
            secret_key=telling.key(secret.value, secret.origin, f"{prefix}_secret_access_key"),
            session_token=telling.key(token.value, token.origin, f"{prefix}_security_token") if token else None,
        )


def _tables(given: Given) -> Iterator[Table]:
    only, path = given.environ.get("BOTO_CONFIG"), given.environ.get("BOTO_PATH")
    if only is not None:
        paths = [given.path(only)] if only else []
    elif path is not None:
        paths = [given.path(each) for each in path.split(":") if each]
    else:
        paths = [given.root / "etc/boto.cfg", given.home / ".boto"]
    for each in paths:
        yield from _with_imports(each, given, ())


def _with_imports(path: Path, given: Given, importing: tuple[Path, ...]) -> Iterator[Table]:
    """A file's options, after those of the files that its lines `#import FILE` name, beside it."""
    if path in importing or len(importing) > _MOST_IMPORTS:
        message = f"{given.shown(importing[-1])}: #import {path.name} leads round in a circle; remove it"
        raise UsageError(message)
    needed = f"#import in {given.shown(importing[-1])}" if importing else ""
    content = inifiles.text(path, given, needed=needed)
    if content is None:
        return
    for match in _IMPORT.finditer(content):
        yield from _with_imports(path.parent / match[1], given, (*importing, path))
    yield inifiles.parsed(content, given.shown(path), _DIALECT)


def _regions(told: Told, given: Given) -> dict[str, dict[str, Told]]:
    """The JSON's hosts by region and boto3's name of the service. Raises UsageError."""
    path = given.path(told.value)
    where = f"{told.origin} {given.shown(path)}"
    content = inifiles.text(path, given, needed=told.origin) or ""
    try:
        document: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"{where} is no valid JSON: {error}"
        raise UsageError(message) from error
    if isinstance(document, dict) and "partitions" in document:
        message = f"{where} is botocore's own table of partitions, which boto 2 cannot use; write {{service: {{region: host}}}}"
        raise UsageError(message)
    flat = isinstance(document, dict) and all(isinstance(hosts, dict) for hosts in document.values())
    if not flat or not all(isinstance(host, str) for hosts in document.values() for host in hosts.values()):
        message = f"{where} is no {{service: {{region: host}}}}; write it so, or [clouds.NAME] in tailrace.toml"
        raise UsageError(message)
    found: dict[str, dict[str, Told]] = {}
    for service, hosts in document.items():
        for region, host in hosts.items():
            told_here = Told(host, f"{given.shown(path)} [{service}]")
            found.setdefault(region, {}).update(dict.fromkeys(services.named(service), told_here))
    return found
