"""A report as a table on the terminal."""

import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fashionnet.report.content import Report, score_text
from fashionnet.text import plain


def print_table(report: Report, file: TextIO | None = None) -> None:
    """Print rank, item, score and reason of each item; to stdout unless told."""
    file = file or sys.stdout
    # Where no terminal says how wide it is, lines are left whole for whatever reads them.
    console = Console(file=file, width=None if file.isatty() else 160, highlight=False)
    table = Table(title=Text(report.summary), title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("rank", justify="right")
    table.add_column("item", overflow="fold")
    table.add_column(f"{report.score_name}{report.best_score_text}", justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for item in report.items:
        identity, title = plain(item.id), report.title(item)
        table.add_row(
            str(item.rank),
            Text(identity if title == identity else f"{identity}  {title}"),
            score_text(item.score),
            Text(item.reason),
        )
    # Rich itself would leave with a code of its own when nobody reads on.
    with console.capture() as text:
        console.print(table)
    print(text.get(), end="", file=file)
