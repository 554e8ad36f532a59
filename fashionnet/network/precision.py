"""What the network computes in: what its model folder allows and what the processor is fast in.

A model offers a precision only where its accuracy was found to be that of float32 within
`TOLERANCE`. So it is one model, of one fingerprint, in whatever precision it is run, and a
repository may hold rows of several.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.network.folder import Model
from fashionnet.network.trunk import BLOCKS, convolutions

PRECISIONS = ("int8", "bf16", "f32")
"""From the fastest to the most exact: 8-bit weights and activations, bfloat16, float32."""

TOLERANCE = 0.005
"""How much accuracy, of 1, a head may lose against float32 on the photos of the calibration."""

PRECISION_FILE = "precision.json"
FORMAT = 1

_EIGHT_BIT_INSTRUCTIONS = frozenset(("avx512_vnni", "avx_vnni", "amx_int8"))
_LAST_CONVOLUTION = convolutions(list(BLOCKS)[-1])[-1]


@dataclass(frozen=True)
class Calibration:
    """What is known of a model's precisions.

    Attributes:
        model: the model's fingerprint.
        photos: how many photos it was calibrated on.
        accuracy: for each precision that was measured, the accuracy of each head, from 0 to 1.
        largest: for each convolution, `trunk/block1_conv1` and so on, the largest activation that
            its 8 bits stand for; empty where 8 bits were not measured.
    """

    model: str
    photos: int
    accuracy: Mapping[str, Mapping[str, float]]
    largest: Mapping[str, float]

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those whose accuracy is within the tolerance, the fastest first."""
        exact = self.accuracy["f32"]
        return tuple(
            precision
            for precision in PRECISIONS
            if precision in self.accuracy
            and all(
                self.accuracy[precision][head] >= exact[head] - TOLERANCE - 1e-9 for head in exact
            )
        )

    def save(self, folder: Path) -> None:
        """Write precision.json into a model folder."""
        document = {
            "format": FORMAT,
            "model": self.model,
            "precisions": list(self.precisions),
            "photos": self.photos,
            "accuracy": {name: dict(heads) for name, heads in self.accuracy.items()},
            "largest": dict(self.largest),
        }
        write_whole(folder / PRECISION_FILE, (json.dumps(document, indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path, model: Model) -> "Calibration | None":
        """Read a model folder's calibration; None where it was never calibrated.

        Raises RequestError where it is damaged or belongs to another model.
        """
        path = folder / PRECISION_FILE
        remedy = "calibrate the model again, or delete this file to predict without 8 bits"
        if not path.exists():
            return None
        try:
            calibration = _checked(json.loads(path.read_text(encoding="utf-8")), model)
        except OSError as error:
            raise RequestError(f"{path}: {(error.strerror or str(error)).lower()}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RequestError(f"{path}: damaged ({error!s}): {remedy}") from error
        if calibration.model != model.fingerprint:
            raise RequestError(
                f"{path}: of model {calibration.model}, this is {model.fingerprint}: {remedy}"
            )
        return calibration


def _checked(document: dict[str, Any], model: Model) -> Calibration:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r}, expected {FORMAT}")
    accuracy = {
        str(precision): {str(head): _number(value) for head, value in heads.items()}
        for precision, heads in document["accuracy"].items()
    }
    if not {"f32"} <= accuracy.keys() <= set(PRECISIONS):
        raise ValueError(f"accuracy of {', '.join(accuracy)}, expected of {', '.join(PRECISIONS)}")
    for precision, heads in accuracy.items():
        if heads.keys() != set(model.heads) or not all(0 <= v <= 1 for v in heads.values()):
            raise ValueError(f"accuracy in {precision} is not that of each head, from 0 to 1")
    largest = {str(name): _number(value) for name, value in document["largest"].items()}
    if "int8" in accuracy and largest.keys() != set(eight_bit_activations(model)):
        raise ValueError("largest does not name the model's convolutions")
    if not all(value > 0 for value in largest.values()):
        raise ValueError("a largest activation is not above 0")
    return Calibration(str(document["model"]), int(document["photos"]), accuracy, largest)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def eight_bit_activations(model: Model) -> list[str]:
    """Return the convolutions whose outputs are 8 bits wide in int8: all but each branch's last."""
    layers = {name for block in BLOCKS for name in convolutions(block)} - {_LAST_CONVOLUTION}
    parts = [name.rpartition("/") for name in model.weights]
    return [part for part, _, kind in parts if kind == "kernel" and part.split("/")[1] in layers]


def choose_precision(asked: str, calibration: Calibration | None) -> str:
    """Return the precision to predict in: the one asked for, or with `auto` the fastest.

    Raises RequestError for one that the model does not offer or the processor is not made for.
    """
    fast = fast_precisions()
    # bfloat16 needs to know nothing of the model, and it has always proved as good as float32.
    offered = calibration.precisions if calibration else ("bf16", "f32")
    if asked == "auto":
        return next(precision for precision in fast if precision in offered)
    if asked not in PRECISIONS:
        raise RequestError(f"precision {asked}: expected auto, {', '.join(PRECISIONS)}")
    if asked not in offered:
        why = "lost too much accuracy" if calibration else f"was not calibrated ({PRECISION_FILE})"
        if calibration and asked not in calibration.accuracy:
            why = "was calibrated on a processor without it"
        raise RequestError(f"precision {asked}: this model {why}; it offers {', '.join(offered)}")
    if asked not in fast:
        raise RequestError(
            f"precision {asked}: this machine has no instructions for it, or no OpenVINO; it "
            f"predicts in {', '.join(fast)}"
        )
    return asked


@cache
def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    try:
        # One that is installed and does not load is as good as none.
        import openvino  # noqa: F401
    except ImportError:
        return False
    return True


def fast_precisions() -> tuple[str, ...]:
    """Return what this machine predicts in without emulating it, the fastest first.

    OpenVINO computes 8 bits on any processor, but where there are no instructions for it (VNNI,
    AMX) sums of two products overflow 16 bits and come out wrong.
    """
    if not has_openvino():
        return ("f32",)
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    fast = {
        "int8": "INT8" in capabilities and bool(_EIGHT_BIT_INSTRUCTIONS & processor_flags()),
        "bf16": "BF16" in capabilities,
        "f32": True,
    }
    return tuple(precision for precision in PRECISIONS if fast[precision])


def processor_flags() -> frozenset[str]:
    """Return the processor's instruction sets as Linux names them; empty on other systems."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()
