"""The commands train-outfits and outfits, on a small shop of painted photos."""

import json
import subprocess
import sys

import pytest
from handmade import ColourNetwork, paint
from PIL import Image

from fashionnet.cli.main import run_command
from fashionnet.compatibility.subspaces import SubspaceModel
from fashionnet.repository.store import Repository

SHADES = [25 + 20 * step for step in range(12)]
CATEGORIES = ("tops", "bottoms", "shoes")
PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Twelve tops, bottoms and shoes; those of one number are worn together.

    The shoes are nearly black, so that the network calls them not relevant.
    """
    folder = tmp_path_factory.mktemp("shop")
    rows = ["image,category,price,name"]
    outfits = ["outfit,item,part"]
    for number, shade in enumerate(SHADES):
        paint(folder / "photos" / f"tops{number}.png", (shade, 0, 0))
        paint(folder / "photos" / f"bottoms{number}.png", (0, shade, 0))
        paint(folder / "photos" / f"shoes{number}.png", (0, 0, number + 1))
        for place, category in enumerate(CATEGORIES):
            price = "" if (category, number) == ("shoes", 11) else 10 * (place + 1) + number
            rows.append(f"{category}{number}.png,{category},{price},{category} {number}")
        for part in PARTS:
            outfits += [f"{part}{number},{category}{number},{part}" for category in CATEGORIES]
    paint(folder / "photos" / "bare.png", (90, 90, 0))
    rows.append("bare.png,,5,nothing known")
    (folder / "items.csv").write_text("\n".join(rows) + "\n")
    (folder / "outfits.csv").write_text(
        "\n".join([*outfits, "x,lost,train", "y,bare,train"]) + "\n"
    )
    network = ColourNetwork()
    Repository.build(
        folder / "photos", folder / "repository", network, metadata=folder / "items.csv"
    )
    (folder / "experiment.toml").write_text(
        'input = "picture"\n'
        '[data]\nname = "table"\noutfits = "outfits.csv"\nrepository = "repository"\n'
        'category_column = "category"\n'
        '[model]\nattention = "both"\n'
        '[loss]\nmining = "normal"\n'
        "[training]\nepochs = 15\nbatch_size = 36\nlearning_rate = 0.01\npatience = 15\n"
    )
    words = [str(folder / "experiment.toml"), "--output", str(folder / "runs")]
    assert run_command("train-outfits", words) == 0
    return folder


@pytest.fixture
def call(shop, tmp_path, capsys):
    def run(*words, category_column="category"):
        output = tmp_path / "out.json"
        code = run_command(
            "outfits",
            [
                *words,
                *("--repository", str(shop / "repository")),
                *("--outfits", str(shop / "runs" / "experiment")),
                *("--category-column", category_column, "--output", str(output)),
            ],
        )
        said = capsys.readouterr()
        document = json.loads(output.read_text()) if code == 0 else None
        return code, document, said

    return run


def ids(document):
    return [item["id"] for item in document["suggestions"]]


# --- Training ---------------------------------------------------------------------------------


def test_a_run_leaves_all_that_says_what_was_done_and_how_well(shop):
    run = shop / "runs" / "experiment"
    assert {path.name for path in run.iterdir()} == {
        "experiment.toml",
        "history.csv",
        "outfits.safetensors",
        "results.json",
    }
    results = json.loads((run / "results.json").read_text())
    assert results["validation"]["auc"]["value"] > 0.9
    assert results["test"]["blanks"] == 12
    assert results["versions"]["keras"]
    assert not results["interrupted"]
    assert "1 × item that is not there (first: lost)" in results["left_out"]
    assert "1 × item without a category (first: bare)" in results["left_out"]
    assert "2 × outfit of fewer than two items (first: x)" in results["left_out"]
    history = (run / "history.csv").read_text().splitlines()
    assert history[0] == "epoch,loss,validation_auc"
    best = max(float(line.split(",")[2]) for line in history[1:])
    assert results["validation"]["auc"]["value"] == pytest.approx(best, abs=1e-5)
    model = SubspaceModel.load(run)
    assert model.categories == ("bottoms", "shoes", "tops")
    assert model.network == ColourNetwork.fingerprint
    assert "seed = 0" in (run / "experiment.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"both"', '"all"', "model.attention is 'all'"),
        ("mining", "minning", "unknown key loss.minning: did you mean mining?"),
        ('"table"', '"tables"', "data is"),
        ("repository =", "folder =", "unknown key data.folder"),
        ('column = "category"', 'column = "kind"', "no column kind to take categories from"),
        ('"outfits.csv"', '"lost.csv"', "lost.csv"),
        ("epochs = 15", "epochs = 0", "training.epochs is 0"),
    ],
)
def test_a_wrong_experiment_is_one_line(shop, tmp_path, capsys, old, new, message):
    text = (shop / "experiment.toml").read_text().replace(old, new)
    path = shop / f"wrong-{tmp_path.name}.toml"
    path.write_text(text)
    assert run_command("train-outfits", [str(path), "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("fashionnet: ") and said.count("\n") == 1


# --- Completing outfits ---------------------------------------------------------------------------


def test_the_best_of_each_category_that_is_lacking_comes_first(call):
    code, document, said = call("tops4", "--top", "2")
    assert code == 0
    assert [item["metadata"]["category"] for item in document["suggestions"]] == [
        "bottoms",
        "bottoms",
        "shoes",
        "shoes",
    ]
    assert "bottoms4" in ids(document)
    assert document["suggestions"][0]["score"] >= document["suggestions"][1]["score"]
    assert "bottoms4" in said.out


def test_items_that_are_not_relevant_are_outfit_items_too(call, shop):
    assert "shoes4" not in Repository.open(shop / "repository").items().ids
    code, document, _ = call("tops4", "--category", "shoes", "--top", "12")
    assert code == 0
    assert set(ids(document)) == {f"shoes{number}" for number in range(12)}
    # The network's words about what is no garment are not passed on.
    assert set(document["suggestions"][0]["classes"].values()) == {""}


def test_what_completes_several_items_and_which_pair_is_the_weakest(call):
    code, document, said = call("tops4", "bottoms10", "--category", "shoes")
    assert code == 0
    assert document["given"] == ["tops4", "bottoms10"]
    assert "weakest pair tops4 and bottoms10" in said.out
    assert len(ids(document)) == 5


def test_whole_outfits_share_no_added_item_and_name_their_weakest_pair(call):
    code, document, _ = call("tops4", "--whole", "--top", "3")
    assert code == 0
    assert len(document["outfits"]) == 3
    added = [item for outfit in document["outfits"] for item in outfit["items"][1:]]
    assert len(set(added)) == 6
    assert ids(document) == added
    for outfit in document["outfits"]:
        assert outfit["items"][0] == "tops4"
        assert set(outfit["weakest_pair"]) < set(outfit["items"])
        assert outfit["weakest_score"] <= outfit["score"]
    scores = [outfit["score"] for outfit in document["outfits"]]
    assert scores == sorted(scores, reverse=True)


def test_a_whole_outfit_is_the_best_of_all_combinations_within_the_budget(call, shop):
    from itertools import product

    import numpy as np

    from fashionnet.compatibility.outfit_items import OutfitItems, item_inputs
    from fashionnet.compatibility.subspaces import SubspaceScorer

    items = Repository.open(shop / "repository").items(relevant_only=False)
    model = SubspaceModel.load(shop / "runs" / "experiment")
    kinds = [name.rstrip("0123456789") for name in items.ids]
    scorer = SubspaceScorer(model, OutfitItems(items.ids, kinds, item_inputs(items, "picture")))
    row = {name: place for place, name in enumerate(items.ids)}
    for budget in (1000, 60, 51):
        affordable = [
            (f"bottoms{b}", f"shoes{s}")
            for b, s in product(range(12), range(11))
            if 20 + b + 30 + s <= budget
        ]
        outfits = np.array([[row["tops4"], row[b], row[s]] for b, s in affordable])
        best = affordable[int(scorer.score(outfits).argmax())]
        code, document, said = call("tops4", "--whole", "--top", "1", "--budget", str(budget))
        assert code == 0
        assert tuple(document["outfits"][0]["items"][1:]) == best
        assert document["outfits"][0]["price"] <= budget
        assert "1 item without a price" in said.err


def test_a_filter_holds_for_what_is_found_and_not_for_what_is_given(call):
    code, document, _ = call("tops4", "--where", "price >= 28", "--top", "12")
    assert code == 0
    assert {item["metadata"]["price"] for item in document["suggestions"]} <= set(range(28, 42))
    assert {"bottoms8", "bottoms11"} <= set(ids(document))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lost"], "no item 'lost' (its ids are like"),
        (["tops4", "--category", "hats"], "--category 'hats': no item of"),
        (["tops4", "--category", ""], "--category '': no item of"),
        (["tops4", "--category", "shoes", "--where", "price > 900"], "no other shoes that meets"),
        (["tops4", "--whole", "--budget", "49"], "cheapest items of bottoms, shoes cost 50"),
        (["tops4", "--budget", "3"], "cannot be met: no bottoms costs as little"),
        (["tops4", "--budget", "-1"], "--budget -1: expected a sum of 0 or more"),
        (["tops4", "--budget", "50", "--price-column", "cost"], "--price-column cost: no such"),
        (["tops4", "bottoms4", "shoes4"], "nothing to add"),
        (["tops4", "--where", "price >"], "where 'price >'"),
        (["tops4", "--top", "0"], "top is 0"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line(call, words, message):
    code, _, said = call(*words)
    assert code == 2
    assert message in said.err
    assert said.err.splitlines()[-1].startswith("fashionnet: ")


def test_a_column_that_holds_no_categories_is_named(call):
    code, _, said = call("tops4", category_column="kind")
    assert code == 2
    assert "no column kind to take categories from; it has id, photo, pattern" in said.err
    assert "category, price, name" in said.err


def test_an_item_without_a_category_can_be_given_and_is_said_to_be_unknown(call):
    code, document, said = call("bare", "--category", "tops")
    assert code == 0
    assert len(ids(document)) == 5
    assert "note: the outfit model has seen no item without a category" in said.err


def test_a_model_of_another_network_is_refused(shop, tmp_path, capsys):
    model = SubspaceModel.load(shop / "runs" / "experiment")
    SubspaceModel(model.attention, model.categories, model.input, "another", model.weights).save(
        tmp_path
    )
    words = ["tops4", "--repository", str(shop / "repository"), "--outfits", str(tmp_path)]
    assert run_command("outfits", [*words, "--category-column", "category"]) == 2
    assert "train it again on this repository" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["html", "png", "csv"])
def test_outfits_are_written_as_page_sheet_and_table(shop, tmp_path, ending, capsys):
    output = tmp_path / f"out.{ending}"
    words = ["tops4", "--whole", "--top", "2", "--output", str(output)]
    words += ["--repository", str(shop / "repository"), "--category-column", "category"]
    assert run_command("outfits", [*words, "--outfits", str(shop / "runs" / "experiment")]) == 0
    if ending == "png":
        with Image.open(output) as sheet:
            assert sheet.width > 1000
        return
    text = output.read_text()
    assert "outfit 1, bottoms, weakest: " in text.replace("&nbsp;", " ")
    assert "outfit 2, shoes" in text.replace("&nbsp;", " ")


def test_outfits_are_found_without_keras(shop):
    words = ["tops4", "--repository", str(shop / "repository"), "--category-column", "category"]
    words += ["--outfits", str(shop / "runs" / "experiment")]
    code = (
        "import sys; from fashionnet.cli.main import run_command; "
        f"code = run_command('outfits', {words!r}); "
        "print(code, 'keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False False"


def test_colours_are_read_off_photos_once(shop, tmp_path, monkeypatch):
    from fashionnet.compatibility import outfit_items

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    items = Repository.open(shop / "repository").items(relevant_only=False)
    first = outfit_items.item_inputs(items, "features")
    assert first.shape == (len(items), 18 + 19)
    assert first[items.ids.index("tops10"), 18:].sum() == pytest.approx(1)

    def refuse(photo):
        raise AssertionError("read again")

    monkeypatch.setattr(outfit_items, "read_colours", refuse)
    again = outfit_items.item_inputs(items.take([3, 1]), "features")
    assert again.tolist() == first[[3, 1]].tolist()
    (cache,) = (tmp_path / "fashionnet" / "colours").iterdir()
    cache.write_bytes(b"damaged")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert outfit_items.item_inputs(items, "features").tolist() == first.tolist()
