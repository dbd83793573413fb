"""The DCGAN that trains in a browser: its step against the package's own, its page, and that it learns.

What needs a browser is skipped where Playwright or Chromium is missing.
"""

import base64
import functools
import io
import re
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import PHONE, pixels
from dcgan_keras import DCGAN, data, losses, models
from keras import layers
from PIL import Image

FILTERS = 8
BATCH_SIZE = 32
FROM_NOTHING = "dcgan.html#start=0"
PHOTOS = 2_000  # that the page trains on
RATE = 2**-11  # Keras keeps it in 32 bits, where this number is exact
EMA_DECAY = 0.9  # low enough to count within ten steps, where the start's own rule would be used otherwise

# Numbers go to the page and back as letters: as lists they take longer than the steps.
PLAY = """async ([bits, settings, start, batches]) => {
    const numbers = (letters) => new Float32Array(Uint8Array.from(atob(letters), (c) => c.charCodeAt(0)).buffer);
    const letters = (array) => {
        let text = "";
        for (const byte of new Uint8Array(Float64Array.from(array).buffer)) text += String.fromCharCode(byte);
        return btoa(text);
    };
    const { DCGAN } = await import("./dcgan.js");
    const { keepNumbersIn } = await import("./layers.js");
    const kind = { 32: Float32Array, 64: Float64Array }[bits];
    keepNumbersIn(kind);
    const game = new DCGAN(settings);
    for (const [name, variables] of Object.entries(start)) {
        for (const [n, variable] of game[name].variables.entries()) variable.set(numbers(variables[n]));
    }
    const told = batches.map(([real, z]) => game.step(kind.from(numbers(real)), kind.from(numbers(z))));
    const variables = ["generator", "discriminator", "average"].map((name) =>
        game[name].variables.map(letters),
    );
    return [told.map(({ dLoss, gLoss, onReal, onFakes }) => [dLoss, gLoss, onReal, onFakes]), variables];
}"""


def letters(array):
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode()


def play(page, *arguments):
    told, networks = page.evaluate(PLAY, list(arguments))
    return told, [[np.frombuffer(base64.b64decode(text), "<f8") for text in network] for network in networks]


class Unbiased(layers.BatchNormalization):
    """Keras's own in 64 bits, with the moving variance of the package's, which TensorFlow's kernel keeps unbiased."""

    def call(self, inputs, training=None, mask=None):
        moving = tf.identity(self.moving_variance)
        outputs = super().call(inputs, training=training)
        if training:
            count = float(np.prod(inputs.shape[:-1]))
            batch = (self.moving_variance - self.momentum * moving) / (1 - self.momentum)
            self.moving_variance.assign(self.momentum * moving + (1 - self.momentum) * batch * count / (count - 1))
        return outputs


def in_64_bits(network):
    """The same network in 64 bits."""
    stack = []
    for layer in models.plain(network).layers:
        kind = Unbiased if isinstance(layer, layers.BatchNormalization) else type(layer)
        stack.append(kind.from_config(layer.get_config() | {"dtype": "float64"}))
    exact = keras.Sequential([keras.Input(network.input_shape[1:], dtype="float64"), *stack])
    exact.set_weights(network.get_weights())
    return exact


def ten_steps(gan, batches):
    """The package's own step. Its metrics are means since they were reset."""
    told = []
    for real, _ in batches:
        gan.reset_metrics()
        said = gan.train_step(tf.constant(real))
        told.append([float(said[name]) for name in ("d_loss", "g_loss", "d_real", "d_fake")])
    return told, [network.get_weights() for network in (gan.generator, gan.discriminator, gan.ema_generator)]


def ten_exact_steps(gan, batches):
    """The same written out for 64 bits, which the package's step does not know."""
    generator, discriminator = map(in_64_bits, (gan.generator, gan.discriminator))
    # As a NumPy number, which Keras does not take through 32 bits.
    optimizers = [keras.optimizers.Adam(RATE, beta_1=0.5, beta_2=np.float64(0.999)) for _ in range(2)]
    average, told = [weights.astype("float64") for weights in generator.get_weights()], []
    for step, (real, z) in enumerate(batches):
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fakes = generator(tf.constant(z, "float64"), training=True)
            real_logits = discriminator(tf.constant(real, "float64"), training=True)
            fake_logits = discriminator(fakes, training=True)
            d_loss = losses.discriminator_loss(real_logits, fake_logits)
            g_loss = losses.generator_loss(fake_logits)
        gradients = [
            tape.gradient(loss, network.trainable_variables)
            for tape, loss, network in ((g_tape, g_loss, generator), (d_tape, d_loss, discriminator))
        ]
        for optimizer, slopes, network in zip(optimizers, gradients, (generator, discriminator)):
            optimizer.apply_gradients(zip(slopes, network.trainable_variables))
        decay = min(EMA_DECAY, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new for old, new in zip(average, generator.get_weights())]
        opinions = [tf.reduce_mean(tf.sigmoid(logits)) for logits in (real_logits, fake_logits)]
        told.append([float(number) for number in (d_loss, g_loss, *opinions)])
    return told, [generator.get_weights(), discriminator.get_weights(), average]


