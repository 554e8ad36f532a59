"""Dispatch a command line to its command and turn errors into one line and an exit code."""

import argparse
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence

from fashionnet.errors import RequestError
from fashionnet.text import plain

DONE, NOTHING_USABLE, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {
    "describe": "print the Fashion Vectors of photos",
    "recommend": "recommend items to the person who wears what photos show",
    "similar": "find the items that look like a photo or an item",
    "complete-look": "find products that complete the look of a photo",
    "train-look": "train models that complete a look",
    "outfits": "find what completes an outfit, or assemble a whole one",
    "train-outfits": "learn what goes together from outfits",
    "map": "draw all items of a repository, like beside like",
    "build": "build a repository from a catalogue",
    "train": "train heads on labelled photos",
    "prune": "make a trained model narrower and faster",
    "train-embedding": "train a network to place pictures of one item together",
    "evaluate": "score a model on labelled photos",
    "curate": "find what is wrong with photos and labels, and clean them",
    "serve": "open a page on this machine to see and steer all this",
}
"""Commands and what they do; each is a module of this package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `fashionnet COMMAND ...` and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in COMMANDS:
        return run_command(arguments[0], arguments[1:], f"fashionnet {arguments[0]}")
    parser = argparse.ArgumentParser(
        "fashionnet",
        description="Learn a person's clothing style from photos and recommend items.",
        epilog="commands:\n" + "\n".join(f"  {name:<16} {what}" for name, what in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND", help="see below")
    parser.parse_args(arguments)
    return WRONG_REQUEST


def run_command(
    command: str, arguments: Sequence[str] | None = None, program: str | None = None
) -> int:
    """Parse and run one command; used by `main` and by the scripts named after the commands."""
    # TensorFlow logs what it finds on the machine, which is no news to the person.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Lines show at once in a log too, and no file's name is too odd to be printed.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    module = importlib.import_module("fashionnet.cli." + command.replace("-", "_"))
    parser = argparse.ArgumentParser(program, description=module.__doc__)
    module.add_arguments(parser)
    try:
        code = module.run(parser.parse_args(arguments))
        sys.stdout.flush()
        return code
    except RequestError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{(error.strerror or str(error)).lower()}")
    except UnicodeError as error:
        return _fail(f"a name or a text that is not UTF-8 cannot be used here: {error}")


def _fail(message: str) -> int:
    print(f"fashionnet: {' '.join(plain(message).split())}", file=sys.stderr)
    return WRONG_REQUEST
