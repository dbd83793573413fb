"""The two networks of DCGAN (arXiv 1511.06434), at any size from 28 to 128 pixels, by one rule.

The rule: halve the image size until it is 7 or less. That is where the generator starts and the discriminator
ends, and the number of halvings is the number of strided convolutions. 28 gives 28-14-7, 64 gives 64-32-16-8-4.
Each halving doubles the number of channels, so `filters` (the width nearest the image) fixes all of them.

Images are channels-last and logits are plain numbers, whatever keras.json says. The layers are Keras's, some of them
computed faster (`layers`); a saved network holds Keras's own.

Not here: losses and training.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from dcgan_keras import files
from dcgan_keras import layers as fast
from keras import layers

WEIGHTS_STDDEV = 0.02  # all weights start as N(0, 0.02): the paper, section 4
LEAKY_SLOPE = 0.2  # the paper, section 4
NORMALIZATIONS = ("batch", "spectral", "none")


def image_sizes() -> list[int]:
    """Returns the image sizes the rule can build: 4, 5, 6 or 7 pixels doubled until within 28 to 128."""
    return sorted(start * 2**n for start in (4, 5, 6, 7) for n in range(2, 6) if 28 <= start * 2**n <= 128)


def halvings(image_size: int) -> list[int]:
    """Lists the feature-map sizes from the image down to the smallest, e.g. `[28, 14, 7]`.

    Args:
        image_size: height and width of the square image in pixels, one of `image_sizes()`.

    Raises:
        ValueError: if no chain of halvings from `image_size` ends between 4 and 7.
    """
    if image_size not in image_sizes():
        sizes = ", ".join(map(str, image_sizes()))
        raise ValueError(f"image_size must be one of {sizes}, got {image_size!r}.")
    sizes = [image_size]
    while sizes[-1] > 7:
        sizes.append(sizes[-1] // 2)
    return sizes


def build_generator(
    image_size: int = 28,
    channels: int = 1,
    *,
    latent_dim: int = 100,
    filters: int = 16,
    kernel_size: int = 4,
    classes: int = 0,
    seed: int | None = None,
) -> keras.Model:
    """Builds the generator: latent vectors in, images out.

    Args:
        image_size: height and width of the images in pixels, one of `image_sizes()`.
        channels: 1 for grey, 3 for RGB.
        latent_dim: length of a latent vector.
        filters: channels of the last hidden feature map. Each map towards the latent vector has twice as many.
        kernel_size: of every transposed convolution. 4 with stride 2 overlaps evenly, 5 is the paper's.
        classes: how many kinds of images there are to choose from (arXiv 1411.1784). 0 leaves the choice to chance.
        seed: fixes the initial weights. None draws new ones.

    Returns:
        A built model from (batch, latent_dim) to (batch, image_size, image_size, channels) in [-1, 1]. With classes,
        from that and (batch, classes), a 1 for the class that is asked for and 0 for the others.

    Raises:
        ValueError: if an argument is outside its range.
    """
    *hidden_sizes, start = halvings(image_size)
    _check_widths(channels=channels, latent_dim=latent_dim, filters=filters, kernel_size=kernel_size)
    _check_classes(classes)
    normal = _NormalWeights(seed, stream=0)
    width = filters * 2 ** (len(hidden_sizes) - 1)

    stack = [
        # The paper's "project and reshape": one matrix product, the first transposed convolution on a 1x1 map.
        layers.Dense(start * start * width, use_bias=False, kernel_initializer=normal(), name="project"),
        layers.Reshape((start, start, width), name="reshape"),
        batch_norm("project_norm", normal),
        layers.ReLU(name="project_relu"),
    ]
    stack += _upwards(image_size, hidden_sizes[1:], channels, filters, kernel_size, normal)
    latent = layers.Input((latent_dim,), name="latent")
    if not classes:
        return keras.Sequential([latent, *stack], name="generator")
    # A label is more numbers of the vector: "project" adds what it has learned of the class.
    label = layers.Input((classes,), name="label")
    images = layers.Concatenate(name="latent_and_label")([latent, label])
    for layer in stack:
        images = layer(images)
    return keras.Model([latent, label], images, name="generator")


def build_restorer(
    image_size: int = 28,
    channels: int = 1,
    *,
    input_size: int = 7,
    input_channels: int = 1,
    filters: int = 16,
    kernel_size: int = 4,
    normalization: str = "batch",
    seed: int | None = None,
) -> keras.Sequential:
    """Builds a generator that is given an image in place of a latent vector, for `gan.Restorer`.

    It is the upper part of `build_generator`, from its map of `input_size` on, with a convolution where the latent
    vector was projected. Given an image of full size, one with a hole for example, it first goes down to the smallest
    map with the discriminator's convolutions, and up again from there.

    Args:
        image_size, channels, filters, kernel_size, seed: as for `build_generator`.
        input_size: height and width of what is given, one of `halvings(image_size)`.
        input_channels: of what is given, with its mask and noise.
        normalization: `batch` or `none`. BatchNorm's statistics in training are those of a batch, and in use the means
            of many: a restoration then is not what was trained, by a little. Where the exact pixel counts `none` is
            the safer choice (arXiv 1809.00219 leaves BatchNorm out for this).

    Returns:
        A built model from (batch, input_size, input_size, input_channels) to (batch, image_size, image_size, channels)
        in [-1, 1].

    Raises:
        ValueError: if an argument is outside its range.
    """
    sizes = halvings(image_size)
    if input_size not in sizes:
        raise ValueError(f"input_size must be one of {', '.join(map(str, sizes))}, got {input_size!r}.")
    _check_widths(channels=channels, input_channels=input_channels, filters=filters, kernel_size=kernel_size)
    if normalization not in ("batch", "none"):
        raise ValueError(f"normalization must be batch or none, got {normalization!r}.")
    has_norm = normalization == "batch"
    normal = _NormalWeights(seed, stream=2)
    start = sizes.index(input_size) or len(sizes) - 1

    stack = [layers.Input((input_size, input_size, input_channels), name="observed")]
    if input_size == image_size:
        for n, size in enumerate(sizes[1:]):
            stack.append(_down(fast.FastConv2D, f"down_{size}", filters * 2**n, kernel_size, normal, not has_norm))
            stack += _hidden(f"down_{size}", has_norm, normal)
    else:
        width = filters * 2 ** (start - 1)
        read = fast.FastConv2D(width, kernel_size, **_convolution(normal), use_bias=not has_norm, name="read")
        stack += [read, *_hidden("read", has_norm, normal)]
    stack += _upwards(image_size, sizes[1:start], channels, filters, kernel_size, normal, has_norm)
    return keras.Sequential(stack, name="generator")


def build_discriminator(
    image_size: int = 28,
    channels: int = 1,
    *,
    filters: int = 16,
    kernel_size: int = 4,
    pack: int = 1,
    normalization: str = "batch",
    classes: int = 0,
    seed: int | None = None,
) -> keras.Model:
    """Builds the discriminator: images in, one logit each out.

    Args:
        image_size: height and width of the images in pixels, one of `image_sizes()`.
        channels: 1 for grey, 3 for RGB.
        filters: channels of the first feature map. Each further map has twice as many.
        kernel_size: of every convolution. 4 with stride 2 overlaps evenly, 5 is the paper's.
        pack: images that it reads at a time, one over the other (arXiv 1712.04086). 1 is the paper's.
        normalization: `batch` is the paper's BatchNorm, on all maps but the first. `spectral` divides the weights of
            every layer by their largest singular value instead (arXiv 1802.05957), `none` is neither.
        classes: how many kinds of images there are, if it is told which. The logit then has a second part, the inner
            product of the last map with a vector learned for the class (projection, arXiv 1802.05637).
        seed: fixes the initial weights. None draws new ones.

    Returns:
        A built model from (batch, image_size, image_size, pack * channels) in [-1, 1] to logits (batch, 1). With
        classes, from that and (batch, classes), a 1 for the class of the image and 0 for the others.

    Raises:
        ValueError: if an argument is outside its range.
    """
    first, *later = halvings(image_size)[1:]
    _check_widths(channels=channels, filters=filters, kernel_size=kernel_size, pack=pack)
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"normalization must be one of {', '.join(NORMALIZATIONS)}, got {normalization!r}.")
    _check_classes(classes)
    if classes and pack > 1:
        raise ValueError(f"A discriminator that is told classes reads one image at a time, got pack={pack}.")
    normal = _NormalWeights(seed, stream=1)
    spectral, has_norm = normalization == "spectral", normalization == "batch"
    conv, dense = (fast.SpectralConv2D, fast.SpectralDense) if spectral else (fast.FastConv2D, layers.Dense)

    stack = [
        # No BatchNorm on the input, so that D sees the mean and scale of the data. Hence a bias.
        _down(conv, f"down_{first}", filters, kernel_size, normal, use_bias=True),
        layers.LeakyReLU(LEAKY_SLOPE, name=f"down_{first}_leaky"),
    ]
    for n, size in enumerate(later, start=1):
        stack.append(_down(conv, f"down_{size}", filters * 2**n, kernel_size, normal, use_bias=not has_norm))
        stack += [batch_norm(f"down_{size}_norm", normal)] * has_norm
        stack.append(layers.LeakyReLU(LEAKY_SLOPE, name=f"down_{size}_leaky"))
    stack.append(layers.Flatten(data_format="channels_last", name="flatten"))
    score, logit = dense(1, kernel_initializer=normal(), name="score"), _float32("linear", "logit")
    image = layers.Input((image_size, image_size, pack * channels), name="image")
    if not classes:
        return keras.Sequential([image, *stack, score, logit], name="discriminator")
    label = layers.Input((classes,), name="label")
    features = image
    for layer in stack:
        features = layer(features)
    of_class = dense(features.shape[-1], use_bias=False, kernel_initializer=normal(), name="of_class")(label)
    fit = layers.Dot(axes=1, name="fit_to_class")([of_class, features])
    logits = logit(layers.Add(name="score_and_fit")([score(features), fit]))
    return keras.Model([image, label], logits, name="discriminator")


def classes(network: keras.Model) -> int:
    """Returns how many classes a network is told, 0 for one that knows of none."""
    shape = getattr(network, "input_shape", None)
    return shape[1][-1] if isinstance(shape, list) and len(shape) == 2 else 0


def latent_dim(generator: keras.Model) -> int:
    """Returns the length of a generator's latent vectors.

    Raises:
        ValueError: if the generator does not say it.
    """
    try:
        shape = generator.input_shape
        return int((shape[0] if isinstance(shape, list) else shape)[-1])
    except (AttributeError, TypeError) as error:
        raise ValueError(
            "The generator does not say how long a latent vector is: give DCGAN(..., latent_dim=...)."
        ) from error


def with_labels(network: keras.Model, inputs, labels=None):
    """Adds labels to latent vectors or images, for a network that is told classes. For others they stay as they are.

    Args:
        network: a generator or a discriminator.
        inputs: latent vectors (batch, latent_dim), or images (batch, height, width, channels).
        labels: whole numbers of shape (batch,), from 0 to below the number of classes. None: 0, 1, 2 and on, over and
            over. Or floats of shape (batch, classes), to mix classes.

    Returns:
        What the network is called with.
    """
    count = classes(network)
    if not count:
        return inputs
    if labels is None:
        labels = keras.ops.arange(keras.ops.shape(inputs)[0]) % count
    inputs, labels = map(keras.ops.convert_to_tensor, (inputs, labels))
    if len(labels.shape) == 1:
        labels = keras.ops.one_hot(labels, count, dtype="float32")
    return [inputs, labels]


def draw(generator: keras.Model, latents, labels=None):
    """Draws images in [-1, 1] from latent vectors, BatchNorm in inference mode. Labels: as in `with_labels`."""
    return generator(with_labels(generator, latents, labels), training=False)


def plain(network: keras.Model) -> keras.Model:
    """Copies a network into Keras's own layers, with the same weights, so that it opens without this package.

    A network that is a class of its own is handed back as it is: it opens only with that class anyway.
    """

    def parent(layer):
        kind = fast.PARENTS.get(type(layer), type(layer))
        return kind.from_config(layer.get_config())

    try:
        copy = keras.models.clone_model(network, clone_function=parent)
    except ValueError:  # it has no list of layers to copy
        return network
    copy.set_weights(network.get_weights())
    copy.trainable = True
    return copy


def save(network: keras.Model, path: str | Path) -> None:
    """Writes a network to a `.keras` file of Keras's own layers, whole or not at all."""
    with files.atomic(path) as unfinished:
        plain(network).save(unfinished)


