"""What the file of an experiment that trains an embedding may say.

    size = 20
    distance = "angular"

    [data]
    name = "pairs"
    pairs = "pairs.csv"

    [network]
    name = "seed-cnn"

Everything else has a default. `fashionnet.experiments` reads the file.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from fashionnet.experiments import Settings
from fashionnet.similarity.picture_views import ViewSettings

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Folders(Settings):
    """A folder that holds a folder of photos for each item."""

    name: Literal["folders"]
    folder: Path
    held_out: Share = 1.0
    """Share of the items with exactly two pictures that validation and test take."""


class Pairs(Settings):
    """A CSV of item pairs; its columns `first` and `second` name photos in `images`."""

    name: Literal["pairs"]
    pairs: Path
    images: Path | None = None
    """The folder that photos are relative to; by default the CSV's own."""
    singles: Path | None = None
    """Photos of items that have one picture only, to train on, as a folder or a list of files."""
    held_out: Share = 1.0


class DeepFashion2(Settings):
    """DeepFashion2 as published: a folder of `image` or `images` and `annos`."""

    name: Literal["deepfashion2"]
    folder: Path
    categories: tuple[str, ...] = ()
    """Names of categories, such as "short sleeve top"; by default all."""
    sources: tuple[Literal["shop", "user"], ...] = ("shop", "user")
    held_out: Share = 1.0


class Views(Settings):
    """Photos of which nothing is paired: two views of one photo are an item's two pictures."""

    name: Literal["views"]
    photos: Path
    """A folder of photos, or a text file that names one on each line, relative to itself."""
    held_out: Share = 0.3
    views: ViewSettings = ViewSettings()
    """How the two views of a held-out photo are drawn."""


class SeedCNN(Settings):
    """The seed's network: five convolutions and three dense layers, trained from nothing."""

    name: Literal["seed-cnn"] = "seed-cnn"
    image_size: Annotated[int, Field(ge=32, le=512)] = 128
    dropout: Share = 0.0


class Backbone(Settings):
    """A network of keras.applications, pooled, and a head of dense layers on it."""

    name: Literal["backbone"]
    model: str = "VGG16"
    weights: Literal["imagenet", "random"] = "imagenet"
    image_size: Annotated[int, Field(ge=32, le=512)] = 224
    pooling: Literal["average", "max"] = "average"
    unfrozen: Share = 0.0
    """Share of the layers with weights, from the top, that are trained."""
    hidden: tuple[Count, ...] = ()
    """Units of dense layers between the pooled features and the embedding."""
    dropout: Share = 0.0


class Autoencoder(Settings):
    """A variational auto-encoder of all pictures; labels, distance and loss do not train it."""

    name: Literal["vae"]
    image_size: Annotated[int, Field(ge=32, le=512, multiple_of=16)] = 96
    beta: Positive = 1.0
    """Weight of the divergence from the normal distribution."""


class Triplet(Settings):
    """See `fashionnet.similarity.losses.triplet`."""

    name: Literal["triplet"] = "triplet"
    margin: Positive = 0.2
    mining: Literal["semi-hard", "hard", "all"] = "semi-hard"


class MultiSimilarity(Settings):
    """See `fashionnet.similarity.losses.multi_similarity`."""

    name: Literal["multi-similarity"]
    alpha: Positive = 2.0
    beta: Positive = 50.0
    base: Positive = 0.5


class SupervisedContrastive(Settings):
    """See `fashionnet.similarity.losses.supervised_contrastive`."""

    name: Literal["supervised-contrastive"]
    temperature: Positive = 0.1


class Augmentation(ViewSettings):
    """Views of the training pictures: in every epoch another."""

    views: Annotated[int, Field(ge=1, le=64)] = 8
    """How many views of each picture there are, the picture itself included."""


class Batch(Settings):
    """How many items a batch holds, and how many pictures of each."""

    items: Annotated[int, Field(ge=2)] = 32
    pictures: Annotated[int, Field(ge=2)] = 2


class AdamW(Settings):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    name: Literal["adamw"] = "adamw"
    rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4


class SGD(Settings):
    """Gradient descent with momentum."""

    name: Literal["sgd"]
    rate: Positive = 1e-2
    momentum: Share = 0.9


class Schedule(Settings):
    """How the learning rate goes: it stays, or falls to 0 along half a cosine."""

    name: Literal["constant", "cosine"] = "cosine"
    warm_up: Share = 0.0
    """Share of the steps in which the rate rises from 0 first; of the cosine only."""


class Callbacks(Settings):
    """What watches the training."""

    patience: Count = 5
    """Epochs without a better top-10 accuracy after which the training stops."""


class EmbeddingExperiment(Settings):
    """One training of an embedding."""

    data: Annotated[Folders | Pairs | DeepFashion2 | Views, Field(discriminator="name")]
    network: Annotated[SeedCNN | Backbone | Autoencoder, Field(discriminator="name")] = SeedCNN()
    size: Annotated[int, Field(ge=1, le=4096)] = 20
    distance: Literal["l2", "squared-l2", "cosine", "angular"] = "angular"
    loss: Annotated[
        Triplet | MultiSimilarity | SupervisedContrastive,
        Field(discriminator="name"),
    ] = Triplet()
    augmentation: Augmentation = Augmentation()
    batch: Batch = Batch()
    optimiser: Annotated[AdamW | SGD, Field(discriminator="name")] = AdamW()
    schedule: Schedule = Schedule()
    callbacks: Callbacks = Callbacks()
    epochs: Count = 20
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0

    @model_validator(mode="after")
    def _single_photos_have_views(self) -> "EmbeddingExperiment":
        if isinstance(self.data, Views) and self.augmentation.views < 2:
            raise ValueError("of single photos augmentation.views must be 2 or more")
        return self
