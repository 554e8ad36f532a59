"""Prices as shops write them, with a sign of currency, as numbers that a filter can compare."""

import re
import unicodedata
from collections.abc import Sequence

import pyarrow as pa

_CODE = re.compile(
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|MYR|"
    "NOK|NZD|PHP|PLN|RON|RSD|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR|"
    r"KR|KČ|RS|RM|FT|LEI|ZŁ|R\$|US\$|A\$|C\$|HK\$"
)
"""Codes of ISO 4217 and signs in letters, in capitals and without dots."""

_NUMBER = re.compile(r"\d[\d.,'’\s]*")


def with_prices_as_numbers(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Make columns of text that hold prices of one currency columns of float64.

    A column is one of prices where every cell is a number with a sign of currency, or without,
    and one at least has such a sign. Returns the table, and a note for each column of prices.
    """
    columns, notes = {}, []
    for name in table.column_names:
        column = table[name]
        prices = _prices(column.to_pylist()) if pa.types.is_string(column.type) else None
        if isinstance(prices, str):
            notes.append(f"column {name}: {prices}")
        elif prices is not None:
            currency, numbers = prices
            column = pa.array(numbers, pa.float64())
            notes.append(f"column {name}: prices in {currency}, read as numbers")
        columns[name] = column
    return pa.table(columns), notes


def _prices(cells: Sequence[str | None]) -> tuple[str, list[float | None]] | str | None:
    """Return the currency and the numbers, why prices stay text, or None for no prices."""
    parts: list[tuple[str, str, str] | None] = []
    currencies: dict[str, None] = {}
    for cell in cells:
        part = _parts(cell) if cell else None
        if cell and part is None:
            return None
        if part is not None and part[2]:
            currencies[part[2]] = None
        parts.append(part)
    if not currencies:
        return None
    if len(currencies) > 1:
        return f"prices in {', '.join(list(currencies)[:3])}: several currencies stay text"
    marks = {mark for part in parts if part is not None for mark in _decimal_marks(part[1])}
    if len(marks) > 1:
        return "prices with a comma and with a point before the cents stay text"
    mark = next(iter(marks), "")
    numbers = [None if part is None else _number(part[0], part[1], mark) for part in parts]
    return next(iter(currencies)), numbers


def _parts(cell: str) -> tuple[str, str, str] | None:
    """Return a price's minus or a blank, its digits with their marks, and its currency."""
    found = _NUMBER.search(cell)
    if found is None:
        return None
    digits = found[0].rstrip()
    before, after = cell[: found.start()], cell[found.start() + len(digits) :]
    minus = "-" if "-" in before or "−" in before else ""
    # Swiss and Indian shops write 50.- and 649/- where there are no cents.
    sign = re.sub(r"[-−–/\s]", "", before + after).upper().strip(".")
    if sign and not _CODE.fullmatch(sign) and not all(map(_is_currency_sign, sign)):
        return None
    return minus, re.sub(r"\s", "", digits).rstrip(".,"), sign


def _is_currency_sign(letter: str) -> bool:
    return unicodedata.category(letter) == "Sc"


def _decimal_marks(digits: str) -> set[str]:
    """Return the mark before a number's cents, as far as the number tells.

    >>> _decimal_marks("1.299,00"), _decimal_marks("49.5"), _decimal_marks("1,299")
    ({','}, {'.'}, set())
    """
    if "." in digits and "," in digits:
        return {max(".,", key=digits.rfind)}
    found = re.fullmatch(r"[^.,]*([.,])(\d+)", digits)
    return {found[1]} if found is not None and len(found[2]) != 3 else set()


def _number(minus: str, digits: str, mark: str) -> float:
    """Read digits of which `mark` stands before the cents and every other mark groups."""
    whole, _, cents = digits.partition(mark) if mark else (digits, "", "")
    return float(f"{minus}{re.sub(r'[^0-9]', '', whole)}.{re.sub(r'[^0-9]', '', cents) or 0}")
