"""Photos a second from JPEG files to rows: the seed's recipe, ONNX Runtime, and FashionNet.

    python benchmarks/throughput.py --photos ../shared/data/catalogue/images --count 256

(a) four VGG16 networks, one an attribute, by keras `predict` in batches of 32;
(b) the same four networks in ONNX Runtime;
(c) `build_repository.py`: from the files to the rows of a repository on disk.

Each runs in a process of its own, after a first batch that is not timed; starting up is not timed
either. Below the table stands how far (c) is from two ceilings: the network's multiply-adds over
the peak rate of matrix products at the precision used, and OpenCV's decoding of the same files;
and the rate of the network alone on photos that are decoded already, on which reading, decoding
and writing must not fall far behind.

Needs onnx and onnxruntime (requirements-dev.txt). On a machine that is busy the figures mean
nothing; `--only ours` measures (c) alone.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashionnet.describing import read_for_network
from fashionnet.errors import RequestError
from fashionnet.network.folder import DEFAULT_MODEL, Model, eight_bits
from fashionnet.network.trunk import BLOCKS, IMAGE_SIZE, convolutions
from fashionnet.photos import find_photos

VARIANTS = {
    "seed": "(a) four networks, keras predict",
    "onnx": "(b) four networks, ONNX Runtime",
    "ours": "(c) FashionNet, files to rows",
}
WARM_UP = 32
COMPARED = 32
PRODUCTS = 8
PRODUCT_SIDE = 1024
PRODUCT_ROOT = 56
SECONDS_OF_PRODUCTS = 3.0


def main() -> int:
    """Print the table and the ceilings; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--photos", type=Path, default=Path("../shared/data/catalogue/images"), metavar="DIR"
    )
    parser.add_argument("--count", type=int, default=256, metavar="N", help="photos (default: 256)")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="DIR")
    parser.add_argument(
        "--precision", choices=["auto", "int8", "bf16", "f32"], default="auto", help="of (c)"
    )
    parser.add_argument(
        "--only", choices=list(VARIANTS), action="append", help="variants to run; may be repeated"
    )
    parser.add_argument("--measure", choices=list(VARIANTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    try:
        if arguments.measure:
            print(json.dumps(measure(arguments)))
        else:
            report(arguments)
    except RequestError as error:
        print(f"throughput: {error}", file=sys.stderr)
        return 2
    return 0


def report(arguments: argparse.Namespace) -> None:
    """Run each variant in a process of its own and print how they compare."""
    if arguments.count < WARM_UP:
        raise RequestError(f"--count {arguments.count}: at least {WARM_UP}")
    model = Model.load(arguments.model)
    found = find_photos([arguments.photos])[: arguments.count]
    with tempfile.TemporaryDirectory() as folder:
        for photo in found:
            shutil.copy(photo, folder)
        measured = {
            name: _in_a_process(name, arguments, Path(folder)) for name in _wanted(arguments)
        }
    print(f"{len(found)} photos, {os.cpu_count()} cores")
    print(f"{'':36}photos/s   ratio  peak memory")
    for name, result in measured.items():
        ratio = f"{result['rate'] / measured['seed']['rate']:6.1f}" if "seed" in measured else ""
        print(
            f"{VARIANTS[name]:36}{result['rate']:8.2f}  {ratio:>6}  {result['memory_mib']:6.0f} MiB"
        )
    if {"seed", "onnx"} <= measured.keys():
        first, second = (np.array(measured[name]["answers"]) for name in ("seed", "onnx"))
        print(f"(a) and (b) differ by at most {np.abs(first - second).max():.1e} in a probability")
    if "ours" in measured:
        _print_ceilings(measured["ours"], multiply_adds(model))


def _wanted(arguments: argparse.Namespace) -> Sequence[str]:
    return arguments.only or list(VARIANTS)


def _in_a_process(name: str, arguments: argparse.Namespace, photos: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", name, "--photos", str(photos)]
    command += ["--model", str(arguments.model), "--precision", arguments.precision]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        raise RequestError(f"{VARIANTS[name]} failed: see above")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _print_ceilings(ours: dict[str, Any], macs: int) -> None:
    precision, rate = ours["precision"], ours["rate"]
    ceiling = ours["products"] / macs
    print(f"\n(c) in {precision}: the network alone {ours['network_rate']:.1f} photos/s")
    for what, limit in (
        (f"{macs / 1e9:.2f} G multiply-adds at {ours['products'] / 1e9:.0f} G/s", ceiling),
        ("OpenCV decodes and resizes", ours["decoding_rate"]),
        ("the network alone", ours["network_rate"]),
    ):
        print(f"  {what}: {limit:.1f} photos/s, of which (c) reaches {rate / limit:.0%}")


def multiply_adds(model: Model) -> int:
    """Return the multiplications of one photo's convolutions and dense layers."""
    side = {
        name: IMAGE_SIZE // 2**number
        for number, block in enumerate(BLOCKS)
        for name in convolutions(block)
    }
    return sum(
        array.size * (side[name.split("/")[1]] ** 2 if array.ndim == 4 else 1)
        for name, array in model.weights.items()
        if name.endswith("/kernel")
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one variant in this process; returns its figures."""
    photos = find_photos([arguments.photos])
    model = Model.load(arguments.model)
    if arguments.measure == "ours":
        return measure_ours(arguments, photos, model)
    # Only here, so that neither engine weighs on the other's memory.
    import four_networks

    make = getattr(
        four_networks, {"seed": "keras_networks", "onnx": "onnx_networks"}[arguments.measure]
    )
    networks = make(model)
    four_networks.predict_photos(networks, photos[:WARM_UP])
    start = time.perf_counter()
    answers = four_networks.predict_photos(networks, photos)
    rate = len(photos) / (time.perf_counter() - start)
    compared = answers[:COMPARED].astype(float).round(6).tolist()
    return {"rate": rate, "memory_mib": _peak_memory(), "answers": compared}


def measure_ours(
    arguments: argparse.Namespace, photos: Sequence[Path], model: Model
) -> dict[str, Any]:
    """Build a repository of the photos, then measure what bounds it."""
    from fashionnet.network.compiled import CompiledNetwork
    from fashionnet.repository.build import build_repository
    from fashionnet.repository.catalogue import read_catalogue

    network = CompiledNetwork.open(arguments.model, arguments.precision)
    images = [read_for_network(photo)[1] for photo in photos[:WARM_UP]]
    network.describe(images)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        built = build_repository(read_catalogue(arguments.photos), Path(folder) / "rows", network)
        seconds = time.perf_counter() - start
    memory = _peak_memory()
    if built.newly_described != len(photos):
        raise RequestError(f"{arguments.photos}: some photos cannot be read, or are there twice")
    start = time.perf_counter()
    repeats = -(-len(photos) // len(images))
    network.describe(image for _ in range(repeats) for image in images)
    network_rate = repeats * len(images) / (time.perf_counter() - start)
    return {
        "rate": len(photos) / seconds,
        "memory_mib": memory,
        "precision": network.precision,
        "network_rate": network_rate,
        "decoding_rate": decoding_rate(photos),
        "products": product_rate(network.precision),
    }


def _peak_memory() -> float:
    """Return the most memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def decoding_rate(photos: Sequence[Path]) -> float:
    """Return how many photos a second OpenCV alone decodes and resizes, on all cores."""
    import cv2

    files = [np.frombuffer(photo.read_bytes(), np.uint8) for photo in photos]

    def decode(file: NDArray[np.uint8]) -> None:
        image = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
        if image is not None:
            cv2.resize(image, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)

    cv2.setNumThreads(1)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        start = time.perf_counter()
        list(threads.map(decode, files))
        return len(files) / (time.perf_counter() - start)


def product_rate(precision: str) -> float:
    """Return the multiply-adds a second of matrix products in OpenVINO, on all cores, at best.

    Eight products in a row, each of 3136×1024 by 1024×1024, written as 1×1 convolutions of 56×56
    positions. In 8 bits what comes in has 256 levels from 0 and the weights are stored in 8 bits.
    """
    import openvino as ov
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    shape = [1, PRODUCT_SIDE, PRODUCT_ROOT, PRODUCT_ROOT]
    left = ops.parameter(shape, np.float32)
    node: Any = left
    for _ in range(PRODUCTS):
        weights = random.standard_normal((PRODUCT_SIDE, PRODUCT_SIDE, 1, 1), np.float32)
        weights /= np.float32(np.sqrt(PRODUCT_SIDE))
        right: Any = ops.constant(weights)
        if precision == "int8":
            low, high = (ops.constant(np.float32(value)) for value in (0, 1))
            node = ops.fake_quantize(node, low, high, low, high, 256)
            whole, scale = eight_bits(weights.transpose(2, 3, 1, 0))
            stored = ops.constant(np.ascontiguousarray(whole.transpose(3, 2, 0, 1)))
            scales = ops.constant(scale.reshape(-1, 1, 1, 1))
            right = ops.multiply(ops.convert(stored, "f32"), scales)
        node = ops.convolution(node, right, [1, 1], [0, 0], [0, 0], [1, 1])
    compiled = ov.Core().compile_model(
        ov.Model([ops.reduce_max(node, ops.constant([1, 2, 3]))], [left]),
        "CPU",
        {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "f32" if precision == "f32" else "bf16",
        },
    )
    requests = [compiled.create_infer_request() for _ in range(2 * (os.cpu_count() or 1))]
    for request in requests:
        request.set_input_tensor(ov.Tensor(random.random(shape, np.float32)))
    best = max(_rate_of(requests) for _ in range(3))
    return best * PRODUCTS * (PRODUCT_SIDE * PRODUCT_ROOT) ** 2


def _rate_of(requests: Sequence[Any]) -> float:
    done = 0
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS_OF_PRODUCTS / 3:
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()
        done += len(requests)
    return done / (time.perf_counter() - start)


if __name__ == "__main__":
    raise SystemExit(main())
