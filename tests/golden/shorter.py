"""Fewer keys and values of a head that do what all of them did, by numpy and scipy: `shorter.json`.

"Fast KV Compaction via Attention Matching" (arXiv 2602.16284), with weights taken into keys and a ridge on every fit, which is
written here as rows more of the system and solved by `lstsq` and `lsq_linear`.
"""

import json
import os

import numpy as np
from scipy.optimize import lsq_linear
from scipy.special import softmax

HERE = os.path.dirname(os.path.abspath(__file__))
RIDGE, LEAST_WEIGHT = 1e-3, 1e-3


def with_ridge(system, wanted, towards=None):
    """The system with a row more for each unknown, which holds it near `towards`."""
    n = system.shape[1]
    ridge = np.sqrt(RIDGE * np.trace(system.T @ system) / n)
    towards = np.zeros((n,) + wanted.shape[1:]) if towards is None else towards
    return np.vstack([system, ridge * np.eye(n)]), np.concatenate([wanted, ridge * towards])


def fitted(keys, values, before, after, slots):
    scores = before @ keys.T
    shares = softmax(scores, axis=1)
    wanted = shares @ values
    attended = (shares**2).sum(0)
    chosen = np.sort(np.argsort(-attended, kind="stable")[:slots])
    system, one = with_ridge(shares[:, chosen], np.ones(len(shares)), np.ones(slots))
    key_weights = lsq_linear(system, one, bounds=(LEAST_WEIGHT, np.inf), tol=1e-15, method="bvls").x
    target = scores[:, chosen] + np.log(key_weights)
    system, rest = with_ridge(after, target, keys[chosen].T)
    new_keys = np.linalg.lstsq(system, rest, rcond=None)[0].T
    new_shares = softmax(after @ new_keys.T, axis=1)
    system, rest = with_ridge(new_shares, wanted, values[chosen])
    new_values = np.linalg.lstsq(system, rest, rcond=None)[0]

    def error(keys, values):
        made = softmax(after @ keys.T, axis=1) @ values
        return np.linalg.norm(made - wanted) / np.linalg.norm(wanted)

    return {
        "chosen": chosen.tolist(),
        "fitted_keys": new_keys.ravel().tolist(),
        "fitted_values": new_values.ravel().tolist(),
        "error": [error(keys[chosen], values[chosen]), error(new_keys, new_values)],
        "least_weight": float(key_weights.min()),
    }


def case(seed, n, d, queries, slots, turn):
    random = np.random.default_rng(seed)
    draw = lambda *shape: random.normal(size=shape).astype(np.float32).astype(np.float64)
    keys, values, before = draw(n, d), draw(n, d), draw(queries, d)
    # A head that rotates: queries behind fewer slots are turned by an angle.
    angle = np.eye(d)
    angle[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    after = (before @ angle).astype(np.float32).astype(np.float64)
    inputs = dict(keys=keys, values=values, before=before, after=after)
    flat = {name: array.ravel().tolist() for name, array in inputs.items()}
    return {"d_head": d, "slots": slots, **flat, **fitted(**inputs, slots=slots)}


if __name__ == "__main__":
    cases = [case(1, 6, 4, 30, 3, 0.0), case(2, 9, 8, 50, 4, 0.7), case(3, 12, 4, 40, 8, 1.3), case(4, 5, 6, 12, 1, 0.4)]
    print([(c["chosen"], c["error"], c["least_weight"]) for c in cases])
    with open(os.path.join(HERE, "shorter.json"), "w") as file:
        json.dump(cases, file)
        file.write("\n")
