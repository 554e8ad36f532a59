"""The subspace model against plain references, and what training learns of a planted world."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashionnet.compatibility.grouped_intervals import auc_interval, share_interval
from fashionnet.compatibility.outfit_data import Blank, Judged, OutfitPart
from fashionnet.compatibility.outfit_items import OutfitItems
from fashionnet.compatibility.outfit_measures import (
    as_rows,
    measure,
    validation_auc,
)
from fashionnet.compatibility.subspaces import MODEL_FILE, SubspaceModel, SubspaceScorer
from fashionnet.errors import RequestError

ATTENTIONS = ("none", "item", "first", "both")
CATEGORIES = ("bottoms", "shoes", "tops")
DEPTH, SUBSPACES, SIZE, UNITS = 6, 3, 4, 5


def random_model(attention, seed=0):
    random = np.random.default_rng(seed)
    asked = {"none": 0, "item": DEPTH, "first": 3, "both": 6}[attention]
    shapes = {
        "mean": (DEPTH,),
        "projection/kernel": (DEPTH, SUBSPACES, SIZE),
        "projection/bias": (SUBSPACES, SIZE),
    }
    if attention != "none":
        shapes |= {
            "hidden/kernel": (asked, UNITS),
            "hidden/bias": (UNITS,),
            "attention/kernel": (UNITS, SUBSPACES),
            "attention/bias": (SUBSPACES,),
        }
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights["deviation"] = random.uniform(0.5, 2, DEPTH).astype(np.float32)
    return SubspaceModel(attention, CATEGORIES, "features", "0123", weights).rounded()


def random_items(count=12, seed=1):
    random = np.random.default_rng(seed)
    categories = [CATEGORIES[place % 3] for place in range(count)]
    inputs = random.normal(size=(count, DEPTH)).astype(np.float32)
    return OutfitItems([f"i{place}" for place in range(count)], categories, inputs)


# --- The formulas, written out one number at a time in float64 -----------------------------------


def plain_embedding(model, x, own, other):
    w = {name: array.astype(np.float64) for name, array in model.weights.items()}
    z = [(x[d] - w["mean"][d]) / w["deviation"][d] for d in range(len(x))]
    subspaces, size = w["projection/bias"].shape
    share = [1 / subspaces] * subspaces
    if model.attention != "none":
        first = [float(name == own) for name in model.categories]
        second = [float(name == other) for name in model.categories]
        q = {"item": z, "first": first, "both": first + second}[model.attention]
        hidden = [
            max(0.0, sum(q[i] * w["hidden/kernel"][i, u] for i in range(len(q))) + bias)
            for u, bias in enumerate(w["hidden/bias"])
        ]
        logits = [
            sum(h * w["attention/kernel"][u, k] for u, h in enumerate(hidden)) + bias
            for k, bias in enumerate(w["attention/bias"])
        ]
        total = sum(np.exp(logit) for logit in logits)
        share = [np.exp(logit) / total for logit in logits]
    mixed = np.zeros(size)
    for k in range(subspaces):
        for s in range(size):
            place = sum(z[d] * w["projection/kernel"][d, k, s] for d in range(len(z)))
            mixed[s] += share[k] * (place + w["projection/bias"][k, s])
    return mixed / np.sqrt(sum(value**2 for value in mixed))


def plain_pair(model, items, one, two):
    a, b = items.categories[one], items.categories[two]
    first = plain_embedding(model, items.inputs[one], a, b)
    second = plain_embedding(model, items.inputs[two], b, a)
    return float(first @ second)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_pairs_and_outfits_score_as_the_formulas_say(attention):
    model, items = random_model(attention), random_items()
    scorer = SubspaceScorer(model, items)
    first, second = np.array([0, 1, 2, 5]), np.array([1, 5, 3, 0])
    expected = [plain_pair(model, items, one, two) for one, two in zip(first, second, strict=True)]
    np.testing.assert_allclose(scorer.pair_scores(first, second), expected, atol=1e-5)
    outfits = np.array([[0, 1, 2], [3, 4, -1]])
    pairs = [[(0, 1), (0, 2), (1, 2)], [(3, 4)]]
    means = [np.mean([plain_pair(model, items, *pair) for pair in own]) for own in pairs]
    np.testing.assert_allclose(scorer.score(outfits), means, atol=1e-5)
    tops, shoes = np.array([2, 5]), np.array([1, 4, 7])
    table = [[plain_pair(model, items, top, shoe) for shoe in shoes] for top in tops]
    np.testing.assert_allclose(scorer.table(tops, shoes), table, atol=1e-5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_pair_scores_the_same_either_way_and_embeddings_have_length_one(attention):
    model, items = random_model(attention), random_items()
    scorer = SubspaceScorer(model, items)
    one, two = np.triu_indices(12, 1)
    np.testing.assert_allclose(
        scorer.pair_scores(one, two), scorer.pair_scores(two, one), atol=1e-6
    )
    # An item beside itself: the square of its embedding's length.
    np.testing.assert_allclose(scorer.pair_scores(one, one), 1, atol=1e-5)


def test_a_category_that_was_not_trained_on_gets_average_weights():
    model = random_model("both")
    unknown = model.codes(["hats", "tops"])
    assert unknown.tolist() == [-1, 2]
    weights = model.attention_weights(np.zeros((2, DEPTH), np.float32), unknown, unknown)
    np.testing.assert_allclose(weights[0], 1 / SUBSPACES)
    assert not np.allclose(weights[1], 1 / SUBSPACES)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_model_comes_back_from_disk_as_it_was_measured(attention, tmp_path):
    model = random_model(attention)
    model.save(tmp_path)
    loaded = SubspaceModel.load(tmp_path)
    assert (loaded.attention, loaded.categories, loaded.network) == (attention, CATEGORIES, "0123")
    for name, array in model.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], array)


def test_a_damaged_model_is_one_line(tmp_path):
    with pytest.raises(RequestError, match="expected a folder that train-outfits wrote"):
        SubspaceModel.load(tmp_path)
    random_model("both").save(tmp_path)
    whole = (tmp_path / MODEL_FILE).read_bytes()
    (tmp_path / MODEL_FILE).write_bytes(whole[:-40])
    with pytest.raises(RequestError, match="damaged"):
        SubspaceModel.load(tmp_path)
    model = random_model("both")
    model.weights["hidden/bias"] = np.full(UNITS, np.nan, np.float32)
    model.save(tmp_path)
    with pytest.raises(RequestError, match="no number"):
        SubspaceModel.load(tmp_path)


def test_items_of_another_network_are_refused():
    items = random_items()
    narrow = OutfitItems(items.ids, items.categories, items.inputs[:, :4])
    with pytest.raises(RequestError, match="items of 4 inputs, the outfit model takes 6"):
        SubspaceScorer(random_model("none"), narrow)


# --- AUC, blanks and intervals -------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_auc_counts_pairs_won_and_half_of_ties(answers):
    labels = [label for _, label in answers]
    if len(set(labels)) < 2:
        return
    won = [
        1.0 if good > bad else 0.5 if good == bad else 0.0
        for good, right in answers
        if right
        for bad, wrong in answers
        if not wrong
    ]
    found = auc_interval([s for s, _ in answers], labels, [str(n) for n in range(len(answers))])
    assert found.value == pytest.approx(np.mean(won))
    assert found.low <= found.value <= found.high


def test_intervals_hold_the_truth_nineteen_times_of_twenty_where_questions_hang_together():
    random = np.random.default_rng(0)
    truth, inside = 0.6, 0
    for _ in range(100):
        # Each group of eight answers alike: they are worth one.
        right = np.repeat(random.random(60) < truth, 8)
        interval = share_interval(right, np.repeat(np.arange(60), 8).astype(str).tolist())
        inside += interval.low <= truth <= interval.high
    assert inside >= 88


class ByNumber:
    def score(self, outfits):
        return np.where(outfits < 0, 0, outfits).sum(axis=1).astype(float)


def test_a_blank_is_filled_with_the_best_answer_and_ties_share_the_credit():
    rows = {name: place for place, name in enumerate("abcde")} | {"e2": 4}
    part = OutfitPart(
        [],
        [Judged(("a", "e"), True, "1"), Judged(("a", "b"), False, "2")],
        [
            Blank(("a",), ("b", "e", "c"), 1, "1"),
            Blank(("a",), ("b", "e", "c"), 2, "1"),
            Blank(("a",), ("e", "e2"), 0, "2"),
        ],
    )
    figures = measure(ByNumber(), part, rows)
    assert figures.auc.value == 1
    assert figures.fill_in_the_blank.value == pytest.approx((1 + 0 + 0.5) / 3)
    assert as_rows([("a", "b"), ("c",)], rows).tolist() == [[0, 1], [2, -1]]


# --- Training ------------------------------------------------------------------------------------


def train(items, outfits, judged, **recipe):
    from fashionnet.compatibility.subspaces_training import SubspaceRecipe, train_subspaces

    return train_subspaces(
        items,
        outfits,
        SubspaceRecipe(**recipe),
        lambda model: validation_auc(SubspaceScorer(model, items), judged, items.rows),
        "features",
        "0123",
        lambda line: None,
    )


def small_batch():
    """Six pairs of three kinds; the last top is worn with two bottoms."""
    items = random_items(12)
    pairs = [("i2", "i0"), ("i5", "i3"), ("i8", "i1"), ("i11", "i4"), ("i2", "i6"), ("i9", "i7")]
    return items, pairs


def plain_loss(model, items, anchors, positives, negatives, margin, mining):
    """The triplet loss of a batch by its definition, with each pair's own categories."""
    losses = []
    for i, (anchor, positive) in enumerate(zip(anchors, positives, strict=True)):
        a, p = items.categories[anchor], items.categories[positive]
        own = plain_embedding(model, items.inputs[anchor], a, p)
        distances = [
            sum(
                (own - plain_embedding(model, items.inputs[other], items.categories[other], a)) ** 2
            )
            for other in positives
        ]
        wrong = [j for j in range(len(positives)) if negatives[i][j]]
        if not wrong:
            continue
        farther = [j for j in wrong if distances[j] > distances[i]]
        semi = min(farther, key=lambda j: distances[j]) if farther else None
        chosen = {
            "normal": wrong,
            "hard": [min(wrong, key=lambda j: distances[j])],
            "semi-hard": [max(wrong, key=lambda j: distances[j]) if semi is None else semi],
        }[mining]
        losses += [distances[i] - distances[j] + margin for j in chosen]
    unmet = [loss for loss in losses if loss > 0]
    return sum(unmet) / len(unmet) if unmet else 0.0


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("mining", ["normal", "semi-hard", "hard"])
def test_losses_and_gradients_are_those_of_a_plain_reference(attention, mining):
    """One step of plain gradient descent moves each weight by the gradient, on any backend."""
    import keras

    from fashionnet.compatibility.outfit_batches import PairBatches
    from fashionnet.compatibility.subspaces_training import (
        SubspaceNetwork,
        SubspaceRecipe,
        triplet_loss,
    )

    items, pairs = small_batch()
    recipe = SubspaceRecipe(attention=attention, subspaces=2, size=3, batch_size=12)
    keras.utils.set_random_seed(3)
    batches = PairBatches(items, CATEGORIES, pairs, 12, 0)
    batch, negatives = batches[0]
    inputs = items.inputs
    network = SubspaceNetwork(recipe, 3, inputs.mean(axis=0), inputs.std(axis=0))
    network.compile(optimizer=keras.optimizers.SGD(1.0), loss=triplet_loss(0.5, mining))
    names = {row.tobytes(): place for place, row in enumerate(items.inputs)}
    anchors = [names[row.tobytes()] for row in batch["anchor"]]
    positives = [names[row.tobytes()] for row in batch["positive"]]
    for i, anchor in enumerate(anchors):
        worn = {other for pair in pairs if items.ids[anchor] in pair for other in pair}
        for j, other in enumerate(positives):
            same = items.categories[other] == items.categories[positives[i]]
            assert negatives[i, j] == (same and items.ids[other] not in worn)

    def loss_of(weights):
        model = SubspaceModel(attention, CATEGORIES, "features", "", weights)
        return plain_loss(model, items, anchors, positives, negatives, 0.5, mining)

    def weights_now():
        arrays = {name: np.asarray(w, np.float64) for name, w in exact(network, recipe).items()}
        return arrays

    before = weights_now()
    value = float(network.train_on_batch(batch, negatives))
    after = weights_now()
    assert value == pytest.approx(loss_of(before), abs=1e-4)
    assert value > 0
    random = np.random.default_rng(0)
    for name in set(before) - {"mean", "deviation"}:
        for _ in range(3):
            place = tuple(random.integers(size) for size in before[name].shape)
            up, down = ({key: array.copy() for key, array in before.items()} for _ in range(2))
            up[name][place] += 1e-5
            down[name][place] -= 1e-5
            slope = (loss_of(up) - loss_of(down)) / 2e-5
            assert before[name][place] - after[name][place] == pytest.approx(slope, abs=2e-3)


