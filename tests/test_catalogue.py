"""Where items come from: folders, tables with broken rows, and names that must not be trusted."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashionnet.errors import RequestError
from fashionnet.repository.catalogue import column_names, read_catalogue


def save_photo(path: Path, colour=(200, 30, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), colour, np.uint8)).save(path)
    return path


@pytest.fixture
def shop(tmp_path):
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        save_photo(tmp_path / "shop" / "images" / name)
    return tmp_path / "shop"


def write(path: Path, text: str, encoding="utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def reasons(catalogue) -> dict[str, str]:
    return {row.image: row.reason for row in catalogue.left_out}


def test_a_folder_names_its_items_by_their_paths(shop):
    catalogue = read_catalogue(shop)
    assert catalogue.ids == ["images/1", "images/2", "images/3"]
    assert catalogue.photos == ["images/1.jpg", "images/2.jpg", "images/3.jpg"]
    assert catalogue.root == shop
    assert catalogue.metadata.num_columns == 0


def test_spaces_and_other_scripts_in_names(tmp_path):
    save_photo(tmp_path / "új kép" / "лето 100% 'мода'.jpg")
    assert read_catalogue(tmp_path).ids == ["új kép/лето 100% 'мода'"]


def test_photos_that_differ_by_their_suffix_alone_are_all_kept(shop):
    save_photo(shop / "images" / "1.png")
    save_photo(shop / "images" / "2.jpg.png")
    names = ["images/1.jpg", "images/1.png", "images/2", "images/2.jpg.png", "images/3"]
    catalogue = read_catalogue(shop)
    assert (sorted(catalogue.ids), reasons(catalogue)) == (names, {})
    for lines in (sorted(catalogue.photos), sorted(catalogue.photos)[::-1]):
        table = write(shop / "items.csv", "\n".join(["image", *lines]))
        listed = read_catalogue(table)
        assert (sorted(listed.ids), reasons(listed)) == (names, {})


def test_metadata_joins_by_file_name(shop):
    styles = write(
        shop / "styles.csv", "id,year,articleType\n2,2012,Tops\n1,2011,Shirts\n9,2010,Hats\n"
    )
    catalogue = read_catalogue(shop, styles)
    assert catalogue.metadata.to_pydict() == {
        "year": [2011, 2012, None],
        "articleType": ["Shirts", "Tops", None],
    }
    assert catalogue.notes == [
        "styles.csv: rows without a photo: 1, such as 9",
        "styles.csv: photos without a row: 1",
    ]


def test_metadata_that_matches_nothing_is_refused(shop):
    with pytest.raises(RequestError, match="none of its rows names a photo"):
        read_catalogue(shop, write(shop / "styles.csv", "id,year\nx,2012\n"))
    with pytest.raises(RequestError, match="no column id or image among sku, year"):
        read_catalogue(shop, write(shop / "styles.csv", "sku,year\n1,2012\n"))


def test_unquoted_commas_in_the_last_text_are_put_together_again(shop):
    styles = write(
        shop / "styles.csv",
        "id,gender,productDisplayName\n"
        "1,Men,Blue Shirt With Checks\n"
        "2,Women,Red Top, Long, Striped\n"
        "3,Men\n",
    )
    catalogue = read_catalogue(shop, styles)
    assert catalogue.metadata["productDisplayName"].to_pylist() == [
        "Blue Shirt With Checks",
        "Red Top, Long, Striped",
        None,
    ]
    assert "broken rows, not used: 1, the first at line 4: 2 fields" in catalogue.notes[0]


def test_rows_too_long_are_left_out_where_no_text_ends_them(shop):
    table = write(
        shop / "items.csv", "image,name,gender\nimages/1.jpg,Top,Men\nimages/2.jpg,Top, long,Men\n"
    )
    catalogue = read_catalogue(table)
    assert catalogue.ids == ["images/1"]
    assert reasons(catalogue) == {"items.csv line 3": "4 fields where the header has 3"}


def test_a_stray_quote_costs_one_row_at_most(shop):
    table = write(
        shop / "items.csv",
        'image,name\nimages/1.jpg,"Shirt\nimages/2.jpg,"Top"\nimages/3.jpg,"a ""b"", c"\n',
    )
    catalogue = read_catalogue(table)
    assert catalogue.ids == ["images/1", "images/2", "images/3"]
    assert catalogue.metadata["name"].to_pylist() == ['"Shirt', "Top", 'a "b", c']


def test_a_quoted_line_break_belongs_to_its_cell(shop):
    table = write(shop / "items.csv", 'image,name\nimages/1.jpg,"two\nlines"\nimages/2.jpg,x\n')
    assert read_catalogue(table).metadata["name"].to_pylist() == ["two\nlines", "x"]


def test_a_cell_of_any_length_costs_no_other_row(shop):
    long, longer = "x" * 200_000, "y" * 2_000_000
    table = write(
        shop / "items.csv",
        f"image,name\nimages/1.jpg,{long}\nimages/2.jpg,{longer}\nimages/3.jpg,short\n",
    )
    catalogue = read_catalogue(table)
    assert catalogue.ids == ["images/1", "images/3"]
    assert catalogue.metadata["name"].to_pylist() == [long, "short"]
    (reason,) = reasons(catalogue).values()
    assert reason.endswith("at most 1,048,576 are read")
    header = write(shop / "header.csv", f"image,{longer}\nimages/1.jpg,x\n")
    with pytest.raises(RequestError, match="no header found: line of"):
        read_catalogue(header)


def text_that_is_not_utf8():
    data = pa.array([b"images/\xff.jpg", b"images/2.jpg"], pa.binary())
    return pa.Array.from_buffers(pa.string(), 2, data.buffers())


@pytest.mark.parametrize(
    "column",
    [
        text_that_is_not_utf8(),
        pa.array([b"\xff", b"x"], pa.binary_view()),
        pa.array([b"\xff", b"x"], pa.binary(1)),
    ],
    ids=["not UTF-8", "binary view", "fixed-size binary"],
)
def test_columns_of_parquet_that_cannot_be_converted_are_not_kept(shop, column):
    images = pa.array(["images/1.jpg", "images/2.jpg"])
    pq.write_table(pa.table({"image": images, "raw": column}), shop / "items.parquet")
    catalogue = read_catalogue(shop / "items.parquet")
    assert catalogue.ids == ["images/1", "images/2"]
    assert catalogue.metadata.num_columns == 0
    (note,) = catalogue.notes
    assert note.startswith("column raw of items.parquet holds") and note.endswith("not kept")
    for table in ({"image": column}, {"image": images, "id": column}):
        pq.write_table(pa.table(table), shop / "items.parquet")
        with pytest.raises(RequestError, match=r"column i.* holds .*: write it as text"):
            read_catalogue(shop / "items.parquet")


def test_json_nested_at_the_edge_of_what_can_be_read_is_no_traceback(shop):
    for depth in range(900, 1000, 3):
        deep = "[" * depth + "]" * depth
        lines = f'{{"image": "images/1.jpg", "x": {deep}}}\n{{"image": "images/2.jpg"}}\n'
        assert "images/2" in read_catalogue(write(shop / "items.jsonl", lines)).ids


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings(shop, encoding):
    table = write(shop / "items.csv", "image,name\nimages/1.jpg,Café à l'été\n", encoding)
    catalogue = read_catalogue(table)
    assert catalogue.metadata.to_pydict() == {"name": ["Café à l'été"]}
    assert bool(catalogue.notes) == (encoding == "cp1252")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(shop, delimiter):
    table = write(shop / "items.csv", "image,year\nimages/1.jpg,2011\n".replace(",", delimiter))
    assert read_catalogue(table).metadata.to_pydict() == {"year": [2011]}


def test_numbers_stay_numbers_and_names_that_look_like_numbers_stay_text(shop):
    table = write(
        shop / "items.csv",
        "image,year,price,mixed,code,barcode,blank\n"
        "images/1.jpg,2011,9.5,1,007,12345678901234567890123,\n"
        "images/2.jpg,,10,two,012,12345678901234567890124,\n",
    )
    assert read_catalogue(table).metadata.to_pydict() == {
        "year": [2011, None],
        "price": [9.5, 10.0],
        "mixed": ["1", "two"],
        "code": ["007", "012"],
        "barcode": ["12345678901234567890123", "12345678901234567890124"],
        "blank": [None, None],
    }


def test_json_lines_with_broken_rows(shop):
    lines = [
        json.dumps({"image": "images/1.jpg", "id": 7, "price": 1, "tags": ["a", "b"]}),
        '{"image": "images/2.jpg", ',
        '"images/2.jpg"',
        "[" * 100_000,
        '{"image": "images/2.jpg", "id": "\\ud800x", "price": NaN, "extra": 3}',
    ]
    catalogue = read_catalogue(write(shop / "items.jsonl", "\n".join(lines)))
    assert catalogue.ids == ["7", "?x"]
    assert catalogue.metadata.to_pydict() == {
        "price": [1.0, None],
        "tags": ['["a", "b"]', None],
        "extra": [None, 3],
    }
    assert reasons(catalogue) == {
        f"items.jsonl line {line}": "not a JSON object" for line in (2, 3, 4)
    }


def test_parquet(shop):
    table = pa.table(
        {
            "image": ["images/1.jpg", None, "images/2.jpg"],
            "id": pa.array([1, 2, 3], pa.int16()),
            "kind": pa.array(["a", "a", "b"]).dictionary_encode(),
            "price": pa.array([1.5, 2.5, float("nan")], pa.float32()),
            "day": pa.array([0, 1, 2], pa.date32()),
            "raw": pa.array([b"1", b"2", b"3"]),
        }
    )
    pq.write_table(table, shop / "items.parquet")
    catalogue = read_catalogue(shop / "items.parquet")
    assert catalogue.ids == ["1", "3"]
    assert catalogue.metadata.to_pydict() == {
        "kind": ["a", "b"],
        "price": [1.5, None],
        "day": ["1970-01-01", "1970-01-03"],
    }
    assert reasons(catalogue) == {"items.parquet line 2": "no photo named in column image"}
    assert catalogue.notes == ["column raw of items.parquet holds binary: not kept"]


def test_a_table_cannot_name_photos_outside_its_folder(shop, tmp_path):
    secret = save_photo(tmp_path / "secret.jpg")
    (shop / "link.jpg").symlink_to(secret)
    (shop / "folder").symlink_to(tmp_path)
    names = [
        "../secret.jpg",
        "images/../../secret.jpg",
        str(secret),
        "link.jpg",
        "folder/secret.jpg",
        "https://example.org/1.jpg",
        "images/\u0000.jpg",
        "x" * 300,
        ".",
    ]
    lines = [json.dumps({"image": name}) for name in [*names, str(shop / "images" / "1.jpg")]]
    catalogue = read_catalogue(write(shop / "items.jsonl", "\n".join(lines)))
    assert [photo for photo in catalogue.photos if len(photo) < 300] == ["images/1.jpg"]
    given = reasons(catalogue)
    assert {given[name] for name in names[:5]} == {
        "lies outside the folder of the file that names it"
    }
    assert "web address" in given["https://example.org/1.jpg"]
    assert not any("secret" in photo for photo in catalogue.photos)


def test_ids_of_a_table(shop):
    table = write(
        shop / "items.csv",
        "ID,Image,name\na,images/1.jpg,x\na,images/2.jpg,y\n,images/3.jpg,z\nb'c,images/3.jpg,z\n",
    )
    catalogue = read_catalogue(table)
    assert catalogue.ids == ["a", "b'c"]
    assert reasons(catalogue) == {
        "images/2.jpg": "id a is taken by images/1.jpg",
        "images/3.jpg": "no id",
    }


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "rows"])
def test_an_item_is_shown_by_the_first_of_its_photos_that_is_there(shop, form):
    photos = {"a": ["images/gone.jpg", "images/1.jpg"], "b": ["images/2.jpg", "images/3.jpg"]}
    table = shop / f"items.{'csv' if form == 'rows' else form}"
    if form == "csv":
        write(table, "id,image\n" + "".join(f"{i},{' | '.join(p)}\n" for i, p in photos.items()))
    elif form == "rows":
        write(table, "id,image\n" + "".join(f"{i},{q}\n" for i, p in photos.items() for q in p))
    elif form == "jsonl":
        lines = (json.dumps({"id": i, "image": p}) for i, p in photos.items())
        write(table, "\n".join(lines))
    else:
        pq.write_table(pa.table({"id": list(photos), "image": list(photos.values())}), table)
    catalogue = read_catalogue(table)
    assert (catalogue.ids, catalogue.photos) == (["a", "b"], ["images/1.jpg", "images/2.jpg"])
    assert catalogue.left_out == []
    assert catalogue.notes == ["further photos of items, not used: 2"]


def test_a_comma_in_a_photo_s_name_parts_nothing(shop):
    save_photo(shop / "red, long.jpg")
    assert read_catalogue(write(shop / "items.jsonl", '{"image": "red, long.jpg"}')).photos == [
        "red, long.jpg"
    ]


def test_the_same_item_under_two_numbers_becomes_one(shop):
    lines = ["id,image,name", "1,images/1.jpg,Top", "2,images/1.jpg,Top", "3,images/1.jpg,Skirt"]
    catalogue = read_catalogue(write(shop / "items.csv", "\n".join(lines)))
    assert catalogue.ids == ["1", "3"]
    assert reasons(catalogue) == {"images/1.jpg": "the same item as 1: the same photo and cells"}


def test_prices_can_be_compared(shop):
    table = write(shop / "items.csv", 'image,price\nimages/1.jpg,"€ 1.299,00"\nimages/2.jpg,€ 5\n')
    catalogue = read_catalogue(table)
    assert catalogue.metadata["price"].to_pylist() == [1299.0, 5.0]
    assert catalogue.notes == ["column price: prices in €, read as numbers"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "no header found"),
        ("header.csv", b"image,name\n", "no row found"),
        ("no_image.csv", b"id,name\n1,x\n", "no column image among id, name"),
        ("picture.csv", bytes(range(256)) * 20, "no column image|no header"),
        ("nothing.jsonl", b"\n\n", "no row found"),
        ("array.json", b'[{"image": "1.jpg"}]', "no row found"),
        ("text.parquet", b"image,name\n", "not a Parquet file"),
        ("table.xlsx", b"PK", "expected a file ending in"),
        ("wide.csv", b"," * 1000 + b"\n", "no header|at most 500"),
        ("wide2.csv", b"a," * 1000 + b"\n", "at most 500"),
    ],
)
def test_files_that_are_no_catalogue(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        read_catalogue(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_sources_that_are_no_catalogue(tmp_path, shop):
    with pytest.raises(RequestError, match="no such file or folder"):
        read_catalogue(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="no photo found"):
        read_catalogue(tmp_path / "empty")
    table = write(shop / "items.csv", "image\nimages/1.jpg\n")
    with pytest.raises(RequestError, match="whose own columns are the metadata"):
        read_catalogue(table, table)
    with pytest.raises(RequestError, match=r"nowhere\.csv: no such file"):
        read_catalogue(shop, tmp_path / "nowhere.csv")


def test_columns_get_names_that_a_filter_can_spell():
    given = ["Base Colour", "base-colour", "id", "pattern", "2nd", "select", "_x", "цвет", "", "¿"]
    assert column_names(given, {"id", "pattern"}) == {
        "Base Colour": "Base_Colour",
        "base-colour": "base_colour_2",
        "id": "catalogue_id",
        "pattern": "catalogue_pattern",
        "2nd": "catalogue_2nd",
        "select": "catalogue_select",
        "_x": "catalogue_x",
        "цвет": "цвет",
        "": "catalogue_",
        "¿": "catalogue__2",
    }


@given(st.lists(st.text(max_size=12), unique=True, max_size=12))
@settings(max_examples=100, deadline=None)
def test_column_names_never_clash(names):
    reserved = {"id", "photo", "pattern"}
    new = list(column_names(names, reserved).values())
    assert len({name.lower() for name in new} | reserved) == len(names) + len(reserved)
    assert all(name.replace("_", "a").isalnum() and name[0].isalpha() for name in new)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1),
            st.integers(-(10**17), 10**17),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=50, deadline=None)
def test_a_written_table_is_read_back(tmp_path_factory, rows):
    import csv

    folder = tmp_path_factory.mktemp("shop")
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "id", "text", "number"])
        writer.writerows(
            [f"{row}.jpg", f"n{row}", text + "x", n] for row, (text, n) in enumerate(rows)
        )
    catalogue = read_catalogue(folder / "items.csv")
    assert catalogue.metadata["number"].to_pylist() == [number for _, number in rows]
    read_back = [text.split() for text in catalogue.metadata["text"].to_pylist()]
    assert read_back == [(text + "x").split() for text, _ in rows]
