r"""Regular expressions that mean the same everywhere: what Python's `re` and Rust's `regex` have in common, over bytes.

There are literals, `.`, classes, `^`, `$`, `\b`, groups, `|`, repetition, `\d \w \s` and their opposites for ASCII, `\xHH`,
and `(?i)` in front. They are written anew in the few words that both read alike; whatever else there is, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailrace.errors import UsageError

LONGEST = 1000
MOST_STEPS = 5000
"""So many characters and classes may be looked for one after the other; more would take too much memory."""
_DEEPEST = 50
_SETS = {"d": "0-9", "w": r"0-9A-Z_a-z", "s": r"\t\n\x0b\x0c\r\x20"}
_CONTROLS = {"t": 9, "n": 10, "r": 13}
_COUNT = re.compile(r"\{([0-9]{1,4})(,?)([0-9]{0,4})\}")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")


def common(text: str) -> str:
    """The expression as both read it alike. Raises UsageError that tells what cannot be, and where."""
    if len(text) > LONGEST:
        message = f"the regular expression {text[:40]!r}… is longer than {LONGEST} characters; make it shorter"
        raise UsageError(message)
    flags = "(?i)" if text.startswith("(?i)") else ""
    reader = _Reader(text, len(flags))
    written, steps = reader.alternatives(0)
    if steps > MOST_STEPS:
        reader.refuse(f"it takes more than {MOST_STEPS} steps; repeat less")
    if reader.at < len(text):
        reader.refuse("the ) closes no group; write \\)")
    return flags + written


class _Reader:
    """Reads an expression from left to right. With each part it tells how many steps it takes, repetition included."""

    def __init__(self, text: str, at: int) -> None:
        self._text, self.at = text, at

    def refuse(self, why: str) -> None:
        """Raise UsageError."""
        message = f"the regular expression {self._text!r} cannot be used: at character {self.at + 1} {why}"
        raise UsageError(message)

    def alternatives(self, depth: int) -> tuple[str, int]:
        """Sequences with bars between them."""
        if depth > _DEEPEST:
            self.refuse(f"groups stand deeper than {_DEEPEST} within one another")
        written, steps = [""], 1
        while self.at < len(self._text) and self._text[self.at] != ")":
            if self._text[self.at] == "|":
                self.at += 1
                written.append("")
                continue
            atom, more = self._repeated(depth)
            written[-1] += atom
            steps += more
        return "|".join(written), steps

    def _repeated(self, depth: int) -> tuple[str, int]:
        start = self.at
        atom, steps = self._atom(depth)
        count = _COUNT.match(self._text, self.at)
        mark = self._text[self.at : self.at + 1]
        if count:
            steps *= max(int(count[3] or 0), int(count[1]) + 1)
            if count[3] and int(count[3]) < int(count[1]):
                self.refuse("the second number is the smaller one")
            mark = count[0]
        elif mark not in ("*", "+", "?"):
            return atom, steps
        if steps > MOST_STEPS:
            self.refuse(f"it takes more than {MOST_STEPS} steps; repeat less")
        if atom in (r"\A", r"\z", r"\b"):
            self.refuse(f"{self._text[start : self.at]} cannot be repeated")
        self.at += len(mark)
        self.at += self._text.startswith(
            "?", self.at
        )  # as few as can be: that changes nothing about whether it matches
        if self._text[self.at : self.at + 1] in ("*", "+", "?", "{"):
            self.refuse("a repetition follows another one; put the first into a group, (?:…)")
        return atom + mark, steps

    def _atom(self, depth: int) -> tuple[str, int]:
        letter = self._text[self.at]
        self.at += 1
        if letter == "(":
            return self._group(depth)
        if letter == "[":
            return self._class(), 1
        if letter == "\\":
            return self._escape(), 1
        if letter in "*+?{":
            self.at -= 1
            self.refuse(f"there is nothing before {letter} to repeat; write \\{letter} for the character itself")
        return {".": r"[^\n]", "^": r"\A", "$": r"\z"}.get(letter) or _literal(letter), 1

    def _group(self, depth: int) -> tuple[str, int]:
        if self._text.startswith("?", self.at):
            if not self._text.startswith("?:", self.at):
                self.refuse(
                    "(?… is more than a group: there is no looking around, no name and no flag but (?i) in front"
                )
            self.at += 2
        written, steps = self.alternatives(depth + 1)
        if not self._text.startswith(")", self.at):
            self.refuse("a group is not closed; write \\( for the character itself")
        self.at += 1
        return f"(?:{written})", steps

    def _escape(self) -> str:
        letter = self._text[self.at : self.at + 1]
        if letter.lower() in _SETS and letter:
            self.at += 1
            return f"[{'^' if letter.isupper() else ''}{_SETS[letter.lower()]}]"
        if letter == "b":
            self.at += 1
            return r"\b"
        return _byte(self._escaped())

    def _escaped(self) -> int:
        """The byte that an escape stands for, behind its backslash."""
        letter = self._text[self.at : self.at + 1]
        self.at += 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "x" and (digits := _HEX.match(self._text, self.at)):
            self.at += 2
            return int(digits[0], 16)
        if not letter or letter.isalnum() or not letter.isascii():
            self.at -= 1
            self.refuse(f"\\{letter} is none of \\d \\w \\s \\D \\W \\S \\b \\t \\n \\r \\xHH or an escaped character")
        return ord(letter)

    def _class(self) -> str:
        negated = "^" if self._text.startswith("^", self.at) else ""
        self.at += len(negated)
        start = self.at
        written = "".join(self._members())
        if self.at == start:
            self.refuse("the class is empty; write \\] for the character itself")
        self.at += 1
        return f"[{negated}{written}]"

    def _members(self) -> Iterator[str]:
        while not self._text.startswith("]", self.at):
            if self._text[self.at : self.at + 1] == "\\" and self._text[self.at + 1 : self.at + 2] in _SETS:
                self.at += 2
                yield _SETS[self._text[self.at - 1]]
                continue
            first = last = self._member()
            if self._text.startswith("-", self.at) and not self._text.startswith("-]", self.at):
                self.at += 1
                last = self._member()
                if last < first:
                    self.refuse("the range ends before it begins")
            yield _byte(first) if first == last else f"{_byte(first)}-{_byte(last)}"

    def _member(self) -> int:
        letter = self._text[self.at : self.at + 1]
        if letter == "\\":
            self.at += 1
            return self._escaped()
        if letter in ("", "[") or not letter.isascii():
            self.refuse("the class is not closed" if not letter else "a class holds ASCII only, and [ as \\[")
        self.at += 1
        return ord(letter)


def _byte(value: int) -> str:
    letter = chr(value)
    return letter if letter.isascii() and letter.isalnum() else f"\\x{value:02x}"


def _literal(letter: str) -> str:
    encoded = "".join(map(_byte, letter.encode("utf-8", "replace")))
    return encoded if letter.isascii() else f"(?:{encoded})"
