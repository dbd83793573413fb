"""One generator in six runtimes: a table that notebook 18 reads. And one training step in two frameworks, for another.

    python benchmarks/runtimes.py [--arms fashion emoji] [--seconds 2] [--csv FILE]

It needs `pip install tf2onnx onnx onnxruntime ai-edge-litert torch`, and leaves out what is not there. Five minutes.
Seconds are those of one core, for each time. `torch_steps.py` makes the table of steps.

Columns: generator, one of those that come with the course; runtime and its version; difference, the
largest from Keras over the numbers of 256 images in [-1, 1]; bytes of the file or folder that it reads; ms_one and
ms_many, milliseconds of one core an image, drawn one at a time and 64 at a time; package_mb, what its own package takes
on the disk, without what that needs in turn.

The twins in NumPy and PyTorch are those of the notebook: a test holds them together.
"""

import importlib.metadata
import importlib.util
import os
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
import dcgan_keras  # noqa: E402, F401  (first: it keeps TensorFlow's start-up lines away)
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tables  # noqa: E402
import tensorflow as tf  # noqa: E402
from dcgan_keras import data, losses, models, presets, training  # noqa: E402
from dcgan_keras.applications import export

torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None

HEAD = ("generator", "runtime", "version", "difference", "bytes", "ms_one", "ms_many", "package_mb")
MANY = 64


def weights_of(network):
    """Arrays of each layer that has some, by its name, in the order of the layers."""
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def transposed(maps, kernel):
    """Transposed convolution, stride 2: (n, h, w, in), (k, k, out, in) to (n, 2h, 2w, out)."""
    count, height, width, _ = maps.shape
    k, _, channels, _ = kernel.shape
    canvas = np.zeros((count, 2 * height + k - 2, 2 * width + k - 2, channels), maps.dtype)
    for i in range(k):
        for j in range(k):
            canvas[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2] += maps @ kernel[i, j].T
    cut = (k - 2) // 2
    return canvas[:, cut : cut + 2 * height, cut : cut + 2 * width]


def normalized(maps, gamma, beta, mean, variance):
    """BatchNorm in use: with the moving mean and variance, not those of the batch."""
    return gamma * (maps - mean) / np.sqrt(variance + 1e-5) + beta


def numpy_generator(weights, latents):
    """Draws images (n, h, w, channels) in [-1, 1] from latent vectors (n, latent_dim)."""
    (kernel,) = weights["project"]
    width = len(weights["project_norm"][0])
    side = round((kernel.shape[1] / width) ** 0.5)
    maps = (latents @ kernel).reshape(-1, side, side, width)
    for name, arrays in weights.items():
        if name.endswith("_norm"):
            maps = np.maximum(normalized(maps, *arrays), 0)
        elif name.startswith("up_"):
            maps = transposed(maps, arrays[0]) + (arrays[1] if len(arrays) > 1 else 0)
    return np.tanh(maps)


