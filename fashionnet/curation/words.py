"""Weak labels: what file names, folder names and titles say of photos."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from fashionnet.curation.findings import REVIEW, Finding
from fashionnet.curation.pile import Pile
from fashionnet.errors import RequestError
from fashionnet.schema import Schema

Words = Mapping[str, Mapping[str, tuple[str, ...]]]
"""For attributes and their classes the words and phrases that mean them."""

DEFAULT_WORDS = Path(__file__).parent / "words.toml"

_TITLE_COLUMN = re.compile(r"(title|name|description|caption)$", re.IGNORECASE)


def read_words(path: Path, schema: Schema) -> Words:
    """Read a TOML file with a table for each attribute: `class = ["word", "a phrase"]`.

    The default file's attributes and classes that the schema does not have are passed over; in
    any other file they are a RequestError, as is what is no such table.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"words {path}: {error}") from error
    words: dict[str, dict[str, tuple[str, ...]]] = {}
    for attribute, classes in document.items():
        if not isinstance(classes, dict):
            raise RequestError(f"words {path}: expected a table [{attribute}] of classes")
        for name, phrases in classes.items():
            if not isinstance(phrases, list) or not all(isinstance(p, str) for p in phrases):
                raise RequestError(
                    f'words {path}: [{attribute}] {name}: expected a list like ["plaid", "check"]'
                )
            if attribute in schema.names and name in schema[attribute].classes:
                normal = tuple(filter(None, (_normal(phrase) for phrase in phrases)))
                words.setdefault(attribute, {})[name] = normal
            elif path != DEFAULT_WORDS:
                schema[attribute].code(name)
    if not words:
        raise RequestError(f"words {path}: none of its attributes is one of the schema's")
    return words


def _normal(text: str) -> str:
    """Return a text's words in lower case, without accents, one blank between them.

    >>> _normal("Long-Sleeved Tée_Check2")
    'long sleeved tee check2'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z0-9]+", plain))


def weak_labels(pile: Pile, words: Words) -> tuple[Pile, list[Finding]]:
    """Fill a pile's blank labels from its photos' paths and from columns that hold titles.

    Returns the pile with more labels, and where words contradict each other or a label.

    A column holds titles when its name ends in title, name, description or caption. Where the
    words of a photo mean two classes of one attribute the label stays blank.
    """
    labels = {attribute: list(column) for attribute, column in pile.labels.items()}
    faulty = {(fault.row, fault.attribute) for fault in pile.faults}
    findings = []
    for row, text in enumerate(_texts(pile)):
        for attribute, classes in words.items():
            said = {
                name: hit for name, phrases in classes.items() if (hit := _first(text, phrases))
            }
            if not said:
                continue
            column = labels.setdefault(attribute, [""] * len(pile))
            shown = ", ".join(f"{word!r} means {name}" for name, word in said.items())
            if len(said) > 1:
                if column[row] not in said:
                    findings.append(
                        _finding(pile, row, "conflicting words", REVIEW, attribute, shown)
                    )
                continue
            name = next(iter(said))
            if not column[row] and (row, attribute) not in faulty:
                column[row] = name
            elif column[row] and column[row] != name:
                shown = f"labelled {column[row]}, but {shown}"
                suggestion = f"{attribute}={name}"
                findings.append(
                    _finding(pile, row, "words against label", suggestion, attribute, shown)
                )
    return replace(pile, labels=labels), findings


def _texts(pile: Pile) -> Iterator[str]:
    titles = [
        pile.columns[name].to_pylist()
        for name in pile.columns.column_names
        if _TITLE_COLUMN.search(name)
    ]
    for row, name in enumerate(pile.names):
        path = " | ".join(Path(name).with_suffix("").parts)
        parts = [path, *(str(column[row] or "") for column in titles)]
        yield f" {' | '.join(_normal(part) for part in parts)} "


def _first(text: str, phrases: tuple[str, ...]) -> str:
    return next((phrase for phrase in phrases if f" {phrase} " in text), "")


def _finding(
    pile: Pile, row: int, kind: str, suggestion: str, attribute: str, shown: str
) -> Finding:
    return Finding(pile.names[row], kind, 0.5, suggestion, 0, False, f"{attribute}: {shown}")
