"""Makes `metrics.json`: scores of stored features by established libraries, for `tests/test_metrics.py` to match.

    pip install torch torch-fidelity==0.4.0 prdc==0.2
    python tests/reference/make_reference.py

The features are those of `features.npz`: 400 real images (the first of the bundled test split) and the same blurred by
a 3x3 mean, in the extractor `fashion`, float32, with the class probabilities of the second. `--features` makes that
file anew, which needs this package and SciPy instead of the libraries; scores then have to be made anew too.
"""

import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
COUNTS = {"below the dimension": 40, "above the dimension": 400}
KID = {"subsets": 20, "subset_size": 30, "seed": 3}


def make_features() -> None:
    from dcgan_keras import data
    from dcgan_keras.evaluation import extractors
    from scipy.ndimage import uniform_filter

    images = data.load_images("bundled", split="test")[:400]
    blurred = uniform_filter(images, (0, 3, 3, 0))
    extractor = extractors.load("fashion")
    features, probabilities = extractor(blurred)
    np.savez_compressed(
        FOLDER / "features.npz", real=extractor(images).features, fake=features, probabilities=probabilities
    )


def make_scores() -> dict:
    import prdc
    import torch
    import torch_fidelity
    from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc

    with np.load(FOLDER / "features.npz", allow_pickle=False) as stored:
        real, fake = (torch.from_numpy(stored[name].astype(np.float64)) for name in ("real", "fake"))
        probabilities = stored["probabilities"].astype(np.float64)
    scores = {"made with": f"torch-fidelity {torch_fidelity.__version__}, prdc 0.2, torch {torch.__version__}"}
    for name, count in COUNTS.items():
        statistics = [metric_fid.fid_features_to_statistics(part[:count]) for part in (real, fake)]
        rng = np.random.default_rng(KID["seed"])  # the subsets `metrics.kid` draws: the real ones first, then the fake
        kernel = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_coef0": 1}
        values = []
        for _ in range(KID["subsets"]):
            rows = [rng.choice(count, KID["subset_size"], replace=False) for _ in range(2)]
            values.append(metric_kid.kernel_mmd(real.numpy()[rows[0]], fake.numpy()[rows[1]], **kernel))
        # This function takes the generated features first.
        shares = metric_prc.prc_features_to_metric(fake[:count], real[:count], verbose=False)
        more = prdc.compute_prdc(real.numpy()[:count], fake.numpy()[:count], nearest_k=5)
        scores[name] = {
            "fid": metric_fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"],
            "kid": float(np.mean(values)),
            "precision": shares["precision"],
            "recall": shares["recall"],
            "density": float(more["density"]),
            "coverage": float(more["coverage"]),
        }
    # The library takes logits and shuffles unless told not to; its softmax of log-probabilities is the probabilities.
    score = metric_isc.isc_features_to_metric(torch.from_numpy(np.log(probabilities)), splits=10, shuffle=False)
    scores["inception_score"] = {"mean": score["inception_score_mean"], "std": score["inception_score_std"]}
    return scores


if __name__ == "__main__":
    if "--features" in sys.argv:
        make_features()
    else:
        (FOLDER / "metrics.json").write_text(json.dumps(make_scores(), indent=1) + "\n")
