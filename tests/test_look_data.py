"""Readers of scenes and products: the published layout, broken rows, bounding boxes, tables."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as pillow
from worn_people import write_people

from fashionnet.cli.main import main
from fashionnet.compatibility.look_crop import SMALLEST_SHARE, checked_box, largest_rest
from fashionnet.compatibility.look_data import (
    read_pair_table,
    read_shop_the_look,
    worn_look_pairs,
)
from fashionnet.compatibility.look_experiment import LookExperiment
from fashionnet.compatibility.look_run import cut_catalogue
from fashionnet.compatibility.worn_pairs import write_worn_pairs
from fashionnet.errors import RequestError
from fashionnet.experiments import experiment_files, read_experiment

SHOES, BAGS = "Apparel & Accessories|Shoes", "Apparel & Accessories|Handbags, Wallets & Cases"


def signature(number):
    return f"{number:032x}"


def write_photo(path, colour=(200, 200, 200)):
    pillow.new("RGB", (40, 80), colour).save(path)


def write_shop(folder, scenes=40):
    """Shop the Look as published: one object a line, categories beside it, photos by signature."""
    images = folder / "images"
    images.mkdir(parents=True)
    lines, categories = [], {}
    for number in range(scenes):
        scene, product = signature(number), signature(1000 + number)
        row = {"product": product, "scene": scene, "bbox": [0.434097, 0.859363, 0.560254, 1.0]}
        lines.append(json.dumps(row))
        categories[product] = SHOES if number % 2 else BAGS
        for name in (scene, product):
            write_photo(images / f"{name}.jpg")
    (folder / "fashion.json").write_text("\n".join(lines) + "\n")
    (folder / "fashion-cat.json").write_text(json.dumps(categories))
    return images


def test_shop_the_look_is_read_as_published(tmp_path):
    images = write_shop(tmp_path)
    pairs = read_shop_the_look(tmp_path, images)
    assert len(pairs) == 40 and not pairs.left_out
    assert set(pairs.categories.tolist()) == {SHOES, BAGS}
    assert {part: len(pairs.rows(part)) for part in ("train", "validation", "test")} == {
        "train": 32,
        "validation": 4,
        "test": 4,
    }
    _, scene = pairs.scenes[0].read()
    # Below the box there is nothing, above it most.
    assert scene.shape == (69, 40, 3)
    assert pairs.products[0].read()[1].shape == (80, 40, 3)


EXAMPLES = Path(__file__).parents[1] / "examples" / "looks"


def test_the_experiments_that_ship_can_be_read():
    found = {
        file.stem: read_experiment(file, LookExperiment) for file in experiment_files(EXAMPLES)
    }
    assert set(found) == {"shop_the_look", "shop_the_look_resnet50", "shop_the_look_seed", "worn"}
    assert found["shop_the_look"].backbone is None
    seed = found["shop_the_look_seed"]
    assert (seed.backbone.model, seed.backbone.regions) == ("ResNet50", "conv4_block6_out")
    assert (seed.attention.name, seed.attention.sign) == ("picture", 1)


@pytest.mark.parametrize("name", ["shop_the_look", "shop_the_look_resnet50", "shop_the_look_seed"])
def test_each_experiment_on_shop_the_look_runs_on_files_as_published(
    tmp_path, tiny_model, capsys, monkeypatch, name
):
    """The experiments as they ship, beside the data set: of the photos only their size is other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(EXAMPLES, tmp_path / "examples" / "looks")
    write_shop(tmp_path / "STL-Dataset")
    # Neither trained weights nor whole photos are needed to see that the files fit together.
    small = {"shop_the_look": f'model = "{tiny_model}"'}.get(
        name, 'backbone = { weights = "random", image_size = 64 }'
    )
    mine = tmp_path / "examples" / "looks" / "mine.toml"
    mine.write_text(f'extends = "{name}.toml"\n{small}\ntraining = {{ epochs = 2 }}\n')
    assert main(["train-look", str(mine), "--output", str(tmp_path / "runs")]) == 0
    results = json.loads((tmp_path / "runs" / "mine" / "results.json").read_text())
    assert results["pairs"] == {"train": 32, "validation": 4, "test": 4}
    assert results["left_out"] == {}
    # The paper's measure, and the two others.
    assert set(results["test"]["look model"]) == {"auc", "fill in the blank", "binary choice"}
    assert "test part, look model: auc" in capsys.readouterr().out


