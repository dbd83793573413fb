"""The two networks of DCGAN (arXiv 1511.06434), at any size from 28 to 128 pixels, by one rule.

The rule: halve the image size until it is 7 or less. That is where the generator starts and the discriminator
ends, and the number of halvings is the number of strided convolutions. 28 gives 28-14-7, 64 gives 64-32-16-8-4.
Each halving doubles the number of channels, so `filters` (the width nearest the image) fixes all of them.

Not here: losses, training, and any normalisation other than the paper's BatchNorm.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

WEIGHTS_STDDEV = 0.02  # all weights start as N(0, 0.02): the paper, section 4
LEAKY_SLOPE = 0.2  # the paper, section 4


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


@keras.saving.register_keras_serializable("dcgan_keras")
class BatchNormalization(layers.BatchNormalization):
    """Keras's BatchNormalization, computed by TensorFlow's fused kernel (arXiv 1502.03167).

    Same mathematics and weights as the parent, which on the TensorFlow backend runs as a chain of elementwise
    operations instead. One difference: the kernel's moving variance is the unbiased one, times n / (n - 1) over
    the n values per channel. The kernel reads maps of shape (batch, height, width, channels): other inputs, such as a
    dense layer's, take the parent's way.

    Where several replicas train in step, mean and variance are those of the batch of all of them.
    """

    def call(self, inputs, training=None):
        learns = bool(training and self.trainable)
        if not learns or len(inputs.shape) != 4:
            return super().call(inputs, training=learns)
        replica = tf.distribute.get_replica_context()
        if replica.num_replicas_in_sync > 1:
            outputs, mean, variance = self._over_all_replicas(inputs, replica)
        else:
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
            )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign_sub((1.0 - self.momentum) * (moving - batch))
        return outputs

    def _over_all_replicas(self, inputs, replica):
        """Normalises by the batch of all replicas, equal parts of it: one message forward, one backward.

        The gradient is written out because the fused kernel's own takes mean and variance for those of its inputs.
        """
        total, count, axes = tf.distribute.ReduceOp.SUM, replica.num_replicas_in_sync, [0, 1, 2]
        n = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]) * count, tf.float32)
        # Each replica fills its own row of a table of zeros, so that the sum of the tables holds all rows. The variance
        # of all is the mean of their variances plus the variance of their means: E[x^2] - E[x]^2 would cancel.
        own = tf.stack(tf.nn.moments(tf.cast(inputs, tf.float32), axes))
        row = tf.one_hot(replica.replica_id_in_sync_group, count)[:, tf.newaxis, tf.newaxis]
        means, variances = tf.unstack(replica.all_reduce(total, row * own), axis=1)
        mean = tf.reduce_mean(means, axis=0)
        variance = tf.reduce_mean(variances + tf.square(means - mean), axis=0)
        inverse = tf.math.rsqrt(variance + self.epsilon)

        @tf.custom_gradient
        def normalise(inputs, gamma, beta):
            def gradients(upstream):
                upstream, centered = tf.cast(upstream, tf.float32), tf.cast(inputs, tf.float32) - mean
                sums = tf.stack([tf.reduce_sum(upstream, axes), inverse * tf.reduce_sum(upstream * centered, axes)])
                d_beta, d_gamma = tf.unstack(replica.all_reduce(total, sums) / n)
                to_inputs = gamma * inverse * (upstream - (d_beta + centered * (inverse * d_gamma)))
                return tf.cast(to_inputs, inputs.dtype), sums[1], sums[0]

            outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
                inputs, gamma, beta, mean, variance, epsilon=self.epsilon, is_training=False
            )
            return outputs, gradients

        outputs = normalise(inputs, tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta))
        return outputs, mean, variance * n / (n - 1.0)


@keras.saving.register_keras_serializable("dcgan_keras")
class Conv2DTranspose(layers.Conv2DTranspose):
    """Keras's Conv2DTranspose, several times faster where it draws an image: kernel 4, stride 2, 3 channels or fewer.

    Same mathematics and weights as the parent, which does everything else. The kernels of TensorFlow's library for
    processors are made for many channels and reach a few percent of their speed with one.
    """

    def call(self, inputs):
        if not _is_halving(self) or self.filters > 3:
            return super().call(inputs)
        outputs = _to_image(inputs, tf.convert_to_tensor(self.kernel))
        return self.activation(tf.nn.bias_add(outputs, self.bias) if self.use_bias else outputs)


@keras.saving.register_keras_serializable("dcgan_keras")
class Conv2D(layers.Conv2D):
    """Keras's Conv2D, whose gradient to an image is several times faster: kernel 4, stride 2, 3 channels or fewer.

    Same mathematics and weights as the parent, which does everything else.
    """

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        if not _is_halving(self) or channels > 3 or not height or not width or height % 2 or width % 2:
            return super().call(inputs)
        outputs = _from_image(inputs, tf.convert_to_tensor(self.kernel))
        return self.activation(tf.nn.bias_add(outputs, self.bias) if self.use_bias else outputs)


def _is_halving(layer) -> bool:
    return (layer.kernel_size, layer.strides, layer.padding) == ((4, 4), (2, 2), "same")


@tf.custom_gradient
def _to_image(maps, kernel):
    """A transposed convolution of kernel 4 and stride 2, as a convolution of kernel 2 and stride 1.

    It draws overlapping 4x4 squares, 2 pixels apart. In blocks of 2x2 pixels these are squares of 2x2 blocks, 1 block
    apart, and the pixels of a block are channels. The outermost pixels, beyond the image, are cut off.
    """
    channels, depth = kernel.shape[2:]
    blocks = tf.reshape(kernel, (2, 2, 2, 2, channels, depth))  # block row, row in the block, the same for columns
    blocks = tf.transpose(blocks[::-1, :, ::-1], (0, 2, 5, 1, 3, 4))
    blocks = tf.reshape(blocks, (2, 2, depth, 4 * channels))
    drawn = tf.nn.conv2d(maps, blocks, 1, [[0, 0], [1, 1], [1, 1], [0, 0]])

    # Written out: TensorFlow would go backwards through the blocks, which is slow again.
    def gradients(upstream):
        return _from_image(upstream, kernel), _to_kernel(upstream, kernel, maps)

    return tf.nn.depth_to_space(drawn, 2)[:, 1:-1, 1:-1], gradients


@tf.custom_gradient
def _from_image(images, kernel):
    """A convolution of kernel 4 and stride 2. It and `_to_image` are each other's gradient (notebook 03)."""

    def gradients(upstream):
        return _to_image(upstream, kernel), _to_kernel(images, kernel, upstream)

    return tf.nn.conv2d(images, kernel, 2, "SAME"), gradients


