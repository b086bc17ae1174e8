"""What variables of the environment tell: those of boto3, and those that `eucarc` sets for euca2ools.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tailrace.clouds import amazon, services
from tailrace.clouds.cloud import Told, User
from tailrace.clouds.finding import telling
from tailrace.clouds.finding.inifiles import text
from tailrace.clouds.finding.telling import ENVIRONMENT, Given, Part
from tailrace.errors import UsageError

_PREFIX: Final = "AWS_ENDPOINT_URL"
_PAIRS: Final = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_ACCESS_KEY", "AWS_SECRET_KEY"),
    ("EC2_ACCESS_KEY", "EC2_SECRET_KEY"),
)
_TOKENS: Final = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_ACCOUNTS: Final = ("AWS_ACCOUNT_ID", "EC2_ACCOUNT_NUMBER", "EC2_USER_ID")
_REGIONS: Final = ("EUCA_DEFAULT_REGION", "AWS_DEFAULT_REGION", "AWS_REGION")
_OLD: Final = {"s3": Told("v2", "default of euca2ools")}


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables. They speak of every region, and of the one in use where nothing names it.

    `ignored`: whether those of boto3 with endpoints do not count for a region, which a profile may tell too. `foreign`: `eucarc` set those of euca2ools
    for another cloud than the one that is asked for, so that neither its URLs nor its keys count.
    """

    given: Given
    ignored: Callable[[str], bool]
    foreign: bool = False

    def names(self) -> Iterable[str]:
        """That of `eucarc`, if the environment does not name its region."""
        return (ENVIRONMENT,) if self.of_eucarc() and not self.default_region() else ()

    def part(self, region: str) -> Part:
        """What they tell of a region; euca2ools' URLs and keys are not for AWS's."""
        other = self.foreign or amazon.is_region(region)
        euca = {} if other else self._of_euca2ools()
        endpoints, shared = ({}, None) if self.ignored(region) else self._of_boto3()
        told = {service: url for service, (url, _) in euca.items()} | endpoints
        named = [region for _, region in euca.values() if region]
        ca = self._first(("AWS_CA_BUNDLE",))
        return Part(
            names=not region and bool(told or shared),
            endpoints=told,
            shared=shared,
            signatures=self._signatures(),
            usual={} if "s3" in endpoints or "s3" not in euca else _OLD,
            region=named[0] if named else self._first(("AWS_AUTH_REGION",)) if euca else None,
            verify=Told(str(self.given.path(ca.value)), ca.origin) if ca else None,
            user=lambda: self._user(_PAIRS[:1] if other else _PAIRS),
        )

    def agrees(self, part: Part) -> bool:
        """Whether euca2ools' URLs are those of a cloud that another place tells of; where there are none, they contradict nothing."""
        urls = {service: url for service, (url, _) in self._of_euca2ools().items()}
        pairs = [(url, theirs) for service, url in urls.items() if (theirs := part.endpoints.get(service, part.shared))]
        return not urls or (bool(pairs) and all(_place(url.value) == _place(theirs.value) for url, theirs in pairs))

    def user(self, name: str) -> User | None:  # noqa: ARG002 - variables name no users
        """None."""
        return None

    def users(self) -> Iterable[str]:
        """None."""
        return ()

    def default_region(self) -> Told | None:
        """As euca2ools finds it, then as boto3 and the other SDKs do."""
        return self._first(_REGIONS)

    def of_eucarc(self) -> Told | None:
        """A URL that `eucarc` has set, if any. `S3_URL` is a name that others use too."""
        urls = (
            self._url(name) for name in services.VARIABLES if name != "S3_URL" or _is_of_eucalyptus(self.given.environ)
        )
        return next((url for url, _ in filter(None, urls) if not amazon.is_host(url.value)), None)

    def _first(self, names: Iterable[str]) -> Told | None:
        return next((Told(self.given.environ[name], name) for name in names if self.given.environ.get(name)), None)

    def _of_boto3(self) -> tuple[dict[str, Told], Told | None]:
        environ = self.given.environ
        found = {
            service: telling.url(Told(value, name))
            for name, value in sorted(environ.items())
            if value
            and name.startswith(f"{_PREFIX}_")
            and (service := services.of_id(name.removeprefix(f"{_PREFIX}_")))
        }
        shared = self._first((_PREFIX,))
        return found, telling.url(shared) if shared else None

    def _of_euca2ools(self) -> dict[str, tuple[Told, Told | None]]:
        """URLs by service, and the region that may stand before a URL: REGION::URL."""
        found: dict[str, tuple[Told, Told | None]] = {}
        for name, service in services.VARIABLES.items():
            if told := self._url(name):
                for each in services.named(service):
                    found.setdefault(each, told)
        return found

    def _url(self, name: str) -> tuple[Told, Told | None] | None:
        """The URL of a variable, and the region before it."""
        value = self.given.environ.get(name)
        if not value:
            return None
        region, colons, rest = value.partition("::")
        if colons and "/" not in region:
            return telling.url(Told(rest, name)), Told(region, name)
        return telling.url(Told(value, name)), None

    def _signatures(self) -> dict[str, Told]:
        variables = {"s3": "S3_USE_SIGV4", "ec2": "EC2_USE_SIGV4"}
        return {service: Told("v4", name) for service, name in variables.items() if self.given.environ.get(name)}

    def _user(self, pairs: Sequence[tuple[str, str]]) -> User | None:
        for access, secret in pairs:
            keys = self.given.environ.get(access), self.given.environ.get(secret)
            if keys[0] and keys[1]:
                token = self._first(_TOKENS) if access == "AWS_ACCESS_KEY_ID" else None
                return User(
                    name=Told("environment", access),
                    access_key=telling.key(keys[0], access, "the access key"),
                    secret_key=telling.key(keys[1], secret, "the secret key"),
                    session_token=telling.key(token.value, token.origin, "the session token") if token else None,
                    account=self._first(_ACCOUNTS),
                )
            if (keys[0] or keys[1]) and access == "AWS_ACCESS_KEY_ID":
                there, missing = (access, secret) if keys[0] else (secret, access)
                message = f"{there} is set without {missing}; set both or none"
                raise UsageError(message)
        return None if self.foreign else self._of_credential_file()

    def _of_credential_file(self) -> User | None:
        """The file that boto 2 and euca2ools share with AWS's old tools: AWSAccessKeyId=… and AWSSecretKey=…."""
        named = self._first(("AWS_CREDENTIAL_FILE",))
        if not named:
            return None
        path = self.given.path(named.value)
        content = text(path, self.given, needed=named.origin) or ""
        lines = (line.partition("#")[0].partition("=") for line in content.splitlines())
        found = {name.strip(): value.strip() for name, equals, value in lines if equals}
        origin = f"{named.origin} {self.given.shown(path)}"
        access, secret = found.get("AWSAccessKeyId", ""), found.get("AWSSecretKey", "")
        return User(
            name=Told("environment", named.origin),
            access_key=telling.key(access, origin, "AWSAccessKeyId"),
            secret_key=telling.key(secret, origin, "AWSSecretKey"),
        )


def _is_of_eucalyptus(environ: Mapping[str, str]) -> bool:
    told = environ.get("S3_URL", "")
    return f":{services.EUCALYPTUS_PORT}" in told or "/services/" in told


def _place(url: str) -> tuple[str, str, int, str]:
    """Where a URL leads, however it is written."""
    parts = urlsplit(url)
    return parts.scheme, str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80), parts.path