def test_broken_rows_of_shop_the_look_are_counted_by_reason(tmp_path):
    images = write_shop(tmp_path)
    good = {"product": signature(1000), "scene": signature(0), "bbox": [0.4, 0.8, 0.6, 1.0]}
    broken = {
        "line that is not JSON": ["{", "nonsense"],
        "line without scene, product and bbox": [{"product": "a"}, []],
        "bounding box outside its scene": [good | {"bbox": [0.4, 0.8, 1.2, 1.0]}],
        "bounding box is empty": [good | {"bbox": [0.6, 0.8, 0.4, 1.0]}],
        "bounding box is not four numbers": [
            good | {"bbox": [0.1, 0.2, 0.3]},
            good | {"bbox": [0.1, 0.2, 0.3, None]},
            good | {"bbox": None},
        ],
        "scene of which too little is left without the product": [good | {"bbox": [0, 0.1, 1, 1]}],
        "product without a category": [good | {"product": signature(0)}],
        "missing photo": [good | {"scene": signature(77)}],
        "signature that is no name of a photo": [good | {"scene": "../secret"}],
    }
    with (tmp_path / "fashion.json").open("a") as file:
        for rows in broken.values():
            for row in rows:
                file.write((row if isinstance(row, str) else json.dumps(row)) + "\n")
    pairs = read_shop_the_look(tmp_path, images)
    assert len(pairs) == 40
    assert pairs.left_out == {reason: len(rows) for reason, rows in broken.items()}


def test_what_shop_the_look_lacks_is_one_line(tmp_path):
    with pytest.raises(RequestError, match=r"fashion-cat\.json: no such file"):
        read_shop_the_look(tmp_path, tmp_path)
    images = write_shop(tmp_path / "shop")
    (tmp_path / "shop" / "fashion-cat.json").write_text("[]")
    with pytest.raises(RequestError, match="expected one object from products to categories"):
        read_shop_the_look(tmp_path / "shop", images)
    (tmp_path / "shop" / "fashion-cat.json").write_text("{}")
    with pytest.raises(RequestError, match="left out: 40 product without a category"):
        read_shop_the_look(tmp_path / "shop", images)


boxes = st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(
    lambda v: v[0] < v[2] and v[1] < v[3]
)


@settings(deadline=None)
@given(boxes)
def test_the_rest_of_a_scene_never_touches_the_product_and_is_the_largest_of_four(values):
    left, top, right, bottom = checked_box(values)
    areas = [top, 1 - bottom, left, 1 - right]
    rest = largest_rest((left, top, right, bottom))
    if rest is None:
        assert max(areas) < SMALLEST_SHARE
        return
    assert (rest[2] - rest[0]) * (rest[3] - rest[1]) == pytest.approx(max(areas))
    apart = rest[2] <= left or rest[0] >= right or rest[3] <= top or rest[1] >= bottom
    assert apart


def write_table(folder, rows, header="scene,product,category,bbox,group,part"):
    for number in range(30):
        write_photo(folder / f"{number}.png", (number * 8, 0, 0))
    table = folder / "pairs.csv"
    table.write_text("\n".join([header, *rows]) + "\n")
    return table


def test_a_table_of_pairs_is_read_and_its_broken_rows_are_counted(tmp_path):
    rows = [f"{number}.png,{29 - number}.png,shoes,,," for number in range(20)]
    rows += ["0.png,1.png,,,,", "0.png,,shoes,,,", "0.png,gone.png,shoes,,,"]
    rows += ["0.png,1.png,shoes,0 0 2 2,,", "0.png,1.png,shoes,a b c d,,", "0.png,1.png,shoes,,,x"]
    pairs = read_pair_table(write_table(tmp_path, rows))
    assert len(pairs) == 20
    assert pairs.left_out == {
        "empty category": 1,
        "row without scene or product": 1,
        "missing photo": 1,
        "bounding box outside its scene": 1,
        "bounding box is not four numbers": 1,
        "part that is none of train, validation, test": 1,
    }


