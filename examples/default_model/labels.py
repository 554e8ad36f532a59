"""Write the labels that the default model is trained on, as one CSV.

    python examples/default_model/labels.py --data ../shared/data --output labels.csv

Every row of the data's attributes.csv is taken as it is. To these come photos that show no
upper-body garment or dress, with `relevant` no and no attributes: what the catalogue and the
people's photos hold besides. Underwear, nightwear and whatever of the upper-body categories has
no label is left out: what is not known is not taught.
"""

import argparse
import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path

from fashionnet.files import write_whole

ATTRIBUTES = ("pattern", "fabric", "style", "shape")
COLUMNS = ("image", "relevant", *ATTRIBUTES, "sender_id")

RELEVANT_OR_UNCERTAIN = frozenset(
    ("Topwear", "Dress", "Saree", "Apparel Set", "Innerwear", "Loungewear and Nightwear")
)
"""Subcategories of the catalogue's Apparel that must not be taught as not relevant."""

IRRELEVANT_CATEGORIES = frozenset(("pants", "shoes", "shorts", "hat", "skirt"))
"""Categories of people's photos that are neither upper-body garments nor dresses."""

Row = dict[str, str]


def read_table(path: Path) -> list[Row]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def labelled_rows(data: Path) -> Iterator[Row]:
    """Yield the rows of attributes.csv, with the sender of people's photos."""
    senders = {row["image"]: row["sender_id"] for row in read_table(data / "photos.csv")}
    for row in read_table(data / "attributes.csv"):
        yield {**row, "sender_id": senders.get(row["image"], "")}


def irrelevant_rows(data: Path) -> Iterator[Row]:
    """Yield a row for each photo that by its category shows nothing the schema describes."""
    for item in read_table(data / "catalogue" / "styles.csv"):
        apparel = item["masterCategory"] == "Apparel"
        if not (apparel and item["subCategory"] in RELEVANT_OR_UNCERTAIN):
            yield {"image": f"catalogue/images/{item['id']}.jpg", "relevant": "no"}
    for photo in read_table(data / "photos.csv"):
        if photo["category"] in IRRELEVANT_CATEGORIES:
            yield {
                "image": photo["image"],
                "relevant": "no",
                "sender_id": photo["sender_id"],
            }


def main() -> None:
    """Write the CSV and say how many rows of each kind it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, required=True, help="the CSV file to write")
    parser.add_argument(
        "--others", type=int, default=2000, help="how many photos of other things (default: 2000)"
    )
    arguments = parser.parse_args()
    if not (arguments.data / "attributes.csv").is_file():
        parser.error(f"{arguments.data}: no attributes.csv there; say where the data is")

    labelled = list(labelled_rows(arguments.data))
    known = {row["image"] for row in labelled}
    irrelevant = [row for row in irrelevant_rows(arguments.data) if row["image"] not in known]
    present = [row for row in irrelevant if (arguments.data / row["image"]).is_file()]
    chosen = random.Random(0).sample(present, min(arguments.others, len(present)))

    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(labelled + chosen)
    write_whole(arguments.output, table.getvalue().encode())
    print(
        f"{arguments.output}: {len(labelled)} labelled photos and {len(chosen)} photos of other "
        f"things; {len(irrelevant) - len(present)} rows without a photo were passed over"
    )


if __name__ == "__main__":
    main()
