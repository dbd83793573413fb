"""What several replicas that train in step owe each other. With one, each function hands back what it was given.

The batch, its latent vectors and BatchNorm's statistics are those of all replicas together, so they train to the
weights of one device, but for rounding.

Not here: how replicas are made (`devices`).
"""

import tensorflow as tf

_context = tf.distribute.get_replica_context


def count() -> int:
    """How many replicas train in step."""
    return _context().num_replicas_in_sync


def own_part(draw, size):
    """Draws for all replicas and keeps this one's rows, so that together they hold what one device would draw.

    Args:
        draw: a function from a number of rows to a tensor of so many.
        size: rows of this replica, an integer or an integer tensor.
    """
    if count() == 1:
        return draw(size)
    first = size * tf.cast(_context().replica_id_in_sync_group, tf.int32)
    return draw(size * count())[first : first + size]


def share(loss):
    """Divides a loss by the number of replicas, because Keras's optimizers add up the gradients of all of them."""
    return loss / count()


def mean(values: list) -> list:
    """Averages scalars over all replicas, in one message."""
    if count() == 1:
        return values
    return tf.unstack(_context().all_reduce(tf.distribute.ReduceOp.MEAN, tf.stack(values)))


def logs(values: dict) -> dict:
    """Shapes a step's logs as `fit` wants them: over several hosts it joins them along an axis (Keras 3.15)."""
    if count() > 1 and isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return {name: value[tf.newaxis] for name, value in values.items()}
    return values


def batch_norm(inputs, gamma, beta, epsilon: float):
    """Normalises by the batch of all replicas, equal parts of it: one message forward, one backward (arXiv 1502.03167).

    Keras's own `synchronized=True` sends more messages, and takes the variance as E[x^2] - E[x]^2, which cancels where
    the mean is large. The gradient is written out: the fused kernel's takes mean and variance for those of its inputs.

    Args:
        inputs: this replica's maps, shape (batch, height, width, channels).
        gamma, beta: float32 gains and shifts, shape (channels,).
        epsilon: added to the variance.

    Returns the normalised maps, and the mean and unbiased variance of the whole batch, each of shape (channels,).
    """
    replica, replicas, axes, total = _context(), count(), [0, 1, 2], tf.distribute.ReduceOp.SUM
    n = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]) * replicas, tf.float32)
    # Each replica fills its own row of a table of zeros, so that the sum of the tables holds all rows. The variance of
    # all is the mean of their variances plus the variance of their means.
    own = tf.stack(tf.nn.moments(tf.cast(inputs, tf.float32), axes))
    row = tf.one_hot(replica.replica_id_in_sync_group, replicas)[:, tf.newaxis, tf.newaxis]
    means, variances = tf.unstack(replica.all_reduce(total, row * own), axis=1)
    mean = tf.reduce_mean(means, axis=0)
    variance = tf.reduce_mean(variances + tf.square(means - mean), axis=0)
    inverse = tf.math.rsqrt(variance + epsilon)

    @tf.custom_gradient
    def normalise(inputs, gamma, beta):
        def gradients(upstream):
            upstream, centered = tf.cast(upstream, tf.float32), tf.cast(inputs, tf.float32) - mean
            sums = tf.stack([tf.reduce_sum(upstream, axes), inverse * tf.reduce_sum(upstream * centered, axes)])
            d_beta, d_gamma = tf.unstack(replica.all_reduce(total, sums) / n)
            to_inputs = gamma * inverse * (upstream - (d_beta + centered * (inverse * d_gamma)))
            return tf.cast(to_inputs, inputs.dtype), sums[1], sums[0]

        outputs = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=gamma, offset=beta, mean=mean, variance=variance, epsilon=epsilon, is_training=False
        )
        return outputs.y, gradients

    return normalise(inputs, gamma, beta), mean, variance * n / (n - 1.0)
