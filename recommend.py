"""Recommend items to the person who wears what photos show: see `python recommend.py --help`."""

import sys

from fashionnet.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command("recommend"))
