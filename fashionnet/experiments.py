"""Experiments: one TOML file describes one training, and may take over another file.

    extends = "base.toml"        # takes this file over; what is named below replaces its values
    seed = 1

    [loss]
    name = "triplet"
    margin = 0.2

A table with a `name` chooses one of several things. A file that gives such a table another name
than the file that it extends takes over nothing of that table, since its other keys belonged to
the other thing. Files are named relative to the file that names them.
"""

import difflib
import json
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from fashionnet.errors import RequestError
from fashionnet.files import write_whole

EXPERIMENT_FILE = "experiment.toml"
RESULTS_FILE = "results.json"
EXTENDS = "extends"
_LARGEST_FILE = 1_000_000


class Settings(BaseModel):
    """A table of an experiment: known keys only, and never changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Kind = TypeVar("Kind", bound=Settings)
Results = Mapping[str, Any]


def experiment_files(path: Path) -> list[Path]:
    """Return the experiment itself or, given a folder, every TOML file in it, in name order.

    In a folder, files whose names start with an underscore are there to be extended only.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.glob("*.toml") if not file.name.startswith("_"))
    if not files:
        raise RequestError(f"{path}: holds no experiment: expected files that end in .toml")
    return files


def read_experiment(path: Path, kind: type[Kind]) -> Kind:
    """Read an experiment with all that it extends.

    Raises RequestError for files that cannot be read or extend one another in a circle, for
    unknown keys (naming the nearest right key) and for values that do not fit.
    """
    document = _resolved(path, kind, ())
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise RequestError(f"{path}: {_first_fault(error, kind)}") from error


def run_experiments(
    path: Path,
    output: Path,
    kind: type[Kind],
    train: Callable[[Kind, Path], Results],
    say: Callable[[str], None] = print,
) -> dict[str, Results]:
    """Run an experiment, or every one of a folder in sequence, each in a folder of its own.

    Args:
        path: a TOML file or a folder of them; all are read before the first is run.
        output: the folder in which each experiment gets a folder named after its file, with the
            resolved file, the results, and what `train` writes there.
        kind: what the files hold.
        train: runs one experiment, given its settings and folder; returns its results.
        say: told which experiment starts, and which had been run already.

    See `run_settings`.
    """
    experiments = {file.stem: read_experiment(file, kind) for file in experiment_files(path)}
    return run_settings(experiments, output, train, say)


def run_settings(
    experiments: Mapping[str, Kind],
    output: Path,
    train: Callable[[Kind, Path], Results],
    say: Callable[[str], None] = print,
) -> dict[str, Results]:
    """Run experiments by their names, each in a folder of its own; see `run_experiments`.

    An experiment whose folder holds results of the same settings is not run again; a folder of
    other settings is a RequestError. Returns the results by the experiments' names.
    """
    results: dict[str, Results] = {}
    for name, settings in experiments.items():
        folder = output / name
        if _is_new(folder, settings):
            say(f"{name}: training into {folder}")
            result = dict(train(settings, folder))
            text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
            write_whole(folder / RESULTS_FILE, text.encode())
        else:
            say(f"{name}: was trained already, see {folder}; remove it to train again")
        results[name] = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    return results


def _is_new(folder: Path, settings: Settings) -> bool:
    """Prepare a run's folder; returns whether there is something left to run."""
    file = folder / EXPERIMENT_FILE
    text = tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))
    if file.exists():
        if file.read_text(encoding="utf-8") != text:
            raise RequestError(
                f"{folder}: holds the run of another experiment: choose another output or remove it"
            )
        return not (folder / RESULTS_FILE).exists()
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, text.encode())
    return True


def _resolved(path: Path, kind: type[Settings], seen: tuple[Path, ...]) -> dict[str, Any]:
    place = path.resolve()
    if place in seen:
        circle = " extends ".join(file.name for file in (*seen[seen.index(place) :], place))
        raise RequestError(f"{path}: a circle of experiments: {circle}")
    document = _anchored(_read(path), kind, path.parent)
    base = document.pop(EXTENDS, None)
    if base is None:
        return document
    if not isinstance(base, str):
        raise RequestError(f"{path}: {EXTENDS} is {base!r}: expected the name of one file")
    return _merged(_resolved(path.parent / base, kind, (*seen, place)), document)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise RequestError(f"{path}: over a megabyte: not an experiment")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise RequestError(f"{path}: no such experiment") from None
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"{path}: not a TOML file: {error}") from error


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            same = value.get("name", old.get("name")) == old.get("name")
            value = _merged(old, value) if same else value
        merged[key] = value
    return merged


def _anchored(document: Mapping[str, Any], kind: type[Settings], base: Path) -> dict[str, Any]:
    """Return the document with the paths in it made absolute, whatever they were relative to."""
    anchored = dict(document)
    for key, value in document.items():
        field = kind.model_fields.get(key)
        kinds = _kinds(field.annotation) if field else []
        if isinstance(value, dict):
            tables = [table for table in kinds if issubclass(table, Settings)]
            for table in tables:
                anchored[key] = _anchored(anchored[key], table, base)
        elif isinstance(value, str) and Path in kinds:
            anchored[key] = str((base / value).resolve())
    return anchored


def _kinds(annotation: Any) -> list[type]:  # noqa: ANN401 (what Python calls annotations)
    """Return the classes that an annotation speaks of: itself, or the members of a union."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(annotation) for kind in _kinds(part)]
    return [annotation] if isinstance(annotation, type) else []


def _first_fault(error: ValidationError, kind: type[Settings]) -> str:
    faults = error.errors(include_url=False)
    # A key that is missing may be there under a misspelt name.
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    place = [str(part) for part in fault["loc"]]
    key = place[-1] if place else ""
    name = ".".join(_written(kind, place))
    if fault["type"] == "missing":
        return f"{name} is missing"
    if fault["type"] == "union_tag_not_found":
        return f"{name}.name is missing: it says which {key} the other keys are of"
    if fault["type"] != "extra_forbidden":
        return f"{name} is {fault['input']!r}: {fault['msg']}"
    known = _known_keys(kind, place[:-1])
    near = difflib.get_close_matches(key, known, 1, 0.0)
    return f"unknown key {name}: did you mean {near[0]}? Known: {', '.join(known)}"


def _written(kind: type[Settings], place: Sequence[str]) -> list[str]:
    """Return a place without the steps that nobody wrote: the names of chosen tables."""
    return [
        step
        for count, step in enumerate(place)
        if count == len(place) - 1 or step in _known_keys(kind, place[:count])
    ]


def _known_keys(kind: type[Settings], place: Sequence[str]) -> list[str]:
    """Return the keys of the table at a place; the tags of unions are steps of the place too."""
    tables = [kind]
    for step in place:
        fields = [table.model_fields[step] for table in tables if step in table.model_fields]
        below = [table for field in fields for table in _kinds(field.annotation)]
        # A step that is no key names one of several tables by its `name`.
        tables = [table for table in below if issubclass(table, Settings)] or [
            table
            for table in tables
            if "name" in table.model_fields
            and step in typing.get_args(table.model_fields["name"].annotation)
        ]
    return sorted({key for table in tables for key in table.model_fields})
