"""`python -m fashionnet outfits`: what completes an outfit, and whole outfits around an item."""

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashionnet.errors import RequestError
from fashionnet.locations import location
from fashionnet.samples.shipped import SAMPLE_REPOSITORY, with_drawn_photos
from fashionnet.text import plain

if TYPE_CHECKING:
    from fashionnet.compatibility.outfit_catalogue import OutfitCatalogue
    from fashionnet.compatibility.outfit_report import Suggestion
    from fashionnet.compatibility.subspaces import SubspaceModel, SubspaceScorer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `outfits` takes."""
    parser.add_argument("items", nargs="+", metavar="ITEM_ID", help="what is worn already")
    parser.add_argument(
        "--repository",
        type=location,
        default=SAMPLE_REPOSITORY,
        help="what build_repository.py built (default: the drawn sample catalogue)",
    )
    parser.add_argument(
        "--outfits",
        type=Path,
        required=True,
        metavar="DIR",
        help="a model of outfits, as train-outfits writes it",
    )
    parser.add_argument(
        "--category-column",
        required=True,
        metavar="COLUMN",
        help="the column of the catalogue that says what an item is, such as subCategory",
    )
    parser.add_argument(
        "--category",
        action="append",
        default=[],
        metavar="NAME",
        help="a category to add an item of; may be given again (default: every category that "
        "the model knows and no given item has)",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="whole outfits with an item of each category, instead of the best of each category",
    )
    parser.add_argument(
        "--top",
        type=int,
        default=5,
        metavar="N",
        help="how many items of each category, or how many outfits (default: 5)",
    )
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        help="only items whose metadata meet this, for example \"gender = 'Women'\"",
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="SUM",
        help="what the added items may cost together",
    )
    parser.add_argument(
        "--price-column", default="price", metavar="COLUMN", help="(default: price)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="also write an HTML page, a contact sheet (.png, .jpg) or data (.csv, .json)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Search, print and write; returns the exit code."""
    from fashionnet.compatibility.outfit_catalogue import OutfitCatalogue
    from fashionnet.compatibility.outfit_items import OutfitItems, item_inputs
    from fashionnet.compatibility.outfit_report import assemble
    from fashionnet.compatibility.outfit_search import weakest_pair
    from fashionnet.compatibility.subspaces import SubspaceModel, SubspaceScorer
    from fashionnet.progress import progress
    from fashionnet.report import print_table, require_known_output, write_report
    from fashionnet.report.content import score_text
    from fashionnet.repository.store import Repository
    from fashionnet.similarity.neighbours import check_top

    check_top(arguments.top)
    if arguments.budget is not None and not 0 <= arguments.budget < math.inf:
        raise RequestError(f"--budget {arguments.budget:g}: expected a sum of 0 or more")
    if arguments.output:
        require_known_output(arguments.output)
    repository = Repository.open(arguments.repository)
    model = SubspaceModel.load(arguments.outfits)
    if model.network != repository.model_fingerprint:
        raise RequestError(
            f"outfit model {arguments.outfits} was trained on what model {model.network} says, "
            f"repository {arguments.repository} was built with model "
            f"{repository.model_fingerprint}: train it again on this repository"
        )
    catalogue = OutfitCatalogue.read(
        repository,
        arguments.items,
        arguments.category_column,
        arguments.category,
        model.categories,
        arguments.where,
        None if arguments.budget is None else arguments.price_column,
    )
    _say_what_is_odd(catalogue, model, arguments.price_column)
    items = catalogue.items
    from_samples = arguments.repository.resolve() == SAMPLE_REPOSITORY.resolve()
    if from_samples and model.input == "features":
        items = with_drawn_photos(items, range(len(items)))
    with progress("looking at colours", len(items)) as advance:
        inputs = item_inputs(items, model.input, advance)
    scorer = SubspaceScorer(model, OutfitItems(items.ids, catalogue.categories, inputs))
    if arguments.whole:
        suggestions, outfits = _whole(arguments, scorer, catalogue)
    else:
        suggestions, outfits = _by_category(arguments, scorer, catalogue), []
    given = catalogue.given.tolist()
    how = "with " + ", ".join(plain(items.ids[row]) for row in given)
    if arguments.budget is not None:
        how += f", for {arguments.budget:g} at most"
    if len(given) > 1:
        weakest = weakest_pair(scorer, given)
        one, two = (plain(items.ids[row]) for row in weakest.rows)
        how += f"; weakest pair {one} and {two} ({score_text(weakest.score)})"
    if from_samples and arguments.output:
        items = with_drawn_photos(items, [*given, *(one.row for one in suggestions)])
    how += "; fit runs from -1 to 1, and what is worn together has more"
    metadata = repository.metadata([items.ids[one.row] for one in suggestions])
    candidates = sum(len(rows) for rows in catalogue.slots.values())
    report = assemble(
        items, given, suggestions, metadata, how, arguments.where, candidates, outfits
    )
    print_table(report)
    if arguments.output:
        write_report(report, arguments.output)
        print(f"written: {arguments.output}")
    return 0


