"""Photos at web addresses and in shards are brought into a folder, for curate and build alike."""

import csv
import io
import json
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from fashionnet import fetch
from fashionnet.cli import main
from fashionnet.errors import RequestError
from fashionnet.repository import Repository
from fashionnet.repository.catalogue import read_catalogue
from fashionnet.repository.gathering import gather
from fashionnet.repository.shards import unpack


@contextmanager
def silent(what, total):
    yield lambda count: None


def jpeg(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    file = io.BytesIO()
    pillow.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def write_shard(path, files):
    """Write a tar of files by name; what is not bytes is a TarInfo as it stands."""
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            member = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(data, bytes):
                member.size = len(data)
            archive.addfile(member, io.BytesIO(data) if isinstance(data, bytes) else None)
    return path


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# --- shards


def test_a_shard_becomes_photos_and_a_table_of_all_that_it_says(tmp_path):
    files = [
        ("a/01.jpg", jpeg(1)),
        ("a/01.json", json.dumps({"price": "€ 9,90", "pattern": "striped"}).encode()),
        ("a/01.txt", b"a striped shirt"),
        ("a/02.front.jpg", jpeg(2)),
        ("a/02.back.jpg", jpeg(3)),
        ("a/02.cls", b"4"),
        ("a/03.npy", b"numbers"),
    ]
    write_shard(tmp_path / "shop-000.tar", files)
    gathered = gather(tmp_path / "shop-000.tar", tmp_path / "photos", silent)
    assert rows_of(gathered.table) == [
        {
            "id": f"shop-000/a/0{number}",
            "image": f"shop-000/a/0{number}{view}.jpg",
            "fetched_from": f"shop-000.tar/a/0{number}",
            "price": "€ 9,90" if number == 1 else "",
            "pattern": "striped" if number == 1 else "",
            "caption": "a striped shirt" if number == 1 else "",
            "cls": "4" if number == 2 else "",
        }
        for number, view in ((1, ""), (2, ".front"), (2, ".back"))
    ]
    assert (tmp_path / "photos" / "shop-000" / "a" / "01.jpg").read_bytes() == jpeg(1)
    catalogue = read_catalogue(gathered.table)
    assert catalogue.ids == ["shop-000/a/01", "shop-000/a/02"]
    assert catalogue.metadata["price"].to_pylist() == [9.9, None]
    assert "further photos of items, not used: 1" in catalogue.notes


def special(name, kind, target="", size=0):
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, target, size
    return member


def test_nothing_of_a_shard_lands_outside_its_folder(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(jpeg(9))
    before = names_in(tmp_path)
    files = [
        ("../out.jpg", jpeg()),
        ("/abs.jpg", jpeg()),
        ("a/../../out.jpg", jpeg()),
        (".hidden.jpg", jpeg()),
        ("back\\slash.jpg", jpeg()),
        ("bell\a.jpg", jpeg()),
        ("x" * 300 + ".jpg", jpeg()),
        ("link.jpg", special("link.jpg", tarfile.SYMTYPE, "../../secret.jpg")),
        ("hard.jpg", special("hard.jpg", tarfile.LNKTYPE, "../secret.jpg")),
        ("pipe.jpg", special("pipe.jpg", tarfile.FIFOTYPE)),
        ("dir", special("dir", tarfile.SYMTYPE, "..")),
        ("dir/in.jpg", jpeg(4)),
        ("good.json", b"[1, 2"),
        ("good.jpg", jpeg(5)),
    ]
    write_shard(tmp_path / "evil.tar", files)
    gathered = gather(tmp_path / "evil.tar", tmp_path / "photos", silent)
    assert names_in(tmp_path / "photos") == ["evil/dir/in.jpg", "evil/good.jpg", "photos.csv"]
    assert [n for n in names_in(tmp_path) if not n.startswith("photos/")] == sorted(
        [*before, "evil.tar"]
    )
    reasons = {row.image: row.reason for row in gathered.left_out}
    assert len(reasons) == 11
    assert reasons["evil.tar/../out.jpg"] == "its name is no path inside the archive"
    assert reasons["evil.tar/link.jpg"] == "a link, a device or a sparse file"
    assert reasons["evil.tar/good.json"] == "not a JSON object"


def test_a_link_in_the_folder_of_photos_leads_no_photo_out_of_it(tmp_path):
    write_shard(tmp_path / "shop.tar", [("a/1.jpg", jpeg()), ("2.jpg", jpeg(2))])
    (tmp_path / "photos" / "shop").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos" / "shop" / "a").symlink_to(tmp_path / "elsewhere")
    gathered = gather(tmp_path / "shop.tar", tmp_path / "photos", silent)
    assert names_in(tmp_path / "elsewhere") == []
    assert [row.reason for row in gathered.left_out] == ["a link leads out of the folder of photos"]


def test_what_is_too_large_is_left_out_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("fashionnet.repository.shards.MAXIMUM_BYTES", 5000)
    files = [("1.jpg", bytes(6000)), ("2.jpg", jpeg()), ("2.json", bytes(2**20 + 1))]
    gathered = gather(write_shard(tmp_path / "shop.tar", files), tmp_path / "photos", silent)
    assert names_in(tmp_path / "photos") == ["photos.csv", "shop/2.jpg"]
    assert [row.image for row in gathered.left_out] == ["shop.tar/1.jpg", "shop.tar/2.json"]
    assert all("MiB: at most" in row.reason for row in gathered.left_out)


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path):
    huge = special("pax", tarfile.XHDTYPE, size=2**33)
    (tmp_path / "shop.tar").write_bytes(huge.tobuf() + bytes(1024))
    with pytest.raises(RequestError, match=r"shop\.tar: brings no photo, such as .* damaged"):
        gather(tmp_path / "shop.tar", tmp_path / "photos", silent)


@pytest.mark.parametrize("content", [b"", b"PK", bytes(512), bytes(range(256)) * 9])
def test_what_is_no_shard_is_one_line(tmp_path, content):
    (tmp_path / "shop.tar").write_bytes(content)
    with pytest.raises(RequestError, match=r"shop\.tar: brings no photo") as caught:
        gather(tmp_path / "shop.tar", tmp_path / "photos", silent)
    assert "\n" not in str(caught.value)


def test_a_damaged_shard_costs_no_other_and_keeps_what_came_before(tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(3):
        files = [(f"{n}.jpg", jpeg(10 * number + n)) for n in range(3)]
        write_shard(shards / f"{number}.tar", files)
    whole = (shards / "1.tar").read_bytes()
    (shards / "1.tar").write_bytes(whole[: len(whole) // 4])
    gathered = gather(shards, tmp_path / "photos", silent)
    assert [row.image for row in gathered.left_out] == ["1.tar"]
    assert "damaged" in gathered.left_out[0].reason
    assert len([row for row in rows_of(gathered.table) if row["image"][0] in "02"]) == 6


def test_a_second_run_writes_no_photo_again(tmp_path):
    write_shard(tmp_path / "shop.tar", [("1.jpg", jpeg(1)), ("2.jpg", jpeg(2))])
    gather(tmp_path / "shop.tar", tmp_path / "photos", silent)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "photos" / "shop").iterdir()}
    gather(tmp_path / "shop.tar", tmp_path / "photos", silent)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "photos" / "shop").iterdir()} == before