@functools.cache
def images():
    return data.load_bundled()[0]


def test_curves_are_means_of_so_many_steps_each_of_its_own(visit):
    added = """async (losses) => {
        const { Curves } = await import("./losses.js");
        const curves = new Curves(2);
        for (const [dLoss, gLoss] of losses) curves.add({ dLoss, gLoss });
        return [curves.dLoss, curves.gLoss];
    }"""
    losses = [[1, 10], [3, 30], [5, 50], [9, 70], [100, 100]]
    assert visit("game.html").evaluate(added, losses) == [[2, 7], [20, 60]]


def test_a_long_curve_keeps_its_length_and_its_means(visit):
    added = """async () => {
        const { Curves } = await import("./losses.js");
        const curves = new Curves(2);
        for (let step = 0; step < 4008; step++) curves.add({ dLoss: step, gLoss: 2 * step });
        return [curves.every, curves.dLoss.length, curves.dLoss.slice(0, 2), curves.gLoss.slice(-2)];
    }"""
    # 4,000 steps are 1,000 means of four, and of what follows four more make one each.
    assert visit("game.html").evaluate(added) == [4, 1002, [1.5, 5.5], [8003, 8011]]


def test_ten_steps_equal_those_of_tensorflow(visit):
    networks = [build(filters=FILTERS, seed=1) for build in (models.build_generator, models.build_discriminator)]
    gan = DCGAN(*networks, ema_decay=EMA_DECAY, seed=2)
    gan.compile(*(keras.optimizers.Adam(RATE, beta_1=0.5) for _ in range(2)))
    start = {
        name: [letters(weights) for weights in network.get_weights()]
        for name, network in zip(("generator", "discriminator", "average"), (*networks, gan.ema_generator))
    }
    real = images()[: 10 * BATCH_SIZE].reshape(10, BATCH_SIZE, 28, 28, 1).astype("float32") / 127.5 - 1
    batches = [(batch, gan.latent_vectors(BATCH_SIZE, n).numpy()) for n, batch in enumerate(real)]
    exact_told, exact_theirs = ten_exact_steps(gan, batches)
    told, theirs_in_32 = ten_steps(gan, batches)
    settings = {"filters": FILTERS, "gRate": RATE, "dRate": RATE, "averageDecay": EMA_DECAY}
    flat = [[letters(array) for array in batch] for batch in batches]
    page = visit("game.html")
    exact_ours, exact_weights = play(page, 64, settings, start, flat)
    ours, our_weights = play(page, 32, settings, start, flat)

    def error(ours, theirs):
        return np.abs(np.array(ours) / np.array(theirs) - 1).max(axis=1)

    rounded, from_exact = error(ours, told), error(exact_ours, exact_told)
    print(f"\nrelative difference of losses and opinions in 64 bits: ten steps {from_exact.max():.1e}")
    print(f"in 32 bits: first step {rounded[0]:.1e}, ten steps {rounded.max():.1e}")
    # What is left of it in 64 bits: Keras hands LeakyReLU its slope in 32.
    assert from_exact.max() < 1e-7
    # In 32 bits a ReLU may open by rounding alone, and Adam makes a full step of what passes. That grows step by step.
    assert rounded[0] < 1e-6 and rounded.max() < 2e-3
    assert np.ptp(np.array(told)[:, 0]) > 0.05  # the losses do move
    for n, name in enumerate(("G", "D", "average of G")):
        gaps = [
            max(np.abs(np.ravel(variable) - other).max() for variable, other in zip(theirs[n], our[n]))
            for theirs, our in ((exact_theirs, exact_weights), (theirs_in_32, our_weights))
        ]
        print(f"{name}: a weight or statistic differs by {gaps[0]:.1e}, in 32 bits by {gaps[1]:.1e}")
        assert len(exact_theirs[n]) == len(exact_weights[n])
        assert gaps[0] < 1e-7


