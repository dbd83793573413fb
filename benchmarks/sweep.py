"""Random settings of equal seconds, beside the default with other seeds: the table that notebook 12 reads.

    python benchmarks/sweep.py [--arms default 0 1 ...] [--seeds 0 1 ...] [--steps N] [--jobs 2] [--csv FILE]

Each setting is drawn at random (`settings`), always the same ones in the same order, so that any first part of the list
is a fair sample, too. It changes the `plain28` preset, on the bundled images; the number of a setting is its seed. The
default is the preset with eight seeds. When all are there, the best settings by half A run with other seeds. The loss
`wasserstein` is left out: without a penalty it is sick, as notebook 11b shows. Runs that are in the file already are
not done again. About 50 minutes on two free cores.

Seconds are those of one core: of the processor, in a process with one thread, in training steps alone. The first step,
in which TensorFlow traces, and scoring are not on the clock. What else runs on the machine counts little, but some: the
images per second of the eight default runs say how much.

Columns: setting, `default` or a number, and its seed; the two rates, beta_1, batch_size, filters of both networks,
latent_dim, kernel_size, loss; moment, what ended this part of the run: so many seconds, or 500 steps for those that get
there; seconds, steps and images so far; then KID with the extractor `fashion`, of 2,500 images against as many of the
bundled test images: a_raw and a_average, of the generator as it is trained and of its moving average, against the first
half, b_raw and b_average, of other images of both against the other half; d_real and d_fake, means of the steps since
the last row. Where a number of the training is not finite any more, all of them are inf.
"""

import itertools
import math
import time

import numpy as np
import tables

COUNT = 64
SEEDS = tuple(range(8))  # of the default
BEST = 2  # settings that run again
OTHER_SEEDS = (100, 101, 102, 103)  # of theirs: the numbers of settings are taken
SECONDS = (15, 30, 60)
STEPS = 500
CHOICES = {
    "beta_1": (0.0, 0.5, 0.9),
    "batch_size": (32, 64, 128, 256, 512),
    "filters": (8, 16, 32),
    "latent_dim": (10, 30, 100),
    "kernel_size": (4, 5),
    "loss": ("non_saturating", "saturating", "least_squares", "hinge"),
}
RATES = ("g_learning_rate", "d_learning_rate")
LEAST, MOST = 1e-4, 5e-3  # of the rates
SCORED = 2_500  # images against each half of the test images
SCORES = ("a_raw", "a_average", "b_raw", "b_average", "d_real", "d_fake")
HEAD = ("setting", "seed", *RATES, *CHOICES, "moment", "seconds", "steps", "images", *SCORES)


def settings(count: int = COUNT) -> list[dict]:
    """Draws settings, always the same ones: rates log-uniform, of three digits, all else from `CHOICES`.

    Of k choices, each k settings in a row have each one once, in random order: with few settings, chance alone would
    leave some choices out.
    """
    rng = np.random.default_rng(0)
    columns = {name: [float(f"{LEAST * (MOST / LEAST) ** rng.random():.3g}") for _ in range(COUNT)] for name in RATES}
    for name, values in CHOICES.items():
        columns[name] = [values[place] for _ in range(COUNT) for place in rng.permutation(len(values))]
    return [dict(zip(columns, one)) for one in zip(*columns.values())][:count]


def default() -> dict:
    """Returns the default in the same form."""
    from dcgan_keras import presets

    preset = presets.get("plain28")
    return {name: preset.g_filters if name == "filters" else getattr(preset, name) for name in (*RATES, *CHOICES)}


def runs(count: int) -> list[tuple[str, int, dict]]:
    """Lists (setting, seed, hyperparameters) in the order to do them: two defaults first, the others spread evenly."""
    defaults = [("default", seed, default()) for seed in SEEDS]
    drawn = [(str(number), number, one) for number, one in enumerate(settings(count))]
    chunk = math.ceil(len(drawn) / (len(defaults) - 1))
    parts = [drawn[start : start + chunk] for start in range(0, len(drawn), chunk)]
    rest = itertools.zip_longest(parts, defaults[2:], fillvalue=None)
    return [*defaults[:2], *(run for part, one in rest for run in [*(part or []), *([one] if one else [])])]


def train(run: tuple[str, int, dict, int]) -> list[tuple]:
    """Trains once, for (setting, seed, hyperparameters, steps at most or 0). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    from dcgan_keras import data, presets, training
    from dcgan_keras.evaluation import extractors, metrics, scores

    setting, seed, one, most = run
    widths = {"g_filters": one["filters"], "d_filters": one["filters"]}
    preset = presets.get("plain28", **{name: value for name, value in one.items() if name != "filters"}, **widths)
    images, test = (data.load_bundled(split)[0] for split in ("train", "test"))
    test = test[np.random.default_rng(0).permutation(len(test))]
    extractor = extractors.load("fashion")
    halves = [extractor(part).features for part in (test[:SCORED], test[SCORED : 2 * SCORED])]
    gan = training.build(preset, seed)
    stream = iter(data.make_stream(images, batch_size=preset.batch_size, seed=seed))
    gan.make_train_function()  # the one that `fit` calls

    def score(logs) -> list[float]:
        found = []
        if np.isfinite([float(value) for value in logs.values()]).all():
            for half, generator in itertools.product((0, 1), (gan.generator, gan.ema_generator)):
                fake = extractor(scores.draw(generator, SCORED, seed=half), SCORED).features
                found.append(metrics.kid(halves[half], fake, subset_size=SCORED).mean)
            found += [float(logs["d_real"]), float(logs["d_fake"])]
        gan.reset_metrics()
        return found or [math.inf] * len(SCORES)

    rows, seconds, waiting = [], 0.0, list(SECONDS)
    for step in itertools.count(1):
        start = time.process_time()
        logs = gan.train_function(stream)
        seconds += (time.process_time() - start) * (step > 1)
        moments = [f"{STEPS} steps"] * (step == STEPS)
        if seconds >= waiting[0]:
            moments.append(f"{waiting.pop(0)} s")
        if moments:
            values = [f"{value:.5f}" for value in score(logs)]
            so_far = (f"{seconds:.1f}", step, step * preset.batch_size)
            rows += [(setting, seed, *one.values(), moment, *so_far, *values) for moment in moments]
        if not waiting or step == most:
            return rows


def best(rows: list[list[str]]) -> list[tuple[str, int, dict]]:
    """Lists the runs of the best settings with other seeds: lowest `a_average` at the end of their first run."""
    at, score = HEAD.index("moment"), HEAD.index("a_average")
    ends = [row for row in rows if row[0] == row[1] and row[at] == f"{SECONDS[-1]} s"]
    found = sorted(ends, key=lambda row: float(row[score]))[:BEST]
    return [(row[0], seed, settings()[int(row[0])]) for row in found for seed in OTHER_SEEDS]


def order(row):  # moments stay as they are
    return -1 if row[0] == "default" else int(row[0]), int(row[1])


TABLE = tables.Table(
    "sweep", HEAD, ("setting", "seed"), ("moment",), runs(COUNT), train, steps=0, jobs=2, order=order, then=best
)


if __name__ == "__main__":
    TABLE.main()
