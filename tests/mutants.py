"""Breaks the module in many places, one at a time, and counts the breaks that no test notices.

    python tests/mutants.py [--only WORD] [--jobs 2]

Each mutation is one text replaced in a copy of the repository, whose tests named beside it then run until the first one
fails. A mutation that all tests pass has survived: there is something that no test holds. The last line says
`survived N of M`. `tests/test_package.py` holds this list to the code.
"""

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Mutation(NamedTuple):
    """A text of a file of the module, what takes its place, and the tests that should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTATIONS = [
    # The step
    Mutation(
        "the discriminator reads fakes in inference mode",
        "gan.py",
        "self.score(self.augmented(fake_images, salt=2), labels, training=True)",
        "self.score(self.augmented(fake_images, salt=2), labels, training=False)",
        "gan",
    ),
    Mutation(
        "the average's decay is off by one", "gan.py", "(1.0 + step) / (10.0 + step)", "step / (9.0 + step)", "gan"
    ),
    Mutation("r1_gamma is ignored", "gan.py", "d_loss + self.r1_gamma * penalty", "d_loss + penalty", "gan"),
    Mutation("latent vectors ignore the seed", "gan.py", "tf.cast(self.seed, tf.int64)", "tf.cast(0, tf.int64)", "gan"),
    Mutation(
        "d_fake is taken from real logits",
        "gan.py",
        "d_fake = tf.reduce_mean(tf.sigmoid(fake_logits))",
        "d_fake = tf.reduce_mean(tf.sigmoid(real_logits))",
        "gan",
    ),
    Mutation(
        "g_loss and d_loss change places in the logs",
        "gan.py",
        "[g_loss, d_loss, d_real",
        "[d_loss, g_loss, d_real",
        "gan",
    ),
    Mutation(
        "a tuple of images counts as one image",
        "gan.py",
        "self.generator_inputs(real_images, self.step)",
        "self.generator_inputs(tf.convert_to_tensor(data), self.step)",
        "gan",
    ),
    Mutation("the content loss has no weight", "gan.py", "self.content_weight * content", "content", "gan"),
    Mutation(
        "a restorer is the regressor alone",
        "gan.py",
        "self.adversarial_weight * self.loss_pair.generator(fake_logits)",
        "0.0",
        "gan",
    ),
    Mutation(
        "the noise of a restorer does not change",
        "gan.py",
        "super().generator_inputs(real_images, step))",
        "super().generator_inputs(real_images, 0))",
        "gan",
    ),
    Mutation(
        "a restorer for holes does not look at the whole",
        "models.py",
        "sizes.index(input_size) or len(sizes) - 1",
        "sizes.index(input_size) or 1",
        "models",
    ),
    Mutation(
        "an evaluation is a training step",
        "gan.py",
        "        batch = -1 -",
        "        self.train_step(data)\n        batch = -1 -",
        "gan",
    ),
    Mutation(
        "images are not checked",
        "gan.py",
        "_only_if(tf.reduce_max(tf.abs(images)) <= 1.001, images, _RANGE)",
        "images",
        "gan",
    ),
    Mutation(
        "an optimizer's own average never arrives",
        "gan.py",
        "optimizer.finalize_variable_values(network.trainable_variables)",
        "pass",
        "gan",
    ),
    Mutation(
        "half precision without a loss scale",
        "gan.py",
        'compute_dtype == "float16"',
        'compute_dtype == "float64"',
        "gan",
    ),
    Mutation(
        "fakes are judged under another class than they were drawn for",
        "gan.py",
        "self.score(self.augmented(fake_images, salt=2), labels, training=True)",
        "self.score(self.augmented(fake_images, salt=2), labels[::-1], training=True)",
        "gan",
    ),
    Mutation(
        "labels are not shuffled with their images",
        "data.py",
        "tf.gather(shown, order)",
        "tf.gather(shown, places)",
        "data",
    ),
    Mutation(
        "the class has no part in the logit",
        "models.py",
        'logit(layers.Add(name="score_and_fit")([score(features), fit]))',
        'logit(layers.Add(name="score_and_fit")([score(features), 0.0 * fit]))',
        "models",
    ),
    Mutation(
        "labels slip off their images where some are held out",
        "training.py",
        "data.make_stream(training_images, told[0], **order)",
        "data.make_stream(training_images, labels[: len(training_images)], **order)",
        "training",
    ),
    # Losses
    Mutation(
        "R1 without its half",
        "losses.py",
        "return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(real_gradients)",
        "return tf.reduce_mean(tf.reduce_sum(tf.square(real_gradients)",
        "losses",
    ),
    Mutation(
        "labels are swapped",
        "losses.py",
        "tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))",
        "tf.reduce_mean(tf.nn.softplus(real_logits)) + tf.reduce_mean(tf.nn.softplus(-fake_logits))",
        "losses",
    ),
    Mutation(
        "the saturating loss has the other sign",
        "losses.py",
        "return -tf.reduce_mean(tf.nn.softplus(fake_logits))",
        "return tf.reduce_mean(tf.nn.softplus(fake_logits))",
        "losses",
    ),
    # Networks
    Mutation(
        "BatchNorm keeps the biased variance",
        "layers.py",
        "moving.assign_sub((1.0 - self.momentum) * (moving - batch))",
        "moving.assign_sub((1.0 - self.momentum) * (moving - batch * 0.98))",
        "layers",
    ),
    Mutation("BatchNorm's momentum is Keras's", "models.py", "momentum=0.9", "momentum=0.99", "models"),
    Mutation("BatchNorm's epsilon is Keras's", "models.py", "epsilon=1e-5", "epsilon=1e-3", "models"),
    Mutation(
        "saved networks keep the faster layers",
        "models.py",
        "plain(network).save(unfinished)",
        "network.save(unfinished)",
        "models",
    ),
    Mutation("any file of Keras's is loaded", "models.py", 'if path.suffix != ".keras":', "if False:", "models"),
    # What a trained generator is used for
    Mutation(
        "the search keeps the worst restart",
        "latent.py",
        ".argmin(axis=0) * count",
        ".argmax(axis=0) * count",
        "latent",
    ),
    Mutation(
        "the search's penalty has no gradient",
        "latent.py",
        "gradient += 2 * prior / latents.shape[1] * latents",
        "gradient += 0.0 * latents",
        "latent",
    ),
    Mutation(
        "the search trains BatchNorm",
        "latent.py",
        "tf.square(measure(generator(latents, training=False)) - observed)",
        "tf.square(measure(generator(latents, training=True)) - observed)",
        "latent",
    ),
    Mutation(
        "directions of the weights forget BatchNorm",
        "latent.py",
        "matrix = matrix * np.tile(gain, matrix.shape[1] // len(gain))",
        "matrix = matrix * np.ones_like(np.tile(gain, matrix.shape[1] // len(gain)))",
        "latent",
    ),
    Mutation(
        "an arc loses length on the way",
        "latent.py",
        "((1 - shares) * lengths[0] + shares * lengths[1])",
        "min(lengths)",
        "latent",
    ),
    # The recipe
    Mutation(
        "beta_1 is ignored",
        "training.py",
        "keras.optimizers.Adam(settings.g_learning_rate, beta_1=settings.beta_1)",
        "keras.optimizers.Adam(settings.g_learning_rate)",
        "training",
    ),
    Mutation(
        "the learning rates are swapped",
        "training.py",
        "d_optimizer=keras.optimizers.Adam(settings.d_learning_rate",
        "d_optimizer=keras.optimizers.Adam(settings.g_learning_rate",
        "training",
    ),
    Mutation(
        "the generator takes the discriminator's width",
        "training.py",
        "filters=settings.g_filters",
        "filters=settings.d_filters",
        "training",
    ),
    Mutation(
        "kernel_size is ignored",
        "training.py",
        '{"kernel_size": settings.kernel_size, "classes": classes, "seed": seed}',
        '{"classes": classes, "seed": seed}',
        "training",
    ),
    Mutation(
        "the laptop's rate is ten times as large",
        "presets.py",
        "g_learning_rate=1.5e-3",
        "g_learning_rate=1.5e-2",
        "presets",
    ),
    Mutation(
        "the document's beta_1 is the paper's",
        "presets.py",
        "d_learning_rate=1e-4, beta_1=0.9)",
        "d_learning_rate=1e-4)",
        "presets",
    ),
    Mutation(
        "few images get no more epochs",
        "presets.py",
        "epochs = math.ceil(wanted / max(1, count // batch_size))",
        "epochs = min(epochs, math.ceil(wanted / max(1, count // batch_size)))",
        "presets",
    ),
    # Runs
    Mutation(
        "discriminator.keras holds the generator",
        "training.py",
        "models.save(gan.discriminator,",
        "models.save(gan.ema_generator,",
        "training",
    ),
    Mutation(
        "held-out images are trained on",
        "runs.py",
        "return images[np.sort(order[count:])], images[order[:count]]",
        "return images[np.sort(order)], images[order[:count]]",
        "runs",
    ),
    Mutation(
        "other images of equal count are taken",
        "training.py",
        "if run.images_sha256 not in (None, digest):",
        "if False:",
        "training",
    ),
    Mutation("two processes may train one run", "runs.py", "lock.acquire()", "pass", "runs"),
    Mutation("checkpoints are sorted as text", "callbacks.py", ", key=epoch_of)", ")", "callbacks"),
    Mutation(
        "a damaged checkpoint is loaded",
        "callbacks.py",
        'if file.attrs["sha256"] != _digest(file):',
        "if False:",
        "callbacks",
    ),
    Mutation(
        "a resumed run begins its history anew",
        "callbacks.py",
        "self.rows = list(zip(*read_history(self.path).values()))",
        "self.rows = []",
        "callbacks",
    ),
    Mutation(
        "the reference is the training split",
        "runs.py",
        'data.load_images(run.source, split="test", ',
        'data.load_images(run.source, split="train", ',
        "training",
    ),
    # Data
    Mutation(
        "a last smaller batch is kept", "data.py", "len(images) // batch_size", "-(-len(images) // batch_size)", "data"
    ),
    Mutation(
        "a damaged bundled file is used",
        "data.py",
        "if hashlib.sha256(content).hexdigest() != BUNDLED_SHA256[name]:",
        "if False:",
        "data",
    ),
    # Scores
    Mutation(
        "damaged weights of the extractor are used",
        "extractors.py",
        "if path == bundled and sha256 != bundled_sha256:",
        "if False:",
        "extractors",
    ),
    Mutation("FID without the means", "metrics.py", "((real.mean - fake.mean) ** 2).sum()", "0.0", "metrics"),
    Mutation(
        "KID is biased",
        "metrics.py",
        "sum((k.sum() - np.trace(k)) / (n * (n - 1)) for k in within)",
        "sum(k.sum() / (n * n) for k in within)",
        "metrics",
    ),
    Mutation(
        "precision and recall take k = 5",
        "scores.py",
        "metrics.precision_recall(real, fake.features, k=3)",
        "metrics.precision_recall(real, fake.features, k=5)",
        "scores",
    ),
    Mutation(
        "density and coverage take k = 3",
        "scores.py",
        "metrics.precision_recall(real, fake.features, k=5)",
        "metrics.precision_recall(real, fake.features, k=3)",
        "scores",
    ),
    # Augmentation
    Mutation(
        "fakes are not augmented", "gan.py", "self.augmented(fake_images, salt=2)", "fake_images", "augmentations"
    ),
    Mutation(
        "real images are not augmented",
        "gan.py",
        "(self.augmented(real_images, salt=1), labels)",
        "(real_images, labels)",
        "augmentations",
    ),
    Mutation(
        "each step augments alike",
        "gan.py",
        "stateless_fold_in(self._seed_of(self.step), salt)",
        "stateless_fold_in([0, 0], salt)",
        "augmentations",
    ),
    Mutation(
        "real and fake images are changed alike",
        "gan.py",
        "stateless_fold_in(self._seed_of(self.step), salt)",
        "stateless_fold_in(self._seed_of(self.step), 0)",
        "augmentations",
    ),
    Mutation("no shift to the right", "augmentations.py", "(2 * most + 1)", "(2 * most)", "augmentations"),
    Mutation(
        "the gap is that of the training images alone",
        "callbacks.py",
        "self._mean_logit(self.training), self._mean_logit(self.held_out)",
        "self._mean_logit(self.training), self._mean_logit(self.training)",
        "callbacks",
    ),
    # Packs and spectral normalisation
    Mutation("the kernel is not divided", "layers.py", "inputs, kernel / largest)", "inputs, kernel)", "layers"),
    Mutation("spectral vectors stand still", "layers.py", "self.right.assign(right)", "pass", "layers"),
    Mutation("a pack mixes rows", "gan.py", "(0, 2, 3, 1, 4)), (-1", "(0, 1, 2, 3, 4)), (-1", "gan"),
    Mutation("high quality is two deviations", "metrics.py", "3 * deviation", "2 * deviation", "metrics"),
    # Restoring
    Mutation(
        "nothing is pasted around a hole",
        "restoring.py",
        "np.where(hole[..., np.newaxis], found, images[:, np.newaxis])",
        "found",
        "restoring",
    ),
    Mutation(
        "the search sees into the hole", "restoring.py", "known / np.sqrt(known.mean())", "known + 1", "restoring"
    ),
    Mutation(
        "the best start is the worst",
        "restoring.py",
        "argsort(axis=0, kind=",
        "__neg__().argsort(axis=0, kind=",
        "restoring",
    ),
    Mutation("results are written over the pictures", "__main__.py", "if target in (path", "if None in (path", "cli"),
    Mutation(
        "a small picture is taken as any other", "__main__.py", '"smallest": small, **means', '"smallest": 8', "cli"
    ),
    # Several devices
    Mutation(
        "replicas draw the same latent vectors",
        "replicas.py",
        "first = size * tf.cast(_context().replica_id_in_sync_group, tf.int32)",
        "first = 0 * size",
        "devices",
    ),
    Mutation("replicas add up their losses", "replicas.py", "return loss / count()", "return loss", "devices"),
    Mutation("hosts need not agree", "devices.py", "if len(set(values)) > 1:", "if False:", "devices"),
    # Export
    Mutation(
        "a generator of half precision is exported in half precision",
        "export.py",
        'if any(layer.compute_dtype != "float32" for layer in network.layers):',
        "if False:",
        "export",
    ),
    Mutation("any folder gives way to a SavedModel", "export.py", "raise FileExistsError(", "print(", "export"),
    Mutation("an ONNX file draws one image at a time", "export.py", 'dim_param = "batch"', "dim_value = 1", "export"),
    Mutation(
        "an ONNX file is asked for without its packages", "export.py", "    if missing:\n", "    if False:\n", "export"
    ),
    Mutation(
        "a folder that failed takes the old one's place", "files.py", 'yield unfinished / "new"', "yield path", "export"
    ),
]


def survives(mutation: Mutation) -> bool:
    """Runs the tests on a copy of the repository with one mutation. True if they all pass."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "repository"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", "runs", "build", "__pycache__"))
        path = copy / "dcgan_keras" / mutation.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise SystemExit(f"{mutation.name}: its text is not once in {mutation.file}")
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", f"tests/test_{mutation.tests}.py"]
        environment = {**os.environ, "PYTHONPATH": str(copy), "TF_NUM_INTRAOP_THREADS": "1"}
        return subprocess.run(command, cwd=copy, env=environment, capture_output=True).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run the mutations with this word in their name or file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    chosen = [each for each in MUTATIONS if arguments.only in f"{each.file} {each.name}"]
    survived = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for mutation, lives in zip(chosen, pool.map(survives, chosen)):
            survived += lives
            print(f"{'SURVIVED' if lives else 'caught':9s} {mutation.file:14s} {mutation.name}", flush=True)
    print(f"survived {survived} of {len(chosen)}")


if __name__ == "__main__":
    main()
