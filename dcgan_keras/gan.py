"""DCGAN as a `keras.Model`: the two networks, one `train_step`, trained by `fit` (arXiv 1511.06434).

Not here: where images come from, what the networks look like, and what happens between epochs.
"""

import contextlib

import keras
import tensorflow as tf
from dcgan_keras import augmentations, losses, models, replicas

METRICS = ("g_loss", "d_loss", "d_real", "d_fake")  # what a step reports, and every log and dashboard shows
_RANGE = "Real images must be float in [-1, 1], or uint8 from 0 to 255: divide by 127.5 and subtract 1."


@keras.saving.register_keras_serializable("dcgan_keras")
class DCGAN(keras.Model):
    """A generator and a discriminator that learn from each other.

    Both learn in the same step from the same forward passes: their losses come from one batch of real and one of
    generated images. The pictures and scores of the course come from `ema_generator`, whose weights are an
    exponential moving average of the generator's.

    Every random number of a step is a function of (seed, step), so a run can be repeated and resumed exactly.

    Args:
        generator: a model from (batch, latent_dim) to images in [-1, 1]. With a second input of (batch, classes), it
            is told which class to draw: that of the real image beside it, as the data set gives it (arXiv 1411.1784).
        discriminator: a model from such images to logits (batch, 1), without a sigmoid at its end. One that reads n
            times as many channels as the generator draws is shown n images at a time (packing, arXiv 1712.04086). One
            with a second input of (batch, classes) is told the class of each image.
        loss: a name in `losses.LOSSES`, or two functions as `losses.get` takes them.
        ema_decay: decay of the moving average per step, in [0, 1). 0 makes it a copy.
        r1_gamma: weight of the R1 penalty on the discriminator (arXiv 1801.04406), 0 or more.
        augment: names in `augmentations.AUGMENTATIONS` with commas between them, "color,translation,cutout" for
            example: done to real and generated images before the discriminator sees them (arXiv 2006.10738).
        seed: of the latent vectors and of the augmentations.
        latent_dim: length of a latent vector, for a generator that does not say it itself (a class of its own).

    Raises:
        ValueError: if the networks do not fit each other or an argument is outside its range.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        loss="non_saturating",
        ema_decay: float = 0.995,
        r1_gamma: float = 0.0,
        augment: str = "",
        seed: int = 0,
        latent_dim: int | None = None,
    ):
        super().__init__(name="dcgan")
        if not 0 <= ema_decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), got {ema_decay!r}.")
        if not r1_gamma >= 0:
            raise ValueError(f"r1_gamma must be 0 or more, got {r1_gamma!r}.")
        self.latent_dim = latent_dim or models.latent_dim(generator)
        self.classes = models.classes(generator)
        self.image_shape, self.pack = _image_shape(generator, discriminator, self.latent_dim)
        self.generator = generator
        self.discriminator = discriminator
        self.loss_name = loss
        self.loss_pair = losses.get(loss)
        self.ema_decay = ema_decay
        self.r1_gamma = r1_gamma
        self.augmentation = augmentations.Policy(augment)
        self.augment = self.augmentation.names
        self.seed = seed

        self.ema_generator = _copy(generator, self.latent_dim)
        self.step = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="step")
        self.means = [keras.metrics.Mean(name=name) for name in METRICS]
        self.built = True

    def compile(self, g_optimizer, d_optimizer, **kwargs):
        """Sets one optimizer for each network.

        Args:
            g_optimizer: updates the generator's variables alone. A Keras optimizer, or the name of one.
            d_optimizer: updates the discriminator's variables alone. Must be another object.
            **kwargs: passed to `keras.Model.compile`. `jit_compile` is False unless given: on a CPU, XLA does not
                use oneDNN's convolutions, and the step took 1.3 to 1.5 times as long with it.

        Raises:
            ValueError: if both are one and the same optimizer, or `loss`, `metrics` or `optimizer` is given.
        """
        for name in ("optimizer", "loss", "metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"compile takes no {name}: it takes g_optimizer and d_optimizer. The losses are given as "
                    f"DCGAN(..., loss=...), the metrics are {', '.join(METRICS)}."
                )
        if g_optimizer is d_optimizer and not isinstance(g_optimizer, str):
            raise ValueError("g_optimizer and d_optimizer must be two optimizers, not one given twice.")
        super().compile(optimizer=None, **{"jit_compile": False, **kwargs})
        self.g_optimizer = _optimizer(g_optimizer, self.generator)
        self.d_optimizer = _optimizer(d_optimizer, self.discriminator)

    def fit(self, x=None, *args, callbacks=None, **kwargs):
        """Trains as `keras.Model.fit` does, and says in one sentence what does not fit a GAN.

        Args:
            x: batches of real images: a `tf.data.Dataset` as `data.make_dataset` gives, a `keras.utils.PyDataset`, or
                an array. Float in [-1, 1] or uint8; of tuples (images, ...), the images.
            *args, callbacks, **kwargs: as in `keras.Model.fit`.

        Raises:
            ValueError: if images are outside [-1, 1] or of another size, or a callback sets the rate of one optimizer.
        """
        if isinstance(x, (tf.data.Dataset, tf.distribute.DistributedDataset)):
            kwargs.setdefault("shuffle", False)  # Keras would warn that it does not shuffle what is shuffled already
        for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
            if isinstance(callback, (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)):
                raise ValueError(
                    f"{type(callback).__name__} sets the rate of one optimizer, and a GAN has two: give each optimizer "
                    "a keras.optimizers.schedules.LearningRateSchedule, or set gan.g_optimizer.learning_rate and "
                    "gan.d_optimizer.learning_rate in a callback of your own."
                )
        with self._wrong_images_explained():
            history = super().fit(x, *args, callbacks=callbacks, **kwargs)
        for optimizer, network in (self.g_optimizer, self.generator), (self.d_optimizer, self.discriminator):
            optimizer.finalize_variable_values(network.trainable_variables)  # for an optimizer with use_ema
        return history

    def evaluate(self, x=None, *args, **kwargs):
        """Takes the means of `test_step` over real images, as `keras.Model.evaluate` does."""
        with self._wrong_images_explained():
            return super().evaluate(x, *args, **kwargs)

    def latent_vectors(self, count, step):
        """Draws the latent vectors of one step from N(0, 1), the same ones for the same seed and step.

        Args:
            count: how many.
            step: the step's number, an integer or an integer tensor.

        Returns:
            float32 of shape (count, latent_dim).
        """
        # One algorithm by name: left to choose, XLA would take another and draw other vectors.
        return tf.random.stateless_normal([count, self.latent_dim], seed=self._seed_of(step), alg="philox")

    def generator_inputs(self, real_images, step):
        """Returns what the generator is given in a step: one latent vector for each real image."""
        return replicas.own_part(lambda count: self.latent_vectors(count, step), tf.shape(real_images)[0])

    def generator_loss(self, fake_logits, fake_images, real_images):
        """Returns what the generator makes small: here its part of `loss`, from the logits of its images alone."""
        return self.loss_pair.generator(fake_logits)

    def augmented(self, images, salt: int):
        """Changes images at random as `augment` says: the same numbers for the same seed, step and `salt`.

        Args:
            images: float of shape (batch, height, width, channels).
            salt: a number that other images of the same step do not share.
        """
        if not self.augment:
            return images
        seed = tf.random.experimental.stateless_fold_in(self._seed_of(self.step), salt)

        def draw(count):
            return tf.random.stateless_uniform([count, self.augmentation.numbers(self.image_shape)], seed, alg="philox")

        return self.augmentation(images, replicas.own_part(draw, tf.shape(images)[0]))

    def score(self, images, labels=None, training: bool = False):
        """Asks the discriminator about images, `pack` of them at a time.

        Args:
            images: float of shape (batch, height, width, channels), in [-1, 1]. The batch is a multiple of `pack`.
            labels: as in `models.with_labels`, for a discriminator that is told classes.
            training: whether it is asked as in training.

        Returns:
            Logits of shape (batch / pack, 1).

        Raises:
            ValueError: if the batch is not a multiple of `pack`.
        """
        inputs = models.with_labels(self.discriminator, self._packed(images), labels)
        return self.discriminator(inputs, training=training)

    def train_step(self, data):
        """Updates both networks and the moving average once.

        Args:
            data: real images of shape (batch, height, width, channels), float in [-1, 1] or uint8, or a tuple that
                begins with them. Networks that are told classes take their labels, whole numbers (batch,), from its
                second part, for real and generated images alike.

        Returns:
            Means since the epoch's start: `g_loss`, `d_loss`, `d_real` = sigmoid(D(x)) and
            `d_fake` = sigmoid(D(G(z))), all taken before the update.
        """
        real_images, labels = self._real_images(data), self._labels(data)
        latents = models.with_labels(self.generator, self.generator_inputs(real_images, self.step), labels)
        g_variables = self.generator.trainable_variables
        d_variables = self.discriminator.trainable_variables

        with tf.GradientTape() as g_tape:
            fake_images = self.generator(latents, training=True)
            # This tape begins after the generator: it would go backwards through it for nothing.
            with tf.GradientTape() as d_tape:
                real_logits, penalty = self._real_logits_and_penalty(self.augmented(real_images, salt=1), labels)
                fake_logits = self.score(self.augmented(fake_images, salt=2), labels, training=True)
                d_loss = self.loss_pair.discriminator(real_logits, fake_logits)
                d_objective = self.d_optimizer.scale_loss(replicas.share(d_loss + self.r1_gamma * penalty))
            g_loss = self.generator_loss(fake_logits, fake_images, real_images)
            g_objective = self.g_optimizer.scale_loss(replicas.share(g_loss))

        d_gradients = d_tape.gradient(d_objective, _tensors(d_variables))
        g_gradients = g_tape.gradient(g_objective, _tensors(g_variables))
        self.d_optimizer.apply(d_gradients, d_variables)
        self.g_optimizer.apply(g_gradients, g_variables)
        self._update_moving_average()
        self.step.assign(self.step + 1)
        return self._means(g_loss, d_loss, real_logits, fake_logits)

    def test_step(self, data):
        """Takes the same means on other real images, without an update and with both networks in inference mode.

        `evaluate` and `validation_data` come here. Latent vectors are the same each time, others for each batch.
        """
        real_images, labels = self._real_images(data), self._labels(data)
        batch = -1 - tf.cast(self.means[0].count, tf.int64)  # a training step's number is 0 or more
        latents = self.generator_inputs(real_images, batch)
        real_logits = self.score(real_images, labels)
        fake_images = models.draw(self.generator, latents, labels)
        fake_logits = self.score(fake_images, labels)
        d_loss = self.loss_pair.discriminator(real_logits, fake_logits)
        g_loss = self.generator_loss(fake_logits, fake_images, real_images)
        return self._means(g_loss, d_loss, real_logits, fake_logits)

    def call(self, latents, labels=None):
        """Draws images in [-1, 1] from latent vectors with the averaged generator, BatchNorm in inference mode.

        Args:
            latents: float of shape (batch, latent_dim).
            labels: which class each image is to show, as in `models.with_labels`.
        """
        return models.draw(self.ema_generator, latents, labels)

    def export(self, filepath, *args, **kwargs):
        """Exports the averaged generator, from latent vectors to images, as `keras.Model.export` does."""
        network = models.plain(self.ema_generator)
        models.draw(network, _zeros(network, self.latent_dim))  # Keras exports only what has been called
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
        loss = (
            self.loss_name if isinstance(self.loss_name, str) else [serialize(function) for function in self.loss_name]
        )
        return {
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "loss": loss if isinstance(loss, str) else [serialize(function) for function in loss],
            "ema_decay": self.ema_decay,
            "r1_gamma": self.r1_gamma,
            "augment": self.augment,
            "seed": self.seed,
            "latent_dim": self.latent_dim,
        }

    @classmethod
    def from_config(cls, config):
        restore = keras.saving.deserialize_keras_object
        built = {name: restore(config[name]) for name in ("generator", "discriminator")}
        loss = config["loss"] if isinstance(config["loss"], str) else [restore(function) for function in config["loss"]]
        return cls(**{**config, **built, "loss": loss})

    def get_compile_config(self):
        if not self.compiled:
            return None
        return {
            "g_optimizer": keras.saving.serialize_keras_object(self.g_optimizer),
            "d_optimizer": keras.saving.serialize_keras_object(self.d_optimizer),
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        self.compile(**{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()})

    def _real_images(self, data):
        """Takes the images out of what `fit` hands over, as float32 in [-1, 1], or stops with a sentence."""
        images = tf.convert_to_tensor(data[0] if isinstance(data, (tuple, list)) else data)
        if not images.shape.is_compatible_with((None, *self.image_shape)):
            raise ValueError(f"{self._shape_wanted()}, got {tuple(images.shape)}.")
        if not images.shape[1:].is_fully_defined():
            fits = tf.reduce_all(tf.shape(images)[1:] == self.image_shape)
            images = _only_if(fits, images, self._shape_wanted())
            images.set_shape((None, *self.image_shape))
        if images.dtype == tf.uint8:
            return tf.cast(images, tf.float32) / 127.5 - 1.0
        images = tf.cast(images, tf.float32)
        return _only_if(tf.reduce_max(tf.abs(images)) <= 1.001, images, _RANGE)  # a nan is refused too

    def _labels(self, data):
        """Takes the labels out of what `fit` hands over, None where no network is told any."""
        if not self.classes:
            return None
        if not isinstance(data, (tuple, list)) or len(data) < 2:
            raise ValueError("These networks are told classes: train them on pairs (images, labels).")
        labels = tf.cast(data[1], tf.int32)
        if labels.shape.rank != 1:
            raise ValueError(f"Labels must be whole numbers of shape (batch,), got the shape {tuple(labels.shape)}.")
        return _only_if(tf.reduce_all((labels >= 0) & (labels < self.classes)), labels, self._labels_wanted())

    def _labels_wanted(self) -> str:
        return f"Labels must be whole numbers from 0 to {self.classes - 1}."

    def _packed(self, images):
        """Lays each `pack` images that follow one another over each other, as channels of one."""
        if self.pack == 1:
            return images
        count, (height, width, channels) = images.shape[0], self.image_shape
        if count is not None and count % self.pack:
            raise ValueError(f"The discriminator is shown {self.pack} images at a time: a batch of {count} cannot be.")
        packs = tf.reshape(images, (-1, self.pack, height, width, channels))
        return tf.reshape(tf.transpose(packs, (0, 2, 3, 1, 4)), (-1, height, width, self.pack * channels))

    def _seed_of(self, step):
        return tf.stack([tf.cast(self.seed, tf.int64), tf.cast(step, tf.int64)])

    def _shape_wanted(self) -> str:
        return f"Real images must have the shape (batch, {', '.join(map(str, self.image_shape))})"

    @contextlib.contextmanager
    def _wrong_images_explained(self):
        """Turns TensorFlow's report of images that do not fit, from the midst of a step, into the sentence alone."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            sentences = (_RANGE, f"{self._shape_wanted()}.", self._labels_wanted())
            said = [sentence for sentence in sentences if sentence.rstrip(".") in str(error)]
            if not said:
                raise
            raise ValueError(said[0]) from None

    def _real_logits_and_penalty(self, real_images, labels=None):
        """Scores real images, and their R1 penalty where it is asked for: it costs a second backward pass."""
        if not self.r1_gamma:
            return self.score(real_images, labels, training=True), 0.0
        inputs = self._packed(real_images)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            real_logits = self.discriminator(models.with_labels(self.discriminator, inputs, labels), training=True)
            total = tf.reduce_sum(real_logits)
        return real_logits, losses.r1_penalty(tape.gradient(total, inputs))

    def _update_moving_average(self):
        """Moves the averaged generator towards the trained one, BatchNorm's statistics included.

        Early steps count almost in full and `ema_decay` is reached after about 9 / (1 - ema_decay) steps. Without this
        the average would show the random initial weights for that long.
        """
        step = tf.cast(self.step, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.ema_generator.variables, self.generator.variables):
            if keras.backend.is_float_dtype(variable.dtype):  # not the state of a Dropout's random numbers
                average.assign(decay * average + (1.0 - decay) * variable)

    def _means(self, g_loss, d_loss, real_logits, fake_logits):
        d_real = tf.reduce_mean(tf.sigmoid(real_logits))
        d_fake = tf.reduce_mean(tf.sigmoid(fake_logits))
        for mean, value in zip(self.means, replicas.mean([g_loss, d_loss, d_real, d_fake])):
            mean.update_state(value)
        return replicas.logs({mean.name: mean.result() for mean in self.means})


