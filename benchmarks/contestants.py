"""What a reader could train instead, written out as their tutorials have it, and what this project offers.

Every contestant trains on the same real images. `run(steps)` does that many training steps, its own input pipeline and
its own way of calling the step included. Networks and steps follow the tutorials; the code is this project's.
"""

import importlib.util

import colour
import keras
import numpy as np
import stability
import tensorflow as tf
from dcgan_keras import data, presets, training
from dcgan_keras.gan import DCGAN
from dcgan_keras.layers import FastBatchNormalization
from keras import layers

IMAGES = data.load_images("bundled")

# PyTorch's DCGAN tutorial on faces: its networks (64 filters, kernel 4, 64x64 in colour) and its recipe. Its generator
# begins with a transposed convolution of a 1x1 map and its discriminator ends with a convolution to one: the matrix
# products that this project's networks have there.
FACES = presets.get("paper64", g_filters=64, d_filters=64, kernel_size=4)


def tutorial_networks(norm=layers.BatchNormalization) -> tuple[keras.Sequential, keras.Sequential]:
    """The networks of TensorFlow's DCGAN tutorial: 5x5 kernels, dropout, no BatchNorm in the discriminator.

    `norm` is the BatchNorm layer: Keras's, as in the tutorial, or this project's, the same mathematics in one kernel.
    """
    generator = keras.Sequential(
        [
            layers.Input((100,)),
            layers.Dense(7 * 7 * 256, use_bias=False),
            norm(),
            layers.LeakyReLU(),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, 5, strides=1, padding="same", use_bias=False),
            norm(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(64, 5, strides=2, padding="same", use_bias=False),
            norm(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(1, 5, strides=2, padding="same", use_bias=False, activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(64, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Conv2D(128, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    return generator, discriminator


def dense_networks() -> tuple[keras.Sequential, keras.Sequential]:
    """A GAN without convolutions, of about as many parameters as the laptop preset (notebook 01b)."""
    generator = [layers.Input((100,))]
    for _ in range(2):
        generator += [layers.Dense(110), FastBatchNormalization(momentum=0.9), layers.ReLU()]
    generator += [layers.Dense(28 * 28, activation="tanh"), layers.Reshape((28, 28, 1))]
    discriminator = [layers.Input((28, 28, 1)), layers.Flatten()]
    for _ in range(2):
        discriminator += [layers.Dense(75), layers.LeakyReLU(0.2)]
    return keras.Sequential(generator), keras.Sequential([*discriminator, layers.Dense(1)])


class Tutorial:
    """TensorFlow's DCGAN tutorial: its networks, batches of 256, Adam(1e-4), two tapes in a `tf.function`."""

    name, batch_size = "tutorial", 256

    def __init__(self, images: np.ndarray = IMAGES):
        self.generator, self.discriminator = tutorial_networks()
        scaled = (images.astype("float32") - 127.5) / 127.5
        dataset = tf.data.Dataset.from_tensor_slices(scaled).shuffle(len(images)).batch(self.batch_size)
        self.batches = iter(dataset.filter(lambda batch: tf.shape(batch)[0] == self.batch_size).repeat())
        cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        g_optimizer, d_optimizer = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)

        @tf.function
        def train_step(images):
            noise = tf.random.normal([self.batch_size, 100])
            with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
                generated = self.generator(noise, training=True)
                real_output = self.discriminator(images, training=True)
                fake_output = self.discriminator(generated, training=True)
                g_loss = cross_entropy(tf.ones_like(fake_output), fake_output)
                d_loss = cross_entropy(tf.ones_like(real_output), real_output) + cross_entropy(
                    tf.zeros_like(fake_output), fake_output
                )
            g_gradients = g_tape.gradient(g_loss, self.generator.trainable_variables)
            d_gradients = d_tape.gradient(d_loss, self.discriminator.trainable_variables)
            g_optimizer.apply_gradients(zip(g_gradients, self.generator.trainable_variables))
            d_optimizer.apply_gradients(zip(d_gradients, self.discriminator.trainable_variables))

        self.train_step = train_step
        self.networks = self.generator, self.discriminator

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.train_step(next(self.batches))


class KerasIO:
    """The kind of step Keras.io's DCGAN example takes, at 28x28: `fit`, batches of 64, D and G in turn.

    The generator is run twice a step, and the labels carry noise.
    """

    name, batch_size = "keras-io", 64

    class Model(keras.Model):
        def __init__(self, generator, discriminator):
            super().__init__()
            self.generator, self.discriminator = generator, discriminator
            self.d_mean, self.g_mean = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

        def compile(self):
            super().compile(jit_compile=False)
            self.g_optimizer, self.d_optimizer = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
            self.cross_entropy = keras.losses.BinaryCrossentropy()

        @property
        def metrics(self):
            return [self.d_mean, self.g_mean]

        def train_step(self, real):
            count = tf.shape(real)[0]
            both = tf.concat([self.generator(tf.random.normal([count, 128])), real], axis=0)
            labels = tf.concat([tf.ones([count, 1]), tf.zeros([count, 1])], axis=0)
            labels += 0.05 * tf.random.uniform(tf.shape(labels))
            with tf.GradientTape() as tape:
                d_loss = self.cross_entropy(labels, self.discriminator(both))
            variables = self.discriminator.trainable_weights
            self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, variables), variables))
            with tf.GradientTape() as tape:
                scores = self.discriminator(self.generator(tf.random.normal([count, 128])))
                g_loss = self.cross_entropy(tf.zeros([count, 1]), scores)
            variables = self.generator.trainable_weights
            self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, variables), variables))
            self.d_mean.update_state(d_loss)
            self.g_mean.update_state(g_loss)
            return {"d_loss": self.d_mean.result(), "g_loss": self.g_mean.result()}

    def __init__(self, images: np.ndarray = IMAGES):
        discriminator = keras.Sequential(
            [
                layers.Input((28, 28, 1)),
                layers.Conv2D(64, 4, strides=2, padding="same"),
                layers.LeakyReLU(0.2),
                layers.Conv2D(128, 4, strides=2, padding="same"),
                layers.LeakyReLU(0.2),
                layers.Conv2D(128, 4, strides=2, padding="same"),
                layers.LeakyReLU(0.2),
                layers.Flatten(),
                layers.Dropout(0.2),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        generator = keras.Sequential(
            [
                layers.Input((128,)),
                layers.Dense(7 * 7 * 128),
                layers.Reshape((7, 7, 128)),
                layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
                layers.LeakyReLU(0.2),
                layers.Conv2DTranspose(256, 4, strides=2, padding="same"),
                layers.LeakyReLU(0.2),
                layers.Conv2D(1, 5, padding="same", activation="sigmoid"),
            ]
        )
        self.networks = generator, discriminator
        self.model = self.Model(generator, discriminator)
        self.model.compile()
        scaled = images.astype("float32") / 255
        dataset = tf.data.Dataset.from_tensor_slices(scaled).shuffle(1024).batch(self.batch_size, drop_remainder=True)
        # Without this each call of `fit` would end by waiting for tf.data's tuning thread, up to seconds.
        options = tf.data.Options()
        options.autotune.enabled = False
        self.dataset = dataset.repeat().prefetch(2).with_options(options)

    def run(self, steps: int) -> None:
        self.model.fit(self.dataset, steps_per_epoch=steps, verbose=0, shuffle=False)


class Ours:
    """This project's `DCGAN`, by `fit`, with the networks it is given."""

    def __init__(self, name: str, gan: DCGAN, batch_size: int, images: np.ndarray = IMAGES, labels=None):
        self.name, self.gan, self.batch_size = name, gan, batch_size
        self.networks = gan.generator, gan.discriminator
        self.dataset = data.make_stream(images, labels, batch_size=batch_size)

    def run(self, steps: int) -> None:
        self.gan.fit(self.dataset, steps_per_epoch=steps, verbose=0)

    @classmethod
    def same_networks(cls) -> "Ours":
        gan = DCGAN(*tutorial_networks(FastBatchNormalization))
        gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
        return cls("ours, same networks", gan, Tutorial.batch_size)

    @classmethod
    def laptop(cls) -> "Ours":
        return cls.of("ours, laptop preset", presets.get("laptop"))

    @classmethod
    def of(cls, name: str, settings: presets.Preset, images: np.ndarray = IMAGES) -> "Ours":
        told, shares = stability.grouped(images, settings, 0)
        return cls(name, training.build(settings, shares=shares), settings.batch_size, images, told)


class PyTorch:
    """The layers of a pair of Keras networks in PyTorch, channels-last, in the step of PyTorch's DCGAN tutorial.

    That step asks the discriminator once more about the generated images, after its update. Batches are cut from a
    tensor in memory by a random permutation, which costs less than a `DataLoader`.
    """

    def __init__(self, name: str, networks, batch_size: int, rate: float, compiled: bool, images: np.ndarray = IMAGES):
        import torch

        self.torch, self.name, self.batch_size = torch, name, batch_size
        self.networks = networks
        self.latent_dim = networks[0].input_shape[-1]
        scaled = torch.from_numpy(images.astype("float32") / 127.5 - 1).permute(0, 3, 1, 2)
        self.images = scaled.contiguous(memory_format=torch.channels_last)
        generator, discriminator = (self._translate(network) for network in networks)
        generator.train()
        discriminator.train()
        g_optimizer = torch.optim.Adam(generator.parameters(), rate, betas=(0.5, 0.999))
        d_optimizer = torch.optim.Adam(discriminator.parameters(), rate, betas=(0.5, 0.999))
        softplus = torch.nn.functional.softplus
        if compiled:
            generator, discriminator = torch.compile(generator), torch.compile(discriminator)

        def step(real):
            fake = generator(torch.randn(self.batch_size, self.latent_dim))
            d_optimizer.zero_grad()
            d_loss = softplus(-discriminator(real)).mean() + softplus(discriminator(fake.detach())).mean()
            d_loss.backward()
            d_optimizer.step()
            g_optimizer.zero_grad()
            softplus(-discriminator(fake)).mean().backward()
            g_optimizer.step()

        self.step = step
        self.order = iter(())

    def _translate(self, network):
        """Builds the same stack of layers; 'same' padding as PyTorch has it for these kernels and strides."""
        torch, stack, channels = self.torch, [], network.input_shape[-1]
        for layer in network.layers:
            kind = type(layer).__name__.removeprefix("Fast")
            if kind == "Dense":
                stack.append(torch.nn.Linear(channels, layer.units, bias=layer.use_bias))
                channels = layer.units
            elif kind == "Reshape":
                height, width, channels = layer.target_shape
                stack.append(torch.nn.Unflatten(1, (channels, height, width)))
            elif kind in ("Conv2D", "Conv2DTranspose"):
                kernel, stride = layer.kernel_size[0], layer.strides[0]
                extra = {}
                if kind == "Conv2DTranspose" and (kernel - stride) % 2:
                    extra["output_padding"] = 1
                module = torch.nn.Conv2d if kind == "Conv2D" else torch.nn.ConvTranspose2d
                padding = (kernel - stride + 1) // 2
                stack.append(module(channels, layer.filters, kernel, stride, padding, bias=layer.use_bias, **extra))
                channels = layer.filters
            elif kind == "BatchNormalization":
                norm = torch.nn.BatchNorm1d if len(layer.input.shape) == 2 else torch.nn.BatchNorm2d
                stack.append(norm(channels))
            elif kind == "LeakyReLU":
                stack.append(torch.nn.LeakyReLU(layer.negative_slope))
            elif kind == "ReLU":
                stack.append(torch.nn.ReLU())
            elif kind == "Dropout":
                stack.append(torch.nn.Dropout(layer.rate))
            elif kind == "Flatten":
                stack.append(torch.nn.Flatten())
                channels = int(np.prod(layer.input.shape[1:]))
            elif kind != "Activation":
                raise ValueError(f"No PyTorch layer for {kind}.")
            activation = getattr(layer, "activation", None)
            if activation is not None and activation.__name__ == "tanh":
                stack.append(torch.nn.Tanh())
        return torch.nn.Sequential(*stack).to(memory_format=torch.channels_last)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            chosen = next(self.order, None)
            if chosen is None or len(chosen) < self.batch_size:
                self.order = iter(self.torch.randperm(len(self.images)).split(self.batch_size))
                chosen = next(self.order)
            self.step(self.images[chosen].contiguous(memory_format=self.torch.channels_last))


def all_contestants() -> list:
    """Builds every contestant; those in PyTorch only where it is installed."""
    plain28 = presets.get("plain28")
    contestants = [Tutorial(), KerasIO(), Ours.same_networks(), Ours.of("ours, plain28 preset", plain28), Ours.laptop()]
    if importlib.util.find_spec("torch"):
        for compiled, label in ((False, "eager"), (True, "torch.compile")):
            contestants.append(PyTorch(f"pytorch, {label}", tutorial_networks(), 256, 1e-4, compiled))
        for compiled, label in ((False, "eager"), (True, "torch.compile")):
            networks = training.build(plain28)
            pair = networks.generator, networks.discriminator
            contestants.append(PyTorch(f"pytorch, plain28 networks, {label}", pair, plain28.batch_size, 5e-4, compiled))
    return contestants


def colour_contestants() -> list:
    """Builds those that train on the bundled emoji at 64x64; those in PyTorch only where it is installed."""
    images, laptop64 = data.load_bundled("train", "emoji")[0], presets.get("laptop64")
    told = presets.get("laptop64", **colour.ARMS["groups, shifts"])
    contestants = [
        Ours.of("ours, faces tutorial's networks", FACES, images),
        Ours.of("ours, paper64 preset", presets.get("paper64"), images),
        Ours.of("ours, laptop64 preset", laptop64, images),
        Ours.of("ours, laptop64 with groups, shifts", told, images),
    ]
    if importlib.util.find_spec("torch"):
        for settings, label in ((FACES, "faces tutorial"), (laptop64, "laptop64 networks")):
            for compiled, how in ((False, "eager"), (True, "torch.compile")):
                gan = training.build(settings)
                pair, rest = (gan.generator, gan.discriminator), (settings.batch_size, settings.g_learning_rate)
                contestants.append(PyTorch(f"pytorch, {label}, {how}", pair, *rest, compiled, images))
    return contestants
