"""A report as one HTML page that stands alone: no script, no other file, no network."""

from html import escape
from importlib.resources import files

from fashionnet.profile import StyleProfile, class_counts
from fashionnet.report.content import Report, ShownItem, ShownPhoto, score_text
from fashionnet.report.pictures import data_uri, thumbnail
from fashionnet.text import counted, plain

_PHOTO_SIDE, _ITEM_SIDE = 320, 400

# The page may show what it carries and fetch nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_page(report: Report) -> bytes:
    """Return the page: the photos, the style profile where there is one, the items."""
    style = files("fashionnet.report").joinpath("page.css").read_text("utf-8")
    sections = [_photo_section(heading, photos) for heading, photos in report.photos]
    if report.profile:
        sections.append(_profile_section(report.profile))
    sections.append(_item_section(report))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>FashionNet: {report.heading}, {counted(len(report.items), "item")}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{report.heading}</h1>
<p>{escape(report.summary)}</p>
</header>
<main>
{"".join(sections)}</main>
</body>
</html>
""".encode()


def _photo_section(heading: str, photos: list[ShownPhoto]) -> str:
    figures = "".join(_photo_figure(photo) for photo in photos)
    return f'<section>\n<h2>{heading}</h2>\n<div class="photos">\n{figures}</div>\n</section>\n'


def _photo_figure(photo: ShownPhoto) -> str:
    words = [escape(name) for name in photo.classes]
    chips = "".join(f"<span>{word}</span>" for word in words)
    picture = thumbnail(photo.path, _PHOTO_SIDE)
    return (
        f'<figure><img src="{data_uri(picture)}" width="{picture.width}" '
        f'height="{picture.height}" alt="{escape(plain(photo.name))}: {", ".join(words)}">'
        f'<figcaption class="chips">{chips}</figcaption></figure>\n'
    )


def _profile_section(profile: StyleProfile) -> str:
    schema, total = profile.schema, len(profile.liked)
    counts = class_counts(profile.vectors)
    rows = []
    for attribute in schema:
        cells = "".join(
            _share_cell(name, int(count), total)
            for name, count in zip(
                attribute.classes, counts[schema.slices[attribute.name]], strict=True
            )
        )
        rows.append(f"<dt>{escape(attribute.name)}</dt><dd>{cells}</dd>\n")
    return (
        f"<section>\n<h2>Your style profile</h2>\n"
        f"<p>How many of your {counted(total, 'photo')} show each class.</p>\n"
        f'<dl class="profile">\n{"".join(rows)}</dl>\n</section>\n'
    )


def _share_cell(name: str, count: int, total: int) -> str:
    kind = "share" if count else "share none"
    return (
        f'<span class="{kind}" style="--share:{100 * count / total:.0f}%">'
        f"<b>{escape(name)}</b> <i>{count} of {total}</i></span>"
    )


def _item_section(report: Report) -> str:
    cards = "".join(_item_card(item, report) for item in report.items)
    return (
        f'<section>\n<h2>{report.items_heading}</h2>\n<ol class="wall">\n{cards}</ol>\n</section>\n'
    )


def _item_card(item: ShownItem, report: Report) -> str:
    title = escape(report.title(item))
    filled = 100 * min(max(item.score / report.best_score, 0), 1)
    details = "".join(
        f"<div><dt>{escape(plain(name))}</dt><dd>{escape(value)}</dd></div>"
        for name, value in report.details(item).items()
    )
    picture = thumbnail(item.photo, _ITEM_SIDE)
    look = ", ".join(escape(name) for name in item.classes)
    return (
        f'<li class="card"><span class="rank">{item.rank}</span>'
        f'<img loading="lazy" src="{data_uri(picture)}" width="{picture.width}" '
        f'height="{picture.height}" alt="{title}: {look}">'
        f'<div class="text"><h3>{title}</h3>'
        f'<p class="score">{report.score_name} <strong>{score_text(item.score)}</strong>'
        f"{report.best_score_text}"
        f'<span class="bar"><span style="width:{filled:.0f}%"></span></span></p>'
        f'<p class="reason">{_unbroken(item.reason)}</p>'
        f'<dl class="details">{details}</dl></div></li>\n'
    )


def _unbroken(reason: str) -> str:
    # A line may end between two features, not inside 'striped 4 of 5'.
    features = escape(reason).split(", ")
    return ", ".join(feature.replace(" ", "&nbsp;") for feature in features)
