"""The ledger: what it remembers, and that nobody's words are overwritten."""

from __future__ import annotations

import pytest

from deploy.stack.account import Account, answer_lost, at
from tailrace.deploy.ledger import KEPT, Book, Kept, Ledger, Release
from tailrace.errors import Fatal, UsageError


def release(version: str, *, good: bool | None = True) -> Release:
    return Release(version=version, package="00", label="1", time=1.0, good=good)


def test_the_good_ones_before() -> None:
    ledger = Ledger(
        releases=(release("1"), release("2", good=False), release("3"), release("4", good=None), release("5"))
    )
    assert [each.version for each in ledger.good_before("5")] == ["3", "1"]
    assert [each.version for each in ledger.good_before("3")] == ["1"]
    assert [each.version for each in ledger.good_before("9")] == ["5", "3", "1"]
    assert ledger.good_before("1") == []


def test_a_release_that_comes_again_is_the_last_one() -> None:
    ledger = Ledger(releases=(release("1"), release("2"))).with_release(release("1", good=False))
    assert [(each.version, each.good) for each in ledger.releases] == [("2", True), ("1", False)]
    for number in range(KEPT + 50):
        ledger = ledger.with_release(release(str(number)))
    assert len(ledger.releases) == KEPT
    assert ledger.releases[-1].version == str(KEPT + 49)


@pytest.fixture
def book(account: Account) -> Book:
    account.s3.create_bucket(Bucket=account.name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return Book(account.cloud(), account.name, "tailrace-x")


def test_it_is_written_over_what_was_read_only(book: Book) -> None:
    nothing = book.read()
    assert nothing == Kept(Ledger())
    first = book.write(Ledger(releases=(release("1"),)), nothing)
    assert book.read() == first
    with pytest.raises(
        Fatal, match=r"somebody else is deploying tailrace-x: s3://.*/deployments/tailrace-x.json has changed"
    ):
        book.write(Ledger(releases=(release("2"),)), nothing)
    second = book.write(Ledger(releases=(release("3"),)), first)
    with pytest.raises(Fatal, match="somebody else"):
        book.write(Ledger(), first)
    assert book.read() == second


def test_an_answer_that_is_lost_is_no_conflict(book: Book, account: Account) -> None:
    for over in (book.read(), Kept(Ledger(), "")):
        account.fault = at(0, answer_lost)
        kept = book.write(Ledger(releases=(release("1"),)), over)
    assert book.read() == kept


@pytest.mark.parametrize("content", [b"no json", b'{"releases": 3}'])
def test_what_is_no_ledger_is_told(book: Book, account: Account, content: bytes) -> None:
    account.s3.put_object(Bucket=account.name, Key=book.key, Body=content)
    with pytest.raises(Fatal, match="is not what Tailrace has written"):
        book.read()


def test_a_newer_one_is_left_alone(book: Book, account: Account) -> None:
    account.s3.put_object(Bucket=account.name, Key=book.key, Body=b'{"schema": 2}')
    with pytest.raises(UsageError, match="newer Tailrace; upgrade"):
        book.read()


def test_where_there_is_no_bucket_nothing_is_remembered(account: Account) -> None:
    assert Book(account.cloud(), "no-such-bucket-at-all", "x").read() == Kept(Ledger())
