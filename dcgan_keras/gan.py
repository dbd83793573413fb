"""DCGAN as a `keras.Model`: the two networks, one `train_step`, trained by `fit` (arXiv 1511.06434).

Not here: where images come from, what the networks look like, and what happens between epochs.
"""

import keras
import tensorflow as tf
from dcgan_keras import losses


@keras.saving.register_keras_serializable("dcgan_keras")
class DCGAN(keras.Model):
    """A generator and a discriminator that learn from each other.

    Both learn in the same step from the same forward passes: their losses come from one batch of real and one of
    generated images. The pictures and scores of the course come from `ema_generator`, whose weights are an
    exponential moving average of the generator's.

    Every random number of a step is a function of (seed, step), so a run can be repeated and resumed exactly.

    Args:
        generator: a built model from (batch, latent_dim) to images in [-1, 1].
        discriminator: a built model from such images to logits (batch, 1).
        loss: a name in `losses.LOSSES`.
        ema_decay: decay of the moving average per step, in [0, 1). 0 makes it a copy.
        r1_gamma: weight of the R1 penalty on the discriminator (arXiv 1801.04406), 0 or more.
        seed: of the latent vectors.

    Raises:
        ValueError: if the networks do not fit each other or an argument is outside its range.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        loss: str = "non_saturating",
        ema_decay: float = 0.995,
        r1_gamma: float = 0.0,
        seed: int = 0,
    ):
        super().__init__(name="dcgan")
        if generator.output_shape[1:] != discriminator.input_shape[1:]:
            raise ValueError(
                f"The generator draws {generator.output_shape[1:]} but the discriminator reads "
                f"{discriminator.input_shape[1:]} (height, width, channels): build both for the same images."
            )
        if not 0 <= ema_decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), got {ema_decay!r}.")
        if not r1_gamma >= 0:
            raise ValueError(f"r1_gamma must be 0 or more, got {r1_gamma!r}.")
        self.generator = generator
        self.discriminator = discriminator
        self.loss_name = loss
        self.losses_pair = losses.get(loss)
        self.ema_decay = ema_decay
        self.r1_gamma = r1_gamma
        self.seed = seed
        self.latent_dim = generator.input_shape[-1]

        self.ema_generator = keras.models.clone_model(generator)
        self.ema_generator.set_weights(generator.get_weights())
        self.step = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="step")
        self.means = [keras.metrics.Mean(name=name) for name in ("g_loss", "d_loss", "d_real", "d_fake")]
        self.built = True

    def compile(self, g_optimizer: keras.Optimizer, d_optimizer: keras.Optimizer, **kwargs):
        """Sets one optimizer for each network.

        Args:
            g_optimizer: updates the generator's variables alone.
            d_optimizer: updates the discriminator's variables alone. Must be another object.
            **kwargs: passed to `keras.Model.compile`. `jit_compile` is False unless given: on a CPU, XLA does not
                use oneDNN's convolutions, and the step took 1.3 to 1.5 times as long with it.

        Raises:
            ValueError: if both arguments are one and the same optimizer.
        """
        if g_optimizer is d_optimizer:
            raise ValueError("g_optimizer and d_optimizer must be two optimizers, not one given twice.")
        super().compile(optimizer=None, **{"jit_compile": False, **kwargs})
        self.g_optimizer = g_optimizer
        self.d_optimizer = d_optimizer
        # Built now, not at the first step, so that a checkpoint can be loaded into them.
        g_optimizer.build(self.generator.trainable_variables)
        d_optimizer.build(self.discriminator.trainable_variables)

    def latent_vectors(self, count, step):
        """Draws the latent vectors of one step from N(0, 1), the same ones for the same seed and step.

        Args:
            count: how many.
            step: the step's number, an integer or an integer tensor.

        Returns:
            float32 of shape (count, latent_dim).
        """
        seed = tf.stack([tf.cast(self.seed, tf.int64), tf.cast(step, tf.int64)])
        return tf.random.stateless_normal([count, self.latent_dim], seed=seed)

    def train_step(self, real_images):
        """Updates both networks and the moving average once.

        Args:
            real_images: float32 of shape (batch, height, width, channels) in [-1, 1].

        Returns:
            Means since the epoch's start: `g_loss`, `d_loss`, `d_real` = sigmoid(D(x)) and
            `d_fake` = sigmoid(D(G(z))), all taken before the update.
        """
        replica = tf.distribute.get_replica_context()  # one of one, unless a distribution strategy is at work
        latents = self._own_latent_vectors(tf.shape(real_images)[0], replica)
        g_variables = self.generator.trainable_variables
        d_variables = self.discriminator.trainable_variables

        with tf.GradientTape() as g_tape:
            fake_images = self.generator(latents, training=True)
            # This tape begins after the generator: it would go backwards through it for nothing.
            with tf.GradientTape() as d_tape:
                real_logits, penalty = self._real_logits_and_penalty(real_images)
                fake_logits = self.discriminator(fake_images, training=True)
                d_loss = self.losses_pair.discriminator(real_logits, fake_logits)
                d_objective = self._objective(d_loss + self.r1_gamma * penalty, self.d_optimizer, replica)
            g_loss = self.losses_pair.generator(fake_logits)
            g_objective = self._objective(g_loss, self.g_optimizer, replica)

        d_gradients = d_tape.gradient(d_objective, _tensors(d_variables))
        g_gradients = g_tape.gradient(g_objective, _tensors(g_variables))
        self.d_optimizer.apply(d_gradients, d_variables)
        self.g_optimizer.apply(g_gradients, g_variables)
        self._update_moving_average()
        self.step.assign(self.step + 1)

        d_real = tf.reduce_mean(tf.sigmoid(real_logits))
        d_fake = tf.reduce_mean(tf.sigmoid(fake_logits))
        values = [g_loss, d_loss, d_real, d_fake]
        if replica.num_replicas_in_sync > 1:
            values = tf.unstack(replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.stack(values)))  # one message
        for mean, value in zip(self.means, values):
            mean.update_state(value)
        logs = {mean.name: mean.result() for mean in self.means}
        # `fit` averages logs over hosts along their first axis (Keras 3.15), and a number has none.
        several_hosts = isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
        return {name: value[tf.newaxis] for name, value in logs.items()} if several_hosts else logs

    def call(self, latents):
        """Draws images in [-1, 1] from latent vectors with the averaged generator, BatchNorm in inference mode."""
        return self.ema_generator(latents, training=False)

    @property
    def steps_taken(self) -> int:
        """How many steps it has been trained, on however many devices."""
        return int(keras.ops.convert_to_numpy(self.step))

    @property
    def metrics(self):
        """The running means, which `fit` resets at the start of each epoch."""
        return self.means

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "loss": self.loss_name,
            "ema_decay": self.ema_decay,
            "r1_gamma": self.r1_gamma,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        networks = ("generator", "discriminator")
        built = {name: keras.saving.deserialize_keras_object(config[name]) for name in networks}
        return cls(**{**config, **built})

    def _own_latent_vectors(self, count, replica):
        """Draws the latent vectors of all replicas and keeps this one's: together they see what one device would."""
        latents = self.latent_vectors(count * replica.num_replicas_in_sync, self.step)
        if replica.num_replicas_in_sync == 1:
            return latents
        first = count * tf.cast(replica.replica_id_in_sync_group, tf.int32)
        return latents[first : first + count]

    def _objective(self, loss, optimizer, replica):
        """Divides a replica's loss, because Keras's optimizers add up the gradients of all replicas, and scales it.

        A loss scale, where an optimizer has one, keeps small gradients above float16's smallest number.
        """
        return optimizer.scale_loss(loss / replica.num_replicas_in_sync)

    def _real_logits_and_penalty(self, real_images):
        """Scores real images, and their R1 penalty where it is asked for: it costs a second backward pass."""
        if not self.r1_gamma:
            return self.discriminator(real_images, training=True), 0.0
        with tf.GradientTape() as tape:
            tape.watch(real_images)
            real_logits = self.discriminator(real_images, training=True)
            total = tf.reduce_sum(real_logits)
        return real_logits, losses.r1_penalty(tape.gradient(total, real_images))

    def _update_moving_average(self):
        """Moves the averaged generator towards the trained one, BatchNorm's statistics included.

        Early steps count almost in full and `ema_decay` is reached after about 9 / (1 - ema_decay) steps. Without this
        the average would show the random initial weights for that long.
        """
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.ema_generator.variables, self.generator.variables):
            average.assign(decay * average + (1.0 - decay) * variable)


def _tensors(variables):
    return [variable.value for variable in variables]
