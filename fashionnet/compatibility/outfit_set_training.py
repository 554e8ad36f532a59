"""A set-wise model of outfits: a small transformer that sees all items at once.

After OutfitTransformer (Sarkar et al., 2022, arXiv 2204.04812, §3.1): an outfit token is put before
the items, whose inputs and categories are embedded; encoder layers without positions look at all of
them, and from the token's place a small network says whether the items make an outfit. Trained with
the focal loss (Lin et al., 2017, "Focal Loss for Dense Object Detection"): −(1 − p_t)^γ log p_t.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from fashionnet.compatibility.outfit_data import Outfit
from fashionnet.compatibility.outfit_items import OutfitItems
from fashionnet.compatibility.outfit_tests import NO_ITEM, as_rows


@dataclass(frozen=True)
class SetRecipe:
    """How the set-wise model is trained."""

    size: int = 64
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    focus: float = 2.0
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    patience: int = 8
    seed: int = 0


class SetScorer:
    """Scores outfits of some items with a trained network."""

    def __init__(self, network: keras.Model, items: OutfitItems, categories: Sequence[str]) -> None:
        self.network, self.items = network, items
        places = {name: place for place, name in enumerate(categories)}
        self.codes = np.array([places.get(name, 0) for name in items.categories])

    def inputs(self, outfits: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
        """Return what the network takes of outfits (Q, L)."""
        rows = outfits.clip(0)
        return {
            "inputs": self.items.inputs[rows],
            "categories": self.codes[rows],
            "there": (outfits != NO_ITEM).astype(np.float32),
        }

    def score(self, outfits: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the logits (Q,) of outfits (Q, L)."""
        if not len(outfits):
            return np.empty(0)
        found = self.network.predict(self.inputs(outfits), batch_size=1024, verbose=0)
        return np.asarray(found, np.float64)[:, 0]


def train_set(
    items: OutfitItems,
    outfits: Sequence[Outfit],
    recipe: SetRecipe,
    judge: Callable[[SetScorer], float],
    say: Callable[[str], None] = print,
) -> SetScorer:
    """Train and return the scorer with the best weights by the validation's AUC.

    Beside each outfit one is shown in which every item is exchanged for another of its category,
    drawn anew in each epoch, and one in which a single item is.
    """
    keras.utils.set_random_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    named = sorted({item for outfit in outfits for item in outfit})
    seen = np.array([items.rows[item] for item in named])
    categories = sorted({items.categories[row] for row in seen})
    inputs = items.inputs[seen]
    network = set_network(
        recipe, len(categories), inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-2)
    )
    network.compile(
        optimizer=keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay),
        loss=keras.losses.BinaryFocalCrossentropy(from_logits=True, gamma=recipe.focus),
    )
    scorer = SetScorer(network, items, categories)
    right = as_rows(outfits, items.rows)
    pools = {code: seen[scorer.codes[seen] == code] for code in set(scorer.codes[seen].tolist())}
    best, weights, since = -1.0, network.get_weights(), 0
    for epoch in range(recipe.epochs):
        wrong = _exchanged(right, scorer.codes, pools, random)
        one = right.copy()
        lengths = (right != NO_ITEM).sum(axis=1)
        place = (random.random(len(right)) * lengths).astype(int)
        number = np.arange(len(right))
        one[number, place] = wrong[number, place]
        shown = np.concatenate([right, right, wrong, one])
        labels = np.repeat([1.0, 1.0, 0.0, 0.0], len(right))[:, None]
        history = network.fit(
            scorer.inputs(shown), labels, batch_size=recipe.batch_size, verbose=0, shuffle=True
        )
        auc = judge(scorer)
        say(f"epoch {epoch + 1}: loss {history.history['loss'][0]:.4f}, validation AUC {auc:.4f}")
        since += 1
        if auc > best:
            best, weights, since = auc, network.get_weights(), 0
        elif since >= recipe.patience:
            break
    network.set_weights(weights)
    return scorer


def set_network(
    recipe: SetRecipe,
    categories: int,
    mean: NDArray[np.float32],
    deviation: NDArray[np.float32],
) -> keras.Model:
    """Return the network: inputs (Q, L, D), categories (Q, L) and there (Q, L) to logits (Q, 1)."""
    layers = keras.layers
    inputs = keras.Input((None, len(mean)), name="inputs")
    kinds = keras.Input((None,), dtype="int32", name="categories")
    there = keras.Input((None,), name="there")
    scaled = layers.Normalization(mean=mean, variance=deviation**2)(inputs)
    node = layers.Dense(recipe.size)(layers.Dropout(recipe.dropout)(scaled))
    node = layers.Add()([node, layers.Embedding(categories, recipe.size)(kinds)])
    node = _Token(recipe.size)(node)
    present = ops.concatenate([ops.ones_like(there[:, :1]), there], axis=1)
    mask = ops.cast(present[:, None, :], "bool")
    for _ in range(recipe.layers):
        attended = layers.MultiHeadAttention(recipe.heads, recipe.size // recipe.heads)(
            layers.LayerNormalization()(node), node, attention_mask=mask
        )
        node = layers.Add()([node, layers.Dropout(recipe.dropout)(attended)])
        wide = layers.Dense(2 * recipe.size, activation="gelu")(layers.LayerNormalization()(node))
        node = layers.Add()([node, layers.Dropout(recipe.dropout)(layers.Dense(recipe.size)(wide))])
    token = layers.LayerNormalization()(node[:, 0])
    logit = layers.Dense(1)(layers.Dense(recipe.size, activation="gelu")(token))
    return keras.Model({"inputs": inputs, "categories": kinds, "there": there}, logit)


class _Token(keras.layers.Layer):
    """Puts the outfit token before the items."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.token = self.add_weight((1, 1, size), initializer="random_normal")

    def call(self, items: keras.KerasTensor) -> keras.KerasTensor:
        return ops.concatenate([ops.repeat(self.token, ops.shape(items)[0], axis=0), items], axis=1)


def _exchanged(
    outfits: NDArray[np.intp],
    codes: NDArray[np.intp],
    pools: dict[int, NDArray[np.intp]],
    random: np.random.Generator,
) -> NDArray[np.intp]:
    wrong = outfits.copy()
    for code, pool in pools.items():
        places = (outfits != NO_ITEM) & (codes[outfits.clip(0)] == code)
        wrong[places] = random.choice(pool, int(places.sum()))
    return wrong
