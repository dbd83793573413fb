"""DCGAN as a `keras.Model`: the two networks, one `train_step`, trained by `fit` (arXiv 1511.06434).

Not here: what is refused (`checks`), where images come from, what the networks look like, what happens between epochs.
"""

import keras
import tensorflow as tf
from dcgan_keras import augmentations, checks, losses, models, replicas

METRICS = ("g_loss", "d_loss", "d_real", "d_fake")  # what a step reports, and every log and dashboard shows
_NOT_OURS = ("optimizer", "loss", "metrics", "loss_weights", "weighted_metrics")  # what `compile` of others takes


@keras.saving.register_keras_serializable("dcgan_keras")
class DCGAN(keras.Model):
    """A generator and a discriminator that learn from each other, in one step and from the same forward passes.

    Pictures and scores come from `ema_generator`, whose weights are an exponential moving average of the generator's.
    Every random number of a step is a function of (seed, step), so a run can be repeated and resumed exactly.

    Args:
        generator: a model from (batch, latent_dim) to images in [-1, 1]. With a second input of (batch, classes), it
            is told which class to draw: that of the real image beside it (arXiv 1411.1784). One that chooses a kind
            itself (`clusters` of `models.build_generator`) goes with a discriminator that is told as many classes.
        discriminator: a model from such images to logits, without a sigmoid at its end: (batch, 1), or a map of them
            for parts of the image, (batch, height, width, 1) (arXiv 1611.07004). One that reads n times as many
            channels as the generator draws is shown n images at a time (packing, arXiv 1712.04086). One with a second
            input of (batch, classes) is told the class of each image.
        loss: a name in `losses.LOSSES`, or two functions as `losses.get` takes them.
        ema_decay: decay of the moving average per step, in [0, 1). 0 makes it a copy.
        r1_gamma: weight of the R1 penalty on the discriminator (arXiv 1801.04406), 0 or more.
        augment: changes of real and generated images before the discriminator sees them (arXiv 2006.10738), as
            `augmentations.Policy` takes them: "color,translation,cutout" for example.
        seed: of the latent vectors and of the augmentations.
        latent_dim: length of a latent vector, for a generator that does not say it itself (a class of its own).

    Raises ValueError if the networks do not fit each other or an argument is outside its range.
    """

    def __init__(
        self, generator: keras.Model, discriminator: keras.Model, *, loss="non_saturating", ema_decay: float = 0.995,
        r1_gamma: float = 0.0, augment: str = "", seed: int = 0, latent_dim: int | None = None,
    ):  # fmt: skip
        super().__init__(name="dcgan")
        if not 0 <= ema_decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), got {ema_decay!r}.")
        if not r1_gamma >= 0:
            raise ValueError(f"r1_gamma must be 0 or more, got {r1_gamma!r}.")
        self.latent_dim = latent_dim or models.latent_dim(generator)
        self.classes = models.classes(discriminator)
        self.image_shape, self.pack = checks.image_shape(generator, discriminator, self.latent_dim)
        self.generator, self.discriminator = generator, discriminator
        self.loss_name, self.loss_pair = loss, losses.get(loss)
        self.augmentation = augmentations.Policy(augment)
        self.augment = self.augmentation.names
        self.ema_decay, self.r1_gamma, self.seed = ema_decay, r1_gamma, seed
        self.ema_generator = _copy(generator, self.latent_dim)
        self.step = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="step")
        self.means = [keras.metrics.Mean(name=name) for name in METRICS]
        self.built = True

    def compile(self, g_optimizer=None, d_optimizer=None, **kwargs):
        """Sets one optimizer for each network.

        Args:
            g_optimizer, d_optimizer: two Keras optimizers, or their names. Each updates its network's variables alone.
            **kwargs: of `keras.Model.compile`. `jit_compile` is False unless given: on a CPU, the step took 1.3 to 1.5
                times as long with XLA, which does not use oneDNN's convolutions. XLA also drops the checks of images
                and labels: `fit` then looks at the first batch alone.

        Raises:
            ValueError: if an optimizer is missing, one is given twice, or `optimizer`, a loss, metrics or weights are.
        """
        refused = [name for name in _NOT_OURS if kwargs.pop(name, None) is not None]
        if refused or g_optimizer is None or d_optimizer is None:
            taken = f"compile takes no {refused[0]}: it takes" if refused else "compile takes"
            raise ValueError(
                f"{taken} g_optimizer and d_optimizer. The losses are given as DCGAN(..., loss=...), the metrics are "
                f"{', '.join(METRICS)}."
            )
        if g_optimizer is d_optimizer and not isinstance(g_optimizer, str):
            raise ValueError("g_optimizer and d_optimizer must be two optimizers, not one given twice.")
        super().compile(optimizer=None, **{"jit_compile": False, **kwargs})
        self.g_optimizer = _optimizer(g_optimizer, self.generator)
        self.d_optimizer = _optimizer(d_optimizer, self.discriminator)

    def fit(self, x=None, y=None, batch_size=None, *args, callbacks=None, **kwargs):
        """Trains as `keras.Model.fit` does, and says in one sentence what does not fit a GAN.

        Args:
            x: real images, float in [-1, 1] or uint8: a `tf.data.Dataset` as `data.make_dataset` gives, a
                `keras.utils.PyDataset`, or an array. Networks that are told classes need tuples (images, labels).
            y: labels, for an array of images and networks that are told classes.
            batch_size, *args, callbacks, **kwargs: as in `keras.Model.fit`.

        Raises:
            ValueError: if images or labels do not fit, weights are given, or a callback sets the rate of one optimizer.

        Warns:
            UserWarning: if the first images, in float, have no value below 0.
        """
        checks.fit_arguments(callbacks, kwargs.get("class_weight"), kwargs.get("sample_weight"))
        if isinstance(x, (tf.data.Dataset, tf.distribute.DistributedDataset)):
            kwargs.setdefault("shuffle", False)  # Keras would warn that it does not shuffle what is shuffled already
        with checks.explained(self.image_shape, self.classes):
            x = checks.first_batch(x, y, batch_size, self.image_shape, self.classes)
            history = super().fit(x, y, batch_size, *args, callbacks=callbacks, **kwargs)
        for optimizer, network in (self.g_optimizer, self.generator), (self.d_optimizer, self.discriminator):
            optimizer.finalize_variable_values(network.trainable_variables)  # for an optimizer with use_ema
        return history

    def evaluate(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Takes the means of `test_step` over real images, as `keras.Model.evaluate` does. Raises as `fit`."""
        checks.fit_arguments(None, None, kwargs.get("sample_weight"))
        with checks.explained(self.image_shape, self.classes):
            x = checks.first_batch(x, y, batch_size, self.image_shape, self.classes)
            return super().evaluate(x, y, batch_size, *args, **kwargs)

    # The seams of a step of one's own: a subclass changes one of the following, or writes `train_step` of them.

    def real_images(self, data):
        """Takes the real images out of what `fit` hands over, float32 in [-1, 1], or stops with a sentence."""
        return checks.real_images(data, self.image_shape)

    def labels(self, data):
        """Takes what the images show out of what `fit` hands over, int32 (batch,), None where no network is told."""
        return checks.labels(data, self.classes)

    def latent_vectors(self, count, step):
        """Draws the latent vectors of a step from N(0, 1), float32 (count, latent_dim): a function of seed and step."""
        # One algorithm by name: left to choose, XLA would take another and draw other vectors.
        return tf.random.stateless_normal([count, self.latent_dim], seed=self._seed_of(step), alg="philox")

    def generator_inputs(self, real_images, step):
        """Returns what the generator is given in a step: one latent vector for each real image."""
        return replicas.own_part(lambda count: self.latent_vectors(count, step), tf.shape(real_images)[0])

    def generator_loss(self, fake_logits, fake_images, real_images):
        """Returns what the generator makes small: here its part of `loss`, from the logits of its images alone."""
        return self.loss_pair.generator(fake_logits)

    def augmented(self, images, salt: int):
        """Changes images (batch, height, width, channels) as `augment` says: alike for the same seed, step and salt."""
        if not self.augment:
            return images
        seed = tf.random.experimental.stateless_fold_in(self._seed_of(self.step), salt)

        def draw(count):
            return tf.random.stateless_uniform([count, self.augmentation.numbers(self.image_shape)], seed, alg="philox")

        return self.augmentation(images, replicas.own_part(draw, tf.shape(images)[0]))

    def score(self, images, labels=None, training: bool = False):
        """Asks the discriminator about images, `pack` of them at a time.

        Args:
            images: float (batch, height, width, channels) in [-1, 1]. ValueError if the batch is no multiple of `pack`.
            labels: as in `models.with_labels`, for a discriminator that is told classes.
            training: whether BatchNorm and Dropout work as in training.

        Returns logits of shape (batch / pack, 1), or of a map (batch / pack, height, width, 1).
        """
        inputs = models.with_labels(self.discriminator, self._packed(images), labels)
        return self.discriminator(inputs, training=training)

    def score_real(self, real_images, labels=None):
        """Returns the logits of real images in training, and their R1 penalty: 0, or at the cost of a backward pass."""
        if not self.r1_gamma:
            return self.score(real_images, labels, training=True), 0.0
        inputs = self._packed(real_images)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            real_logits = self.discriminator(models.with_labels(self.discriminator, inputs, labels), training=True)
            # Of a map the mean is the image's logit.
            total = tf.reduce_sum(tf.reduce_mean(tf.reshape(real_logits, (tf.shape(inputs)[0], -1)), axis=1))
        return real_logits, losses.r1_penalty(tape.gradient(total, inputs))

    def train_step(self, data):
        """Updates both networks and the moving average once.

        Args:
            data: real images (batch, height, width, channels), float in [-1, 1] or uint8, or a tuple of them and, for
                networks that are told classes, labels: whole numbers (batch,), of real and generated images alike.

        Returns means since the epoch's start, all taken before the update: `g_loss`, `d_loss`, `d_real` = sigmoid(D(x))
        and `d_fake` = sigmoid(D(G(z))).
        """
        real_images, labels = self.real_images(data), self.labels(data)
        latents = self.generator_inputs(real_images, self.step)
        inputs = models.with_labels(self.generator, latents, labels)
        shown = models.shown(self.generator, latents, labels)
        g_variables, d_variables = self.generator.trainable_variables, self.discriminator.trainable_variables

        with tf.GradientTape() as g_tape:
            fake_images = self.generator(inputs, training=True)
            # This tape begins after the generator: it would go backwards through it for nothing.
            with tf.GradientTape() as d_tape:
                real_logits, penalty = self.score_real(self.augmented(real_images, salt=1), labels)
                fake_logits = self.score(self.augmented(fake_images, salt=2), shown, training=True)
                d_loss = self.loss_pair.discriminator(real_logits, fake_logits)
                d_objective = self.d_optimizer.scale_loss(replicas.share(d_loss + self.r1_gamma * penalty))
            g_loss = self.generator_loss(fake_logits, fake_images, real_images)
            g_objective = self.g_optimizer.scale_loss(replicas.share(g_loss))

        d_gradients = d_tape.gradient(d_objective, [variable.value for variable in d_variables])
        g_gradients = g_tape.gradient(g_objective, [variable.value for variable in g_variables])
        self.d_optimizer.apply(d_gradients, d_variables)
        self.g_optimizer.apply(g_gradients, g_variables)
        self.update_average()
        self.step.assign(self.step + 1)
        return self.logs(g_loss, d_loss, real_logits, fake_logits)

    def test_step(self, data):
        """Takes the same means in inference mode, for `evaluate`: the n-th batch always has the same latent vectors."""
        real_images, labels = self.real_images(data), self.labels(data)
        batch = -1 - tf.cast(self.means[0].count, tf.int64)  # a training step's number is 0 or more
        latents = self.generator_inputs(real_images, batch)
        fake_images, shown = models.draw(self.generator, latents, labels), models.shown(self.generator, latents, labels)
        real_logits, fake_logits = self.score(real_images, labels), self.score(fake_images, shown)
        d_loss = self.loss_pair.discriminator(real_logits, fake_logits)
        g_loss = self.generator_loss(fake_logits, fake_images, real_images)
        return self.logs(g_loss, d_loss, real_logits, fake_logits)

    def update_average(self):
        """Moves the averaged generator towards the trained one, BatchNorm's statistics included.

        Early steps count almost in full, or it would show the random initial weights for long: `ema_decay` is reached
        after about 9 / (1 - ema_decay) steps.
        """
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.ema_generator.variables, self.generator.variables):
            if keras.backend.is_float_dtype(variable.dtype):  # not the state of a Dropout's random numbers
                average.assign(decay * average + (1.0 - decay) * variable)

    def logs(self, g_loss, d_loss, real_logits, fake_logits):
        """Adds a step's numbers to the running means, over all replicas, and returns these as `fit` wants them."""
        d_real, d_fake = tf.reduce_mean(tf.sigmoid(real_logits)), tf.reduce_mean(tf.sigmoid(fake_logits))
        for mean, value in zip(self.means, replicas.mean([g_loss, d_loss, d_real, d_fake])):
            mean.update_state(value)
        return replicas.logs({mean.name: mean.result() for mean in self.means})

    def call(self, latents, labels=None):
        """Draws images in [-1, 1] with the averaged generator, BatchNorm in inference mode.

        Args:
            latents: float of shape (batch, latent_dim). Or a pair of them and labels, as `predict` wants two inputs.
            labels: which class each image is to show, as in `models.with_labels`.
        """
        if models.classes(self.generator) and isinstance(latents, (list, tuple)) and len(latents) == 2:
            latents, labels = latents
        return models.draw(self.ema_generator, latents, labels)

    def export(self, filepath, *args, **kwargs):
        """Exports the averaged generator, from latent vectors to images, as `keras.Model.export` does."""
        network = models.plain(self.ema_generator)
        models.draw(network, checks.one_input(network, self.latent_dim))  # Keras exports only what has been called
        network.export(filepath, *args, **kwargs)

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
            "loss": serialize(self.loss_name if isinstance(self.loss_name, str) else list(self.loss_name)),
            **{name: getattr(self, name) for name in ("ema_decay", "r1_gamma", "augment", "seed", "latent_dim")},
        }

    @classmethod
    def from_config(cls, config):
        restore = keras.saving.deserialize_keras_object
        return cls(**{**config, **{name: restore(config[name]) for name in ("generator", "discriminator", "loss")}})

    def get_compile_config(self):
        if not self.compiled:
            return None
        names = ("g_optimizer", "d_optimizer", "steps_per_execution", "jit_compile")
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}

    def compile_from_config(self, config):
        self.compile(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})

    def _packed(self, images):
        """Lays each `pack` images that follow one another over each other, as channels of one."""
        if self.pack == 1:
            return images
        height, width, channels = self.image_shape
        packs = tf.reshape(checks.whole_packs(images, self.pack), (-1, self.pack, height, width, channels))
        return tf.reshape(tf.transpose(packs, (0, 2, 3, 1, 4)), (-1, height, width, self.pack * channels))

    def _seed_of(self, step):
        return tf.stack([tf.cast(self.seed, tf.int64), tf.cast(step, tf.int64)])


def _optimizer(optimizer, network) -> keras.Optimizer:
    """Builds an optimizer now, not at the first step, so that a checkpoint can be loaded into it."""
    optimizer = keras.optimizers.get(optimizer)
    half = any(layer.compute_dtype == "float16" for layer in network.layers)
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # as Keras does: small gradients would become 0
    optimizer.build(network.trainable_variables)
    return optimizer


def _copy(generator: keras.Model, latent_dim: int) -> keras.Model:
    """Copies the generator for the moving average, which no optimizer trains."""
    try:
        copy = keras.models.clone_model(generator)
        models.draw(copy, checks.one_input(generator, latent_dim))
        copy.set_weights(generator.get_weights())
    except Exception as error:  # a class of its own that Keras cannot make again
        raise ValueError(
            "The generator cannot be copied for its moving average: give its class get_config, as Keras asks for "
            "models to be saved, or build it of layers."
        ) from error
    copy.trainable = False
    copy.name = "ema_generator"
    return copy
