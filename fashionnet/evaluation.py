"""Measure predictions against labels: figures with intervals, calibration, tables and plots."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashionnet.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CALIBRATION_BINS = 15
BOOTSTRAP_SAMPLES = 2000
TEMPERATURES = (0.2, 10.0)
"""Where a temperature is sought: few photos that are all predicted right would send it to 0."""

_NORMAL_975 = 1.959964


@dataclass(frozen=True)
class Interval:
    """A measured share and the ends of its 95% interval; the value is NaN where nothing counts."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the three numbers for JSON, NaN as None."""
        return {
            "value": None if math.isnan(self.value) else round(self.value, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
        }

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class ClassFigures:
    """What was measured of one class.

    Attributes:
        name: the class.
        support: photos labelled with it.
        precision: of those predicted as it, the share that is.
        recall: of those that are it, the share predicted as it.
    """

    name: str
    support: int
    precision: Interval
    recall: Interval


@dataclass(frozen=True, eq=False)
class AttributeFigures:
    """What was measured of one attribute with C classes.

    Attributes:
        count: photos with a label.
        accuracy: the share predicted right, with its Wilson interval.
        macro_f1: the mean F1 of the classes that have photos, with its bootstrap interval.
        calibration_error: the expected calibration error, 0 to 1.
        classes: the figures of each class, in the schema's order.
        confusion: int64 (C, C): photos by labelled class (row) and predicted class (column).
    """

    count: int
    accuracy: Interval
    macro_f1: Interval
    calibration_error: float
    classes: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]

    def to_dict(self) -> dict[str, object]:
        """Return everything as numbers, lists and dictionaries for JSON."""
        return {
            "count": self.count,
            "accuracy": self.accuracy.to_dict(),
            "macro_f1": self.macro_f1.to_dict(),
            "expected_calibration_error": round(self.calibration_error, 6),
            "classes": {
                figures.name: {
                    "support": figures.support,
                    "precision": figures.precision.to_dict(),
                    "recall": figures.recall.to_dict(),
                }
                for figures in self.classes
            },
            "confusion_matrix": self.confusion.tolist(),
        }


def evaluate_attribute(
    codes: ArrayLike, probabilities: NDArray[np.floating], classes: Sequence[str], seed: int = 0
) -> AttributeFigures:
    """Compare the labels of N photos with what was predicted of them.

    Args:
        codes: int (N,), the labelled classes; photos with a negative code are passed over.
        probabilities: float (N, C); the most probable class is the predicted one.
        classes: the names of the C classes.
        seed: of the bootstrap.

    Raises ValueError when shapes disagree or no photo has a label.
    """
    codes = np.asarray(codes, np.int64)
    if probabilities.shape != (len(codes), len(classes)):
        raise ValueError(
            f"{len(codes)} labels of {len(classes)} classes need probabilities of that shape, "
            f"not {probabilities.shape}"
        )
    known = codes >= 0
    codes, probabilities = codes[known], probabilities[known]
    if not len(codes):
        raise ValueError("no photo has a label")
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (codes, predicted), 1)
    right, labelled, answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return AttributeFigures(
        count=len(codes),
        accuracy=wilson_interval(int(right.sum()), len(codes)),
        macro_f1=_macro_f1_interval(confusion, seed),
        calibration_error=expected_calibration_error(probabilities.max(axis=1), predicted == codes),
        classes=tuple(
            ClassFigures(
                name,
                int(labelled[code]),
                wilson_interval(int(right[code]), int(answered[code])),
                wilson_interval(int(right[code]), int(labelled[code])),
            )
            for code, name in enumerate(classes)
        ),
        confusion=confusion,
    )


def wilson_interval(successes: int, count: int) -> Interval:
    """Return the share of successes with its 95% interval (Wilson, 1927).

    With p the share, n the count and z = 1.96, the interval is
    (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
    """
    if count == 0:
        return Interval(math.nan, 0.0, 1.0)
    share, square = successes / count, _NORMAL_975**2 / count
    middle = share + square / 2
    half = math.sqrt(square * share * (1 - share) + square**2 / 4)
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    # Rounding must not put an interval beside its value where all or none succeed.
    return Interval(share, min(max(low, 0.0), share), max(min(high, 1.0), share))


