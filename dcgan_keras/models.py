"""The two networks of DCGAN (arXiv 1511.06434), at any size from 28 to 128 pixels, by one rule.

The rule: halve the image size until it is 7 or less. That is where the generator starts and the discriminator ends, and
each halving is a strided convolution. 28 gives 28-14-7, 64 gives 64-32-16-8-4. Each halving doubles the number of
channels, so `filters` (the width nearest the image) fixes all of them.

Images are channels-last, whatever keras.json says. The layers are Keras's, some of them computed faster (`layers`); a
saved network holds Keras's own.

Not here: losses and training.
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from dcgan_keras import files
from dcgan_keras import layers as fast
from keras import layers

WEIGHTS_STDDEV = 0.02  # all weights start as N(0, 0.02): the paper, section 4
LEAKY_SLOPE = 0.2  # the paper, section 4
_NORMALIZATIONS = ("batch", "spectral", "none")
PASSED, _PICK, _STEEP = "quantiles_passed", "cluster", 1e6  # of a generator that chooses a kind: two layers, a slope


def image_sizes() -> list[int]:
    """Returns the image sizes the rule can build: 4, 5, 6 or 7 pixels doubled until within 28 to 128."""
    return sorted(start * 2**n for start in (4, 5, 6, 7) for n in range(2, 6) if 28 <= start * 2**n <= 128)


def halvings(image_size: int) -> list[int]:
    """Lists the sizes of the maps from the image down, `[28, 14, 7]`; ValueError for what is not in `image_sizes()`."""
    if image_size not in image_sizes():
        raise ValueError(f"image_size must be one of {', '.join(map(str, image_sizes()))}, got {image_size!r}.")
    sizes = [image_size]
    while sizes[-1] > 7:
        sizes.append(sizes[-1] // 2)
    return sizes


def build_generator(
    image_size: int = 28, channels: int = 1, *, latent_dim: int = 100, filters: int = 16, kernel_size: int = 4,
    classes: int = 0, clusters: Sequence[float] = (), seed: int | None = None,
) -> keras.Model:  # fmt: skip
    """Builds the generator: latent vectors in, images out.

    Args:
        image_size: height and width of the images in pixels, one of `image_sizes()`.
        channels: 1 for grey, 3 for RGB.
        latent_dim: length of a latent vector.
        filters: channels of the last hidden map. Each map towards the latent vector has twice as many.
        kernel_size: of every transposed convolution. 4 with stride 2 overlaps evenly, 5 is the paper's.
        classes: how many kinds of images there are to choose from (arXiv 1411.1784). 0 leaves the choice to chance.
        clusters: how often to draw each of several kinds, as shares, of a generator that chooses by chance among kinds
            that the discriminator is told. The first number of a latent vector then decides the kind too (`shown`).
        seed: fixes the initial weights. None draws new ones.

    Returns a built model from (batch, latent_dim) to (batch, image_size, image_size, channels) in [-1, 1]. With
    classes, from that and (batch, classes), a 1 for the class that is asked for and 0 for the others.
    Raises ValueError if an argument is outside its range.
    """
    *hidden_sizes, start = halvings(image_size)[1:]
    _check(channels, classes, latent_dim=latent_dim, filters=filters, kernel_size=kernel_size)
    if classes and len(clusters):
        raise ValueError("A generator is told classes or chooses clusters, not both.")
    normal = _normal_weights(seed, stream=0)
    width = filters * 2 ** len(hidden_sizes)
    stack = [
        # The paper's "project and reshape": one matrix product, the first transposed convolution on a 1x1 map.
        layers.Dense(start * start * width, use_bias=False, kernel_initializer=normal(), name="project"),
        layers.Reshape((start, start, width), name="reshape"),
        batch_norm("project_norm", normal),
        layers.ReLU(name="project_relu"),
    ]
    for n, size in reversed(list(enumerate(hidden_sizes))):
        # No bias: the BatchNorm that follows would subtract it again.
        stack.append(_strided(fast.FastConv2DTranspose, f"up_{size}", filters * 2**n, kernel_size, normal))
        stack += [batch_norm(f"up_{size}_norm", normal), layers.ReLU(name=f"up_{size}_relu")]
    # No BatchNorm on the output, so that G can reach the mean and scale of the data. Hence a bias and tanh.
    stack.append(_strided(fast.FastConv2DTranspose, f"up_{image_size}", channels, kernel_size, normal, use_bias=True))
    stack.append(_ending("tanh", "image"))
    latent = layers.Input((latent_dim,), name="latent")
    if not (classes or len(clusters)):
        return keras.Sequential([latent, *stack], name="generator")
    # A label is more numbers of the vector: "project" adds what it has learned of the class.
    label = _pick(latent, clusters) if len(clusters) else layers.Input((classes,), name="label")
    images = layers.Concatenate(name="latent_and_label")([latent, label])
    for layer in stack:
        images = layer(images)
    return keras.Model(latent if len(clusters) else [latent, label], images, name="generator")


def build_discriminator(
    image_size: int = 28, channels: int = 1, *, filters: int = 16, kernel_size: int = 4, pack: int = 1,
    normalization: str = "batch", hidden: int = 0, classes: int = 0, seed: int | None = None,
) -> keras.Model:  # fmt: skip
    """Builds the discriminator: images in, one logit each out.

    Args:
        image_size, channels, kernel_size, seed: as of `build_generator`.
        filters: channels of the first map. Each further map has twice as many.
        pack: images that it reads at a time, one over the other (arXiv 1712.04086). 1 is the paper's.
        normalization: `batch` is the paper's BatchNorm, on all maps but the first. `spectral` divides the weights of
            every layer by their largest singular value instead (arXiv 1802.05957), `none` is neither.
        hidden: units of a dense layer between the last map and the logit, normalised as the maps are. 0 is the paper's
            rule; its authors' code for 28x28 has 1,024 (Newmu/dcgan_code, mnist/train_cond_dcgan.py).
        classes: how many kinds of images there are, if it is told which. The logit then has a second part, the inner
            product of what the logit is computed from with a vector learned for the class (projection, arXiv
            1802.05637).

    Returns a built model from (batch, image_size, image_size, pack * channels) in [-1, 1] to logits (batch, 1). With
    classes, from that and (batch, classes), a 1 for the class of the image and 0 for the others.
    Raises ValueError if an argument is outside its range.
    """
    first, *later = halvings(image_size)[1:]
    _check(channels, classes, filters=filters, kernel_size=kernel_size, pack=pack)
    if not isinstance(hidden, int) or hidden < 0:
        raise ValueError(f"hidden must be 0 for no such layer, or a whole number of units, got {hidden!r}.")
    if normalization not in _NORMALIZATIONS:
        raise ValueError(f"normalization must be one of {', '.join(_NORMALIZATIONS)}, got {normalization!r}.")
    if classes and pack > 1:
        raise ValueError(f"A discriminator that is told classes reads one image at a time, got pack={pack}.")
    normal = _normal_weights(seed, stream=1)
    spectral, has_norm = normalization == "spectral", normalization == "batch"
    conv, dense = (fast.SpectralConv2D, fast.SpectralDense) if spectral else (fast.FastConv2D, layers.Dense)
    stack = [
        # No BatchNorm on the input, so that D sees the mean and scale of the data. Hence a bias.
        _strided(conv, f"down_{first}", filters, kernel_size, normal, use_bias=True),
        layers.LeakyReLU(LEAKY_SLOPE, name=f"down_{first}_leaky"),
    ]
    for n, size in enumerate(later, start=1):
        stack.append(_strided(conv, f"down_{size}", filters * 2**n, kernel_size, normal, use_bias=not has_norm))
        stack += [batch_norm(f"down_{size}_norm", normal)] * has_norm
        stack.append(layers.LeakyReLU(LEAKY_SLOPE, name=f"down_{size}_leaky"))
    stack.append(layers.Flatten(data_format="channels_last", name="flatten"))
    if hidden:
        stack.append(dense(hidden, use_bias=not has_norm, kernel_initializer=normal(), name="hidden"))
        stack += [batch_norm("hidden_norm", normal)] * has_norm
        stack.append(layers.LeakyReLU(LEAKY_SLOPE, name="hidden_leaky"))
    score, logit = dense(1, kernel_initializer=normal(), name="score"), _ending("linear", "logit")
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


def clusters(generator: keras.Model) -> int:
    """Returns among how many kinds a generator chooses by its latent vectors, 0 for one that knows of none."""
    return next((layer.units for layer in getattr(generator, "layers", ()) if layer.name == _PICK), 0)


def shown(generator: keras.Model, latents, labels=None):
    """Returns which kinds images are to show: what the generator chooses by latent vectors (batch, latent_dim), as
    float (batch, clusters), a 1 for the kind; of other generators, the labels."""
    if not clusters(generator):
        return labels
    return generator.get_layer(_PICK)(generator.get_layer(PASSED)(latents))


def latent_dim(generator: keras.Model) -> int:
    """Returns the length of a generator's latent vectors, or raises ValueError if the generator does not say it."""
    shape = getattr(generator, "input_shape", None) or (None,)
    length = (shape[0] if isinstance(shape, list) else shape)[-1]
    if length is None:
        raise ValueError("The generator does not say how long a latent vector is: give DCGAN(..., latent_dim=...).")
    return int(length)


