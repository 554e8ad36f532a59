"""Distances, triplets and losses written out plainly, one number at a time, in float64."""

import numpy as np


def squared_l2(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def l2(a, b):
    return squared_l2(a, b) ** 0.5


def cosine(a, b):
    return 1 - np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))


def angular(a, b):
    return np.arccos(np.clip(1 - cosine(a, b), -1, 1)) / np.pi


DISTANCES = {"l2": l2, "squared-l2": squared_l2, "cosine": cosine, "angular": angular}


def matrix(name, first, second):
    return np.array([[DISTANCES[name](a, b) for b in second] for a in first])


def triplets(miner, distances, positives, negatives):
    """Yield (anchor, positive, negative) as row and columns of the distances."""
    for anchor, row in enumerate(distances):
        own = [j for j in range(len(row)) if positives[anchor, j]]
        others = [j for j in range(len(row)) if negatives[anchor, j]]
        if not own or not others:
            continue
        if miner == "hard":
            yield anchor, max(own, key=lambda j: row[j]), min(others, key=lambda j: row[j])
            continue
        for positive in own:
            if miner == "all":
                yield from ((anchor, positive, negative) for negative in others)
                continue
            farther = [j for j in others if row[j] > row[positive]]
            nearest = min(farther, key=lambda j: row[j]) if farther else None
            farthest = max(others, key=lambda j: row[j])
            yield anchor, positive, farthest if nearest is None else nearest


def triplet(distances, positives, negatives, margin=0.2, miner="semi-hard"):
    unmet = []
    for a, p, n in triplets(miner, distances, positives, negatives):
        loss = distances[a, p] - distances[a, n] + margin
        if loss > 0:
            unmet.append(loss)
    return sum(unmet) / len(unmet) if unmet else 0.0


def multi_similarity(distances, positives, negatives, alpha=2.0, beta=50.0, base=0.5):
    total = 0.0
    for row, own, others in zip(distances, positives, negatives, strict=True):
        pulled = sum(np.exp(alpha * (d - base)) for d in row[own])
        pushed = sum(np.exp(-beta * (d - base)) for d in row[others])
        total += np.log(1 + pulled) / alpha + np.log(1 + pushed) / beta
    return total / len(distances)


def supervised_contrastive(distances, positives, negatives, temperature=0.1):
    losses = []
    for row, own, others in zip(distances, positives, negatives, strict=True):
        if own.any():
            everyone = sum(np.exp(-d / temperature) for d in row[own | others])
            chances = [np.exp(-d / temperature) / everyone for d in row[own]]
            losses.append(-sum(np.log(chance) for chance in chances) / own.sum())
    return sum(losses) / len(losses) if losses else 0.0