def test_samples_come_in_the_order_of_the_archive(tmp_path):
    shard = write_shard(tmp_path / "s.tar", [(f"{n}.jpg", jpeg(n)) for n in (3, 1, 2)])
    assert [sample.key for sample in unpack(shard, tmp_path / "s")] == ["3", "1", "2"]


# --- tables of addresses


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        data = self.server.files.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *words):
        pass


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(fetch, "SECONDS_BETWEEN_TRIES", 0.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.asked = []
    server.files = {f"/{n}.jpg": jpeg(n) for n in range(4)}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.root = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_messy_export_of_a_shop_is_fetched_once_and_read(web, tmp_path):
    table = tmp_path / "shop.csv"
    rows = [
        "id;image;name;price",
        f'1;{web.root}/0.jpg|{web.root}/1.jpg;"two\nlines";€ 1.299,00',
        f"2;{web.root}/gone.jpg;Top;€ 5,50",
        "3;own/3.jpg;Café;€ 7",
        "4;../outside.jpg;x;€ 8",
        f"5;{web.root}/2.jpg;Shirt;",
        f"6;{web.root}/2.jpg;Shirt;",
    ]
    table.write_bytes(b"\xef\xbb\xbf" + "\n".join(rows).encode())
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "3.jpg").write_bytes(jpeg(3))
    gathered = gather(table, tmp_path / "photos", silent, allow_private=True)
    reasons = {row.image: row.reason for row in gathered.left_out}
    assert reasons == {
        f"{web.root}/gone.jpg": "the server says 404",
        "../outside.jpg": "lies outside the folder of the file that names it",
    }
    catalogue = read_catalogue(gathered.table)
    assert catalogue.ids == ["1", "3", "5"]
    assert catalogue.metadata["price"].to_pylist() == [1299.0, 7.0, None]
    assert catalogue.metadata["name"].to_pylist() == ["two\nlines", "Café", "Shirt"]
    assert [row.reason for row in catalogue.left_out] == [
        "the same item as 5: the same photo and cells"
    ]
    assert all((catalogue.root / photo).is_file() for photo in catalogue.photos)
    asked = len(web.asked)
    gather(table, tmp_path / "photos", silent, allow_private=True)
    assert web.asked[asked:] == ["/gone.jpg"]


