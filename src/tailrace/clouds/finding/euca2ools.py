"""euca2ools' ini files: regions and users, in groups and with wildcards, as euca2ools.ini(5) describes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from tailrace.clouds import amazon, services
from tailrace.clouds.cloud import Told, User
from tailrace.clouds.finding import inifiles, telling
from tailrace.clouds.finding.inifiles import Dialect, Table
from tailrace.clouds.finding.telling import Given, Part
from tailrace.errors import UsageError

_DIALECT: Final = Dialect(inline=(";",), interpolated=True)
_PATHS: Final = ("etc/euca2ools/euca2ools.ini", "etc/euca2ools/conf.d/*.ini")
_MOST_FILES: Final = 500
_MOST_GROUPS: Final = 8
"""Each part of a name doubles the wildcard combinations."""
_URL: Final = "-url"
_OLD: Final = {"s3": Told("v2", "default of euca2ools")}


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a kind, `region` or `user`, by name."""

    kind: str
    options: Table

    def find(self, name: str, option: str, seen: tuple[tuple[str, str], ...] = ()) -> Told | None:
        """The value of an option: of the most specific section that fits, else of the one that ends so, else of `*`. Raises UsageError."""
        if (name, option) in seen:
            message = f"{seen[0][1]} of the {self.kind} {seen[0][0]} in euca2ools' files leads round in a circle by `use`; break it"
            raise UsageError(message)
        seen = (*seen, (name, option))
        for pattern in _patterns(name):
            if told := self.options.get(pattern, {}).get(option):
                return self._led(told, option, seen)
        if longer := self.longer(name):
            return self.find(longer, option, seen)
        told = self.options.get("*", {}).get(option)
        return self._led(told, option, seen) if told else None

    def longer(self, name: str) -> str | None:
        """The section whose name ends in `:NAME`. Raises UsageError if several do."""
        longer = [section for section in self.options if section.endswith(f":{name}")]
        least = min((section.count(":") for section in longer), default=0)
        closest = [section for section in longer if section.count(":") == least]
        if len(closest) > 1:
            message = f"the {self.kind} {name} is ambiguous in euca2ools' files; write one of {', '.join(closest)}"
            raise UsageError(message)
        return closest[0] if closest else None

    def fits(self, name: str) -> bool:
        """Whether any section but `*` speaks of that name."""
        return any(pattern in self.options for pattern in _patterns(name)) or self.longer(name) is not None

    def plain(self) -> Iterator[str]:
        """The names without wildcards."""
        return (name for name in self.options if "*" not in name)

    def _led(self, told: Told, option: str, seen: tuple[tuple[str, str], ...]) -> Told | None:
        """Where `use SECTION [OPTION]` leads."""
        words = told.value.split()
        if not told.value.startswith("use") or words[:1] != ["use"]:
            return told
        if len(words) not in (2, 3):
            message = f"{told.origin}: {option} must be `use NAME` or `use NAME OPTION`"
            raise UsageError(message)
        return self.find(words[1], words[2] if len(words) == 3 else option, seen)  # noqa: PLR2004 - with an option


