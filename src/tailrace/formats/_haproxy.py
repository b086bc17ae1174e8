"""HAProxy's `log-format` strings, compiled to templates.

The syntax is that of HAProxy's configuration manual, section 8.2.6: `%alias`, `%{+Q}alias`, `%[expression]`,
`%(name)alias`, `%%`, and text; spaces merge. Aliases that have a name in Tailrace take it, the others keep their own.

https://docs.haproxy.org/3.2/configuration.html#8.2.6
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tailrace.errors import UsageError
from tailrace.formats._haproxy_names import ALIASES, EXPRESSIONS, Alias, alias_of, column
from tailrace.kernel.layout import SYSLOG, TIME, Column, Escape, Field, Objects, Shape, Space, Template, Text, Variable
from tailrace.kernel.names import EXTRA, FORMAT, ID, INVALID, SCHEMAS, TIME_SOURCE, TRUNCATED, Schema, name_of

MS = "ms"
_ITEM = re.compile(r"%(?:\((?P<name>[^):]*)(?::\w+)?\))?(?:\{(?P<flags>[^}]*)\})?(?:\[|(?P<alias>[A-Za-z]+))")
_HEXADECIMAL = frozenset(("%ci", "%cp", "%fi", "%fp", "%si", "%sp", "%bi", "%bp", "%Ts", "%ms", "%rt", "%pid"))
_CLIENT_CONTROLLED: frozenset[Shape] = frozenset(("quoted", "captures", "listed", "cookies", "request", "loose"))


@dataclass(frozen=True, slots=True)
class Item:
    """One `%…` of a log-format: what it stands for, its flags, and its name if it was given one."""

    alias: Alias
    quoted: bool
    escaped: bool
    name: str


Piece = Text | Space | Item


def compile_log_format(text: str) -> Template | Objects:
    r"""The layout of the lines that HAProxy writes with this `log-format`.

    `text` is the string as it stands in the configuration: spaces may be escaped (`\ `), the whole may be quoted.
    Raises UsageError, naming the position, for what HAProxy would refuse and for the encodings cbor and bin.
    """
    pieces, flags = _pieces(_unquote(text))
    if "json" in flags:
        return _objects(pieces)
    elements = _distinct(tuple(_elements(_merge(pieces))))
    if not any(isinstance(element, Variable) for element in elements):
        message = (
            f"log-format {text!r}: no variable in it; write it as in HAProxy's configuration, such as '%ci:%cp %r'"
        )
        raise UsageError(message)
    return Template(elements=elements, required=_required(elements))


def named(template: Template | Objects, **names: tuple[str, str]) -> Template:
    """The template with its free expressions named: `mode=("mode", "TCP or HTTP")` names `%[mode]`."""
    if not isinstance(template, Template):
        message = "only a template has expressions to name"
        raise TypeError(message)

    def name(field: Field) -> Field:
        given = names.get(field.columns[0].name)
        return replace(field, columns=(column(given[0], given[1]),)) if given else field

    return replace(template, elements=tuple(
        replace(element, fields=tuple(name(field) for field in element.fields)) if isinstance(element, Variable) else element
        for element in template.elements
    ))  # fmt: skip


def with_slack(template: Template | Objects, after: str) -> Template:
    """The template with room for one more word behind the column `after`, where some sites write a field of their own."""
    if not isinstance(template, Template):
        message = "only a template has words"
        raise TypeError(message)
    elements: list[Text | Space | Variable] = []
    shift = 0
    for number, element in enumerate(template.elements):
        elements.append(element)
        if isinstance(element, Variable) and element.fields[0].columns[0].name == after:
            elements.append(Variable((), "slack"))
            shift = int(number < template.required)
    return Template(elements=tuple(elements), required=template.required + shift)


def _unquote(text: str) -> str:
    """The argument as HAProxy's configuration parser hands it on."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return re.sub(r'\\([ "\\#])', r"\1", text)


def _pieces(text: str) -> tuple[list[Piece], set[str]]:
    """Text, spaces and items in order, and the flags that `%{…}o` set for all items."""
    pieces: list[Piece] = []
    defaults: set[str] = set()
    at = 0
    while at < len(text):
        if text[at] != "%" or text.startswith("%%", at):
            step = 2 if text[at] == "%" else 1
            pieces.append(Space() if text[at] == " " else Text(text[at]))
            at += step
            continue
        match = _ITEM.match(text, at)
        if match is None:
            message = f"log-format: '%' at column {at + 1} begins no alias; write '%%' for a percent sign"
            raise UsageError(message)
        if match["alias"] == "o":
            defaults = _flags(match["flags"], defaults)
            at = match.end()
            continue
        item, at = _item(text, match, defaults)
        pieces.append(item)
    return pieces, defaults


def _item(text: str, match: re.Match[str], defaults: set[str]) -> tuple[Item, int]:
    flags = _flags(match["flags"], defaults)
    if match["alias"] is not None:
        alias, end = alias_of(match["alias"]), match.end()
        if alias is None:
            known = " ".join(f"%{name}" for name in sorted(ALIASES))
            message = (
                f"log-format: unknown alias %{match['alias']} at column {match.start() + 1}; HAProxy knows {known}"
            )
            raise UsageError(message)
    else:
        expression, end = _expression(text, match.end())
        alias = EXPRESSIONS.get(expression) or Alias(_plain(expression), "loose", f"%[{expression}]")
    if "X" in flags and alias.label in _HEXADECIMAL:
        alias = _hexadecimal(alias)
    return Item(alias, "Q" in flags, "E" in flags, match["name"] or ""), end


def _hexadecimal(alias: Alias) -> Alias:
    """What `+X` writes in hexadecimal: a text, under HAProxy's own name, since Tailrace's are those of plain values."""
    what = column(alias.label.removeprefix("%"), f"{alias.column.doc}, in hexadecimal")
    return replace(alias, column=what, shape="word", kind="text", minus_one_absent=False)


def _expression(text: str, start: int) -> tuple[str, int]:
    """What stands between the brackets, which may hold brackets in quotes or parentheses of its own."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if depth == 0:
            return text[start:at], at + 1
    message = f"log-format: the '%[' before column {start + 1} is never closed"
    raise UsageError(message)


def _plain(expression: str) -> Column:
    return Column(
        name=expression, doc=f"HAProxy's %[{expression}]", ecs=f"haproxy.{expression}", otel=f"haproxy.{expression}"
    )


def _flags(text: str | None, defaults: set[str]) -> set[str]:
    """The flags in force after `{+Q,-E,…}`; HAProxy passes over one without a sign."""
    flags = set(defaults)
    for flag in re.split(r"[,\s]+", text or ""):
        if flag in ("+cbor", "+bin"):
            message = f"log-format: the encoding {flag} writes no lines of text; use +json or no encoding"
            raise UsageError(message)
        if flag[:1] == "-":
            flags.discard(flag[1:])
        elif flag[:1] == "+":
            flags.add(flag[1:])
    return flags


def _merge(pieces: list[Piece]) -> Iterator[Piece]:
    """Join neighbouring text and neighbouring spaces."""
    waiting: Piece | None = None
    for piece in pieces:
        if isinstance(waiting, Text) and isinstance(piece, Text):
            waiting = Text(waiting.text + piece.text)
            continue
        if isinstance(waiting, Space) and isinstance(piece, Space):
            continue
        if waiting is not None:
            yield waiting
        waiting = piece
    if waiting is not None:
        yield waiting


def _elements(pieces: Iterator[Piece]) -> Iterator[Text | Space | Variable]:
    """Items as variables; an address with its port, and the two cookies, as one."""
    waiting = list(pieces)
    at = 0
    while at < len(waiting):
        piece = waiting[at]
        width = _paired(waiting, at)
        if not isinstance(piece, Item):
            yield piece
        elif width:
            other = waiting[at + width]
            shape: Shape = "endpoint" if piece.alias.shape == "address" else piece.alias.shape
            fields = _fields(piece) + (_fields(other) if isinstance(other, Item) else ())
            yield Variable((_joined(fields),) if shape == "endpoint" else fields, shape)
        else:
            yield Variable(_fields(piece), _shape(piece))
        at += 1 + width


def _paired(pieces: list[Piece], at: int) -> int:
    """How many pieces further the second half of a pair stands; 0 if this piece is no first half."""
    match pieces[at : at + 3]:
        case [Item() as first, Space(), Item() as second] if first.alias.shape == second.alias.shape == "listed":
            return 2 if first.quoted and second.quoted else 0
        case [Item(quoted=False) as first, Space(), Item(quoted=False) as second]:
            return 2 if first.alias.shape == second.alias.shape == "cookies" else 0
        case [Item(quoted=False) as first, Text(":"), Item(quoted=False) as second]:
            return 2 if (first.alias.shape, second.alias.shape) == ("address", "integer") else 0
    return 0


def _joined(fields: tuple[Field, ...]) -> Field:
    """Address and port as one field of two columns."""
    address, port = fields
    label = f"{address.label}:{port.label}"
    return Field(label=label, kind="endpoint", columns=address.columns + port.columns)


def _shape(item: Item) -> Shape:
    """How the end of an item is found where it stands alone."""
    shape = item.alias.shape
    if item.quoted and not item.alias.never_quoted:
        return shape if shape in ("captures", "listed") else "quoted"
    return {"address": "word", "cookies": "loose", "listed": "loose"}.get(shape, shape)  # type: ignore[return-value]


def _fields(item: Item) -> tuple[Field, ...]:
    """The field of an item; its first column takes the name that the item was given, but the first date is the time."""
    alias = item.alias
    columns = (alias.column, *alias.parts)
    if item.name and alias.shape != "date":
        columns = (replace(alias.column, name=item.name), *alias.parts)
    escape: Escape = alias.escape
    if item.escaped:
        escape = "both" if escape == "hash" else "structured"
    return (
        Field(
            label=alias.label,
            kind=alias.kind,
            columns=columns,
            quoted=item.quoted and not alias.never_quoted,
            escape=escape,
            minus_one_absent=alias.minus_one_absent,
            empty_absent=True,
            separator='" "' if alias.shape == "listed" else "|",
            key=item.name,
            of_response=alias.label in ("%hs", "%hsl"),
        ),
    )


def _distinct(elements: tuple[Text | Space | Variable, ...]) -> tuple[Text | Space | Variable, ...]:
    """The elements with columns of which no two have one name, in any schema."""
    names = _Names()
    return tuple(
        Variable(tuple(names.distinct(field) for field in element.fields), element.shape)
        if isinstance(element, Variable)
        else element
        for element in elements
    )


class _Names:
    """The names that are taken in each schema: those that every record may have, and those given by now."""

    def __init__(self) -> None:
        own = (FORMAT, TIME_SOURCE, TRUNCATED, INVALID, EXTRA)
        self._taken = {schema: {ID, *(table[schema] for table in own)} for schema in SCHEMAS}
        for known in (TIME, *SYSLOG):
            self._take(known)
        self._is_free_time = True

    def distinct(self, field: Field) -> Field:
        """The field with names of its own: the item's name or HAProxy's alias where another column has the name already."""
        alias = field.key or field.label.removeprefix("%")
        return replace(field, columns=tuple(self._distinct(column, alias) for column in field.columns))

    def _distinct(self, column: Column, alias: str) -> Column:
        if column.name == TIME.name and column.type == "time" and self._is_free_time:
            self._is_free_time = False
            return column
        name = self._free("aws", column.name, alias)
        found = replace(
            column,
            name=name,
            ecs=self._free("ecs", column.ecs, f"haproxy.{name}"),
            otel=self._free("otel", column.otel, f"haproxy.{name}"),
        )
        self._take(found)
        return found

    def _free(self, schema: Schema, name: str, instead: str) -> str:
        name = instead if name in self._taken[schema] else name
        while name in self._taken[schema]:
            name += "_"
        return name

    def _take(self, column: Column) -> None:
        for schema in SCHEMAS:
            self._taken[schema].add(name_of(column, schema))


def _required(elements: tuple[Text | Space | Variable, ...]) -> int:
    """How many elements must be there: all before the first whose length a client decides, and one variable at least."""
    variables = [(number, element.shape) for number, element in enumerate(elements) if isinstance(element, Variable)]
    free = [number for number, shape in variables if shape in _CLIENT_CONTROLLED]
    return max(free[0], variables[0][0] + 1) if free else len(elements)


def _objects(pieces: list[Piece]) -> Objects:
    """The layout of `%{+json}o`: only named items are written, each under its name."""
    named = [piece for piece in pieces if isinstance(piece, Item) and piece.name]
    if not named:
        message = "log-format: with +json HAProxy writes only named items; name them, such as '%(client)ci'"
        raise UsageError(message)
    names = _Names()
    fields = tuple(names.distinct(field) for item in named for field in _fields(item))
    return Objects(fields=fields, mark=named[0].name)
