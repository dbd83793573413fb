"""What the hidden layer of the `laptop` discriminator does, and which part of it: the table that notebook 12 ends with.

    python benchmarks/hidden_layer.py [--arms plain28 hidden ...] [--seeds 0 1 2] [--jobs 2] [--csv FILE]

Each run is a quarter of the preset's budget, 15 epochs of the bundled clothes. The arms: `plain28`, the preset without
the layer; all others have the rates of `laptop`: `none`, without the layer; `16`, `64`, `256`, so many units (`laptop`
has 64); `no norm`, 64 units without BatchNorm; `third convolution` in place of the layer, 7x7 to 4x4, 64 filters, as
the paper's discriminator would go on; `together`, 64 units whose BatchNorm takes its mean and variance over the real
and the generated images of a step together, that of the maps apart as ever. Runs that are in the file already are not
done again. Forty seconds of a core a run.

Columns: arm, seed; parameters, of the discriminator that are trained; seconds of one core in training steps alone,
first step left out; fid, kid, precision and recall of 5,000 images of the averaged generator against the 5,000 test
images, with the extractor `fashion`; d_real and d_fake, means of the last epoch.
"""

import stability
import tables

ARMS = ("plain28", "none", "16", "64", "256", "no norm", "third convolution", "together")
SEEDS = (0, 1, 2)
EPOCHS = 15
HEAD = ("arm", "seed", "parameters", "seconds", "fid", "kid", "precision", "recall", "d_real", "d_fake")


def build(arm: str, settings, seed: int):
    """Builds the model of an arm, compiled."""
    import keras
    import tensorflow as tf
    from dcgan_keras import layers as fast
    from dcgan_keras import models
    from dcgan_keras.gan import DCGAN

    class Apart(fast.FastBatchNormalization):
        """BatchNorm of real and generated images, one half of a batch each, by the statistics of their half."""

        def call(self, inputs, training=None, mask=None):
            if not training:
                return super().call(inputs, training=training)
            return tf.concat([super(Apart, self).call(half, training=True) for half in tf.split(inputs, 2)], axis=0)

    class Together(DCGAN):
        """Shows the discriminator the real and the generated images of a step as one batch."""

        def train_step(self, data):
            real_images = self.real_images(data)
            g_variables, d_variables = self.generator.trainable_variables, self.discriminator.trainable_variables
            with tf.GradientTape() as g_tape:
                fake_images = self.generator(self.generator_inputs(real_images, self.step), training=True)
                with tf.GradientTape() as d_tape:
                    logits = self.score(tf.concat([real_images, fake_images], axis=0), training=True)
                    real_logits, fake_logits = tf.split(logits, 2)
                    d_loss = self.loss_pair.discriminator(real_logits, fake_logits)
                g_loss = self.loss_pair.generator(fake_logits)
            d_gradients = d_tape.gradient(d_loss, [variable.value for variable in d_variables])
            g_gradients = g_tape.gradient(g_loss, [variable.value for variable in g_variables])
            self.d_optimizer.apply(d_gradients, d_variables)
            self.g_optimizer.apply(g_gradients, g_variables)
            self.update_average()
            self.step.assign(self.step + 1)
            return self.logs(g_loss, d_loss, real_logits, fake_logits)

    hidden = {"plain28": 0, "none": 0, "third convolution": 0}.get(arm, int(arm) if arm.isdigit() else 64)
    discriminator = models.build_discriminator(filters=settings.d_filters, hidden=hidden, seed=seed)
    start = keras.initializers.RandomNormal(0.0, models.WEIGHTS_STDDEV, seed=seed)
    if arm == "no norm":
        stack = [layer for layer in discriminator.layers if not layer.name.startswith(("hidden", "score", "logit"))]
        stack += [keras.layers.Dense(hidden, kernel_initializer=start), keras.layers.LeakyReLU(models.LEAKY_SLOPE)]
    elif arm == "third convolution":
        stack = [layer for layer in discriminator.layers if layer.name not in ("flatten", "score", "logit")]
        more = {"strides": 2, "padding": "same", "use_bias": False, "kernel_initializer": start}
        norm = models.batch_norm("down_4_norm", lambda mean: keras.initializers.RandomNormal(mean, 0.02, seed=seed))
        stack += [fast.FastConv2D(64, settings.kernel_size, **more), norm]
        stack += [keras.layers.LeakyReLU(models.LEAKY_SLOPE), keras.layers.Flatten()]
    elif arm == "together":
        stack = [
            Apart.from_config(layer.get_config()) if layer.name == "down_7_norm" else layer
            for layer in discriminator.layers[:-2]
        ]
    if arm in ("no norm", "third convolution", "together"):
        image = keras.layers.Input((28, 28, 1))
        discriminator = keras.Sequential([image, *stack, keras.layers.Dense(1, kernel_initializer=start)])
    kind = Together if arm == "together" else DCGAN
    generator = models.build_generator(filters=settings.g_filters, seed=seed)
    gan = kind(generator, discriminator, ema_decay=settings.ema_decay, seed=seed)
    rates = (settings.g_learning_rate, settings.d_learning_rate)
    gan.compile(*(keras.optimizers.Adam(rate, beta_1=settings.beta_1) for rate in rates))
    return gan


def train(run: tuple[str, int]) -> list[tuple]:
    """Trains once, for (arm, seed). Returns the row of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    from dcgan_keras import presets

    arm, seed = run
    settings = presets.get("plain28" if arm == "plain28" else "laptop")
    gan = build(arm, settings, seed)
    parameters = sum(int(variable.value.shape.num_elements()) for variable in gan.discriminator.trainable_variables)
    return [(arm, seed, parameters, *row) for _, *row in stability.quarters(gan, settings, None, EPOCHS, seed)]


TABLE = tables.Table("hidden_layer", HEAD, ("arm", "seed"), (), [(a, s) for a in ARMS for s in SEEDS], train, jobs=2)


if __name__ == "__main__":
    TABLE.main()
