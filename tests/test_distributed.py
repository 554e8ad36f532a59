"""Builds on a cluster: the same rows as on one machine, whatever happens to a worker."""

import argparse
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from test_repository import ColourNetwork, contents, left_out, save_photo, shop, small_commits

import fashionnet.repository.build as building
import fashionnet.repository.distributed as distributed
from fashionnet.errors import RequestError
from fashionnet.repository import Repository
from fashionnet.repository.build import LocalEngine, build_repository
from fashionnet.repository.catalogue import read_catalogue
from fashionnet.repository.distributed import _slots, network_maker, ray_engine

__all__ = ["shop", "small_commits"]
ROOT = Path(__file__).parent.parent
PATIENCE = 120.0


class StagingEngine(LocalEngine):
    """Describes here as a cluster does elsewhere: its rows are committed at the end."""

    workers = 2
    staged = True


def build(shop, repo, engine=None, network=None, **options):
    network = network or ColourNetwork()
    catalogue = read_catalogue(shop, shop.parent / "styles.csv")
    return build_repository(catalogue, repo, network, engine=engine, **options)


def staged_build(shop, repo, network=None, **options):
    network = network or ColourNetwork()
    return build(shop, repo, StagingEngine(network), network, **options)


def order(repo: Path) -> list[str]:
    """The ids in the order in which the table holds them."""
    return Repository.open(repo)._table.read(["id"])["id"].to_pylist()


def test_a_staged_build_is_the_same_row_for_row(shop, tmp_path):
    here, staged = tmp_path / "here", tmp_path / "staged"
    assert build(shop, here) == staged_build(shop, staged)
    assert contents(staged) == contents(here)
    assert order(staged) == order(here)
    assert left_out(staged) == left_out(here)
    assert sorted(path.name for path in staged.iterdir()) == sorted(
        path.name for path in here.iterdir()
    )


def test_readers_see_a_staged_build_when_all_of_it_is_there(shop, tmp_path):
    repo = tmp_path / "repo"
    seen = set()
    staged_build(shop, repo, advance=lambda count: seen.add(len(Repository.open(repo))))
    assert seen == {0}
    assert len(Repository.open(repo)) == 10
    save_photo(shop / "1.png", 101)
    save_photo(shop / "new.png", 102)
    old = contents(repo)
    staged_build(shop, repo, advance=lambda count: seen.add(contents(repo) == old))
    assert seen == {0, True}
    build(shop, tmp_path / "fresh")
    assert contents(repo) == contents(tmp_path / "fresh")


def test_a_staged_build_updates_and_prunes_as_any(shop, tmp_path):
    repo = tmp_path / "repo"
    staged_build(shop, repo)
    (shop / "2.png").rename(shop / "moved.png")
    (shop / "3.png").write_bytes((shop / "3.png").read_bytes()[:40])
    (shop.parent / "styles.csv").write_text("id,price\n1,2.5\n")
    network = ColourNetwork()
    report = staged_build(shop, repo, network, prune=True)
    assert network.described == 0
    assert (report.described, report.vanished) == (9, 1)
    build(shop, tmp_path / "fresh")
    assert contents(repo) == contents(tmp_path / "fresh")
    assert left_out(repo) == left_out(tmp_path / "fresh")


@pytest.mark.parametrize("completed_by", [staged_build, build])
def test_an_interrupted_staged_build_goes_on_where_it_was(
    shop, tmp_path, monkeypatch, completed_by
):
    repo = tmp_path / "repo"
    monkeypatch.setattr(building, "_CHUNKS_AT_ONCE", 1)
    with pytest.raises(KeyboardInterrupt):
        staged_build(shop, repo, ColourNetwork(stop_at=9))
    assert len(Repository.open(repo)) == 0
    network = ColourNetwork()
    report = completed_by(shop, repo, network=network)
    # Eight were staged: two workers' chunks of four photos are one commit.
    assert network.described == 2
    assert report.described == 10
    build(shop, tmp_path / "whole")
    assert contents(repo) == contents(tmp_path / "whole")
    assert order(repo) == order(tmp_path / "whole")


def test_a_kill_after_the_last_commit_doubles_no_item(shop, tmp_path, monkeypatch):
    def kill(path, name):
        raise KeyboardInterrupt

    repo = tmp_path / "repo"
    with monkeypatch.context() as patch:
        patch.setattr(building, "drop_table", kill)
        with pytest.raises(KeyboardInterrupt):
            staged_build(shop, repo)
    (shop.parent / "styles.csv").write_text("id,price\n1,2.5\n")
    assert staged_build(shop, repo).newly_described == 0
    build(shop, tmp_path / "whole")
    assert contents(repo) == contents(tmp_path / "whole")