def exact(network, recipe):
    """The weights of a network without the rounding of what is kept."""
    kernel, bias = network.projection.get_weights()
    weights = {
        "mean": network.mean,
        "deviation": network.deviation,
        "projection/kernel": kernel.reshape(-1, recipe.subspaces, recipe.size),
        "projection/bias": bias.reshape(recipe.subspaces, recipe.size),
    }
    if recipe.attention != "none":
        for name in ("hidden", "attention"):
            layer = getattr(network, name)
            weights[f"{name}/kernel"], weights[f"{name}/bias"] = layer.get_weights()
    return weights


def planted_world(seed=0, kinds=5, per_category=150, keep=0.8):
    """Tops and bottoms of hidden kinds that look different in each category.

    Those worn together are of one kind with a chance of keep + (1 - keep) / kinds, others with
    1 / kinds. Nothing else tells them apart, so that no scorer can have an AUC above
    1/2 + keep (1 - 1/kinds) / 2.
    """
    random = np.random.default_rng(seed)
    looks = random.normal(size=(2, kinds, 12))
    kind = random.integers(kinds, size=(2, per_category))
    inputs = np.concatenate([looks[c, kind[c]] for c in range(2)])
    inputs = inputs + 0.1 * random.normal(size=inputs.shape)
    ids = [f"{name}{n}" for name in ("top", "bottom") for n in range(per_category)]
    items = OutfitItems(
        ids, ["tops"] * per_category + ["bottoms"] * per_category, inputs.astype(np.float32)
    )

    def pairs(count):
        found = []
        for _ in range(count):
            top = int(random.integers(per_category))
            pool = np.arange(per_category)
            if random.random() < keep:
                pool = np.flatnonzero(kind[1] == kind[0, top])
            found.append((f"top{top}", f"bottom{random.choice(pool)}"))
        return found

    def questions(count):
        judged = []
        for number, pair in enumerate(pairs(count)):
            wrong = (pair[0], f"bottom{random.integers(per_category)}")
            judged += [Judged(pair, True, str(number)), Judged(wrong, False, str(number))]
        return judged

    best = 0.5 + keep * (1 - 1 / kinds) / 2
    return items, pairs(900), questions(400), questions(4000), best