# ---- what it learns

LEARN = """async ([settings, steps]) => {
    const packed = (await fetch("clothes.z")).body.pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(packed).arrayBuffer()).subarray(0, 640 * 784);
    const photos = Float32Array.from(bytes, (byte) => byte / 127.5 - 1);
    const { DCGAN, LATENT_DIM, SIZE } = await import("./dcgan.js");
    const { normal, uniform } = await import("./random.js");
    const game = new DCGAN(settings);
    const watched = normal(uniform(11), 64 * LATENT_DIM);
    const before = Array.from(game.draw(watched));
    let told;
    for (let n = 0; n < steps; n++) {
        const at = 16 * SIZE ** 2 * (n % (photos.length / SIZE ** 2 / 16));
        told = game.step(photos.slice(at, at + 16 * SIZE ** 2));
    }
    return [before, Array.from(game.draw(watched)), told.dLoss, told.gLoss];
}"""


def test_it_learns_what_photographs_have_in_common_and_how_they_differ(visit):
    real = images()[:640].reshape(640, 784) / 127.5 - 1
    played = visit("game.html").evaluate(LEARN, [{"filters": 8}, 150])
    before, after = (np.reshape(pictures, (64, 784)) for pictures in played[:2])

    def likeness(pictures):
        variety = np.sqrt(pictures.var(axis=0).mean() / real.var(axis=0).mean())
        return np.corrcoef(pictures.mean(axis=0), real.mean(axis=0))[0, 1], variety

    print(f"\ncorrelation of the means, variety: before {likeness(before)}, after {likeness(after)}")
    assert max(likeness(before)) < 0.3
    assert likeness(after)[0] > 0.85 and 0.4 < likeness(after)[1] < 1.3


@pytest.mark.parametrize("behind", ["dRate", "gRate"])
def test_a_player_left_behind_loses(visit, behind):
    settings = {"filters": 8, behind: 1.5e-5}
    *_, d_loss, g_loss = visit("game.html").evaluate(LEARN, [settings, 60])
    print(f"\n{behind} of a hundredth: the losses are {d_loss:.2f} of D and {g_loss:.2f} of G")
    assert (d_loss > 2 and g_loss < 0.3) if behind == "dRate" else (d_loss < 0.3 and g_loss > 3)


# ---- the page


def steps(page):
    return int(page.locator("#steps").inner_text().replace(",", ""))


def until_step(page, number):
    page.wait_for_function(
        "(number) => Number(document.getElementById('steps').textContent.replace(',', '')) >= number",
        arg=number,
        timeout=60_000,
    )


def one_step(page):
    before = steps(page)
    page.locator("#one").click()
    until_step(page, before + 1)


def test_the_packed_photographs_are_the_bundled_ones(visit, folder):
    packed = (folder / "clothes.z").read_bytes()
    print(f"\n{PHOTOS:,} photographs in {len(packed):,} bytes")
    assert len(packed) < 1_000_000
    unpacked = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(-1, 28, 28, 1)
    np.testing.assert_array_equal(unpacked, images()[:PHOTOS])
    page = visit(FROM_NOTHING)
    shown = pixels(page, "#photos")[..., 0].reshape(2, 28, 5, 28).swapaxes(1, 2).reshape(10, 28, 28)
    np.testing.assert_array_equal(shown, images()[:10, ..., 0])
    assert f"{PHOTOS:,}" in page.locator("#photos").get_attribute("aria-label")
    other = visit("index.html")
    assert not any("clothes" in response.url for response in other.fetched)