def test_a_table_at_a_web_address_names_photos_beside_itself(web, tmp_path):
    lines = ["image,name", "0.jpg,a", "/1.jpg,b", "file:///etc/passwd,c", "http://10.0.0.1/x,d"]
    web.files["/feed/items.csv"] = "\n".join(lines).encode()
    web.files["/feed/0.jpg"] = jpeg(7)
    address = f"{web.root}/feed/items.csv"
    with pytest.raises(RequestError, match="is not a public address"):
        gather(address, tmp_path / "photos", silent)
    assert web.asked == []
    fetch_private = fetch.is_public
    try:
        fetch.is_public = lambda ip: ip == "127.0.0.1"
        gathered = gather(address, tmp_path / "photos", silent)
    finally:
        fetch.is_public = fetch_private
    assert [row["fetched_from"] for row in rows_of(gathered.table)] == [
        f"{web.root}/feed/0.jpg",
        f"{web.root}/1.jpg",
    ]
    reasons = [row.reason for row in gathered.left_out]
    assert "an address of another kind" in reasons[0] and "not a public address" in reasons[1]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/feed", "expected a table, whose address ends in"),
        ("/shop.tar", "fetch anything else to disk first"),
        ("/gone.csv", "the server says 404"),
        ("/lies.csv", "no column image"),
        ("/lies.parquet", "not a Parquet file"),
        ("/empty.csv", "no header found"),
    ],
)
def test_what_is_no_table_at_an_address_is_one_line(web, tmp_path, path, said):
    web.files |= {"/lies.csv": jpeg(), "/lies.parquet": b"image\na.jpg\n", "/empty.csv": b""}
    with pytest.raises(RequestError, match=said) as caught:
        gather(web.root + path, tmp_path / "photos", silent, allow_private=True)
    assert "\n" not in str(caught.value)


def test_a_table_without_end_is_cut_off(web, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "MAXIMUM_TABLE_BYTES", 1000)
    web.files["/long.csv"] = b"image\n" + b"a.jpg\n" * 1000
    with pytest.raises(RequestError, match="more than 0 MiB"):
        gather(web.root + "/long.csv", tmp_path / "photos", silent, allow_private=True)


def test_a_table_that_somebody_else_wrote_is_not_overwritten(web, tmp_path):
    mine = tmp_path / "photos.csv"
    mine.write_text(f"image\n{web.root}/0.jpg\n")
    with pytest.raises(RequestError, match="leave out --photos-to"):
        gather(mine, tmp_path, silent, allow_private=True)
    (tmp_path / "other.csv").write_text(mine.read_text())
    with pytest.raises(RequestError, match="was not written by --photos-to"):
        gather(tmp_path / "other.csv", tmp_path, silent, allow_private=True)
    assert mine.read_text() == f"image\n{web.root}/0.jpg\n"


# --- the commands


def test_curate_and_build_read_the_same_shop(web, tmp_path, tiny_model, capsys):
    table = tmp_path / "shop.csv"
    lines = [f'{n},{web.root}/{n}.jpg,"$ 1,{n}00.50"' for n in (0, 1, 2, 7)]
    table.write_text("\n".join(["id,image,price", *lines]))
    model = ["--model", str(tiny_model)]
    photos = ["--photos-to", str(tmp_path / "photos"), "--allow-private"]
    assert main(["curate", str(table), *model]) == 2
    assert "--photos-to DIR" in capsys.readouterr().err and not web.asked
    assert main(["curate", str(table), *model, "--photos-to", str(tmp_path / "photos")]) == 2
    assert "is not a public address" in capsys.readouterr().err and not web.asked
    assert main(["curate", str(table), *model, *photos, "--apply"]) == 0
    assert f"left out: {web.root}/7.jpg: the server says 404" in capsys.readouterr().err
    cleaned = tmp_path / "photos" / "photos.cleaned.csv"
    assert [row["price"] for row in rows_of(cleaned)] == ["$ 1,000.50", "$ 1,100.50", "$ 1,200.50"]
    repositories = []
    for name, source in (("a", [str(cleaned)]), ("b", [str(table), *photos])):
        words = ["build", "--catalogue", *source, "--repository", str(tmp_path / name), *model]
        assert main(words) == 0
        items = Repository.open(tmp_path / name).items("price > 1050")
        assert all(Path(photo).is_file() for photo in items.photos)
        repositories.append((items.ids, items.photos))
    assert repositories[0] == repositories[1]
    assert "7.jpg,the server says 404" in (tmp_path / "b" / "left_out.csv").read_text()


def test_shards_without_a_folder_for_photos_are_one_clear_line(tmp_path, tiny_model, capsys):
    shard = write_shard(tmp_path / "shop.tar", [("1.jpg", jpeg(1))])
    model = ["--model", str(tiny_model)]
    build = ["build", "--repository", str(tmp_path / "repository"), *model, "--catalogue"]
    for words in (["curate", str(shard), *model], [*build, str(shard)]):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert "unpack them with --photos-to DIR" in error and error.count("\n") == 1
    packed = shard.rename(tmp_path / "shop.tar.gz")
    assert main(["curate", str(packed), *model, "--photos-to", str(tmp_path / "photos")]) == 2
    assert "compressed archives are not read" in capsys.readouterr().err
    shard = packed.rename(shard)
    assert main([*build, str(shard), "--photos-to", str(tmp_path / "photos")]) in (0, 1)
    assert main(["curate", str(tmp_path), *model, "--allow-private"]) == 2
    assert "nothing is fetched without --photos-to" in capsys.readouterr().err
