import json
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from fashionnet.errors import RequestError
from fashionnet.experiments import Settings, read_experiment, run_experiments


class Triplet(Settings):
    name: Literal["triplet"] = "triplet"
    margin: float = 0.2


class Proxy(Settings):
    name: Literal["proxy-anchor"]
    alpha: float = 32.0


class Data(Settings):
    pairs: Path
    more: Path | None = None


class Training(Settings):
    data: Data
    loss: Annotated[Triplet | Proxy, Field(discriminator="name")] = Triplet()
    epochs: Annotated[int, Field(ge=1)] = 3


BASE = '[data]\npairs = "pairs.csv"\n[loss]\nname = "triplet"\nmargin = 0.5\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_takes_over_another_and_changes_what_it_names(tmp_path):
    write(tmp_path / "base.toml", BASE)
    path = write(tmp_path / "a.toml", 'extends = "base.toml"\nepochs = 9\n[loss]\nmargin = 0.1\n')
    settings = read_experiment(path, Training)
    assert settings.epochs == 9
    assert settings.loss == Triplet(margin=0.1)


def test_paths_are_relative_to_the_file_that_names_them(tmp_path):
    write(tmp_path / "shared" / "base.toml", BASE)
    path = write(tmp_path / "runs" / "a.toml", 'extends = "../shared/base.toml"\n[data]\nmore="m"')
    data = read_experiment(path, Training).data
    assert data.pairs == (tmp_path / "shared" / "pairs.csv").resolve()
    assert data.more == (tmp_path / "runs" / "m").resolve()


def test_another_choice_takes_over_nothing_of_the_choice_before(tmp_path):
    write(tmp_path / "base.toml", BASE)
    path = write(tmp_path / "a.toml", 'extends = "base.toml"\n[loss]\nname = "proxy-anchor"\n')
    assert read_experiment(path, Training).loss == Proxy(name="proxy-anchor")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3\n" + BASE, "unknown key epoch: did you mean epochs?"),
        (BASE + "magrin = 1\n", "did you mean margin?"),
        (BASE.replace("0.5", '"wide"'), "margin is 'wide'"),
        ("epochs = 0\n" + BASE, "epochs is 0"),
        (BASE.replace("pairs =", "pears ="), "unknown key data.pears: did you mean pairs?"),
        (BASE.replace("0.5", '"wide"'), "a.toml: loss.margin is 'wide'"),
        ("[loss]\nname = 'triplet'\n", "data is missing"),
        (BASE.replace('name = "triplet"', ""), "loss.name is missing"),
        (BASE + "= 3", "not a TOML file"),
        ('extends = "a.toml"\n', "a.toml extends a.toml"),
        ('extends = "none.toml"\n', "none.toml: no such experiment"),
        ("extends = 3\n", "expected the name of one file"),
        ('[loss]\nname = "contrastive"\n[data]\npairs = "p"\n', "contrastive"),
    ],
)
def test_what_is_wrong_with_an_experiment_is_one_line(tmp_path, text, message):
    path = write(tmp_path / "a.toml", text)
    with pytest.raises(RequestError) as caught:
        read_experiment(path, Training)
    assert message in str(caught.value)
    assert "a.toml" in str(caught.value) or "none.toml" in str(caught.value)


def test_a_circle_through_two_files_is_named(tmp_path):
    write(tmp_path / "a.toml", 'extends = "b.toml"')
    write(tmp_path / "b.toml", 'extends = "a.toml"')
    with pytest.raises(RequestError, match=r"a\.toml extends b\.toml extends a\.toml"):
        read_experiment(tmp_path / "a.toml", Training)


def test_a_folder_runs_in_sequence_and_finished_runs_are_not_run_again(tmp_path):
    write(tmp_path / "in" / "_base.toml", BASE)
    write(tmp_path / "in" / "one.toml", 'extends = "_base.toml"')
    two = write(tmp_path / "in" / "two.toml", 'extends = "_base.toml"\nepochs = 4')
    trained = []

    def train(settings: Training, folder: Path) -> dict[str, int]:
        assert (folder / "experiment.toml").exists()
        trained.append(folder.name)
        return {"epochs": settings.epochs}

    first = run_experiments(tmp_path / "in", tmp_path / "out", Training, train)
    again = run_experiments(tmp_path / "in", tmp_path / "out", Training, train)
    assert trained == ["one", "two"]
    assert first == again == {"one": {"epochs": 3}, "two": {"epochs": 4}}
    assert json.loads((tmp_path / "out" / "two" / "results.json").read_text()) == {"epochs": 4}
    write(two, 'extends = "_base.toml"\nepochs = 5')
    with pytest.raises(RequestError, match="holds the run of another experiment"):
        run_experiments(tmp_path / "in", tmp_path / "out", Training, train)


def test_the_resolved_file_is_an_experiment_that_gives_the_same_settings(tmp_path):
    write(tmp_path / "base.toml", BASE)
    path = write(tmp_path / "in" / "a.toml", 'extends = "../base.toml"\nepochs = 9')
    run_experiments(path, tmp_path / "out", Training, lambda settings, folder: {})
    resolved = tmp_path / "out" / "a" / "experiment.toml"
    assert read_experiment(resolved, Training) == read_experiment(path, Training)


def test_a_folder_without_experiments_is_refused(tmp_path):
    with pytest.raises(RequestError, match="holds no experiment"):
        run_experiments(tmp_path, tmp_path / "out", Training, lambda settings, folder: {})
