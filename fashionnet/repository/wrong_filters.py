"""What is wrong with a person's filter, in a line of plain words."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import pyarrow as pa

from fashionnet.errors import RequestError

MOST_VALUES = 5_000
"""A column of more different values than this is one of names: none is looked for among them."""

_NAMED = 5
_FEW = 20
_QUOTED = r"'[^']*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/"
_EQUALS = re.compile(
    r"(`[^`]+`|[^\W\d]\w*)\s*(?:==?|in\s*\()\s*('(?:[^']|'')*'(?:\s*,\s*'(?:[^']|'')*')*)",
    re.IGNORECASE,
)
_NUMBER_TYPES = (pa.types.is_integer, pa.types.is_floating)


def check_filter(where: str) -> None:
    """Refuse what must not reach the store; RequestError.

    That is a filter that closes a parenthesis which it did not open, for ours goes around it, and
    a sign that the store's reader of filters does not survive.
    """
    depth = 0
    for sign in re.sub(_QUOTED, "", where, flags=re.DOTALL):
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            raise RequestError(f"where {where!r}: a parenthesis is closed that was not opened")
        if sign in "$?":
            raise RequestError(
                f"where {where!r}: {sign} means nothing here: write numbers bare, as in 50, and a "
                "text in single quotes"
            )


def explained(where: str, message: str, names: Sequence[str], example: str) -> str:
    """Return what is wrong with a filter that the store refused, and an example of a right one.

    `message` is the store's own, `names` are the columns that a filter may name.
    """
    unknown = re.search(r"No field named (.+?)\. ", message + " ")
    if unknown:
        reason = _about_name(where, unknown[1].strip('"`'), names)
    else:
        reason = _about_grammar(where, message)
    return f"where {where!r}: {reason}; right would be, for example, {example}"


def example_of(rows: pa.Table, attributes: Sequence[str]) -> str:
    """Return a filter that some rows of the repository meet, by columns of few values and numbers.

    The catalogue's own columns go before the attributes.
    """
    own = [name for name in rows.column_names if name not in attributes]
    usable = [name for name in [*own, *attributes] if re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)]
    parts = []
    for name in usable:
        counts = Counter(value for value in rows[name].to_pylist() if value is not None)
        if pa.types.is_string(rows.schema.field(name).type) and 1 < len(counts) <= _FEW:
            parts.append(f"{name} = {_in_quotes(counts.most_common(1)[0][0])}")
            break
    for name in own:
        values = sorted(value for value in rows[name].to_pylist() if value is not None)
        is_number = any(check(rows.schema.field(name).type) for check in _NUMBER_TYPES)
        if name in usable and is_number and len(set(values)) > 1:
            parts.append(f"{name} < {values[len(values) // 2]:g}")
            break
    return " and ".join(parts) or "relevance > 0.9"


def unknown_values(
    where: str, names: Sequence[str], values_of: Callable[[str], Sequence[str] | None]
) -> list[str]:
    """Return, for each text that a filter asks of a column and no item has, what is known instead.

    `values_of` returns a column's texts, the most frequent first; None for one of no texts or of
    too many.

    >>> unknown_values("gender = 'Woman'", ["gender"], lambda name: ["Men", "Women"])
    ["no item has gender 'Woman', the nearest are 'Women', 'Men'"]
    """
    spelt = {name.lower(): name for name in names}
    found = []
    for column, texts in _EQUALS.findall(where):
        name = spelt.get(column.strip("`").lower())
        known = None if name is None else values_of(name)
        if known is None:
            continue
        for quoted in re.findall(r"'((?:[^']|'')*)'", texts):
            text = quoted.replace("''", "'")
            if text not in known:
                found.append(f"no item has {name} '{text}'{_instead(text, known)}")
    return found


def _instead(text: str, known: Sequence[str]) -> str:
    of_folded = {value.casefold(): value for value in reversed(known)}
    near = get_close_matches(text.casefold(), of_folded, n=3, cutoff=0.5)
    if near:
        listed = ", ".join(_in_quotes(of_folded[value]) for value in near)
        return f", the nearest {'is' if len(near) == 1 else 'are'} {listed}"
    if not known:
        return ""
    rest = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return ", known are " + ", ".join(map(_in_quotes, known[:_NAMED])) + rest


def _about_name(where: str, name: str, names: Sequence[str]) -> str:
    """Say what may be wrong with a name that is no column's."""
    here = re.escape(name)
    if re.search(rf"(=|<|>|\blike|\bis|\bin\s*\(|,|\bbetween|\band)\s*[\"`]?{here}\b", where, re.I):
        return f"no column {name} (a text stands in single quotes: '{name}')"
    near = get_close_matches(name.lower(), [known.lower() for known in names], n=1)
    if near:
        (meant,) = [known for known in names if known.lower() == near[0]][:1]
        return f"no column {name}: did you mean {meant}?"
    return f"no column {name}: this repository has {', '.join(names)}"


def _about_grammar(where: str, message: str) -> str:
    bare = re.sub(_QUOTED, "", where, flags=re.DOTALL)
    if not bare.strip() and "'" not in where:
        return "it is empty"
    if "Unterminated" in message:
        return "a quotation mark is opened that is not closed"
    found = re.search(r"Expected: .*, found: (.+?)(?: at Line|\)?(?:, /|$))", message, re.MULTILINE)
    sign = found[1].strip() if found else ""
    if sign == "EOF" or bare.count("(") > bare.count(")"):
        return "a parenthesis is opened that is not closed"
    # The last parenthesis is ours.
    if found and sign in ("", ")"):
        return "it ends too early" if ")" not in bare else "something is missing before a )"
    if found:
        return f"it cannot be understood from {sign} on"
    literal = re.search(r"literal \w+\(\"?(.*?)\"?\) and could not convert .* '(\w+)'", message)
    if literal and literal[2].startswith(("Utf8", "LargeUtf8")):
        return f"a column of texts is compared with {literal[1]}, which stands without quotes"
    if literal:
        return f"a column that holds no texts is compared with the text '{literal[1]}'"
    function = re.search(r"Invalid function '(\w+)'", message)
    if function:
        return f"there is no function {function[1]}"
    operator = re.search(r"Operator (\S+) is not supported", message)
    if operator:
        meant = {"&": " (write and)", "&&": " (write and)", "|": " (write or)"}
        return f"{operator[1]} is not understood{meant.get(operator[1], '')}"
    if "boolean" in message.lower():
        return "it does not say yes or no of an item: compare a column with a value"
    return "it cannot be understood"


def _in_quotes(text: str) -> str:
    return "'" + str(text).replace("'", "''") + "'"