def _to_kernel(images, kernel, maps):
    """The gradient of both to their kernel."""
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images, filter_sizes=kernel.shape, out_backprop=maps, strides=[1, 2, 2, 1], padding="SAME"
    )


def build_generator(
    image_size: int = 28,
    channels: int = 1,
    *,
    latent_dim: int = 100,
    filters: int = 16,
    kernel_size: int = 4,
    seed: int | None = None,
) -> keras.Sequential:
    """Builds the generator: latent vectors in, images out.

    Args:
        image_size: height and width of the images in pixels, one of `image_sizes()`.
        channels: 1 for grey, 3 for RGB.
        latent_dim: length of a latent vector.
        filters: channels of the last hidden feature map. Each map towards the latent vector has twice as many.
        kernel_size: of every transposed convolution. 4 with stride 2 overlaps evenly, 5 is the paper's.
        seed: fixes the initial weights. None draws new ones.

    Returns:
        A built model from (batch, latent_dim) to (batch, image_size, image_size, channels) in [-1, 1].

    Raises:
        ValueError: if an argument is outside its range.
    """
    *hidden_sizes, start = halvings(image_size)
    _check_widths(channels=channels, latent_dim=latent_dim, filters=filters, kernel_size=kernel_size)
    normal = _NormalWeights(seed, stream=0)
    widths = [filters * 2**n for n in range(len(hidden_sizes))]

    width = widths.pop()
    stack = [
        layers.Input((latent_dim,), name="latent"),
        # The paper's "project and reshape": one matrix product, the first transposed convolution on a 1x1 map.
        layers.Dense(start * start * width, use_bias=False, kernel_initializer=normal(), name="project"),
        layers.Reshape((start, start, width), name="reshape"),
        batch_norm("project_norm", normal),
        layers.ReLU(name="project_relu"),
    ]
    for size in reversed(hidden_sizes[1:]):
        up = _up(f"up_{size}", widths.pop(), kernel_size, normal)
        stack += [up, batch_norm(f"up_{size}_norm", normal), layers.ReLU(name=f"up_{size}_relu")]
    # No BatchNorm on the output, so that G can reach the mean and scale of the data. Hence a bias and tanh.
    stack += [_up(f"up_{image_size}", channels, kernel_size, normal, use_bias=True), _float32("tanh", "image")]
    return keras.Sequential(stack, name="generator")