def test_a_full_disk_is_one_line_and_the_next_run_completes(shop, tmp_path):
    repo = tmp_path / "repo"
    code = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[1:3]\n"
        "from test_distributed import Path, RequestError, staged_build\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    staged_build(Path(sys.argv[3]), Path(sys.argv[4]))\n"
        "except RequestError as error:\n    print(error)\n"
    )
    arguments = [str(ROOT), str(ROOT / "tests"), str(shop), str(repo)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
    assert f"cannot write repository {repo}" in done.stdout
    assert "too large" in done.stdout
    assert len(Repository.open(repo)) == 0
    assert staged_build(shop, repo).described == 10


@pytest.mark.parametrize("part", ["data", "_versions"])
def test_staged_rows_that_a_full_disk_spoilt_are_described_again(shop, tmp_path, monkeypatch, part):
    repo = tmp_path / "repo"
    monkeypatch.setattr(building, "_CHUNKS_AT_ONCE", 1)
    with pytest.raises(KeyboardInterrupt):
        staged_build(shop, repo, ColourNetwork(stop_at=9))
    for file in (repo / "staged.lance" / part).iterdir():
        file.write_bytes(file.read_bytes()[:100])
    report = staged_build(shop, repo)
    assert report.newly_described == 10
    assert "what a stopped build left is damaged" in report.notes[-1]
    build(shop, tmp_path / "whole")
    assert contents(repo) == contents(tmp_path / "whole")


@pytest.mark.parametrize("table", ["items", "staged"])
def test_a_table_that_a_kill_left_half_made_is_made_again(shop, tmp_path, table):
    repo = tmp_path / "repo"
    half = repo / f"{table}.lance" / "data"
    (repo / "repository.json").parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        build(shop, repo, network=ColourNetwork(stop_at=0))
    if table == "items":
        for file in sorted((repo / "items.lance").rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
    half.mkdir(parents=True)
    (half / "0.lance").write_bytes(b"half a fi")
    assert staged_build(shop, repo).described == 10
    build(shop, tmp_path / "whole")
    assert contents(repo) == contents(tmp_path / "whole")


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(RequestError, match=r"Ray is not installed: pip install 'ray>="),
        ray_engine(ColourNetwork, "feed"),
    ):
        pass


def refused(address: str, monkeypatch) -> str:
    """What is said where no cluster answers."""
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(RequestError) as caught, ray_engine(ColourNetwork, "feed"):
        pass
    return str(caught.value)


def test_a_cluster_that_is_not_there_is_one_line(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    message = f"RAY_ADDRESS {address}: no Ray cluster answers there (connection refused)"
    assert refused(address, monkeypatch).startswith(message)


def test_a_cluster_that_is_mute_is_waited_for_in_bounds(monkeypatch):
    monkeypatch.setattr(distributed, "SECONDS_TO_ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        assert "no Ray cluster answers there (timed out)" in refused(address, monkeypatch)


def test_workers_share_the_cpus_of_their_node():
    def node(name, cpus, alive=True):
        return {"NodeID": name, "Alive": alive, "Resources": {"CPU": float(cpus)} if cpus else {}}

    planned = _slots([node("a", 2), node("b", 20), node("head", 0), node("gone", 8, alive=False)])
    assert [(slot.node, slot.cpus) for slot in planned] == [("a", 2), ("b", 10), ("b", 10)]
    with pytest.raises(RequestError, match="no CPU for a worker"):
        _slots([node("head", 0)])


def test_a_model_is_carried_to_the_workers_whole(tmp_path):
    from fashionnet.network.folder import DEFAULT_MODEL, Model

    copied = network_maker(DEFAULT_MODEL)()
    assert copied.fingerprint == Model.load().fingerprint


class DyingNetwork(ColourNetwork):
    """One worker kills itself; the victim's node never ends, and others wait until it is at work.

    So the build can end only if what the dead and the victim had is given to others.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def describe(self, images):
        import ray

        images = list(images)
        at_work = self.folder / "victim is at work"
        if ray.get_runtime_context().get_node_id() == (self.folder / "victim").read_text():
            at_work.touch()
            time.sleep(PATIENCE)
        give_up = time.monotonic() + PATIENCE
        while not at_work.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        return super().describe(images)


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """Two nodes of one CPU each; the second is the victim."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray>=2.60,<3'")
    from ray.cluster_utils import Cluster

    # Workers find the tests' network there.
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    options = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(True, head_node_args={**options, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


def test_a_node_that_is_killed_in_the_middle_costs_no_row(shop, tmp_path, cluster, capfd):
    victim = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    (tmp_path / "victim").write_text(victim.node_id)

    def kill():
        while not (tmp_path / "victim is at work").exists():
            time.sleep(0.02)
        cluster.remove_node(victim, allow_graceful=False)

    threading.Thread(target=kill, daemon=True).start()
    capfd.readouterr()
    repo, whole = tmp_path / "repo", tmp_path / "whole"
    with ray_engine(partial(DyingNetwork, tmp_path), ColourNetwork().fingerprint) as engine:
        assert engine.workers == 2
        report = build(shop, repo, engine)
    assert capfd.readouterr() == ("", "")
    assert report.notes[-1] == "Ray workers that died and were replaced: 1"
    build(shop, whole)
    assert contents(repo) == contents(whole)
    assert order(repo) == order(whole)
    assert left_out(repo) == left_out(whole)


def test_the_command_takes_the_engine(shop, tmp_path, monkeypatch, capsys):
    from fashionnet.cli import build as command
    from fashionnet.network import compiled

    monkeypatch.setattr(compiled.CompiledNetwork, "open", lambda *_: ColourNetwork())
    monkeypatch.setitem(sys.modules, "ray", None)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["--catalogue", str(shop), "--repository", str(tmp_path / "repo"), "--engine", "ray"]
    with pytest.raises(RequestError, match="Ray is not installed"):
        command.run(parser.parse_args(given))
    assert not (tmp_path / "repo").exists()
