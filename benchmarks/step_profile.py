"""Where the time of a training step goes, by kind of operation.

    python benchmarks/step_profile.py [--presets laptop laptop64] [--steps 40]

TensorFlow's profiler notes each operation of some steps, on one thread, and their times are added up by kind. The
kernels that oneDNN computes are called after it. What no operation takes is the graph's own, and the profiler's.
"""

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path

KINDS = {"convolutions": "Conv2D", "matrix products": "MatMul", "BatchNorm": "BatchNorm"}


def durations(folder: str, steps: int) -> Counter:
    """Reads what the profiler wrote: milliseconds a step, by the name of the operation's kernel."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    found: Counter = Counter()
    for path in Path(folder).rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in (each for each in space.planes if "CPU" in each.name):
            names = {key: value.name for key, value in plane.event_metadata.items()}
            for event in (event for line in plane.lines for event in line.events):
                operation, _, kernel = names[event.metadata_id].rpartition(":")
                if operation and not operation.endswith(":") and "__" not in kernel:  # no C++ scope, no whole graph
                    found[kernel] += event.duration_ps / 1e9 / steps
    return found


def shares(found: Counter) -> dict[str, float]:
    """Adds up kernels by KINDS, as shares of all operations."""
    total, parts = sum(found.values()), {}
    for kind, word in KINDS.items():
        parts[kind] = sum(time for kernel, time in found.items() if word in kernel) / total
    return parts | {"all others": 1 - sum(parts.values())}


def profile(preset: str, steps: int) -> Counter:
    """Trains a preset on the bundled images, the last `steps` steps under the profiler."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    import tensorflow as tf
    from dcgan_keras import data, presets, training

    settings = presets.get(preset)
    images = data.load_bundled("train", "fashion" if settings.channels == 1 else "emoji")[0]
    gan = training.build(settings, seed=0)
    stream = iter(data.make_stream(images, batch_size=settings.batch_size, seed=0))
    gan.make_train_function()  # the one that `fit` calls
    for _ in range(10):
        gan.train_function(stream)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(steps):
                gan.train_function(stream)
        return durations(folder, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["laptop", "laptop64"])
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    for preset in arguments.presets:
        found = profile(preset, arguments.steps)
        parts = ", ".join(f"{kind} {share:.0%}" for kind, share in shares(found).items())
        print(f"{preset}: {sum(found.values()):.1f} ms of operations a step: {parts}")


if __name__ == "__main__":
    main()
