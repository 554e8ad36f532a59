"""Prices as shops write them become numbers that a filter can compare, or stay as they are."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashionnet.repository.prices import with_prices_as_numbers


def read(cells):
    table, notes = with_prices_as_numbers(pa.table({"price": pa.array(cells, pa.string())}))
    return table["price"].to_pylist(), notes


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["€ 1.299,00", "€ 49,90", None], [1299.0, 49.9, None]),
        (["$1,299.00", "$5"], [1299.0, 5.0]),
        (["Rs. 649", "1,299"], [649.0, 1299.0]),
        (["1 299,00 zł", "1\u202f299 zł"], [1299.0, 1299.0]),
        (["1'299.50 CHF", "20.- CHF"], [1299.5, 20.0]),
        (["₹ 1,20,000/-"], [120000.0]),
        (["-5 €"], [-5.0]),
        (["US$ 1.299.000"], [1299000.0]),
    ],
)
def test_prices_of_one_currency_are_numbers(cells, numbers):
    found, notes = read(cells)
    assert found == numbers
    assert len(notes) == 1 and "read as numbers" in notes[0]


@pytest.mark.parametrize(
    ("cells", "notes"),
    [
        (["$5", "€5"], 1),
        (["€ 1,50", "€ 1.50"], 1),
        (["5", "6,50"], 0),
        (["10 cm", "4 cm"], 0),
        (["€ 5 - 10"], 0),
        (["€ 5", "on request"], 0),
        (["M 40", "L 42"], 0),
        ([None, None], 0),
        (["€"], 0),
    ],
)
def test_what_is_no_price_of_one_currency_stays_text(cells, notes):
    found, said = read(cells)
    assert found == cells and len(said) == notes


@given(
    st.lists(st.integers(0, 10**9), min_size=1),
    st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]),
    st.sampled_from(["€ {}", "{} €", "${}", "EUR {}", "{} kr"]),
)
def test_what_was_written_with_cents_is_read_back(cents, marks, form):
    group, decimal = marks
    cells = [
        form.format(f"{c // 100:,}".replace(",", group) + f"{decimal}{c % 100:02}") for c in cents
    ]
    assert read(cells)[0] == pytest.approx([c / 100 for c in cents])
