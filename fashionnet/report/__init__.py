"""Show chosen items: a terminal table, an HTML page, a contact sheet, or data."""

from collections.abc import Callable
from pathlib import Path

from fashionnet.files import require_output, write_whole
from fashionnet.report import data, page, sheet
from fashionnet.report.content import Report, ShownItem, ShownPhoto, assemble
from fashionnet.report.table import print_table

__all__ = [
    "Report",
    "ShownItem",
    "ShownPhoto",
    "assemble",
    "print_table",
    "require_known_output",
    "write_report",
]

_WRITERS: dict[str, Callable[[Report], bytes]] = {
    ".html": page.html_page,
    ".png": sheet.png_sheet,
    ".jpg": sheet.jpeg_sheet,
    ".csv": data.csv_table,
    ".json": data.json_document,
}


def require_known_output(path: Path) -> None:
    """Raise RequestError unless `write_report` can write this file, before any long work."""
    require_output(path, _WRITERS)


def write_report(report: Report, path: Path) -> None:
    """Write a report in the form that the file's suffix names, whole or not at all."""
    require_known_output(path)
    write_whole(path, _WRITERS[path.suffix.lower()](report))