def test_the_training_obeys_its_controls(visit):
    page = visit(FROM_NOTHING)
    text = {name: page.locator(f"#{name}") for name in ("d-loss", "g-loss", "ms", "variety", "g-rate-value")}
    untouched, no_losses = pixels(page, "#pictures"), pixels(page, "#losses")
    one_step(page)
    first = text["d-loss"].inner_text()
    assert float(first) > 0 and float(text["ms"].inner_text()) > 0
    page.locator("#start").click()
    assert page.locator("#start").get_attribute("aria-pressed") == "true"
    until_step(page, 12)
    page.locator("#start").click()
    page.wait_for_timeout(1000)
    paused = steps(page)
    page.wait_for_timeout(700)
    assert steps(page) == paused and page.locator("#start").inner_text() == "Start"
    for canvas, before in (("#pictures", untouched), ("#losses", no_losses)):
        assert not np.array_equal(pixels(page, canvas), before)
    assert f"Step {paused}" in page.locator("#pictures").get_attribute("aria-label")
    assert text["variety"].inner_text() in page.locator("#status").inner_text()

    by_the_average = pixels(page, "#pictures")
    page.get_by_label("G as it is now").check()
    page.wait_for_timeout(500)
    assert not np.array_equal(pixels(page, "#pictures"), by_the_average)
    page.get_by_label("the moving average").check()
    page.wait_for_timeout(500)
    np.testing.assert_array_equal(pixels(page, "#pictures"), by_the_average)

    page.locator("#reset").click()  # the same seed: the same game
    page.wait_for_function("document.getElementById('steps').textContent === '0'")
    np.testing.assert_array_equal(pixels(page, "#pictures"), untouched)
    one_step(page)
    assert text["d-loss"].inner_text() == first
    page.locator("#seed").fill("5")
    page.locator("#seed").press("Enter")
    page.wait_for_function("document.getElementById('steps').textContent === '0'")
    one_step(page)
    assert text["d-loss"].inner_text() != first


@pytest.mark.parametrize("player", ["g", "d"])
def test_each_rate_counts_from_the_next_step_on(visit, player):
    page = visit(FROM_NOTHING)
    told = []
    for place in ("4", "6"):  # 0.0015, as the game starts, or 0.015 from the second step on
        page.locator("#reset").click()
        page.wait_for_function("document.getElementById('steps').textContent === '0'")
        one_step(page)
        page.locator(f"#{player}-rate").fill(place)
        for _ in range(2):
            one_step(page)
        told.append([page.locator(f"#{name}-loss").inner_text() for name in "gd"])
        page.locator(f"#{player}-rate").fill("4")
    assert told[0] != told[1]
    page.locator(f"#{player}-rate").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(f"#{player}-rate-value").inner_text() == "0.0005"


def test_three_buttons_start_a_game_at_their_rates(visit):
    page = visit(FROM_NOTHING)
    for button, rates in (
        ("slow-d", ["0.0015", "0.000015"]),
        ("slow-g", ["0.000015", "0.0015"]),
        ("preset", ["0.0015", "0.0015"]),
    ):
        page.locator(f"#{button}").click()
        assert [page.locator(f"#{player}-rate-value").inner_text() for player in "gd"] == rates
        page.wait_for_function("Number(document.getElementById('steps').textContent) < 3")
        until_step(page, 3)


def test_the_state_from_which_it_can_start_is_a_training_of_the_page(visit, folder):
    """It draws far better than nothing does, and the training goes on from there without Adam's means."""
    state = folder / "step-300.f16"
    numbers = np.fromfile(state, "<f2")
    networks = [models.build_generator(filters=16, seed=0), models.build_discriminator(filters=16, seed=0)]
    counts = [sum(weights.size for weights in network.get_weights()) for network in networks]
    assert len(numbers) == 2 * counts[0] + counts[1] and np.isfinite(numbers).all()
    page = visit("dcgan.html")
    assert steps(page) == 300
    told = {}
    for name in ("nothing", "step 300"):
        page.get_by_label(name).check()
        page.wait_for_function(f"document.getElementById('steps').textContent === '{300 * (name == 'step 300')}'")
        variety = int(page.locator("#variety").inner_text().rstrip("%"))
        pictures = pixels(page, "#pictures")[..., 0].reshape(5, 28, 5, 28).mean(axis=(0, 2))
        told[name] = variety, np.corrcoef(pictures.ravel(), images()[:PHOTOS].mean(axis=(0, 3)).ravel())[0, 1]
    print(f"\nvariety, and likeness of the means: {told}")
    assert told["nothing"][0] < 20 and told["nothing"][1] < 0.5
    assert told["step 300"][0] > 60 and told["step 300"][1] > 0.9
    page.locator("#start").click()
    until_step(page, 312)
    page.locator("#start").click()
    assert all(0.2 < float(page.locator(f"#{player}-loss").inner_text()) < 4 for player in "gd")