def load_generator(path: str | Path) -> keras.Model:
    """Loads a saved generator.

    Args:
        path: a `.keras` file. Other formats that Keras knows may hold code, which loading would run.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a saved generator.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}: train a run first.")
    if path.suffix != ".keras":
        raise ValueError(f"{path} is not a saved generator: that is a .keras file.")
    try:
        generator = keras.saving.load_model(path, compile=False, safe_mode=True)
        latent, image = generator.input_shape, generator.output_shape
        latent = latent[0] if classes(generator) else latent
    except Exception as error:  # Keras raises many kinds for a file that is not a model
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is not a saved generator: {reason}") from error
    if len(latent) != 2 or len(image) != 4:
        raise ValueError(f"{path} is not a saved generator: it does not turn vectors into images.")
    return generator


def batch_norm(name: str, normal: Callable) -> layers.BatchNormalization:
    """Builds the BatchNorm of both networks: momentum 0.9, gains N(1, 0.02) as in the paper's own code."""
    return fast.FastBatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=normal(mean=1.0), name=name)


class _NormalWeights:
    """Makes one N(mean, 0.02) initializer a call, each with its own seed derived from `seed` and `stream`."""

    def __init__(self, seed: int | None, stream: int):
        self._rng = np.random.default_rng(None if seed is None else [seed, stream])

    def __call__(self, mean: float = 0.0) -> keras.initializers.RandomNormal:
        return keras.initializers.RandomNormal(mean, WEIGHTS_STDDEV, seed=int(self._rng.integers(2**31)))