def with_labels(network: keras.Model, inputs, labels=None):
    """Returns what a generator or a discriminator is called with: inputs, and labels if it is told classes.

    Args:
        inputs: latent vectors (batch, latent_dim), or images (batch, height, width, channels).
        labels: whole numbers (batch,), from 0 to below the number of classes. None: 0, 1, 2 and on, over and over. Or
            numbers (batch, classes), 1 for a class and 0 for the others, or shares to mix classes.

    Raises ValueError if there is no such class. In a graph, where labels have no value yet, none of them is drawn.
    """
    count = classes(network)
    if not count:
        return inputs
    if labels is None:
        labels = keras.ops.arange(keras.ops.shape(inputs)[0]) % count
    inputs, labels = map(keras.ops.convert_to_tensor, (inputs, labels))
    if len(labels.shape) != 1:
        return [inputs, keras.ops.cast(labels, "float32")]
    if hasattr(labels, "numpy"):
        known = keras.ops.convert_to_numpy(labels)
        if known.size and not 0 <= known.min() <= known.max() < count:
            raise ValueError(labels_wanted(count))
    return [inputs, keras.ops.one_hot(keras.ops.cast(labels, "int32"), count, dtype="float32")]


def labels_wanted(count: int) -> str:
    """Says which labels networks take that are told so many classes."""
    return f"Labels must be whole numbers from 0 to {count - 1}."


