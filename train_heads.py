"""Train heads on labelled photos: see `python train_heads.py --help`."""

import sys

from fashionnet.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command("train"))
