"""Words from outside, such as names of files, made fit to be shown."""


def plain(text: object) -> str:
    """Return text on one line, without the control characters that terminals act on."""
    line = str(text)
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else " " for letter in line)