def _say_what_is_odd(
    catalogue: "OutfitCatalogue", model: "SubspaceModel", price_column: str
) -> None:
    from fashionnet.text import counted

    own = {catalogue.categories[row] for row in catalogue.given.tolist()}
    for name in sorted({*catalogue.slots, *own} - set(model.categories)):
        what = plain(name) or "item without a category"
        print(
            f"note: the outfit model has seen no {what}: it judges them by what it learned of "
            "others",
            file=sys.stderr,
        )
    if catalogue.without_price:
        items = counted(catalogue.without_price, "item")
        print(f"note: {items} without a {plain(price_column)}: left out", file=sys.stderr)


def _by_category(
    arguments: argparse.Namespace, scorer: "SubspaceScorer", catalogue: "OutfitCatalogue"
) -> "list[Suggestion]":
    from fashionnet.compatibility.outfit_report import Suggestion
    from fashionnet.compatibility.outfit_search import best_of_category

    suggestions = []
    for category, rows in catalogue.slots.items():
        if catalogue.prices is not None:
            rows = rows[catalogue.prices[rows] <= arguments.budget]
            if not len(rows):
                raise RequestError(
                    f"--budget {arguments.budget:g}: cannot be met: no {category} costs as little"
                )
        found, scores = best_of_category(scorer, catalogue.given, rows, arguments.top)
        for row, score in zip(found.tolist(), scores.tolist(), strict=True):
            suggestions.append(
                Suggestion(row, score, f"{plain(category)}{_price_text(catalogue, row)}")
            )
    return suggestions


def _whole(
    arguments: argparse.Namespace, scorer: "SubspaceScorer", catalogue: "OutfitCatalogue"
) -> "tuple[list[Suggestion], list[dict[str, Any]]]":
    import numpy as np

    from fashionnet.compatibility.outfit_report import Suggestion
    from fashionnet.compatibility.outfit_search import assemble_outfits
    from fashionnet.report.content import score_text

    outfits = assemble_outfits(
        scorer,
        catalogue.given,
        catalogue.slots,
        arguments.top,
        catalogue.prices,
        arguments.budget,
    )
    ids = catalogue.items.ids
    suggestions, documents = [], []
    for number, outfit in enumerate(outfits, start=1):
        rows = (*outfit.given, *outfit.added)
        # Ids are too long to be read here; data that is written holds them.
        worst = [plain(catalogue.categories[row]) for row in outfit.weakest.rows]
        weakest = f"weakest: {', '.join(worst)} ({score_text(outfit.weakest.score)})"
        for category, row in zip(catalogue.slots, outfit.added, strict=True):
            others = np.array([other for other in rows if other != row])
            fit = float(scorer.pair_scores(np.full(len(others), row), others).mean())
            reason = f"outfit {number}, {plain(category)}{_price_text(catalogue, row)}, {weakest}"
            suggestions.append(Suggestion(row, fit, reason))
        documents.append(
            {
                "items": [ids[row] for row in rows],
                "score": round(outfit.score, 6),
                "price": outfit.price,
                "weakest_pair": [ids[row] for row in outfit.weakest.rows],
                "weakest_score": round(outfit.weakest.score, 6),
            }
        )
    return suggestions, documents


def _price_text(catalogue: "OutfitCatalogue", row: int) -> str:
    return "" if catalogue.prices is None else f" for {catalogue.prices[row]:g}"
