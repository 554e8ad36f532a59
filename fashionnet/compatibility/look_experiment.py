"""What an experiment file of `train-look` holds."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fashionnet.experiments import Settings


class WornData(Settings):
    """Pairs cut from the photos of dressed people in a catalogue."""

    name: Literal["worn"]
    catalogue: Path
    pairs: Path
    """The folder that pairs are cut into, and read from when they are there already."""


class ShopTheLookData(Settings):
    """Shop the Look as published."""

    name: Literal["shop-the-look"]
    folder: Path
    images: Path


class TableData(Settings):
    """A CSV of pairs."""

    name: Literal["table"]
    file: Path


Data = Annotated[WornData | ShopTheLookData | TableData, Field(discriminator="name")]


class Attention(Settings):
    """What guides the attention, and whether near regions get more of it or distant ones."""

    name: Literal["embedding", "picture"] = "embedding"
    sign: Literal[-1, 1] = -1


class Loss(Settings):
    """The hinge triplet loss."""

    margin: Annotated[float, Field(gt=0, le=4)] = 0.2


class Training(Settings):
    """How long and how fast."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 30
    patience: Annotated[int, Field(ge=1)] = 6
    batch: Annotated[int, Field(ge=2, le=4096)] = 64
    rate: Annotated[float, Field(gt=0, le=1)] = 0.001


class KerasNetwork(Settings):
    """A network of keras.applications that gives the features."""

    model: str
    """Its name there, such as "ResNet50"."""
    regions: str
    """The layer whose output gives the regions', such as "conv4_block6_out"."""
    weights: Literal["imagenet", "random"] = "imagenet"
    image_size: Annotated[int, Field(ge=32, le=512)] = 224


class LookExperiment(Settings):
    """One training of a look model."""

    data: Data
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    model: Path | None = None
    """The model folder whose convolutions give the features; the one that ships without it."""
    backbone: KerasNetwork | None = None
    """A network of keras.applications that gives them in its place."""
    distance: Literal["global", "local", "hybrid"] = "hybrid"
    size: Annotated[int, Field(ge=2, le=1024)] = 128
    hidden: tuple[int, int, int] = (512, 256, 128)
    """Units of the hidden layers for whole pictures, for regions and for the attention."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    attention: Attention = Attention()
    loss: Loss = Loss()
    training: Training = Training()
    cache: Path | None = None
    """Where features are kept; the user's cache folder without it."""
