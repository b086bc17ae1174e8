from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.balancing import program
from tailrace.errors import UsageError
from tailrace.loadbalancer.configure.inheritance import Holding, holding
from tailrace.loadbalancer.configure.syntax import Section, sections, words

FILE = Path("/etc/haproxy/haproxy.cfg")


def parsed(text: str) -> list[Section]:
    return sections(FILE, text.splitlines(keepends=True))


def held(text: str, name: str = "f") -> Holding:
    found = parsed(text)
    return holding(next(each for each in found if each.name == name and each.kind in ("frontend", "listen")), found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  log /dev/log local0  # what for\n", ("log", "/dev/log", "local0")),
        (r"log-format a\ %ci:%cp\ \#\"b", ("log-format", 'a %ci:%cp #"b')),
        ("log-format '%{+Q}r # \"no\" comment'", ("log-format", '%{+Q}r # "no" comment')),
        (r'log-format "a \"b\" \\ c"d', ("log-format", 'a "b" \\ cd')),
        ("# only a comment", ()),
        ("\t \r\n", ()),
        ("bind ''", ("bind", "")),
    ],
)
def test_words_are_read_as_haproxy_reads_them(line: str, found: tuple[str, ...]) -> None:
    assert words(line) == found


@given(
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'"), min_size=1), min_size=1
    )
)
def test_words_in_strong_quotes_are_what_they_are(texts: list[str]) -> None:
    assert list(words(" ".join(f"'{text}'" for text in texts))) == texts


@pytest.mark.parametrize("wrong", ["log-format 'abc", 'acl "x', "a \\"])
def test_what_cannot_be_read_names_the_line(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"haproxy.cfg, line 2: "):
        parsed(f"frontend f\n  {wrong}\n")


@pytest.mark.parametrize("wrong", ["frontend f\n.endif\n", ".if defined(A)\nfrontend f\n"])
def test_conditions_have_to_be_whole(wrong: str) -> None:
    with pytest.raises(UsageError, match="endif"):
        parsed(wrong)


def test_the_last_defaults_before_it_hold_for_a_frontend() -> None:
    told = held(
        "defaults\n mode tcp\n log a local0\ndefaults\n mode http\n log b local0\nfrontend f\n bind :1\ndefaults\n log c local0\n"
    )
    assert (told.mode, [target.address for target in told.targets]) == ("http", ["b"])


def test_named_defaults_hold_where_they_are_named() -> None:
    text = "defaults one\n mode http\n log a local0\ndefaults two from one\n option httplog\ndefaults three\nfrontend f from two\n log b local0\n"
    told = held(text)
    assert (told.mode, told.formatted, [target.address for target in told.targets]) == ("http", True, ["a", "b"])


def test_log_global_means_the_targets_of_global() -> None:
    text = 'global\n log 127.0.0.1:514 len 4096 format rfc5424 local0\n log "/dev/log" local1\ndefaults\n log global\nfrontend f\n'
    assert [(target.address, target.format) for target in held(text).targets] == [
        ("127.0.0.1:514", "rfc5424"),
        ("/dev/log", "local"),
    ]


def test_no_log_takes_those_before_it_away() -> None:
    text = "defaults\n log a local0\nfrontend f\n no log\n log b local0\n"
    assert [target.address for target in held(text).targets] == ["b"]


def test_what_stands_in_a_condition_may_hold() -> None:
    text = "frontend f\n.if defined(X)\n log a format rfc5424 local0\n no log\n.endif\n"
    assert [target.format for target in held(text).targets] == ["rfc5424"]


def test_a_mode_in_a_condition_cannot_be_known() -> None:
    with pytest.raises(UsageError, match=r"frontend f: its mode depends on the .if before line 4"):
        held("frontend f\n mode tcp\n.if defined(X)\n mode http\n.endif\n")


def test_a_section_ends_inside_its_own_condition() -> None:
    lines = [
        ".if defined(X)",
        "frontend f",
        " bind :1",
        ".endif",
        "frontend g",
        " bind :2",
        ".if defined(Y)",
        "backend b",
        ".endif",
    ]
    found = {each.name: each for each in parsed("\n".join(lines))}
    assert (found["f"].end, found["g"].end) == (3, 6)


def test_a_condition_within_a_section_is_part_of_it() -> None:
    (found,) = parsed("frontend f\n bind :1\n.if defined(X)\n http-request deny\n.endif\n\n# the end\n")
    assert found.end == 5
    assert [each.top(0) for each in found.statements] == [1, 2]


@given(st.text(st.sampled_from(" \t'\"\\#ab\n"), max_size=40))
def test_lines_are_refused_where_haproxy_refuses_them(text: str) -> None:
    """What HAProxy reads without a complaint about quotes is read here too, into lines that can be taken apart."""
    for line in text.split("\n"):
        try:
            words(line)
        except ValueError as error:
            assert "'" in line or '"' in line or "\\" in line, error  # noqa: PT017


@pytest.mark.parametrize("name", ["'f x'", '"f#x"', r"f\ x"])
def test_haproxy_reads_the_same_words(tmp_path: Path, name: str) -> None:
    """HAProxy tells which character of a name it does not like; the name that is read here has it there too."""
    file = tmp_path / "h.cfg"
    file.write_text(f"frontend {name}\n bind 127.0.0.1:1\n")
    told = subprocess.run([program("haproxy"), "-c", "-f", file], capture_output=True, text=True, check=False)
    (bad,) = [character for character in " #" if f"character '{character}'" in told.stderr]
    assert bad in parsed(f"frontend {name}\n")[0].name