@pytest.mark.parametrize("attention", ["none", "both"])
def test_a_planted_world_is_learned_to_within_two_points_of_the_best_there_is(attention):
    items, outfits, validation, test, best = planted_world()
    trained = train(
        items, outfits, validation, attention=attention, learning_rate=5e-3, epochs=8, patience=8
    )
    auc = validation_auc(SubspaceScorer(trained.model, items), test, items.rows)
    assert auc > best - 0.02
    assert max(row["validation_auc"] for row in trained.history) == pytest.approx(
        validation_auc(SubspaceScorer(trained.model, items), validation, items.rows)
    )


def test_an_interrupt_keeps_the_best_so_far():
    items, outfits, validation, _, _ = planted_world()
    scores = []

    def judge(model):
        if len(scores) == 2:
            raise KeyboardInterrupt
        scores.append(validation_auc(SubspaceScorer(model, items), validation, items.rows))
        return scores[-1]

    from fashionnet.compatibility.subspaces_training import SubspaceRecipe, train_subspaces

    said = []
    trained = train_subspaces(
        items, outfits, SubspaceRecipe(learning_rate=5e-3), judge, "features", "", said.append
    )
    assert trained.interrupted
    assert len(trained.history) == 2
    assert said[-1].startswith("interrupted: kept the weights of epoch")
    again = validation_auc(SubspaceScorer(trained.model, items), validation, items.rows)
    assert again == pytest.approx(max(scores))
