"""Photos of every kind that people have, as real files."""

import io
import os
import resource
import struct
import tempfile
import time
import tracemalloc
import zlib
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from PIL import Image as pillow

from fashionnet.errors import RequestError
from fashionnet.photos import (
    MAXIMUM_BYTES,
    PHOTOS_AHEAD,
    UnreadablePhotoError,
    decode,
    find_photos,
    read_ahead,
    read_bytes,
    resize,
)

RED, WHITE = (200, 30, 40), (255, 255, 255)


def soft_image(height, width, seed=0):
    """A picture without sharp edges, so that two ways to shrink it agree."""
    coarse = np.random.default_rng(seed).integers(30, 226, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def saved(photo, path, **options):
    photo.save(path, **options)
    return decode(read_bytes(path))


def reason(path):
    with pytest.raises(UnreadablePhotoError) as caught:
        decode(read_bytes(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- Unreadable ------------------------------------------------------------------------------


def test_a_photo_without_a_byte(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert reason(tmp_path / "a.jpg") == "empty file"


def test_text_that_is_called_a_photo(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>not found</html>")
    assert reason(tmp_path / "a.jpg") == "not a photo, or its header is damaged"


def test_a_truncated_photo(tmp_path):
    path = tmp_path / "a.jpg"
    pillow.fromarray(soft_image(300, 200)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    assert reason(path).startswith("damaged or truncated: ")


def test_a_photo_that_is_gone_or_a_folder(tmp_path):
    assert reason(tmp_path / "a.jpg") == "no such file or directory"
    assert reason(tmp_path) == "is a directory"


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.truncate(MAXIMUM_BYTES + 1)
    assert "at most 64 MiB" in reason(path)


@pytest.mark.parametrize(("width", "height"), [(20000, 10000), (12000, 10000)])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, width, height):
    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes((3 * width + 1) * 100), 9)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "at most 100 megapixels are read" in reason(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 50e6


def sample_files():
    image = pillow.fromarray(soft_image(48, 40))
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        data = io.BytesIO()
        exif = pillow.Exif()
        exif[0x0112] = 6
        image.save(data, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}))
        yield data.getvalue()


SAMPLE_FILES = list(sample_files())


@settings(max_examples=400, deadline=None)
@given(
    data=some.sampled_from(SAMPLE_FILES),
    changes=some.lists(some.tuples(some.floats(0, 1), some.integers(0, 255)), max_size=8),
    kept=some.floats(0.1, 1),
    early=some.booleans(),
)
def test_whatever_is_damaged_is_read_or_refused(data, changes, kept, early):
    spoilt = bytearray(data)
    for place, value in changes:
        # Headers are where damage is worst, and they come first.
        spoilt[int(place * (min(200, len(spoilt)) if early else len(spoilt) - 1))] = value
    try:
        image = decode(bytes(spoilt[: int(len(spoilt) * kept)]))
    except UnreadablePhotoError as error:
        assert str(error)
    else:
        assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


# --- Readable --------------------------------------------------------------------------------


def test_cmyk_greyscale_and_bilevel_become_rgb(tmp_path):
    red = pillow.new("RGB", (40, 30), RED)
    image = saved(red.convert("CMYK"), tmp_path / "cmyk.jpg")
    assert image.shape == (30, 40, 3)
    assert np.abs(image.astype(int) - RED).max() < 8
    grey = saved(pillow.new("L", (40, 30), 90), tmp_path / "grey.jpg")
    assert np.abs(grey.astype(int) - 90).max() < 3
    assert (saved(pillow.new("1", (40, 30), 1), tmp_path / "one.png") == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("brightest", [65535, 200])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, channels, suffix, brightest):
    ramp = np.linspace(0, brightest, 64).astype(np.uint16)
    levels = np.tile(ramp, (32, 1))
    path = tmp_path / f"deep{suffix}"
    cv2.imwrite(str(path), levels if channels == 1 else np.dstack([levels] * 3))
    image = decode(read_bytes(path))
    assert image.shape == (32, 64, 3) and image.dtype == np.uint8
    assert np.abs(image[..., 0].astype(float) - levels / 257).max() <= 1


def exif_with_text_as(tag):
    """EXIF that turns a photo by 90° and has a text where `tag` is a number."""
    entries = sorted([(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (tag, 2, 4, b"abc\0")])
    directory = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + directory + bytes(4)


@pytest.mark.parametrize("exif", [exif_with_text_as(0x0100), exif_with_text_as(0x011A)])
def test_a_good_picture_with_odd_exif_is_kept_and_stands_upright(tmp_path, exif):
    wide = pillow.new("RGB", (60, 40), RED)
    assert saved(wide, tmp_path / "a.jpg", exif=exif).shape == (60, 40, 3)


def test_a_good_picture_with_exif_that_is_no_exif_is_kept(tmp_path):
    image = saved(pillow.new("RGB", (60, 40), RED), tmp_path / "a.jpg", exif=b"Exif\0\0nonsense")
    assert image.shape == (40, 60, 3)


def test_whatever_a_decoder_lets_through_makes_a_photo_unreadable(tmp_path, monkeypatch):
    def fail(photo):
        raise struct.error("required argument is not an integer")

    monkeypatch.setattr("fashionnet.photos._upright_rgb", fail)
    pillow.new("RGB", (60, 40), RED).save(tmp_path / "a.jpg")
    assert reason(tmp_path / "a.jpg").endswith("required argument is not an integer")


@pytest.mark.parametrize(("kind", "most"), [(np.uint16, 12), (np.float32, 16), (np.int32, 16)])
def test_grey_pictures_of_many_bits_take_little_memory(tmp_path, kind, most):
    levels = np.full((1000, 1000), 40_000, kind)
    pillow.fromarray(levels).save(tmp_path / "deep.tif")
    data = read_bytes(tmp_path / "deep.tif")
    tracemalloc.start()
    image = decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(int(image[0, 0, 0]) - 40_000 / 257) <= 1
    assert peak < most * levels.size


def test_transparency_is_laid_over_white(tmp_path):
    photo = pillow.new("RGBA", (40, 30), (*RED, 255))
    photo.paste((0, 0, 0, 0), (0, 0, 20, 30))
    for name in ("a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name == "a.webp" else {}
        image = saved(photo, tmp_path / name, **options)
        assert (image[:, :20] == WHITE).all() and (image[:, 20:] == RED).all()
    grey = saved(pillow.new("LA", (40, 30), (10, 0)), tmp_path / "grey.png")
    assert (grey == WHITE).all()


def test_a_palette_with_transparency(tmp_path):
    photo = pillow.new("P", (40, 30), 1)
    photo.putpalette([0, 0, 0, *RED])
    photo.paste(0, (0, 0, 20, 30))
    for name in ("a.png", "a.gif"):
        image = saved(photo, tmp_path / name, transparency=0)
        assert (image[:, :20] == WHITE).all() and (image[:, 20:] == RED).all()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, suffix):
    frames = [pillow.new("RGB", (40, 30), colour) for colour in (RED, (0, 0, 255), (0, 255, 0))]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = tmp_path / f"moving{suffix}"
    image = saved(frames[0], path, save_all=True, append_images=frames[1:], **options)
    assert (image == RED).all()


TURNED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a camera stores an upright picture under each value of EXIF's orientation tag."""


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("minimum_side", [0, 20])
def test_turned_photos_stand_upright(tmp_path, orientation, suffix, minimum_side):
    upright = soft_image(96, 64)
    exif = pillow.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{suffix}"
    stored = np.ascontiguousarray(TURNED[orientation](upright))
    options = {} if suffix == ".tif" else {"quality": 95}
    pillow.fromarray(stored).save(path, exif=exif, **options)
    image = decode(read_bytes(path), minimum_side)
    assert image.shape[0] > image.shape[1]
    assert np.abs(resize(image, 32, 48).astype(int) - resize(upright, 32, 48)).mean() < 3


def as_jpeg(image):
    data = io.BytesIO()
    pillow.fromarray(image).save(data, "JPEG", quality=95)
    return data.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    height=some.integers(1, 700), width=some.integers(1, 700), minimum_side=some.integers(1, 300)
)
@example(height=448, width=448, minimum_side=224)
@example(height=1793, width=224, minimum_side=224)
def test_a_small_decode_is_large_enough(height, width, minimum_side):
    data = as_jpeg(soft_image(height, width))
    whole, small = decode(data), decode(data, minimum_side)
    assert whole.shape == (height, width, 3)
    assert min(small.shape[:2]) >= min(minimum_side, height, width)
    assert small.shape[0] <= height and small.shape[1] <= width


# Whole JPEG blocks: what the last block of another size holds beyond the photo shows at the edge.
@settings(max_examples=40, deadline=None)
@given(rows=some.integers(8, 40), columns=some.integers(8, 40), minimum_side=some.integers(32, 300))
def test_a_small_decode_shows_the_same(rows, columns, minimum_side):
    data = as_jpeg(soft_image(16 * rows, 16 * columns))
    whole, small = decode(data), decode(data, minimum_side)
    difference = resize(whole, 16, 16).astype(int) - resize(small, 16, 16)
    assert np.abs(difference).mean() < 5


@given(side=some.integers(1, 60), width=some.integers(1, 60), height=some.integers(1, 60))
def test_resizing_gives_the_size_asked_for_and_keeps_one_colour(side, width, height):
    image = np.full((side, 31, 3), RED, np.uint8)
    resized = resize(image, width, height)
    assert resized.shape == (height, width, 3)
    assert (resized == RED).all()


# --- Finding ---------------------------------------------------------------------------------


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_photos_are_found_in_order_each_once_whatever_their_names(tmp_path):
    first = touch(tmp_path / "été à la plage" / "юбка 1.JPG")
    second = touch(tmp_path / "été à la plage" / "深" / "セーター.webp")
    third = touch(tmp_path / "z" / "it's; a 'dress' [1].jpeg")
    touch(tmp_path / "z" / "notes.txt")
    assert find_photos([tmp_path]) == sorted([first, second, third])
    assert find_photos([third, tmp_path]) == [third, first, second]


def test_a_photo_with_an_odd_name_is_read(tmp_path):
    path = tmp_path / "мои вещи" / "it's 100% 绿色.png"
    path.parent.mkdir()
    pillow.new("RGB", (4, 3), RED).save(path)
    (found,) = find_photos([path.parent])
    assert decode(read_bytes(found)).shape == (3, 4, 3)


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    shown = touch(tmp_path / ".mine" / "shown.jpg")
    touch(tmp_path / ".mine" / ".hidden.jpg")
    touch(tmp_path / ".mine" / ".trash" / "thrown.jpg")
    assert find_photos([tmp_path / ".mine"]) == [shown]


@contextmanager
def locked(folder):
    """Keep everyone out of a folder, the superuser too by being nobody meanwhile."""
    superuser = hasattr(os, "geteuid") and os.geteuid() == 0
    folder.chmod(0)
    try:
        if superuser:
            os.seteuid(65534)
        if os.access(folder, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            pytest.skip("nobody can be kept out of a folder here")
        yield
    finally:
        if superuser:
            os.seteuid(0)
        folder.chmod(0o700)


@pytest.mark.parametrize("name", [".", "inside", "inside/deep"])
def test_a_folder_that_cannot_be_read_is_named_and_not_taken_for_empty(name):
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for path in (folder, folder / "inside", folder / "inside" / "deep"):
            touch(path / "a.jpg")
            path.chmod(0o755)
        with locked(folder / name), pytest.raises(RequestError) as caught:
            find_photos([folder])
    assert str(folder / name) in str(caught.value)
    assert str(caught.value).endswith("permission denied")


def test_a_file_named_outright_is_taken_whatever_its_suffix(tmp_path):
    path = touch(tmp_path / ".photo.heic")
    assert find_photos([path]) == [path]


@pytest.mark.parametrize("files", [[], ["notes.txt", "film.mp4"]])
def test_a_folder_without_a_photo_is_refused(tmp_path, files):
    for name in files:
        touch(tmp_path / name)
    with pytest.raises(RequestError, match="no photo found") as caught:
        find_photos([tmp_path])
    assert str(tmp_path) in str(caught.value) and ".jpg" in str(caught.value)


def test_a_path_that_is_not_there_is_refused(tmp_path):
    missing = tmp_path / "gone"
    touch(tmp_path / "a.jpg")
    with pytest.raises(RequestError, match=f"{missing}: no such file or folder"):
        find_photos([tmp_path, Path(missing)])


def test_an_interrupted_reading_waits_for_no_more_than_a_few_photos():
    begun = []

    def read(number):
        begun.append(number)
        time.sleep(0.02)
        return number

    reading = read_ahead(range(10_000), read)
    item, pending = next(reading)
    assert item == pending.result() == 0
    reading.close()
    count = len(begun)
    time.sleep(0.1)
    assert len(begun) == count <= PHOTOS_AHEAD + 1


def test_reading_ahead_keeps_the_order():
    found = [pending.result() for _, pending in read_ahead(range(50), lambda number: -number)]
    assert found == [-number for number in range(50)]
