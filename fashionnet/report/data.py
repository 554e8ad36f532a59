"""A report as data: CSV and JSON."""

import csv
import io
import json

from fashionnet.report.content import Report

_OWN_COLUMNS = ("rank", "id", "photo", "score", "likeness", "reason")


def csv_table(report: Report) -> bytes:
    """Return one row an item; a metadata column named like one of ours becomes `item_<name>`."""
    names = report.schema.names
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
    """Return what was asked for, in words, and the items, best first."""
    document = report.document() | {
        report.items_key: [
            {
                "rank": item.rank,
                "id": item.id,
                "photo": str(item.photo),
                "score": item.score,
                "likeness": item.likeness,
                "reason": item.reason,
                "classes": dict(zip(report.schema.names, item.classes, strict=True)),
                "metadata": item.metadata,
            }
            for item in report.items
        ],
    }
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    return text.encode(errors="backslashreplace")
