"""A page to test: the server in a process of its own, as a person starts it."""

import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager


@contextmanager
def serving(*words, environment=None, folder=None, ready="/api/v1/repository"):
    """Start `fashionnet serve` on a free port; give its process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fashionnet", "serve", "--port", "0", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        address = found[0].rstrip("/")
        if ready:
            wait_for(address + ready)
        yield process, address
    finally:
        process.kill()
        process.communicate()


def wait_for(address, attempts=600):
    for _ in range(attempts):
        try:
            with urllib.request.urlopen(address) as answer:
                return answer.read()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {address}")
