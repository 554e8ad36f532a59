"""Words made fit to be shown: numbers with their nouns, names from outside."""


def counted(count: int, noun: str) -> str:
    """Return '1 photo', '1,234 photos'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def plain(text: object) -> str:
    """Return text on one line, without the control characters that terminals act on."""
    line = str(text)
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else " " for letter in line)
