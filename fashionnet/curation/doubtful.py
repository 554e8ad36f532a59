"""Labels that a quickly trained head, which never saw them, does not believe."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.findings import Finding
from fashionnet.curation.looks import Looks
from fashionnet.curation.pile import Pile
from fashionnet.schema import RELEVANCE, Schema

FOLDS = 5
STRENGTH = 0.01
"""The inverse of the strength of regularisation of a quick head."""


def can_doubt() -> bool:
    """Return whether what confident learning needs is installed."""
    return importlib.util.find_spec("cleanlab") is not None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What quick heads say of photos that they were not trained on.

    Attributes:
        rows: intp (M,): the photos, of N.
        codes: intp (M,): their labels, from 0 to C - 1 without a gap.
        classes: int (C,): the codes that those stand for.
        probabilities: float32 (M, C).
    """

    rows: NDArray[np.intp]
    codes: NDArray[np.intp]
    classes: NDArray[np.integer]
    probabilities: NDArray[np.float32]


def held_out_predictions(
    embeddings: NDArray[np.floating],
    codes: NDArray[np.integer],
    groups: NDArray[np.integer],
    seed: int = 0,
) -> HeldOut | None:
    """Train a quick head on four fifths of the labelled photos and ask it about the last, in turn.

    A quick head is a logistic regression on standardised embeddings. Photos of one group are
    never on both sides. Classes with fewer than FOLDS groups are passed over.

    Args:
        embeddings: (N, E).
        codes: int (N,), -1 = unknown.
        groups: int (N,).
        seed: of the folds.

    Returns None where fewer than two classes remain.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = np.flatnonzero(codes >= 0)
    classes = np.array(
        [code for code in np.unique(codes[known]) if len(np.unique(groups[codes == code])) >= FOLDS]
    )
    if len(classes) < 2:
        return None
    rows = known[np.isin(codes[known], classes)]
    labels = np.searchsorted(classes, codes[rows])
    features = embeddings[rows].astype(np.float32)
    probabilities = np.zeros((len(rows), len(classes)), np.float32)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(features, labels, groups[rows]):
        head = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=200))
        head.fit(features[train], labels[train])
        probabilities[np.ix_(test, head.classes_)] = head.predict_proba(features[test])
    return HeldOut(rows, labels, classes, probabilities)


def doubtful_rows(held_out: HeldOut) -> NDArray[np.intp]:
    """Return which of M labels are probably wrong, the least believed first: places in `rows`.

    Confident learning (Northcutt et al., 2021): how often which class is labelled as which other
    is estimated from the held-out predictions, and so many of the least believed are returned.
    """
    from cleanlab.filter import find_label_issues

    return np.asarray(
        find_label_issues(
            held_out.codes,
            held_out.probabilities,
            return_indices_ranked_by="self_confidence",
            n_jobs=1,
        ),
        np.intp,
    )


def doubtful_labels(
    pile: Pile, looks: Looks, groups: NDArray[np.int64], schema: Schema
) -> Iterator[Finding]:
    """Yield the labels that are probably wrong, with the class that a quick head says instead.

    The score is 1 less the probability that held-out prediction gives to the label.
    """
    for attribute in pile.labels:
        classes = ("no", "yes") if attribute == RELEVANCE else schema[attribute].classes
        codes = np.where(looks.readable, pile.codes(attribute, classes), -1)
        held_out = held_out_predictions(looks.embeddings, codes, groups)
        if held_out is None:
            continue
        for place in doubtful_rows(held_out):
            shares = held_out.probabilities[place]
            said = classes[held_out.classes[shares.argmax()]]
            name = classes[held_out.classes[held_out.codes[place]]]
            yield Finding(
                pile.names[held_out.rows[place]],
                "doubtful label",
                1 - float(shares[held_out.codes[place]]),
                f"{attribute}={said}",
                0,
                False,
                f"{attribute} is labelled {name}; a head trained on other photos says {said} "
                f"({shares.max():.2f})",
            )
