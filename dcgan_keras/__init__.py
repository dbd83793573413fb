"""Deep convolutional GANs with TensorFlow and Keras: a course's module. The house, a room a line:

    gan              DCGAN, a keras.Model with one train_step
    checks           what it refuses, and in which words
    models           the two networks
    layers           Keras's layers, computed faster
    losses           logits in, scalars out
    augmentations    what the discriminator sees, changed at random
    replicas         what several replicas that train in step owe each other
    presets          named hyperparameters, each value with its reason

    data             a source of images in, batches out
    evaluation       how good a generator is
    training         a run: trained, stopped, resumed, finished
    applications     what a trained generator is for

    plots            arrays in, pictures out
    files            files and folders written whole or not at all
    startup          a quiet start of TensorFlow
    course           what only the notebooks use: the checker of exercises, the committed tables
    __main__         the command line: dcgan

Start with `gan.DCGAN`. The names below are the ones to build with; all others are imported from their rooms.
"""

import importlib
from typing import TYPE_CHECKING

from dcgan_keras import startup  # noqa: F401  (first, before anything imports TensorFlow)

__version__ = "0.1.0"
__all__ = [
    "DCGAN", "build_discriminator", "build_generator", "load_dataset", "load_generator", "load_images", "make_dataset",
]  # fmt: skip

if TYPE_CHECKING:
    from dcgan_keras.data import load_dataset, load_images, make_dataset
    from dcgan_keras.gan import DCGAN
    from dcgan_keras.models import build_discriminator, build_generator, load_generator
else:

    def __getattr__(name: str):
        """Imports a name when it is asked for: neither `import dcgan_keras` nor `dcgan --help` waits for TensorFlow."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        room = "gan" if name == "DCGAN" else "models" if "generator" in name or "discriminator" in name else "data"
        return getattr(importlib.import_module(f"{__name__}.{room}"), name)
