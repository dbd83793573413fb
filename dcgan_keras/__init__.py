"""Deep convolutional GANs with TensorFlow and Keras: a course's module, one room a file, in the order of the data.

    data, pictures     where images come from
    models, layers     the two networks; Keras's layers, computed faster
    losses, gan        logits in, scalars out; DCGAN, a keras.Model with one train_step
    callbacks, film    what happens between epochs; the moments kept and the film made of them
    plots              arrays in, pictures out
    metrics, extractors, scores    how good it is
    latent             what a trained generator is used for: search, walks, directions, units
    restoring          holes filled, noise removed, small pictures enlarged
    devices, replicas  where it runs; what several replicas owe each other
    presets, runs, training        named hyperparameters; a run folder; a run trained, resumed and finished

Start with `gan.DCGAN`. The names below are the ones to build with; all others are imported from their rooms.
"""

from dcgan_keras import startup  # noqa: F401, I001  (first, before anything else imports TensorFlow)
from dcgan_keras.data import load_dataset, load_images, make_dataset
from dcgan_keras.gan import DCGAN
from dcgan_keras.models import build_discriminator, build_generator, load_generator

__version__ = "0.1.0"
__all__ = [
    "DCGAN",
    "build_discriminator",
    "build_generator",
    "load_dataset",
    "load_generator",
    "load_images",
    "make_dataset",
]
