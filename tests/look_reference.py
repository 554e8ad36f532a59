"""Complete the Look written out plainly, one number at a time, in float64."""

import numpy as np

from fashionnet.compatibility.look_features import WIDTH
from fashionnet.compatibility.look_model import LookModel, Views


def unit(vector):
    return vector / max(np.sqrt(sum(x * x for x in vector)), 1e-6)


def embed(weights, network, point):
    hidden = []
    for unit_number in range(weights[f"{network}/hidden/kernel"].shape[1]):
        total = weights[f"{network}/hidden/bias"][unit_number]
        for place, value in enumerate(point):
            total += value * weights[f"{network}/hidden/kernel"][place, unit_number]
        hidden.append(max(total, 0.0))
    output = [
        sum(h * k for h, k in zip(hidden, column, strict=True)) + bias
        for column, bias in zip(
            weights[f"{network}/output/kernel"].T, weights[f"{network}/output/bias"], strict=True
        )
    ]
    return unit(np.array(output))


def squared(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def attention(weights, regions, guide, sign):
    powers = [
        np.exp(sign * squared(embed(weights, "attention", region), guide)) for region in regions
    ]
    return [power / sum(powers) for power in powers]


def distance(weights, scene, product, guide, kind, sign):
    goal = embed(weights, "global", product)
    pooled, regions = scene
    whole = squared(embed(weights, "global", pooled), goal)
    shares = attention(weights, regions, guide, sign)
    local = sum(
        share * squared(embed(weights, "local", region), goal)
        for share, region in zip(shares, regions, strict=True)
    )
    return {"global": whole, "local": local, "hybrid": (whole + local) / 2}[kind]


def hinge(right, wrong, margin):
    return max(0.0, right - wrong + margin)


def random_look(backbone, views=None, categories=("Shoes", "Bags")):
    """A look model of random weights, on features of a backbone that is named."""
    views, random = views or Views(), np.random.default_rng(0)
    weights = {"categories": random.normal(0, 1, (len(categories), 8))}
    for network in ("global", "local", "attention"):
        weights |= {
            f"{network}/hidden/kernel": random.normal(0, 0.3, (WIDTH, 12)),
            f"{network}/hidden/bias": random.normal(0, 0.1, 12),
            f"{network}/output/kernel": random.normal(0, 0.5, (12, 8)),
            f"{network}/output/bias": random.normal(0, 0.1, 8),
        }
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    return LookModel(backbone, categories, "hybrid", -1, views, weights).rounded()
