"""The model card: what a model folder holds, how it came about and how good it is."""

import json
from pathlib import Path
from typing import Any

from fashionnet.network.folder import Model
from fashionnet.network.precision import Calibration

PRUNING_FILE = "pruning.json"
PROJECTION_FIGURES = "projection.json"

SOURCES = """## Sources and licences

- Frozen layers, and the values the others started from: VGG16 trained on ImageNet, VGG team,
  University of Oxford, CC BY 4.0 (Simonyan and Zisserman, arXiv 1409.1556).
- What was trained here is under the licence of FashionNet, Apache-2.0; the licence of the labelled
  photos is their owner's.
"""


def write_model_card(folder: Path, model: Model) -> None:
    """Write README.md from the model, training.json and the heads' figures in its folder."""
    records = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    notes = folder / "sources.md"
    sources = notes.read_text(encoding="utf-8") if notes.exists() else SOURCES
    text = "\n".join(
        [
            f"# Model {model.fingerprint}",
            "",
            "A FashionNet model: VGG16 with a softmax head for each attribute. It gives a photo of",
            "an upper-body garment or dress one class an attribute, its Fashion Vector.",
            "",
            "## Figures on held-out test photos",
            "",
            *_figures(folder, model),
            "",
            *_precisions(folder, model),
            *_projection(folder, model),
            "## How it was trained",
            "",
            *(line for record in records for line in _record(record)),
            *_pruning(folder),
            sources,
        ]
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _figures(folder: Path, model: Model) -> list[str]:
    lines = [
        "| head | photos | accuracy (95% interval) | macro-F1 (95% interval) | calibration error |",
        "| --- | --- | --- | --- | --- |",
    ]
    for head in model.heads:
        figures = json.loads((folder / "figures" / head / "figures.json").read_text("utf-8"))
        lines.append(
            f"| {head} | {figures['count']} | {_interval(figures['accuracy'])} "
            f"| {_interval(figures['macro_f1'])} "
            f"| {figures['expected_calibration_error']:.3f} |"
        )
    return [
        *lines,
        "",
        "Precision and recall of each class, the confusion matrix and the history of the training",
        "are in `figures/<head>/`; which photo was in which part is in `split-<branch>.csv`.",
    ]


def _precisions(folder: Path, model: Model) -> list[str]:
    calibration = Calibration.load(folder, model)
    if calibration is None:
        return []
    lines = [
        "## Precisions",
        "",
        f"Accuracy on the {calibration.photos} photos of the calibration, of the validation part:",
        "",
        f"| precision | {' | '.join(model.heads)} | offered |",
        f"| {' | '.join(['---'] * (len(model.heads) + 2))} |",
    ]
    for precision, accuracy in calibration.accuracy.items():
        shown = " | ".join(f"{accuracy[head]:.3f}" for head in model.heads)
        offered = "yes" if precision in calibration.precisions else "no"
        lines.append(f"| {precision} | {shown} | {offered} |")
    return [*lines, ""]


def _pruning(folder: Path) -> list[str]:
    path = folder / PRUNING_FILE
    if not path.exists():
        return []
    record = json.loads(path.read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return [
        f"Then {record['share']:.1%} of the filters of model {record['from']} were removed and the "
        f"layers fitted anew to {record['photos']} training photos, seed {record['seed']}:",
        "",
        f"- command: `{record['command']}`",
        f"- versions: {versions}",
        "",
    ]


def _projection(folder: Path, model: Model) -> list[str]:
    path = folder / PROJECTION_FIGURES
    if model.projection is None or not path.exists():
        return []
    record = json.loads(path.read_text(encoding="utf-8"))
    plain, projected = (record["test"][name] for name in ("plain", "projected"))
    return [
        "## Projection of the embedding",
        "",
        "A linear map of the last three blocks' pooled filters, learned from products of one name,",
        "views of one photo and labelled photos. On test photos the share whose other product of",
        "the name, or other view, is among the k nearest, and of the ten nearest the share that",
        "has all attributes of a photo (95% intervals):",
        "",
        f"- command: `{record['command']}`",
        *(f"- {name}: {projected[name]}, without it {plain[name]}" for name in plain),
        "",
    ]


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _record(record: dict[str, Any]) -> list[str]:
    split, data = record["split"], record["data"]
    grouped = f", groups of `{split['grouped_by']}` kept whole" if split["grouped_by"] else ""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    recipe = ", ".join(f"{name} {value}" for name, value in record["recipe"].items())
    extra = f", and {data['extra_photos']} more to train on only" if data["extra_photos"] else ""
    return [
        f"Heads {', '.join(record['heads'])}:",
        "",
        f"- command: `{record['command']}`",
        f"- photos: {data['photos']}, fingerprint {data['photos_fingerprint']}{extra}; "
        f"labels {data['labels_fingerprint']}; trunk weights {data['trunk_weights_fingerprint']}",
        f"- split: {split['train']} training, {split['validation']} validation and {split['test']} "
        f"test photos, seed {split['seed']}, near-duplicates kept together{grouped}",
        f"- recipe: {recipe}",
        f"- versions: {versions}",
        "",
    ]
