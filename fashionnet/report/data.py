"""Recommendations as data: CSV and JSON."""

import csv
import io
import json

from fashionnet.profile import class_counts
from fashionnet.report.content import Report, ShownPhoto

_OWN_COLUMNS = ("rank", "id", "photo", "score", "likeness", "reason")


def csv_table(report: Report) -> bytes:
    """Return one row an item; a metadata column named like one of ours becomes `item_<name>`."""
    names = report.profile.schema.names
    own = {*_OWN_COLUMNS, *names}
    metadata = list(dict.fromkeys(column for item in report.items for column in item.metadata))
    renamed = [f"item_{column}" if column in own else column for column in metadata]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_OWN_COLUMNS, *names, *renamed])
    for item in report.items:
        values = [item.rank, item.id, item.photo, item.score, item.likeness, item.reason]
        writer.writerow([*values, *item.classes, *(item.metadata.get(name) for name in metadata)])
    return text.getvalue().encode(errors="backslashreplace")


def json_document(report: Report) -> bytes:
    """Return the profile in words and the items, best first."""
    schema = report.profile.schema
    counts = class_counts(report.profile.vectors)

    def photos(shown: list[ShownPhoto]) -> list[dict[str, object]]:
        return [
            {"photo": photo.name, **dict(zip(schema.names, photo.classes, strict=True))}
            for photo in shown
        ]

    document = {
        "scoring": report.scoring,
        "best_score": report.best_score,
        "where": report.where,
        "item_count": report.item_count,
        "model": report.profile.model_fingerprint,
        "profile": {
            "liked": photos(report.liked),
            "disliked": photos(report.disliked),
            "class_counts": {
                attribute.name: dict(
                    zip(
                        attribute.classes,
                        counts[schema.slices[attribute.name]].tolist(),
                        strict=True,
                    )
                )
                for attribute in schema
            },
        },
        "recommendations": [
            {
                "rank": item.rank,
                "id": item.id,
                "photo": str(item.photo),
                "score": item.score,
                "likeness": item.likeness,
                "reason": item.reason,
                "classes": dict(zip(schema.names, item.classes, strict=True)),
                "metadata": item.metadata,
            }
            for item in report.items
        ],
    }
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    return text.encode(errors="backslashreplace")