def macro_f1(confusion: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the mean F1 of the classes with photos, from confusion matrices (..., C, C).

    A class's F1 is 2·TP / (2·TP + FP + FN): twice its diagonal cell over the sum of its row and
    its column. A class without labelled photos does not enter the mean.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    labelled, answered = confusion.sum(axis=-1), confusion.sum(axis=-2)
    scores = 2 * right / np.maximum(labelled + answered, 1)
    present = labelled > 0
    return (scores * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)


def _macro_f1_interval(confusion: NDArray[np.int64], seed: int) -> Interval:
    # To draw photos with replacement is to draw the confusion matrix's cells from a multinomial.
    count = int(confusion.sum())
    draws = np.random.default_rng(seed).multinomial(
        count, confusion.ravel() / count, BOOTSTRAP_SAMPLES
    )
    samples = macro_f1(draws.reshape(-1, *confusion.shape))
    value = float(macro_f1(confusion))
    low, high = np.percentile(samples, [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))


def expected_calibration_error(
    confidences: NDArray[np.floating], right: NDArray[np.bool_]
) -> float:
    """Return how far confidence and accuracy lie apart: Σ over bins (n_b / N)·|acc_b − conf_b|.

    Photos go into 15 bins of equal width by the probability of their predicted class (Guo et
    al., 2017, "On Calibration of Modern Neural Networks").

    Args:
        confidences: (N,), the probability of each predicted class.
        right: bool (N,), whether the prediction was right.
    """
    bins = np.ceil(confidences * CALIBRATION_BINS).astype(int).clip(1, CALIBRATION_BINS) - 1
    gaps = np.bincount(bins, weights=right.astype(float) - confidences)
    return float(np.abs(gaps).sum() / len(confidences))


def fit_temperature(logits: NDArray[np.floating], codes: ArrayLike) -> float:
    """Return the temperature T for which softmax(logits / T) predicts the labels best.

    T minimises the mean negative log-likelihood (temperature scaling: Guo et al., 2017), which is
    convex in 1/T, so that halving an interval by the sign of the slope finds it. It is sought
    within TEMPERATURES, and is 1 where no photo has a label.

    Args:
        logits: float (N, C), what goes into the softmax.
        codes: int (N,), the labelled classes; photos with a negative code are passed over.
    """
    codes = np.asarray(codes, np.int64)
    logits = np.asarray(logits, np.float64)[codes >= 0]
    codes = codes[codes >= 0]
    if not len(codes):
        return 1.0
    logits = logits - logits.max(axis=1, keepdims=True)
    labelled = np.take_along_axis(logits, codes[:, None], axis=1)[:, 0]

    def slope(sharpness: float) -> float:
        weights = np.exp(sharpness * logits)
        expected = (weights * logits).sum(axis=1) / weights.sum(axis=1)
        return float((expected - labelled).mean())

    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)


def figures_table(figures: Mapping[str, AttributeFigures], by_class: bool = False) -> str:
    """Return the figures as text: a line for each attribute, or for each class of each."""
    if by_class:
        header = ["attribute", "class", "photos", "precision", "recall"]
        rows = [
            [name, row.name, str(row.support), str(row.precision), str(row.recall)]
            for name, attribute in figures.items()
            for row in attribute.classes
        ]
    else:
        header = ["attribute", "photos", "accuracy", "macro-F1", "calibration error"]
        rows = [
            [
                name,
                str(attribute.count),
                str(attribute.accuracy),
                str(attribute.macro_f1),
                f"{attribute.calibration_error:.3f}",
            ]
            for name, attribute in figures.items()
        ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    )


def write_figures(path: Path, figures: Mapping[str, AttributeFigures]) -> None:
    """Write the figures of all attributes as one JSON object."""
    document = {name: attribute.to_dict() for name, attribute in figures.items()}
    write_whole(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def write_head_figures(folder: Path, head: str, figures: AttributeFigures) -> None:
    """Write figures.json and confusion.png of one head of a model into a folder that is there."""
    write_confusion_plot(folder / "confusion.png", head, figures)
    text = json.dumps(figures.to_dict(), indent=2, ensure_ascii=False)
    (folder / "figures.json").write_text(text + "\n", encoding="utf-8")


def write_confusion_plot(path: Path, attribute: str, figures: AttributeFigures) -> None:
    """Write a PNG of the confusion matrix: counts, on the share of the labelled class."""
    from matplotlib.figure import Figure

    names = [row.name for row in figures.classes]
    side = 2.2 + 0.7 * len(names)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = figures.confusion / np.maximum(figures.confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled")
    axes.set_title(f"{attribute}: {figures.accuracy.value:.1%} of {figures.count} right")
    for (row, column), count in np.ndenumerate(figures.confusion):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    _write_plot(path, figure)


def write_history_plot(path: Path, head: str, history: Sequence[Mapping[str, float | str]]) -> None:
    """Write a PNG of a head's training: loss on the left, validation accuracy on the right.

    Args:
        path: the file to write.
        head: whose `<head>_accuracy` is shown beside `accuracy`, the mean of all heads that
            were trained together.
        history: one mapping for each epoch, with `phase`, `loss` and the accuracies. A dotted
            line is drawn where the phase changes.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = range(1, len(history) + 1)
    columns = {"loss": ["loss"], "validation accuracy": [f"{head}_accuracy", "accuracy"]}
    labels = {f"{head}_accuracy": head, "accuracy": "mean of the heads"}
    for axes, (quantity, names) in zip(figure.subplots(1, 2), columns.items(), strict=True):
        for name in names:
            values = [float(row.get(name, math.nan)) for row in history]
            axes.plot(epochs, values, marker="o", label=labels.get(name, name))
        for epoch in epochs[1:]:
            if history[epoch - 1].get("phase") != history[epoch - 2].get("phase"):
                axes.axvline(epoch - 0.5, color="grey", linestyle=":")
        axes.set_xlabel("epoch")
        axes.set_ylabel(quantity)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    figure.suptitle(head)
    _write_plot(path, figure)


def _write_plot(path: Path, figure: "Figure") -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_whole(path, picture.getvalue())
