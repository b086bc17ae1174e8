"""The bucket of packages, which also holds the ledger and dead letters: dead letters are logs, and go only if logs shall go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.destroy import buckets
from tailrace.deploy.destroy.buckets import Bucket
from tailrace.deploy.ledger import Book
from tailrace.deploy.listing import known, listed
from tailrace.deploy.stack.upload import key_of
from tailrace.deploy.stack.words import Step
from tailrace.deploy.wanted import Wanted
from tailrace.permissions import Need, needs_on

_PACKAGES: Final = "packages/"
_LEDGERS: Final = "deployments/"


@dataclass(frozen=True, slots=True)
class Found:
    """What is there. `letter`: the key of a dead letter, or of something else that is neither package nor ledger; `ledger`: there is one."""

    there: bool = False
    letter: str = ""
    ledger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """The bucket of packages of a deployment, its own or one that is shared with others."""

    cloud: Cloud
    wanted: Wanted
    said: Callable[[str], None]
    delete_logs: bool

    def look(self) -> Found:
        """What is in it. Raises UsageError if it is not this deployment's."""
        if not self._bucket.is_there():
            return Found()
        if self._own:
            self._bucket.check(self.wanted.marks)
        letter = self._letter() if self._own else self._bucket.kept(f"{self.wanted.names.dead_letters}/")
        return Found(there=True, letter=letter, ledger=bool(self._book.read().etag))

    def steps(self, found: Found) -> Iterator[Step]:
        """What is to be done, in words."""
        name, stays = self.wanted.artifacts, f"dead letters are in it, such as {found.letter}"
        if not found.there:
            return
        if self._own and (self.delete_logs or not found.letter):
            yield Step("remove", "bucket of packages", name, "with all packages and what is remembered of deployments")
            return
        if not self._own:
            stays = "it is not this deployment's" + (f"; {stays}" if found.letter else "")
        elif not self.delete_logs:
            stays = f"{stays}: --delete-logs removes them too"
        if found.ledger or self._own:
            yield Step("remove", "packages", name, "those of this deployment, and what is remembered of it")
        yield Step("let go", "bucket of packages", name, stays)

    def remove(self, found: Found) -> str:
        """Do it; the name of the bucket if it stays. The ledger goes last, so that the next run still knows what this one has not done."""
        if not found.there:
            return ""
        if not self._own:
            for key in self._unshared():
                self.cloud("s3:DeleteObject", Bucket=self._bucket.name, Key=key)
            self.cloud("s3:DeleteObject", Bucket=self._bucket.name, Key=self._book.key)
            return self._bucket.name
        if self.delete_logs:
            self._bucket.empty(but={self._book.key})
            self._bucket.remove()
            return ""
        self._bucket.empty(prefix=_PACKAGES)
        self._bucket.empty(prefix=_LEDGERS)
        return self._bucket.name if self._bucket.remove_bare() else ""

    @property
    def _own(self) -> bool:
        return not self.wanted.own.artifacts_bucket

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self.cloud, self.wanted.artifacts, self.said)

    @property
    def _book(self) -> Book:
        return Book(self.cloud, self.wanted.artifacts, self.wanted.names.stack)

    def _letter(self) -> str:
        found = listed(self.cloud, "s3:ListObjectsV2", "CommonPrefixes", Bucket=self._bucket.name, Delimiter="/")
        others = [each["Prefix"] for each in found if each["Prefix"] not in (_PACKAGES, _LEDGERS)]
        return self._bucket.kept(others[0]) if others else ""

    def _unshared(self) -> Sequence[str]:
        """The packages of this deployment that no other one has been made of."""
        mine = {key_of(each.package) for each in self._book.read().ledger.releases}
        for each in listed(self.cloud, "s3:ListObjectsV2", "Contents", Bucket=self._bucket.name, Prefix=_LEDGERS):
            stack = each["Key"].removeprefix(_LEDGERS).removesuffix(".json")
            if each["Key"] != self._book.key and known(
                self.cloud, "s3:HeadObject", "404", Bucket=self._bucket.name, Key=each["Key"]
            ):
                others = Book(self.cloud, self._bucket.name, stack).read().ledger.releases
                mine -= {key_of(release.package) for release in others}
        return sorted(mine)


def needs(wanted: Wanted) -> Sequence[Need]:
    """What is called for it."""
    arn = wanted.names.global_arn("s3", wanted.artifacts)
    objects = needs_on(f"{arn}/*", "s3:GetObject", "s3:PutObject", "s3:HeadObject", "s3:DeleteObject")
    return [Need("s3:ListObjectsV2", arn), *objects, *buckets.needs(arn)]
