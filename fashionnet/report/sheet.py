"""A report as a contact sheet: one picture to look over or to print."""

import io
from dataclasses import dataclass

from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from fashionnet.locations import Location
from fashionnet.report.content import Report, score_text
from fashionnet.report.pictures import thumbnail
from fashionnet.text import counted

# JPEG ends at 65,535 pixels; a sheet of this many cells stays far below, and can be looked at.
MAXIMUM_CELLS = 200

_COLUMNS, _CELL, _GAP, _MARGIN = 5, 250, 18, 28
_PADDING = 10
_PAPER, _CARD, _INK, _SOFT, _ACCENT = "#f7f5f1", "#ffffff", "#1f2328", "#626a73", "#8a3b5c"
_WIDTH = 2 * _MARGIN + _COLUMNS * _CELL + (_COLUMNS - 1) * _GAP


@dataclass(frozen=True)
class _Line:
    text: str
    size: int
    colour: str
    rows: int = 1


@dataclass(frozen=True)
class _Cell:
    photo: Location | None
    badge: str
    lines: tuple[_Line, ...]


def png_sheet(report: Report) -> bytes:
    """Return the contact sheet as a PNG."""
    return _encoded(_draw(report), "PNG")


def jpeg_sheet(report: Report) -> bytes:
    """Return the contact sheet as a JPEG."""
    return _encoded(_draw(report), "JPEG")


def _encoded(picture: pillow.Image, form: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, quality=90, optimize=True)
    return file.getvalue()


def _draw(report: Report) -> pillow.Image:
    sections = [
        (heading, [_photo_cell(photo.path, photo.classes) for photo in photos])
        for heading, photos in report.photos
    ]
    items = [
        _Cell(
            item.photo,
            str(item.rank),
            (
                _Line(
                    f"{report.score_name} {score_text(item.score)}{report.best_score_text}",
                    19,
                    _ACCENT,
                ),
                _Line(item.reason, 16, _INK, 3),
                _Line(report.title(item), 14, _SOFT, 2),
            ),
        )
        for item in report.items
    ]
    sections.append((report.items_heading, items))
    blocks = [_title_block(report)]
    blocks += [_section(heading, cells) for heading, cells in sections if cells]
    sheet = pillow.new("RGB", (_WIDTH, sum(b.height for b in blocks) + _MARGIN), _PAPER)
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet


def _photo_cell(path: Location | None, classes: list[str]) -> _Cell:
    return _Cell(path, "", (_Line(", ".join(classes), 16, _INK, 2),))


def _title_block(report: Report) -> pillow.Image:
    lines = _wrap(report.summary, 18, _WIDTH - 2 * _MARGIN, 3)
    block = pillow.new("RGB", (_WIDTH, _MARGIN + 52 + 25 * len(lines)), _PAPER)
    draw = ImageDraw.Draw(block)
    draw.text((_MARGIN, _MARGIN), report.heading, _INK, _font(34))
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + 50 + 25 * number), line, _SOFT, _font(18))
    return block


def _section(heading: str, cells: list[_Cell]) -> pillow.Image:
    if len(cells) > MAXIMUM_CELLS:
        heading += f" (the first {MAXIMUM_CELLS} of {counted(len(cells), 'picture')})"
        cells = cells[:MAXIMUM_CELLS]
    text_height = sum(_line_height(line.size) * line.rows for line in cells[0].lines)
    height = _CELL + text_height + 2 * _PADDING
    rows = -(-len(cells) // _COLUMNS)
    block = pillow.new("RGB", (_WIDTH, 62 + rows * (height + _GAP)), _PAPER)
    ImageDraw.Draw(block).text((_MARGIN, 20), heading, _INK, _font(24))
    for number, cell in enumerate(cells):
        row, column = divmod(number, _COLUMNS)
        left, top = _MARGIN + column * (_CELL + _GAP), 62 + row * (height + _GAP)
        _draw_cell(block, cell, left, top, height)
    return block


def _draw_cell(block: pillow.Image, cell: _Cell, left: int, top: int, height: int) -> None:
    draw = ImageDraw.Draw(block)
    draw.rounded_rectangle((left, top, left + _CELL - 1, top + height - 1), 10, _CARD)
    side = _CELL - 2 * _PADDING
    picture = thumbnail(cell.photo, side)
    # A photo smaller than its place is drawn larger, so that all are seen alike.
    scale = side / max(picture.size)
    size = round(picture.width * scale), round(picture.height * scale)
    picture = picture.resize(size, pillow.Resampling.LANCZOS)
    block.paste(picture, (left + (_CELL - size[0]) // 2, top + (_CELL - size[1]) // 2))
    if cell.badge:
        width = max(34, round(draw.textlength(cell.badge, _font(19))) + 18)
        box = (left + 6, top + 6, left + 6 + width, top + 40)
        draw.rounded_rectangle(box, 17, _INK)
        middle = (left + 6 + width / 2, top + 23)
        draw.text(middle, cell.badge, "white", _font(19), anchor="mm")
    down = top + _CELL
    for line in cell.lines:
        for text in _wrap(line.text, line.size, _CELL - 2 * _PADDING, line.rows):
            draw.text((left + _PADDING, down), text, line.colour, _font(line.size))
            down += _line_height(line.size)


def _wrap(text: str, size: int, width: int, rows: int) -> list[str]:
    """Break text at spaces into at most `rows` lines; what does not fit ends in an ellipsis."""
    font = _font(size)
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    cut = len(lines) > rows
    lines = lines[:rows]
    if cut:
        lines[-1] += " …"
    for number, line in enumerate(lines):
        while font.getlength(line) > width and len(line) > 1:
            line = line.removesuffix("…").rstrip()[:-1] + "…"
        lines[number] = line
    return lines


def _line_height(size: int) -> int:
    return round(size * 1.35)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
