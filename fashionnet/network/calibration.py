"""Find out on labelled photos in which precisions a model stays accurate, and gather its ranges."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.describing import read_for_network
from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN, LabelledPhotos
from fashionnet.network.folder import Model
from fashionnet.network.graph import CompiledGraph, measuring_graph, network_graph
from fashionnet.network.precision import Calibration, eight_bit_activations, fast_precisions
from fashionnet.photos import Image, UnreadablePhotoError, read_ahead
from fashionnet.progress import progress
from fashionnet.schema import RELEVANCE

SHARE_WITHIN_RANGE = 0.99
"""Of the photos, how many keep every activation below the largest that 8 bits stand for."""

Answers = dict[str, NDArray[np.intp]]
"""For each head the most probable class of each photo."""


def calibrate_precision(
    model: Model, photos: Sequence[Path], codes: Mapping[str, NDArray[np.int16]]
) -> Calibration:
    """Predict photos in float32 and in whatever else this processor is fast in, and compare.

    The float32 run also gathers how large the activations become, on which 8 bits depend.

    Args:
        model: what was trained, with its final temperatures: the result is of its fingerprint.
        photos: N photos that the model was not trained on, such as the validation part; some
            hundred are enough for the ranges, but half a point of accuracy wants a thousand.
        codes: for each head int16 (N,), -1 where unknown. Of a head that is not among them, or
            of which nothing is known, the float32 answers are taken for the truth.

    Returns what `Calibration.save` writes into the model's folder.
    Raises RequestError without photos, and for one that cannot be read.
    """
    if not photos:
        raise RequestError("no photo to calibrate the precision on: name labels that it has")
    faster = [precision for precision in fast_precisions() if precision != "f32"]
    with progress("calibrating the precision", len(photos) * (1 + len(faster))) as advance:
        answers, maxima = _run(model, measuring_graph(model), photos, advance)
        truth = {head: _truth(codes.get(head), answers[head]) for head in model.heads}
        accuracy = {"f32": _accuracies(answers, truth)}
        bounds = np.quantile(maxima, SHARE_WITHIN_RANGE, axis=0)
        # A filter that no photo excites still needs a range of some width.
        bounds = np.maximum(bounds, 1e-6).tolist()
        largest = dict(zip(eight_bit_activations(model), bounds, strict=True))
        for precision in faster:
            graph = network_graph(model, precision, largest)
            accuracy[precision] = _accuracies(_run(model, graph, photos, advance)[0], truth)
    ranges = largest if "int8" in faster else {}
    return Calibration(model.fingerprint, len(photos), accuracy, ranges)


def photos_of_part(folder: Path, labels: LabelledPhotos, part: str) -> LabelledPhotos:
    """Return the labelled photos that were in a part of the split when a model was trained.

    Raises RequestError where none is: other labels, or a folder without split-*.csv.
    """
    names = _split(folder).get(part, set())
    chosen = labels.take([row for row, name in enumerate(labels.names) if name in names])
    if not len(chosen):
        raise RequestError(
            f"{folder}: none of the labelled photos is in its {part} part: name the labels "
            "that it was trained with"
        )
    return chosen


def split_sizes(folder: Path) -> dict[str, int]:
    """Return how many photos each part of a model's split has."""
    return {part: len(names) for part, names in _split(folder).items()}


def _split(folder: Path) -> dict[str, set[str]]:
    """Return the names of the photos of each part, of any branch."""
    parts: dict[str, set[str]] = {}
    for path in sorted(folder.glob("split-*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                parts.setdefault(row["part"], set()).add(row["image"])
    return parts


def label_codes(labels: LabelledPhotos) -> dict[str, NDArray[np.int16]]:
    """Return what `calibrate_precision` takes: each head's codes, `relevant` among them."""
    return {**labels.codes, RELEVANCE: labels.relevance}


def _run(
    model: Model, graph: CompiledGraph, photos: Sequence[Path], advance: Callable[[int], None]
) -> tuple[Answers, NDArray[np.float32]]:
    """Return the answers, and for each photo what the graph gives after the network's outputs."""

    def images() -> Iterator[Image]:
        for photo, pending in read_ahead(photos, read_for_network):
            try:
                yield pending.result()[1]
            except UnreadablePhotoError as error:
                raise RequestError(f"{photo}: {error}") from error
            advance(1)

    heads = model.heads
    rows = []
    for outputs in graph.run(images()):
        classes = [int(probabilities.argmax()) for probabilities in outputs[: len(heads)]]
        rows.append((classes, outputs[len(heads) + 1 :]))
    columns = np.array([classes for classes, _ in rows]).T
    return dict(zip(heads, columns, strict=True)), np.array([more for _, more in rows], "f4")


def _truth(codes: NDArray[np.int16] | None, answers: NDArray[np.intp]) -> NDArray[np.intp]:
    if codes is None or (codes == UNKNOWN).all():
        return answers
    return codes.astype(np.intp)


def _accuracies(answers: Answers, truth: Answers) -> dict[str, float]:
    return {
        head: float((found == truth[head])[truth[head] != UNKNOWN].mean())
        for head, found in answers.items()
    }