def _upwards(image_size, hidden_sizes, channels, filters, kernel_size, normal, has_norm=True):
    """Doubles the map up to the image: the hidden maps of these sizes, largest first, then the image."""
    stack = []
    for n, size in reversed(list(enumerate(hidden_sizes))):
        stack.append(_up(f"up_{size}", filters * 2**n, kernel_size, normal, use_bias=not has_norm))
        stack += _hidden(f"up_{size}", has_norm, normal)
    # No BatchNorm on the output, so that G can reach the mean and scale of the data. Hence a bias and tanh.
    return [*stack, _up(f"up_{image_size}", channels, kernel_size, normal, use_bias=True), _float32("tanh", "image")]


def _hidden(name, has_norm, normal):
    """What follows the convolution of this name within a generator."""
    return [batch_norm(f"{name}_norm", normal)] * has_norm + [layers.ReLU(name=f"{name}_relu")]


def _up(name, filters, kernel_size, normal, use_bias=False):
    """Doubles height and width. BatchNorm follows where there is no bias: it would subtract one again."""
    return fast.FastConv2DTranspose(filters, kernel_size, 2, **_convolution(normal), use_bias=use_bias, name=name)


def _down(kind, name, filters, kernel_size, normal, use_bias):
    """Halves height and width, with a layer of this kind."""
    return kind(filters, kernel_size, 2, **_convolution(normal), use_bias=use_bias, name=name)


def _convolution(normal):
    return {"padding": "same", "data_format": "channels_last", "kernel_initializer": normal()}


def _float32(activation, name):
    """Ends a network in float32 whatever precision it computes in: images and logits feed the losses."""
    return layers.Activation(activation, dtype="float32", name=name)


def _check_classes(count: int) -> None:
    if not isinstance(count, int) or count < 0 or count == 1:
        raise ValueError(f"classes must be 0 for none, or 2 or more, got {count!r}.")


def _check_widths(channels: int, **widths: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {channels!r}.")
    for name, value in widths.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}.")
    if widths["kernel_size"] < 2:
        raise ValueError(f"kernel_size must be 2 or more, or stride 2 skips pixels, got {widths['kernel_size']}.")