def test_a_table_may_say_what_belongs_together_and_where(tmp_path):
    parts = ["train"] * 4 + ["validation"] * 4 + ["test"] * 4
    rows = [
        f"{number}.png,{number + 12}.png,shoes,0.2 0.5 0.8 1,g{number // 2},{part}"
        for number, part in enumerate(parts)
    ]
    pairs = read_pair_table(write_table(tmp_path, rows))
    assert pairs.parts.tolist() == parts
    assert len(set(pairs.groups.tolist())) == 6
    assert pairs.scenes[0].box == (0.0, 0.0, 1.0, 0.5)


def test_tables_that_cannot_be_used_are_one_line(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        read_pair_table(tmp_path / "none.csv")
    with pytest.raises(RequestError, match="no column category: expected scene, product, category"):
        read_pair_table(write_table(tmp_path, [], "scene,product"))
    rows = [f"{n}.png,{29 - n}.png,kind {n},,," for n in range(20)]
    with pytest.raises(RequestError, match="has two products of different scenes"):
        read_pair_table(write_table(tmp_path, rows))


def test_worn_pairs_are_scenes_of_tops_and_products_of_cloth(tmp_path):
    photos = write_people(tmp_path / "photos", 10)
    worn = write_worn_pairs(photos, dict.fromkeys(photos, ""), tmp_path / "worn")
    pairs = worn_look_pairs(worn)
    assert pairs.scenes[0].read()[1].shape == pairs.products[0].read()[1].shape == (224, 224, 3)
    assert set(pairs.categories.tolist()) == {"Bottomwear"}
    wrong = pairs.wrong(np.arange(10))
    assert not wrong.diagonal().any()
    # All are of one name here, so nothing is wrong for anything.
    assert not wrong.any()


def write_catalogue(folder, kinds):
    """Photos of people as Fashion Product Images is published."""
    photos = write_people(folder / "photos", len(kinds))
    (folder / "photos").rename(folder / "images")
    rows = ["id,gender,masterCategory,subCategory,articleType,productDisplayName"]
    rows += [
        f"{name},Men,Apparel,{kind},Shirts,Shirt {name}"
        for name, kind in zip(photos, kinds, strict=True)
    ]
    (folder / "styles.csv").write_text("\n".join(rows) + "\n")


def test_worn_pairs_are_cut_from_the_tops_of_a_published_catalogue(tmp_path):
    write_catalogue(tmp_path, ["Topwear"] * 5 + ["Bottomwear"])
    worn = cut_catalogue(tmp_path, tmp_path / "worn", 0)
    assert worn.ids == [f"p{number}" for number in range(5)]
    assert worn.names[0] == "Shirt p0"


def test_catalogues_without_tops_or_without_kinds_are_one_line(tmp_path):
    write_catalogue(tmp_path / "shoes", ["Shoes"] * 2)
    with pytest.raises(RequestError, match="no item whose subCategory is Topwear"):
        cut_catalogue(tmp_path / "shoes", tmp_path / "worn", 0)
    with pytest.raises(RequestError, match="none: no such file"):
        cut_catalogue(tmp_path / "none", tmp_path / "worn", 0)


def test_worn_pairs_are_cut_from_any_folder_of_photos(tmp_path):
    write_people(tmp_path / "shop" / "men, new", 4)
    worn = cut_catalogue(tmp_path / "shop", tmp_path / "worn", 0)
    assert set(worn.names) == {f"men, new/p{number}" for number in range(4)}
    # Pictures of all of them lie in one folder.
    assert sorted(path.name for path in (tmp_path / "worn").glob("*.top.jpg")) == [
        f"{name}.top.jpg" for name in worn.ids
    ]
