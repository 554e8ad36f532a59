"""Photos, tables and repositories elsewhere than on disk: in memory, on a web server, in S3."""

import functools
import http.server
import threading

import pytest
from test_repository import ColourNetwork, contents, save_photo, shop, small_commits

import fashionnet.photos as photos
import fashionnet.repository.table as table_module
from fashionnet.errors import RequestError
from fashionnet.locations import location
from fashionnet.repository import Repository
from fashionnet.repository.candidates import Candidates
from fashionnet.repository.catalogue import read_catalogue

__all__ = ["shop", "small_commits"]

pytest.importorskip("upath", reason="universal-pathlib is not installed: no URI can be read")


def upload(folder, target) -> None:
    """Copy a folder's files below a URI."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            copy = target / file.relative_to(folder).as_posix()
            if target.protocol == "memory":
                copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())


@pytest.fixture
def memory(shop):
    """The shop in fsspec's file system in memory."""
    folder = location("memory://shop/photos")
    upload(shop, folder)
    yield folder
    folder.fs.rm("/shop", recursive=True)


@pytest.fixture
def web(shop):
    """The folder above the shop, as a web server serves it."""
    pytest.importorskip("aiohttp", reason="aiohttp is not installed: no web server can be read")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *what):
            pass

    handler = functools.partial(Quiet, directory=shop.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def s3_server():
    """A local S3 server, as the environment's variables name it."""
    reason = "moto and s3fs are not installed: pip install 'moto[s3,server]' s3fs"
    pytest.importorskip("s3fs", reason=reason)
    server = pytest.importorskip("moto.server", reason=reason).ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        patch.setenv("AWS_ALLOW_HTTP", "true")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_REGION", "us-east-1")
        yield
    server.stop()


@pytest.fixture
def bucket(s3_server, shop, tmp_path):
    """A bucket with the shop in it."""
    uri = f"s3://{tmp_path.name.replace('_', '-')}"
    location(uri).mkdir()
    upload(shop, location(f"{uri}/shop/photos"))
    return uri


def test_photos_in_memory_make_the_same_repository(shop, memory, tmp_path):
    remote, disk = tmp_path / "remote", tmp_path / "disk"
    report = Repository.build(memory, remote, ColourNetwork(), shop.parent / "styles.csv")
    assert report == Repository.build(shop, disk, ColourNetwork(), shop.parent / "styles.csv")
    assert contents(remote) == contents(disk)
    assert (remote / "left_out.csv").read_text() == (disk / "left_out.csv").read_text()
    assert Repository.open(remote).items().photos[0] == "memory://shop/photos/0.png"


def test_remote_photos_that_change_come_and_go(shop, memory, tmp_path):
    repo = tmp_path / "repo"
    Repository.build(memory, repo, ColourNetwork())
    (memory / "1.png").write_bytes(save_photo(shop / "other.png", 77).read_bytes())
    (memory / "new.png").write_bytes(save_photo(shop / "other.png", 78).read_bytes())
    (memory / "2.png").unlink()
    network = ColourNetwork()
    report = Repository.build(memory, repo, network)
    assert network.described == 2
    assert (report.described, report.vanished) == (10, 1)


def test_a_remote_photo_that_is_too_large_is_left_out_unread(memory, tmp_path, monkeypatch):
    largest = max((memory / f"{number}.png").stat().st_size for number in range(10))
    monkeypatch.setattr(photos, "MAXIMUM_BYTES", largest)
    (memory / "huge.png").write_bytes(b"x" * (largest + 1))
    Repository.build(memory, tmp_path / "repo", ColourNetwork())
    assert "huge.png,file of 0 MiB: at most" in (tmp_path / "repo" / "left_out.csv").read_text()


def test_a_remote_table_names_photos_below_itself_only(shop, memory):
    rows = ["1.png", "../styles.csv", "/etc/passwd", "a/../../x.png", "%2e%2e/x.png", "./2.png"]
    table = memory / "items.csv"
    table.write_text("\n".join(["image", *rows, "memory://shop/photos/3.png"]))
    catalogue = read_catalogue(table)
    assert catalogue.photos == ["1.png", "2.png"]
    reasons = {row.image: row.reason for row in catalogue.left_out}
    assert set(reasons) == {*rows[1:5], "memory://shop/photos/3.png"}
    assert all(
        reasons[row] == "lies outside the folder of the file that names it" for row in rows[1:5]
    )


def test_a_catalogue_on_a_web_server(shop, web, tmp_path):
    (shop / "items.csv").write_text("image,colour\n1.png,red\nbroken.jpg,red\ngone.png,red\n")
    report = Repository.build(f"{web}/shop/items.csv", tmp_path / "repo", ColourNetwork())
    assert report.described == 1
    text = (tmp_path / "repo" / "left_out.csv").read_text()
    assert 'broken.jpg,"not a photo, or its header is damaged"' in text
    assert "gone.png,no such file or directory" in text
    with pytest.raises(RequestError, match="does not list its files: name a table"):
        read_catalogue(location(f"{web}/shop/"))
    with pytest.raises(RequestError, match=r"gone\.csv: no such file or directory"):
        read_catalogue(location(f"{web}/shop/gone.csv"))


def test_a_repository_and_photos_in_an_object_store(shop, bucket, tmp_path):
    repo, disk = location(f"{bucket}/shop.repository"), tmp_path / "disk"
    source = f"{bucket}/shop/photos"
    report = Repository.build(source, repo, ColourNetwork(), shop.parent / "styles.csv")
    Repository.build(shop, disk, ColourNetwork(), shop.parent / "styles.csv")
    assert report.described == 10
    assert f"see {repo}/left_out.csv" in report.closing_line(repo)
    assert (repo / "left_out.csv").read_text() == (disk / "left_out.csv").read_text()
    assert contents(repo) == contents(disk)
    items = Repository.open(str(repo)).items("year = 2011")
    assert items.photos == [f"{source}/{name}.png" for name in (1, 4, 7)]
    network = ColourNetwork()
    assert Repository.build(source, repo, network, shop.parent / "styles.csv").described == 10
    assert network.described == 0


def test_a_build_in_an_object_store_is_resumed_and_keeps_others_out(shop, bucket, tmp_path):
    class Impatient(ColourNetwork):
        def describe(self, images):
            with pytest.raises(RequestError, match="another build is at work"):
                Repository.build(shop, repo, ColourNetwork())
            return super().describe(images)

    repo = f"{bucket}/shop.repository"
    with pytest.raises(KeyboardInterrupt):
        Repository.build(shop, repo, Impatient(stop_at=5))
    network = ColourNetwork()
    Repository.build(shop, repo, network)
    assert network.described == 6
    Repository.build(shop, tmp_path / "disk", ColourNetwork())
    assert contents(repo) == contents(tmp_path / "disk")
    with pytest.raises(RequestError, match="not empty and not a repository"):
        Repository.build(shop, f"{bucket}/shop", ColourNetwork())
    with pytest.raises(RequestError, match="not a repository"):
        Repository.open(f"{bucket}/nowhere")


def test_columns_of_a_repository_in_an_object_store_follow_builds_elsewhere(
    shop, bucket, tmp_path, monkeypatch
):
    monkeypatch.setattr(table_module, "READ_WHOLE", 2)
    repo = f"{bucket}/shop.repository"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "builder"))
    Repository.build(shop, repo, ColourNetwork())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "reader"))
    before = Repository.open(repo).candidates()
    assert isinstance(before, Candidates)
    (shop / "0.png").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "builder"))
    Repository.build(shop, repo, ColourNetwork())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "reader"))
    after = Repository.open(repo)
    assert len(after.candidates()) == len(after.items()) == len(before) - 1
    assert len(list(tmp_path.glob("reader/fashionnet/columns/*/columns.*"))) == 1


@pytest.mark.parametrize("uri", ["memory://shop", "http://127.0.0.1/shop"])
def test_what_no_repository_can_lie_in_is_refused(shop, uri):
    with pytest.raises(RequestError, match="lies in a folder or in an object store"):
        Repository.build(shop, uri, ColourNetwork())


def test_a_scheme_that_nothing_knows_is_one_line():
    with pytest.raises(RequestError, match=r"^foo://x: "):
        location("foo://x")


def test_a_file_uri_is_a_path_on_disk(shop):
    assert location(shop.as_uri()) == shop
    assert read_catalogue(location(shop.as_uri())).root == shop