@keras.saving.register_keras_serializable("dcgan_keras")
class Restorer(DCGAN):
    """A DCGAN whose generator restores an image from what was observed of it, with noise beside it or without.

    The real images of a step are observed, restored, and shown to the discriminator beside the restorations. The
    generator makes small

        content_weight * mean((G(y) - x)^2) + adversarial_weight * its part of `loss`,   y = measure(x).

    The first part alone trains a regressor, whose best answer is the mean of all images that look like y. The second
    asks for one of them. Both together are the objective of SRGAN (arXiv 1609.04802) with pixels in place of features,
    and of pix2pix (arXiv 1611.07004) with squares in place of absolute values. As in SRGAN, the discriminator sees the
    images and not what was observed.

    Args:
        generator: of `models.build_restorer`, for example: a model from (batch, height, width, channels), what was
            observed and behind it any channels of noise, to images in [-1, 1].
        discriminator: as for `DCGAN`.
        measure: a function from images (batch, height, width, channels) in [-1, 1] to what is observed of them, maps
            of the generator's height and width: means over 4x4 pixels, or an image with a hole and its mask as a
            second channel. To be saved with the model it must be a named function.
        content_weight: 0 or more.
        adversarial_weight: 0 or more. The mean squared error of a good restoration is a few hundredths and the loss of
            an even game 0.7, so that weights far below 1 already count.
        **options: as for `DCGAN`. The seed is of the noise, which `latent_vectors` draws: `latent_dim` numbers an
            image, none for a generator that reads no more channels than are observed.

    Raises:
        ValueError: as `DCGAN`, if a weight is below 0 or both are 0, or the generator does not read what is observed.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        measure,
        *,
        content_weight: float = 1.0,
        adversarial_weight: float = 0.01,
        **options,
    ):
        super().__init__(generator, discriminator, **options)
        if not (content_weight >= 0 and adversarial_weight >= 0 and content_weight + adversarial_weight > 0):
            raise ValueError(
                "content_weight and adversarial_weight must be 0 or more and not both 0, got "
                f"{content_weight!r} and {adversarial_weight!r}."
            )
        observed = tuple(measure(tf.zeros((1, *self.image_shape))).shape[1:])
        read = tuple(generator.input_shape[1:])
        if len(observed) != 3 or read[:2] != observed[:2] or read[2] < observed[2]:
            raise ValueError(
                f"The generator reads {read} but {observed} is observed (height, width, channels): it must read maps "
                "of that size, with at least as many channels."
            )
        self.measure = measure
        self.content_weight = content_weight
        self.adversarial_weight = adversarial_weight
        self.latent_dim = read[0] * read[1] * (read[2] - observed[2])

    def generator_inputs(self, real_images, step):
        """Returns what is observed of the real images, and the noise of this step behind it."""
        return self.with_noise(self.measure(real_images), super().generator_inputs(real_images, step))

    def generator_loss(self, fake_logits, fake_images, real_images):
        """Returns the weighted sum of the mean squared error and of the generator's part of `loss`."""
        content = tf.reduce_mean(tf.square(fake_images - real_images))
        return self.content_weight * content + self.adversarial_weight * self.loss_pair.generator(fake_logits)

    def with_noise(self, observed, noise):
        """Joins what was observed (batch, height, width, channels) and noise (batch, latent_dim) for the generator."""
        if not self.latent_dim:
            return observed
        height, width = observed.shape[1:3]
        noise = tf.reshape(noise, (-1, height, width, self.latent_dim // (height * width)))
        return tf.concat([observed, noise], axis=3)

    def restore(self, observed, step: int = 0):
        """Restores images with the averaged generator, BatchNorm in inference mode.

        Args:
            observed: float of shape (batch, height, width, channels), as `measure` returns it.
            step: another one draws other noise.

        Returns:
            Images in [-1, 1].
        """
        return self(self.with_noise(observed, self.latent_vectors(len(observed), step)))

    def get_config(self):
        own = {"content_weight": self.content_weight, "adversarial_weight": self.adversarial_weight}
        return {**super().get_config(), "measure": keras.saving.serialize_keras_object(self.measure), **own}

    @classmethod
    def from_config(cls, config):
        return super().from_config({**config, "measure": keras.saving.deserialize_keras_object(config["measure"])})


def _only_if(condition, images, sentence: str):
    """Hands the images on if they fit. Whatever is computed from them waits for that."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [sentence])]):
        return tf.identity(images)


def _tensors(variables):
    return [variable.value for variable in variables]


def _optimizer(optimizer, network) -> keras.Optimizer:
    """Builds an optimizer now, not at the first step, so that a checkpoint can be loaded into it."""
    optimizer = keras.optimizers.get(optimizer)
    half = any(layer.compute_dtype == "float16" for layer in network.layers)
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # as Keras does: small gradients would become 0
    optimizer.build(network.trainable_variables)
    return optimizer


def _zeros(generator, latent_dim: int) -> tf.Tensor:
    """Returns an input for one image: a latent vector, or maps (height, width, channels) for a restoring generator."""
    shape = getattr(generator, "input_shape", None) or ()
    return tf.zeros((1, *(shape[1:] if len(shape) == 4 else [latent_dim])))


def _image_shape(generator, discriminator, latent_dim: int) -> tuple[tuple[int, int, int], int]:
    """Sends a latent vector through both networks, which builds those that are classes of their own.

    Returns:
        The shape of an image, and how many the discriminator reads at a time.
    """
    told = [models.classes(network) for network in (generator, discriminator)]
    if told[0] != told[1]:
        raise ValueError(f"The generator is told {told[0]} classes and the discriminator {told[1]}: build both alike.")
    images = _called(generator, _zeros(generator, latent_dim), "The generator does not take latent vectors")
    if images.shape.rank != 4:
        raise ValueError(f"The generator must draw (batch, height, width, channels), it draws {tuple(images.shape)}.")
    read = getattr(discriminator, "input_shape", images.shape)
    read = read[0] if told[1] else read
    pack = read[3] // images.shape[3] if len(read) == 4 and read[3] else 1
    if tuple(read[1:]) != (*images.shape[1:3], pack * images.shape[3]):
        raise ValueError(
            f"The generator draws {tuple(images.shape[1:])} but the discriminator reads {tuple(read[1:])} (height, "
            "width, channels): build both for the same images."
        )
    shown = tf.repeat(images, pack, axis=3)
    logits = _called(discriminator, shown, "The discriminator does not read images")
    if tuple(logits.shape) != (1, 1):
        raise ValueError(
            f"The discriminator must give one logit an image, for one image it gives {tuple(logits.shape)}."
        )
    last = discriminator.layers[-1] if getattr(discriminator, "layers", None) else discriminator
    if getattr(last, "activation", None) is keras.activations.sigmoid:
        raise ValueError("The discriminator ends with a sigmoid, and the losses take logits: leave the sigmoid out.")
    return tuple(images.shape[1:]), pack


def _called(network, inputs, wrong: str) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(network(models.with_labels(network, inputs), training=False))
    except Exception as error:  # what a network of one's own may raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{wrong} of shape {tuple(inputs.shape)}: {reason}") from error


def _copy(generator: keras.Model, latent_dim: int) -> keras.Model:
    """Copies the generator for the moving average, which no optimizer trains."""
    try:
        copy = keras.models.clone_model(generator)
        models.draw(copy, _zeros(generator, latent_dim))
        copy.set_weights(generator.get_weights())
    except Exception as error:  # a class of its own that Keras cannot make again
        raise ValueError(
            "The generator cannot be copied for its moving average: give its class get_config, as Keras asks for "
            "models to be saved, or build it of layers."
        ) from error
    copy.trainable = False
    copy.name = "ema_generator"
    return copy
