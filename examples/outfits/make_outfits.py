"""Make outfits of the drawn sample catalogue by a rule, to try train-outfits and outfits with.

    PYTHONPATH=. python examples/outfits/make_outfits.py > examples/outfits/outfits.csv

A shirt or a top is worn under a sweater or a blazer of the same pattern. Nobody wore them.
"""

import csv
import sys

import numpy as np

from fashionnet.repository.store import Repository
from fashionnet.samples.shipped import SAMPLE_REPOSITORY

BELOW, ABOVE = ("Shirts", "Tops"), ("Sweaters", "Blazers")
OUTFITS = 300


def main() -> None:
    """Print the table."""
    random = np.random.default_rng(0)
    repository = Repository.open(SAMPLE_REPOSITORY)
    items = repository.items()
    ids = items.ids
    pattern = {name: items.vectors.classes(row)[0] for row, name in enumerate(ids)}
    rows = dict(zip(ids, repository.metadata(ids), strict=True))
    below = [name for name in ids if rows[name]["articleType"] in BELOW]
    pairs = [
        (one, two)
        for one in below
        for two in ids
        if rows[two]["articleType"] in ABOVE and pattern[one] == pattern[two]
    ]
    chosen = random.choice(len(pairs), OUTFITS, replace=False)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["outfit", "item"])
    for number, place in enumerate(sorted(chosen.tolist())):
        writer.writerows([number, item] for item in pairs[place])


if __name__ == "__main__":
    main()