@dataclass(frozen=True, slots=True)
class Euca2ools:
    """All of euca2ools' files."""

    settings: Mapping[str, Told]
    regions: Sections
    people: Sections

    @classmethod
    def read(cls, given: Given) -> Euca2ools:
        """Read them in their order. Raises UsageError."""
        table = inifiles.merged(_read(path, given) for path in _files(given))
        return cls(table.get("global", {}), _sections("region", table), _sections("user", table))

    def names(self) -> Iterable[str]:
        """The regions without wildcards."""
        return self.regions.plain()

    def part(self, region: str) -> Part | None:
        """What the sections that fit a region tell; `*` alone does not speak of AWS's. Raises UsageError."""
        names = self.regions.fits(region)
        if not region or (not names and ("*" not in self.regions.options or amazon.is_region(region))):
            return None
        endpoints = self._endpoints(region)
        return Part(
            names=names,
            endpoints=endpoints,
            signatures=self._signatures(region),
            usual=_OLD,
            region=self._region(region),
            verify=self._verify(region),
            user=lambda: self._user(region),
        )

    def user(self, name: str) -> User | None:
        """The keys of a user. Raises UsageError."""
        access, secret = self.people.find(name, "key-id"), self.people.find(name, "secret-key")
        if not access and not secret:
            return None
        if not access or not secret:
            there, missing = (access, "secret-key") if access else (secret, "key-id")
            assert there
            message = f"{there.origin}: the user {name} has no {missing}; add it"
            raise UsageError(message)
        return User(
            name=Told(name, access.origin),
            access_key=telling.key(access.value, access.origin, "key-id"),
            secret_key=telling.key(secret.value, secret.origin, "secret-key"),
            account=self.people.find(name, "account-id"),
        )

    def users(self) -> Iterable[str]:
        """The users without wildcards."""
        return self.people.plain()

    def default_region(self) -> Told | None:
        """`[global] default-region`."""
        return self.settings.get("default-region")

    def _endpoints(self, region: str) -> dict[str, Told]:
        options = {option for section in self.regions.options.values() for option in section if option.endswith(_URL)}
        found: dict[str, Told] = {}
        for option in sorted(options):
            told = self.regions.find(region, option)
            if told and told.value:
                told = telling.url(Told(told.value, f"{told.origin} {option}"))
                found |= dict.fromkeys(services.named(option.removesuffix(_URL)), told)
        return found

    def _signatures(self, region: str) -> dict[str, Told]:
        told = self.regions.find(region, "s3-force-sigv4")
        if not told:
            return {}
        forced = telling.boolean(told, "s3-force-sigv4")
        return {"s3": Told("v4" if forced else "v2", f"{told.origin} s3-force-sigv4")}

    def _region(self, region: str) -> Told | None:
        """Its name in signatures: `name`, else the last part of the section's."""
        section = region if region in self.regions.options else self.regions.longer(region) or region
        told = self.regions.options.get(section, {}).get("name")
        last = section.rpartition(":")[2]
        return told or (Told(last, "its name in euca2ools' files") if last != region else None)

    def _verify(self, region: str) -> Told | None:
        told = self.regions.find(region, "verify-ssl")
        return (
            Told("true" if telling.boolean(told, "verify-ssl") else "false", f"{told.origin} verify-ssl")
            if told
            else None
        )

    def _user(self, region: str) -> User | None:
        told = self.regions.find(region, "user")
        if not told:
            return None
        user = self.user(told.value)
        if not user:
            there = ", ".join(self.users()) or "none"
            message = f"{told.origin}: there is no user {told.value} with keys ({there}); write [user {told.value}] with key-id and secret-key"
            raise UsageError(message)
        return user


def _patterns(name: str) -> Iterator[str]:
    """A name and its wildcards, the most specific first; `*` alone is asked last, elsewhere."""
    parts = name.split(":")
    if len(parts) > _MOST_GROUPS:
        message = f"the name {name[:80]} has too many groups"
        raise UsageError(message)
    for kept in product((True, False), repeat=len(parts)):
        if kept != (False,):
            yield ":".join(part if keep else "*" for part, keep in zip(parts, kept, strict=True))


def _files(given: Given) -> Iterator[Path]:
    told = given.environ.get("EUCA_CONFIG_PATH")
    if told is None:
        globs = [*(str(given.root / path) for path in _PATHS), str(given.home / ".euca/*.ini")]
    else:
        globs = [str(given.path(each)) for each in told.split(":") if each]
    for pattern in globs:
        try:
            path = Path(pattern)
            if not any(sign in pattern for sign in "*?["):
                yield path
                continue
            found = sorted(path.parent.glob(path.name))
        except (OSError, ValueError, NotImplementedError) as error:
            message = f"cannot look for {pattern}: {getattr(error, 'strerror', None) or 'it is no path'}; make its folder readable"
            raise UsageError(message) from error
        if len(found) > _MOST_FILES:
            message = f"{pattern}: there are more than {_MOST_FILES} such files; remove some"
            raise UsageError(message)
        yield from found


def _read(path: Path, given: Given) -> Table:
    """A file's sections. Raises UsageError for names that cannot be."""
    table = inifiles.read(path, given, _DIALECT)
    for section in table:
        kind, _, rest = section.partition(" ")
        name = rest.strip()
        if kind not in ("region", "user"):
            continue
        if "@" in name or " " in name or not all(name.split(":")):
            message = f"{given.shown(path)} [{section}]: the name of a {kind} has no @, no blank and no empty group; write [{kind} NAME]"
            raise UsageError(message)
    return table


def _sections(kind: str, table: Table) -> Sections:
    found: dict[str, Mapping[str, Told]] = {}
    for section, options in table.items():
        word, _, name = section.partition(" ")
        if word == kind:
            found[name.strip()] = {**found.get(name.strip(), {}), **options}
    return Sections(kind, found)
