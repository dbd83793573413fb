"""Images per second of one training step, of this project and of what else a reader could use.

    python benchmarks/throughput.py [--colour] [--rounds 5] [--seconds 4] [--json FILE]

All contestants run in one process and in turn, A B C A B C ..., so that a slow minute of the machine slows all of them.
The table gives medians over rounds, their spread, the ratio to the first row (the tutorial), and the share of the
machine's matrix-product peak, measured in the same rounds. Contestants in PyTorch take part where it is installed
(`pip install torch`). With `--colour` at 64x64 on the bundled emoji: PyTorch's tutorial on faces, the paper's networks
and the preset `laptop64`.
"""

import argparse
import json
import statistics
import time

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import tensorflow as tf
from contestants import all_contestants, colour_contestants
from dcgan_keras import files
from keras import layers


def forward_multiplications(layer) -> int:
    """Multiplications of one layer for one image: outputs times kernel, or inputs times kernel where transposed."""
    if isinstance(layer, layers.Dense):
        return layer.kernel.shape[0] * layer.kernel.shape[1]
    if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose)):
        grid = layer.input.shape if isinstance(layer, layers.Conv2DTranspose) else layer.output.shape
        height, width, a, b = layer.kernel.shape
        return grid[1] * grid[2] * height * width * a * b
    return 0


def flops_per_image(generator, discriminator) -> float:
    """Model FLOPs of one step per real image, 2 a multiplication, elementwise operations and optimizers not counted.

    The generator runs forward, and backward to its weights and between its layers. The discriminator does so for real
    and for generated images, and once more backward to the generated images, for the generator's loss. No gradient is
    taken with respect to latent vectors or, for the discriminator's own loss, to images.
    """
    g = [count for count in map(forward_multiplications, generator.layers) if count]
    d = [count for count in map(forward_multiplications, discriminator.layers) if count]
    return 2.0 * (3 * sum(g) - g[0] + 2 * (3 * sum(d) - d[0]) + sum(d))


def matrix_product_peak(seconds: float) -> float:
    """FLOP/s of float32 products of 2048x2048 matrices, the best of all repetitions within `seconds`."""
    a = tf.random.stateless_normal((2048, 2048), (0, 0))
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        tf.linalg.matmul(a, a).numpy()
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start))
    return best


def measure(contestants, rounds: int, seconds: float):
    """Times every contestant in every round.

    Returns:
        Images per second, a list for each contestant's name, and the peak FLOP/s, one value a round.
    """
    steps = {}
    for contestant in contestants:
        contestant.run(3)  # trace, compile, allocate
        start = time.perf_counter()
        contestant.run(3)
        steps[contestant.name] = max(3, round(3 * seconds / (time.perf_counter() - start)))
    rates = {contestant.name: [] for contestant in contestants}
    peaks = []
    for _ in range(rounds):
        peaks.append(matrix_product_peak(1.0))
        for contestant in contestants:
            start = time.perf_counter()
            contestant.run(steps[contestant.name])
            images = steps[contestant.name] * contestant.batch_size
            rates[contestant.name].append(images / (time.perf_counter() - start))
    return rates, peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--colour", action="store_true", help="at 64x64 in colour")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each contestant in each round")
    parser.add_argument("--json", help="a file to write the table to")
    arguments = parser.parse_args()

    contestants = colour_contestants() if arguments.colour else all_contestants()
    rates, peaks = measure(contestants, arguments.rounds, arguments.seconds)
    peak = max(peaks)
    first = statistics.median(rates[contestants[0].name])
    print(f"matrix-product peak {peak / 1e9:.0f} GFLOP/s (rounds: {', '.join(f'{p / 1e9:.0f}' for p in peaks)})")
    heads = ("images/s", "lowest", "highest", "ratio", "MFLOP/image", "of peak")
    print(f"{'contestant':40s}", *(f"{head:>11s}" for head in heads))
    rows = []
    for contestant in contestants:
        rate, cost = statistics.median(rates[contestant.name]), flops_per_image(*contestant.networks)
        share = rate * cost / peak
        low, high = min(rates[contestant.name]), max(rates[contestant.name])
        numbers = f"{rate:11.0f} {low:11.0f} {high:11.0f} {rate / first:11.1f} {cost / 1e6:11.1f} {share:11.0%}"
        print(f"{contestant.name:40s} {numbers}")
        rows.append({"contestant": contestant.name, "images_per_second": rate, "share_of_peak": share})
    if arguments.json:
        with files.atomic(arguments.json) as unfinished:
            unfinished.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