def torch_generator(weights):
    """The generator's layers in PyTorch, not its weights: (n, latent_dim) to (n, c, h, w)."""
    nn, (kernel,) = torch.nn, weights["project"]
    width = len(weights["project_norm"][0])
    side = round((kernel.shape[1] / width) ** 0.5)
    layers = [nn.Linear(*kernel.shape, bias=False), nn.Unflatten(1, (width, side, side))]
    for name, arrays in weights.items():
        if name.endswith("_norm"):
            layers += [nn.BatchNorm2d(len(arrays[0]), eps=1e-5, momentum=0.1), nn.ReLU()]
        elif name.startswith("up_"):
            k, _, outs, ins = arrays[0].shape
            bias = len(arrays) > 1
            layers.append(nn.ConvTranspose2d(ins, outs, k, 2, padding=(k - 2) // 2, bias=bias))
            layers += [nn.ZeroPad2d((0, -1, 0, -1))] * (k % 2)  # less than nothing: a crop
    return nn.Sequential(*layers, nn.Tanh())


def torch_discriminator(weights):
    """The discriminator's layers in PyTorch, for kernel 4: (n, c, h, w) to logits (n, 1)."""
    nn, layers = torch.nn, []
    for name, arrays in weights.items():
        if name.endswith("_norm"):
            layers.insert(-1, nn.BatchNorm2d(len(arrays[0]), eps=1e-5, momentum=0.1))
        elif name.startswith("down_"):
            k, _, ins, outs = arrays[0].shape
            conv = nn.Conv2d(ins, outs, k, 2, padding=(k - 2) // 2, bias=len(arrays) > 1)
            layers += [conv, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(len(weights["score"][0]), 1))


def permuted(kernel, side, width):
    """Reorders the outputs of a kernel (in, side * side * width): (h, w, c) to (c, h, w)."""
    return kernel.reshape(-1, side, side, width).transpose(0, 3, 1, 2).reshape(len(kernel), -1)


def for_torch(name, arrays, width):
    """Turns a Keras layer's arrays into PyTorch's. `width`: channels of the smallest map."""
    first, *rest = arrays
    if first.ndim == 4:  # (h, w, out, in) or (h, w, in, out): the last two go first, swapped
        return [first.transpose(3, 2, 0, 1), *rest]
    if first.ndim == 2:
        flat = first if name == "project" else first.T
        flat = permuted(flat, round((flat.shape[1] / width) ** 0.5), width)
        return [flat.T if name == "project" else flat, *rest]
    return arrays


def carry_over(weights, network, width):
    """Copies Keras's weights into a PyTorch network with the same layers."""
    modules = [module for module in network if hasattr(module, "weight")]
    for module, (name, arrays) in zip(modules, weights.items()):
        places = [module.weight, module.bias]
        if name.endswith("_norm"):
            places += [module.running_mean, module.running_var]
        for place, array in zip(places, for_torch(name, arrays, width)):
            place.data.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def torch_step(g, d, g_optimizer, d_optimizer, real_images, latents):
    """One training step in PyTorch. Returns both losses before the update."""
    softplus = torch.nn.functional.softplus
    fake_images = g(latents)
    real_logits, fake_logits = d(real_images), d(fake_images)
    d_loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    g_loss = softplus(-fake_logits).mean()
    for network, loss in ((d, d_loss), (g, g_loss)):
        parameters = list(network.parameters())
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
    d_optimizer.step()
    g_optimizer.step()
    return d_loss.item(), g_loss.item()


def like_keras(optimizer, rate, step):
    """Puts Adam's epsilon where Keras has it, and rounds 0.999 like it. `step` is from 1."""
    power, rounded = 0.999**step, float(np.float32(0.999)) ** step
    for group in optimizer.param_groups:
        group["lr"] = rate * ((1 - rounded) / (1 - power)) ** 0.5
        group["eps"] = 1e-7 / (1 - power) ** 0.5


def torch_twin(gan, settings):
    """Both networks of a DCGAN in PyTorch, with its weights, and an Adam for each."""
    g_weights, d_weights = weights_of(gan.generator), weights_of(gan.discriminator)
    g, d = torch_generator(g_weights), torch_discriminator(d_weights)
    carry_over(g_weights, g, len(g_weights["project_norm"][0]))
    carry_over(d_weights, d, gan.discriminator.get_layer("flatten").input.shape[-1])
    rates = settings.g_learning_rate, settings.d_learning_rate
    adams = [torch.optim.Adam(n.parameters(), rate, (settings.beta_1, 0.999)) for n, rate in zip((g, d), rates)]
    return g, d, *adams


def in_double(twin):
    """The same twin in float64, with the slope of LeakyReLU as TensorFlow has it: 0.2 in float32."""
    for network in twin[:2]:
        network.double()
    for layer in twin[1]:
        if isinstance(layer, torch.nn.LeakyReLU):
            layer.negative_slope = float(np.float32(layer.negative_slope))
    return twin


class DoubleKeras:
    """The step of `gan.DCGAN` in float64, whose own networks end in float32. To be made and used with that floatx."""

    def __init__(self, gan, settings):
        built = training.build(settings)  # anew: a copy's inputs would keep their type
        self.g = self.double(built.generator, gan.generator.get_weights())
        self.d = self.double(built.discriminator, gan.discriminator.get_weights())
        rates = settings.g_learning_rate, settings.d_learning_rate
        self.g_optimizer, self.d_optimizer = (keras.optimizers.Adam(rate, settings.beta_1) for rate in rates)

    def double(self, network, weights):
        def of(layer):
            return type(layer).from_config({**layer.get_config(), "dtype": "float64"})

        copy = keras.models.clone_model(models.plain(network), clone_function=of)
        copy.set_weights(weights)
        return copy

    def step(self, real_images, latents) -> tuple[float, float]:
        with tf.GradientTape(persistent=True) as tape:
            fake_images = self.g(latents, training=True)
            real_logits, fake_logits = self.d(real_images, training=True), self.d(fake_images, training=True)
            d_loss = losses.discriminator_loss(real_logits, fake_logits)
            g_loss = losses.generator_loss(fake_logits)
        halves = (self.d, d_loss, self.d_optimizer), (self.g, g_loss, self.g_optimizer)
        gradients = [tape.gradient(loss, [v.value for v in net.trainable_variables]) for net, loss, _ in halves]
        for (network, _, optimizer), found in zip(halves, gradients):
            optimizer.apply(found, network.trainable_variables)
        return float(d_loss), float(g_loss)


def compare_steps(steps: int, seed: int) -> list[tuple]:
    """Takes the same steps in Keras and in PyTorch. Returns the rows of the table of steps."""
    settings = presets.get("plain28", batch_size=MANY)
    gan = training.build(settings, seed)
    default, exact, double = (torch_twin(gan, settings) for _ in range(3))
    in_double(double)
    keras.config.set_floatx("float64")
    double_keras = DoubleKeras(gan, settings)
    keras.config.set_floatx("float32")
    images = data.load_images("bundled")[np.random.default_rng(seed).permutation(10_000)]
    rows = []
    for step in range(1, steps + 1):
        real = images[(step - 1) * MANY : step * MANY].astype("float32") / 127.5 - 1
        latents = gan.latent_vectors(MANY, step - 1).numpy()
        gan.reset_metrics()
        logs = gan.train_step(tf.constant(real))
        for optimizer, rate in zip((*exact[2:], *double[2:]), 2 * (settings.g_learning_rate, settings.d_learning_rate)):
            like_keras(optimizer, rate, step)
        for_torch_alone = torch.from_numpy(real.transpose(0, 3, 1, 2).copy()), torch.from_numpy(latents)
        found = [float(logs["d_loss"]), float(logs["g_loss"])]
        for twin in (default, exact):
            found += torch_step(*twin, *for_torch_alone)
        keras.config.set_floatx("float64")
        ours = double_keras.step(real.astype("float64"), latents.astype("float64"))
        keras.config.set_floatx("float32")
        theirs = torch_step(*double, *(tensor.double() for tensor in for_torch_alone))
        difference = max(abs(a - b) for a, b in zip(ours, theirs))
        rows.append((seed, step, *(f"{value:.7f}" for value in found), f"{difference:.1e}"))
    return rows


def runtimes(generator, folder: Path):
    """Yields what draws with a generator: name, package, a function from latent vectors to images, its file."""
    weights = weights_of(generator)
    models.save(generator, folder / "generator.keras")
    graph = tf.function(lambda latents: generator(latents, training=False), reduce_retracing=True)
    yield "Keras", "tensorflow", lambda latents: graph(tf.constant(latents)).numpy(), folder / "generator.keras"

    export.to_saved_model(generator, folder / "saved_model")
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    draw = lambda latents: loaded.serve(tf.constant(latents))["image"].numpy()  # noqa: E731
    yield "SavedModel", "tensorflow", draw, folder / "saved_model"

    if importlib.util.find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter

        export.to_litert(generator, folder / "generator.tflite")
        lite = Interpreter(str(folder / "generator.tflite"), num_threads=1)
        runner = lite.get_signature_runner("serving_default")
        # A copy: what the runner gives is its own memory, and the next call writes over it.
        draw = lambda latents: np.array(runner(latent=latents)["image"])  # noqa: E731
        yield "LiteRT", "ai-edge-litert", draw, folder / "generator.tflite"

    if all(map(importlib.util.find_spec, ("onnxruntime", "tf2onnx", "onnx"))):
        import onnxruntime

        export.to_onnx(generator, folder / "generator.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(folder / "generator.onnx", options, providers=["CPUExecutionProvider"])
        draw = lambda latents: session.run(["image"], {"latent": latents})[0]  # noqa: E731
        yield "ONNX Runtime", "onnxruntime", draw, folder / "generator.onnx"

    if torch:
        torch.set_num_threads(1)
        network = torch_generator(weights)
        carry_over(weights, network, len(weights["project_norm"][0]))
        network.eval()
        torch.save(network.state_dict(), folder / "generator.pt")

        def draw(latents):
            with torch.inference_mode():
                return network(torch.from_numpy(latents)).numpy().transpose(0, 2, 3, 1)

        yield "PyTorch", "torch", draw, folder / "generator.pt"

    flat = {f"{name}/{n}": array for name, arrays in weights.items() for n, array in enumerate(arrays)}
    np.savez(folder / "generator.npz", **flat)
    yield "NumPy", "numpy", lambda latents: numpy_generator(weights, latents), folder / "generator.npz"


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(part.stat().st_size for part in [path, *path.rglob("*")] if part.is_file())


def milliseconds(draw, latents: np.ndarray, seconds: float) -> float:
    """Milliseconds of processor time that one image takes, after some rounds that are not counted: the median of 5."""
    for _ in range(3):
        draw(latents)
    found = []
    for _ in range(5):
        start, rounds = time.process_time(), 0
        while rounds == 0 or time.process_time() - start < seconds / 5:
            draw(latents)
            rounds += 1
        found.append((time.process_time() - start) / rounds / len(latents) * 1e3)
    return sorted(found)[2]


def compare_runtimes(run: tuple[str, float]) -> list[tuple]:
    """Draws the same images everywhere, for (generator, seconds). Returns the rows of the table."""
    name, seconds = run
    generator = models.load_generator(data.assets_folder() / "weights" / f"{name}_generator.keras")
    latents = np.random.default_rng(0).normal(size=(256, models.latent_dim(generator))).astype("float32")
    rows, wanted = [], None
    with tempfile.TemporaryDirectory() as folder:
        for runtime, package, draw, path in runtimes(generator, Path(folder)):
            images = np.concatenate([draw(latents[n : n + MANY]) for n in range(0, len(latents), MANY)])
            wanted = images if wanted is None else wanted
            found = importlib.metadata.distribution(package)
            megabytes = sum(size(Path(file.locate())) for file in found.files if Path(file.locate()).is_file()) / 1e6
            times = milliseconds(draw, latents[:1], seconds), milliseconds(draw, latents[:MANY], seconds)
            difference = f"{np.abs(images - wanted).max():.1e}"
            measured = *(f"{each:.3f}" for each in times), f"{megabytes:.0f}"
            rows.append((name, runtime, found.version, difference, size(path), *measured))
    return rows


RUNS, LABELS = [("fashion",), ("emoji",)], ("runtime", "version")
TABLE = tables.Table("runtimes", HEAD, ("generator",), LABELS, RUNS, compare_runtimes, steps=2.0, unit="seconds")


if __name__ == "__main__":
    TABLE.main()