def test_it_says_how_far_it_is_and_how_long_it_takes(visit):
    page = visit(FROM_NOTHING)
    assert page.locator("#time").inner_text() == "Step 0 of 900."
    page.locator("#start").click()
    until_step(page, 2)
    said = page.locator("#time").inner_text()
    assert re.fullmatch(r"Step \d+ of 900: about \d+ (seconds|minutes) left until you can name some clothes\.", said)
    assert re.match(r"Step \d+ – Train", page.title())
    assert page.locator("#progress").evaluate("each => each.value") >= 2
    page.locator("#start").click()
    page.wait_for_function("!document.title.startsWith('Step')")


@pytest.mark.parametrize("context", [{"viewport": {"width": 1280, "height": 900}}, PHONE])
def test_what_belongs_together_is_seen_at_once(visit, context):
    """Start and the pictures; on a desk the losses as well."""
    page = visit(FROM_NOTHING, **context)
    for name in ("start", "pictures") if context is PHONE else ("start", "pictures", "losses"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= context["viewport"]["height"]


def test_a_link_brings_the_settings_back_and_bad_ones_are_said_so(visit):
    page = visit("dcgan.html#start=0&seed=7&g=0.005&d=0.00015")
    assert [page.locator(f"#{player}-rate-value").inner_text() for player in "gd"] == ["0.005", "0.00015"]
    assert page.locator("#seed").input_value() == "7" and page.get_by_label("nothing").is_checked()
    assert page.locator("#problem").inner_text() == ""
    page.locator("#d-rate").fill("0")
    page.locator("#copy").click()
    page.locator("#saved").filter(has_text="link").wait_for()
    assert page.url.endswith("#start=0&seed=7&g=0.005&d=0.000015")
    page = visit("dcgan.html#start=0&seed=1e9&g=0.3")
    assert all(part in page.locator("#problem").inner_text() for part in ("seed=1e9", "g=0.3"))
    assert page.locator("#g-rate-value").inner_text() == "0.0015" and page.locator("#seed").input_value() == "0"
    first = page.locator("#d-loss").inner_text()
    for bad in ("-3", "1e9", "3.7", ""):
        page.locator("#seed").fill("8")
        page.locator("#seed").press("Enter")
        page.locator("#seed").fill(bad)
        page.locator("#seed").press("Enter")
        assert "0 to 9,999. It stays 8." in page.locator("#seed-problem").inner_text()
        assert page.locator("#seed").input_value() == "8"
    assert first == page.locator("#d-loss").inner_text() == "–"


def test_the_film_is_that_of_the_training(visit):
    page = visit(FROM_NOTHING)
    shown = [pixels(page, "#pictures")]
    for _ in range(2):
        one_step(page)
        shown.append(pixels(page, "#pictures"))
    with page.expect_download() as download:
        page.locator("#film").click()
    film = Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert film.n_frames == 3 + 10  # the last picture stays
    for n, expected in enumerate(shown):
        film.seek(n)
        np.testing.assert_array_equal(np.asarray(film.convert("RGB"))[::2, ::2], expected)


def test_a_long_film_keeps_its_length_and_its_pace(visit):
    kept = visit(FROM_NOTHING).evaluate("""async () => {
        const { Film } = await import("./picture.js");
        const film = new Film(60);
        for (let n = 0; n < 1000; n++) film.add(() => n);
        return film.pictures;
    }""")
    assert 30 <= len(kept) < 60 and len(set(np.diff(kept))) == 1 and kept[0] == 0 and kept[-1] > 960


def test_what_is_saved_is_what_is_shown(visit):
    page = visit(FROM_NOTHING)
    one_step(page)
    with page.expect_download() as download:
        page.locator("#png").click()
    saved = np.asarray(Image.open(io.BytesIO(download.value.path().read_bytes())).convert("RGB"))
    shown = pixels(page, "#pictures")
    np.testing.assert_array_equal(saved, shown.repeat(4, axis=0).repeat(4, axis=1))


def test_the_keyboard_reaches_everything(visit):
    page = visit(FROM_NOTHING)
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name || document.activeElement.id"))
    buttons = {"start", "one", "reset", "png", "film", "copy", "preset", "slow-d", "slow-g"}
    assert buttons | {"from", "network", "g-rate", "d-rate", "seed"} <= reached
    page.locator("#one").focus()
    page.keyboard.press("Enter")
    until_step(page, 1)


def test_a_phone_trains_after_a_tap(visit):
    page = visit(FROM_NOTHING, **PHONE)
    before = pixels(page, "#pictures")
    page.locator("#start").tap()
    until_step(page, 5)
    page.locator("#start").tap()
    assert page.locator("#start").inner_text() == "Start"
    assert not np.array_equal(pixels(page, "#pictures"), before)
