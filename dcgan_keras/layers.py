"""Keras's layers, computed faster where a DCGAN spends its time. Weights, settings and results are the parents'.

Each takes its fast way only in the case that it was made for, and the parent's in all others. `models.plain` turns them
into the parents, which is what saved generators hold.

Two more have spectral normalisation (arXiv 1802.05957), in the forward pass, so that the gradient knows of it: Keras's
own wrapper overwrites the kernel in each call, which is a projection after each step.

Not here: which layers a network has.
"""

import keras
import tensorflow as tf
from dcgan_keras import replicas

PARENTS: dict[type, type] = {}


def _saved_like(parent):
    """Gives a class its parent's name in files, so that weights saved from one go into the other."""

    def decorate(layer):
        layer.__name__ = parent.__name__
        PARENTS[layer] = parent
        return keras.saving.register_keras_serializable("dcgan_keras", parent.__name__)(layer)

    return decorate


@_saved_like(keras.layers.BatchNormalization)
class FastBatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization, which in training is one fused kernel of TensorFlow's (arXiv 1502.03167).

    One difference: the kernel's moving variance is the unbiased one, times n / (n - 1) over the n values per channel.
    Where several replicas train in step, mean and variance are those of the batch of all of them.
    """

    def call(self, inputs, training=None, mask=None):
        learns = training and self.trainable and self.scale and self.center
        last = len(inputs.shape) in (2, 4) and self.axis in (-1, len(inputs.shape) - 1)
        if not learns or not last or inputs.dtype == tf.float64 or mask is not None or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        dense = len(inputs.shape) == 2  # its units are maps of one pixel
        inputs = inputs[:, None, None] if dense else inputs
        gamma, beta = (tf.cast(tf.convert_to_tensor(variable), tf.float32) for variable in (self.gamma, self.beta))
        if replicas.count() > 1:
            outputs, mean, variance = replicas.batch_norm(inputs, gamma, beta, self.epsilon)
        else:
            none = tf.constant([], tf.float32)
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs, scale=gamma, offset=beta, mean=none, variance=none, epsilon=self.epsilon, is_training=True
            )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign_sub((1.0 - self.momentum) * (moving - batch))
        return outputs[:, 0, 0] if dense else outputs


@_saved_like(keras.layers.Conv2DTranspose)
class FastConv2DTranspose(keras.layers.Conv2DTranspose):
    """Keras's Conv2DTranspose, several times faster where it draws an image: kernel 4, stride 2, 3 channels or fewer.

    TensorFlow's kernels for processors are made for many channels and reach a few percent of their speed with one.
    """

    def call(self, inputs):
        if not _doubles_or_halves(self) or self.output_padding is not None or self.filters > 3:
            return super().call(inputs)
        return _finished(self, _to_image(inputs, tf.cast(tf.convert_to_tensor(self.kernel), inputs.dtype)))


@_saved_like(keras.layers.Conv2D)
class FastConv2D(keras.layers.Conv2D):
    """Keras's Conv2D, whose gradient to an image is several times faster: kernel 4, stride 2, 3 channels or fewer."""

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        even = height and width and height % 2 == 0 and width % 2 == 0
        if not _doubles_or_halves(self) or self.groups != 1 or channels > 3 or not even:
            return super().call(inputs)
        return _finished(self, _from_image(inputs, tf.cast(tf.convert_to_tensor(self.kernel), inputs.dtype)))


def _doubles_or_halves(layer) -> bool:
    case = (layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding, layer.data_format)
    return case == ((4, 4), (2, 2), (1, 1), "same", "channels_last")


def _finished(layer, outputs):
    if layer.use_bias:
        bias = tf.cast(tf.convert_to_tensor(layer.bias), outputs.dtype)
        if len(outputs.shape) == 4 and outputs.shape[-1] <= 3:
            # Row by row: `tf.nn.bias_add` goes through one pixel of 3 numbers after the other.
            _, height, width, channels = outputs.shape
            rows = tf.reshape(outputs, (-1, width * channels)) + tf.tile(bias, [width])
            outputs = tf.reshape(rows, (-1, height, width, channels))
        else:
            outputs = tf.nn.bias_add(outputs, bias)
    return layer.activation(outputs) if layer.activation is not None else outputs


