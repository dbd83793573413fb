"""Deep convolutional GANs with TensorFlow and Keras, small enough to read in one sitting.

Start with `gan.DCGAN`. The networks are in `models`, the images in `data`; `runs` puts all together.
Pictures (`plots`), what happens between epochs (`callbacks`) and whole runs (`runs`) are imported by their own names.
"""

from dcgan_keras import startup  # noqa: F401, I001  (first, before anything else imports TensorFlow)
from dcgan_keras.data import load_dataset, load_images
from dcgan_keras.gan import DCGAN
from dcgan_keras.models import build_discriminator, build_generator

__version__ = "0.1.0"
__all__ = ["DCGAN", "build_discriminator", "build_generator", "load_dataset", "load_images"]