def draw(generator: keras.Model, latents, labels=None):
    """Draws images in [-1, 1] from latent vectors, BatchNorm in inference mode. Labels: as in `with_labels`."""
    return generator(with_labels(generator, latents, labels), training=False)


def plain(network: keras.Model, **settings) -> keras.Model:
    """Copies a network into Keras's own layers, to open without this package. A class of its own is handed back.

    Where a layer has any of the `settings`, by the names in its config, they take the place of its own.
    """

    def parent(layer):
        config = {name: settings.get(name, value) for name, value in layer.get_config().items()}
        return fast.PARENTS.get(type(layer), type(layer)).from_config(config)

    try:
        copy = keras.models.clone_model(network, clone_function=parent)
    except ValueError:  # it has no list of layers to copy
        return network
    copy.set_weights(network.get_weights())
    copy.trainable = True
    for layer in copy.layers:
        layer.trainable = layer.name not in (PASSED, _PICK)
    return copy


def save(network: keras.Model, path: str | Path) -> None:
    """Writes a network to a `.keras` file of Keras's own layers, whole or not at all."""
    with files.atomic(path) as unfinished:
        plain(network).save(unfinished)


def load_generator(path: str | Path) -> keras.Model:
    """Loads a saved generator, from a `.keras` file: Keras's other formats may hold code, which loading would run.

    Raises FileNotFoundError if there is no such file, and ValueError if the file is not a saved generator.
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


def batch_norm(name: str, normal) -> layers.BatchNormalization:
    """Builds the BatchNorm of both networks: momentum 0.9, gains N(1, 0.02) as in the paper's own code."""
    return fast.FastBatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=normal(mean=1.0), name=name)


def _normal_weights(seed: int | None, stream: int) -> Callable:
    """Returns what makes one N(mean, 0.02) initializer a call, each with its own seed, by `seed` and `stream`."""
    rng = np.random.default_rng(None if seed is None else [seed, stream])
    return lambda mean=0.0: keras.initializers.RandomNormal(mean, WEIGHTS_STDDEV, seed=int(rng.integers(2**31)))


def _strided(kind, name, filters, kernel_size, normal, use_bias=False):
    """Halves height and width by a convolution of this kind, or doubles them by a transposed one."""
    settings = {"padding": "same", "data_format": "channels_last", "kernel_initializer": normal()}
    return kind(filters, kernel_size, 2, **settings, use_bias=use_bias, name=name)


def _pick(latent, shares):
    """Chooses a kind by the first number of the latent vector: where it lies among quantiles of N(0, 1).

    Made of dense layers that are not trained, which every format that a generator is exported to can hold.
    """
    if len(shares) < 2 or not min(shares) >= 0 or not sum(shares) > 0:
        raise ValueError(f"clusters must be two shares or more, none below 0 and not all 0, got {list(shares)!r}.")
    count, edges = len(shares), np.cumsum(shares)[:-1] / np.sum(shares)
    quantiles = [statistics.NormalDist().inv_cdf(min(max(float(edge), 1e-9), 1 - 1e-9)) for edge in edges]
    kernel = np.zeros((latent.shape[-1], count - 1))
    kernel[0] = _STEEP
    between = np.eye(count - 1, count, 1) - np.eye(count - 1, count)  # passed: no longer the kind below, but the next
    fixed = {"trainable": False, "dtype": "float32"}  # so steep a step is none in half precision
    passed = layers.Dense(count - 1, "hard_sigmoid", name=PASSED, **fixed)
    pick = layers.Dense(count, name=_PICK, **fixed)
    label = pick(passed(latent))
    passed.set_weights([kernel, -_STEEP * np.array(quantiles)])
    pick.set_weights([between, np.eye(count)[0]])
    return label


def _ending(activation, name):
    """Ends a network in float32 whatever precision it computes in: images and logits feed the losses."""
    return layers.Activation(activation, dtype="float32", name=name)


def _check(channels: int, classes: int, **widths: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {channels!r}.")
    for name, value in widths.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}.")
    if widths["kernel_size"] < 2:
        raise ValueError(f"kernel_size must be 2 or more, or stride 2 skips pixels, got {widths['kernel_size']}.")
    if not isinstance(classes, int) or classes < 0 or classes == 1:
        raise ValueError(f"classes must be 0 for none, or 2 or more, got {classes!r}.")