@tf.custom_gradient
def _to_image(maps, kernel):
    """A transposed convolution of kernel 4 and stride 2, as a convolution of kernel 2 and stride 1.

    It draws overlapping 4x4 squares, 2 pixels apart. In blocks of 2x2 pixels these are squares of 2x2 blocks, 1 block
    apart, and the pixels of a block are channels. The outermost pixels, beyond the image, are cut off.
    """
    channels, depth = kernel.shape[2:]
    blocks = tf.reshape(kernel, (2, 2, 2, 2, channels, depth))  # block row, row in the block, the same for columns
    blocks = tf.reshape(tf.transpose(blocks[::-1, :, ::-1], (0, 2, 5, 1, 3, 4)), (2, 2, depth, 4 * channels))
    drawn = tf.nn.conv2d(maps, blocks, 1, [[0, 0], [1, 1], [1, 1], [0, 0]])

    # Written out: TensorFlow would go backwards through the blocks, by the slow kernels.
    def gradients(upstream):
        return _from_image(upstream, kernel), _to_kernel(upstream, kernel, maps)

    return tf.nn.depth_to_space(drawn, 2)[:, 1:-1, 1:-1], gradients


@tf.custom_gradient
def _from_image(images, kernel):
    """A convolution of kernel 4 and stride 2. With respect to the input, each of the two is the other's gradient."""

    def gradients(upstream):
        return _to_image(upstream, kernel), _to_kernel(images, kernel, upstream)

    return tf.nn.conv2d(images, kernel, 2, "SAME"), gradients


def _to_kernel(images, kernel, maps):
    """The gradient of both to their kernel."""
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images, filter_sizes=kernel.shape, out_backprop=maps, strides=[1, 2, 2, 1], padding="SAME"
    )


class _Spectral:
    """Divides the kernel by its largest singular value in each call, as a matrix with a column for each output.

    Power iteration follows that value, one round a call in training. The gradient takes it for a function of the kernel
    and the vectors of the iteration for constants. All of this is in float32, whatever the layer computes in.
    """

    def add_weight(self, *args, **kwargs):
        return super().add_weight(*args, **{**kwargs, "autocast": False})

    def build(self, input_shape):
        super().build(input_shape)
        settings = {"trainable": False, "aggregation": "only_first_replica", "name": "right"}
        initializer = keras.initializers.RandomNormal(seed=0)
        self.right = self.add_weight(shape=(self.kernel.shape[-1],), initializer=initializer, **settings)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["right"] = keras.ops.convert_to_numpy(self.right)

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.right.assign(store["right"])

    def call(self, inputs, training=None):
        kernel = tf.convert_to_tensor(self.kernel)
        matrix, right = tf.reshape(kernel, (-1, kernel.shape[-1])), tf.convert_to_tensor(self.right)
        left = tf.stop_gradient(tf.nn.l2_normalize(tf.linalg.matvec(matrix, right)))
        if training:
            right = tf.stop_gradient(tf.nn.l2_normalize(tf.linalg.matvec(matrix, left, transpose_a=True)))
            self.right.assign(right)
            left = tf.stop_gradient(tf.nn.l2_normalize(tf.linalg.matvec(matrix, right)))
        else:
            right = tf.nn.l2_normalize(right)
        largest = tf.tensordot(left, tf.linalg.matvec(matrix, right), 1)
        return self._call_with(tf.cast(inputs, self.compute_dtype), kernel / largest)


@keras.saving.register_keras_serializable("dcgan_keras")
class SpectralConv2D(_Spectral, keras.layers.Conv2D):
    """Keras's Conv2D with spectral normalisation (arXiv 1802.05957)."""

    def _call_with(self, inputs, kernel):
        kernel = tf.cast(kernel, inputs.dtype)
        return _finished(self, tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper()))


@keras.saving.register_keras_serializable("dcgan_keras")
class SpectralDense(_Spectral, keras.layers.Dense):
    """Keras's Dense with spectral normalisation (arXiv 1802.05957)."""

    def _call_with(self, inputs, kernel):
        return _finished(self, tf.matmul(inputs, tf.cast(kernel, inputs.dtype)))
