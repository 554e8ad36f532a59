"""Build a repository from a catalogue: see `python build_repository.py --help`."""

import sys

from fashionnet.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command("build"))
