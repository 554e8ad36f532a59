"""Every command of the README, run as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from page_server import serving

from fashionnet.network.folder import Model
from fashionnet.network.trunk import BLOCKS, convolutions
from fashionnet.samples.collection import write_catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OTHERS_RUN_THESE = ("pip install", "python -m pytest")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.strip().splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part for part in parts if not part.startswith(OTHERS_RUN_THESE) and not is_server(part)]


def is_server(command: str) -> bool:
    return command.startswith("python -m fashionnet serve")


@pytest.fixture(scope="module")
def trunk_file(tmp_path_factory):
    """The shipped model's own convolutions, as keras.applications stores VGG16's weights."""
    weights = Model.load().weights
    path = tmp_path_factory.mktemp("trunk") / "vgg16.h5"
    with h5py.File(path, "w") as file:
        for block in BLOCKS:
            for name in convolutions(block):
                (kernel,) = (weights[key] for key in weights if key.endswith(f"{name}/kernel"))
                (bias,) = (weights[key] for key in weights if key.endswith(f"{name}/bias"))
                file[f"{name}/{name}/kernel:0"], file[f"{name}/{name}/bias:0"] = kernel, bias
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory, trunk_file):
    """A folder like a user's: the project, a catalogue, photos of one's own, labels."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("fashionnet", "examples", *(path.name for path in ROOT.glob("*.py"))):
        (folder / name).symlink_to(ROOT / name)
    write_catalogue(folder / "shop" / "photos", 12, seed=5)
    (folder / "shop" / "photos" / "catalogue.csv").rename(folder / "shop" / "items.csv")
    (folder / "shop" / "photos" / "labels.csv").unlink()
    write_catalogue(folder / "photos", 48, seed=6)
    (folder / "photos" / "labels.csv").rename(folder / "labels.csv")
    pairs = [
        f"photos/sample_6_{n:05d}.jpg,photos/sample_6_{n + 24:05d}.jpg,Dresses" for n in range(24)
    ]
    (folder / "pairs.csv").write_text("\n".join(["scene,product,category", *pairs]) + "\n")
    (folder / "my_photos").symlink_to(ROOT / "examples" / "wardrobe")
    for block in blocks("toml"):
        (folder / block.split()[1]).write_text(block, encoding="utf-8")
    return folder


def environment(home, trunk_file):
    return {
        **os.environ,
        "FASHIONNET_TRUNK_WEIGHTS": str(trunk_file),
        "XDG_CACHE_HOME": str(home / "cache"),
    }


def test_the_commands_of_the_readme_work(home, trunk_file):
    found = commands()
    assert len(found) >= 7
    for command in found:
        words = shlex.split(command)
        assert words[0] == "python"
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=home,
            env=environment(home, trunk_file),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    for written in (
        "recommendations.html",
        "for_me.html",
        "models/mine/README.md",
        "runs/results.csv",
        "look.html",
    ):
        assert (home / written).stat().st_size > 0


def test_the_python_of_the_readme_works(home, trunk_file):
    snippet, _ = blocks("python")
    subprocess.run(
        [sys.executable, "-c", snippet + "\nassert len(items) > 0\n"],
        cwd=home,
        env=environment(home, trunk_file),
        check=True,
    )


def test_the_page_of_the_readme_answers_its_python(home, trunk_file):
    (command,) = [line for block in blocks("sh") for line in block.split("\n") if is_server(line)]
    _, snippet = blocks("python")
    given = environment(home, trunk_file)
    build = next(part for part in commands() if "--repository shop.repository" in part)
    subprocess.run([sys.executable, *shlex.split(build)[1:]], cwd=home, env=given, check=True)
    with serving(*shlex.split(command)[4:], environment=given, folder=home) as (_, address):
        there = snippet.replace("http://127.0.0.1:8000", address)
        subprocess.run(
            [sys.executable, "-c", there + "\nassert items[0]['reason']\n"],
            cwd=home,
            env=given,
            check=True,
        )
