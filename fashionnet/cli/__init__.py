"""What the scripts and `python -m fashionnet` parse and print: one module for each command."""

from fashionnet.cli.main import main, run_command

__all__ = ["main", "run_command"]