def build_discriminator(
    image_size: int = 28,
    channels: int = 1,
    *,
    filters: int = 16,
    kernel_size: int = 4,
    seed: int | None = None,
) -> keras.Sequential:
    """Builds the discriminator: images in, one logit each out.

    Args:
        image_size: height and width of the images in pixels, one of `image_sizes()`.
        channels: 1 for grey, 3 for RGB.
        filters: channels of the first feature map. Each further map has twice as many.
        kernel_size: of every convolution. 4 with stride 2 overlaps evenly, 5 is the paper's.
        seed: fixes the initial weights. None draws new ones.

    Returns:
        A built model from (batch, image_size, image_size, channels) in [-1, 1] to logits (batch, 1).

    Raises:
        ValueError: if an argument is outside its range.
    """
    first, *later = halvings(image_size)[1:]
    _check_widths(channels=channels, filters=filters, kernel_size=kernel_size)
    normal = _NormalWeights(seed, stream=1)

    stack = [
        layers.Input((image_size, image_size, channels), name="image"),
        # No BatchNorm on the input, so that D sees the mean and scale of the data. Hence a bias.
        _down(f"down_{first}", filters, kernel_size, normal, use_bias=True),
        layers.LeakyReLU(LEAKY_SLOPE, name=f"down_{first}_leaky"),
    ]
    for n, size in enumerate(later, start=1):
        stack += [
            _down(f"down_{size}", filters * 2**n, kernel_size, normal),
            batch_norm(f"down_{size}_norm", normal),
            layers.LeakyReLU(LEAKY_SLOPE, name=f"down_{size}_leaky"),
        ]
    stack += [
        layers.Flatten(name="flatten"),
        layers.Dense(1, kernel_initializer=normal(), name="score"),
        _float32("linear", "logit"),
    ]
    return keras.Sequential(stack, name="discriminator")


def batch_norm(name: str, normal: Callable) -> BatchNormalization:
    """Builds the BatchNorm of both networks: momentum 0.9, gains N(1, 0.02) as in the paper's own code."""
    return BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=normal(mean=1.0), name=name)


class _NormalWeights:
    """Makes one N(mean, 0.02) initializer a call, each with its own seed derived from `seed` and `stream`."""

    def __init__(self, seed: int | None, stream: int):
        self._rng = np.random.default_rng(None if seed is None else [seed, stream])

    def __call__(self, mean: float = 0.0) -> keras.initializers.RandomNormal:
        return keras.initializers.RandomNormal(mean, WEIGHTS_STDDEV, seed=int(self._rng.integers(2**31)))


def _up(name, filters, kernel_size, normal, use_bias=False):
    """Doubles height and width. BatchNorm follows where there is no bias: its shift would cancel one."""
    return Conv2DTranspose(
        filters, kernel_size, 2, padding="same", use_bias=use_bias, kernel_initializer=normal(), name=name
    )


def _down(name, filters, kernel_size, normal, use_bias=False):
    """Halves height and width."""
    return Conv2D(filters, kernel_size, 2, padding="same", use_bias=use_bias, kernel_initializer=normal(), name=name)


def _float32(activation, name):
    """Ends a network in float32 whatever precision it computes in: images and logits feed the losses."""
    return layers.Activation(activation, dtype="float32", name=name)


def _check_widths(channels: int, **widths: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {channels!r}.")
    for name, value in widths.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}.")
    if widths["kernel_size"] < 2:
        raise ValueError(f"kernel_size must be 2 or more, or stride 2 skips pixels, got {widths['kernel_size']}.")
