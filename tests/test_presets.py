import dataclasses

import pytest
from dcgan_keras import presets, training


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds_and_fits_its_description(name):
    preset = presets.get(name)
    gan = training.build(dataclasses.replace(preset, g_filters=2, d_filters=2))
    assert gan.generator.output_shape[1:] == (preset.image_size, preset.image_size, preset.channels)
    assert float(gan.g_optimizer.learning_rate) == pytest.approx(preset.g_learning_rate)
    assert gan.d_optimizer.beta_1 == preset.beta_1
    assert all(field.metadata["help"].endswith(".") for field in dataclasses.fields(preset))


# The headline recipes, every value of them: a change is a decision, not a slip.
PLAIN = {
    "image_size": 28, "channels": 1, "latent_dim": 100, "g_filters": 16, "d_filters": 16, "kernel_size": 4,
    "batch_size": 128, "epochs": 60, "g_learning_rate": 1.5e-3, "d_learning_rate": 1.5e-3, "beta_1": 0.5,
    "loss": "non_saturating", "r1_gamma": 0.0, "ema_decay": 0.995, "frames": 40, "augment": "",
    "pack": 1, "normalization": "batch", "d_hidden": 0, "clusters": 0,
}  # fmt: skip
PAPER = {
    **PLAIN, "g_filters": 128, "d_filters": 128, "kernel_size": 5, "epochs": 25, "g_learning_rate": 2e-4,
    "d_learning_rate": 2e-4, "ema_decay": 0.0, "frames": 25,
}  # fmt: skip
DOCUMENT = {**PAPER, "epochs": 100, "g_learning_rate": 1e-4, "d_learning_rate": 1e-4, "beta_1": 0.9}
RECIPES = {
    "laptop": {**PLAIN, "d_hidden": 64, "g_learning_rate": 2e-3, "d_learning_rate": 1e-3},
    "plain28": PLAIN,
    "laptop64": {
        **PLAIN,
        "image_size": 64,
        "channels": 3,
        "batch_size": 32,
        "epochs": 120,
        "g_learning_rate": 2e-3,
        "d_learning_rate": 2e-3,
    },
    "paper28": PAPER,
    "paper64": {**PAPER, "image_size": 64, "channels": 3},
    "document": DOCUMENT,
}


@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_recipes(name):
    assert dataclasses.asdict(presets.get(name)) == RECIPES[name]


@pytest.mark.parametrize(
    ("count", "batch_size", "epochs"),
    [
        (60_000, 128, 10),
        (10_000, 128, 60),
        (5_000, 128, 120),
        (1_000, 64, 312),
        (200, 16, 390),
        (60, 16, 1560),
        (10, 8, 4680),
        (1, 2, 4680),
    ],
)
def test_any_number_of_images_takes_as_many_steps_as_the_preset_was_made_for(count, batch_size, epochs):
    suited = presets.suited(presets.get("laptop"), count, name="laptop")
    assert (suited.batch_size, suited.epochs) == (batch_size, epochs)
    assert count < 2 or suited.epochs * (count // suited.batch_size) >= 4_680


@pytest.mark.parametrize("count", [1_000, 100])
def test_in_small_batches_laptop_has_no_hidden_layer(count):
    """Of ten trainings in batches of 64 some ended in noise; in batches of 128 none did."""
    laptop = presets.get("laptop")
    few, many = (presets.suited(laptop, number, name="laptop") for number in (count, 1_024))
    plain28 = dataclasses.replace(presets.get("plain28"), batch_size=few.batch_size, epochs=few.epochs)
    assert few == plain28 and many == dataclasses.replace(laptop, epochs=many.epochs)
    for name in ("d_hidden", "g_learning_rate", "d_learning_rate"):
        asked = presets.suited(laptop, count, {name}, name="laptop")
        assert asked.d_hidden == laptop.d_hidden and asked.d_learning_rate == laptop.d_learning_rate
    assert presets.suited(laptop, count, {"batch_size"}, name="laptop").d_hidden == laptop.d_hidden


def test_batches_get_no_smaller_than_a_pack_allows():
    assert presets.suited(presets.get("laptop", pack=32), 200).batch_size == 32
    assert presets.suited(presets.get("laptop", pack=3, batch_size=96), 200).batch_size == 24


def test_batches_of_more_than_the_preset_was_made_for_leave_an_epoch():
    assert presets.suited(presets.get("laptop64", batch_size=2_048), 50_000, {"batch_size"}, "laptop64").epochs >= 1


def test_what_was_asked_for_stays():
    laptop = presets.get("laptop", epochs=5)
    assert presets.suited(laptop, 200, {"epochs"}).epochs == 5
    assert presets.suited(laptop, 200, {"batch_size"}).batch_size == 128
    assert presets.suited(laptop, 200, {"batch_size", "epochs"}) == laptop


def test_a_preset_that_states_its_epochs_keeps_them_for_more_images():
    document = presets.get("document")
    assert presets.suited(document, 60_000, name="document") == document
    assert presets.suited(document, 5_000, name="document").epochs == 200


def test_a_preset_in_colour_is_made_for_the_bundled_emoji():
    laptop64 = presets.get("laptop64")
    few = {"clusters": 20, "d_learning_rate": 1e-3, "augment": "translation"}
    assert presets.suited(laptop64, 1_911, name="laptop64") == dataclasses.replace(laptop64, **few)
    more = presets.suited(laptop64, 10_000, name="laptop64")
    assert 0.95 < more.epochs * (10_000 // 64) / (laptop64.epochs * (1_911 // 64)) < 1.05


@pytest.mark.parametrize(
    ("side", "channels", "expected"),
    [
        (28, 1, ("laptop", {})),
        (47, 1, ("laptop", {})),
        (1000, 1, ("laptop64", {"channels": 1})),
        (28, 3, ("laptop64", {"image_size": 32})),
        (47, 3, ("laptop64", {"image_size": 32})),
        (48, 3, ("laptop64", {})),
        (4000, 3, ("laptop64", {})),
    ],
)
def test_the_preset_follows_the_pictures(side, channels, expected):
    name, changes = presets.following(side, channels)
    assert (name, changes) == expected
    assert presets.get(name, **changes).channels == channels


def test_changes_replace_single_values_and_none_changes_nothing():
    changed = presets.get("laptop", epochs=2, beta_1=None)
    assert changed == dataclasses.replace(presets.get("laptop"), epochs=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"batch_size": -1}, "batch_size must be 1 or more"),
        ({"g_learning_rate": 0.0}, "g_learning_rate must be 1e-12 or more"),
        ({"d_learning_rate": float("nan")}, "d_learning_rate must be 1e-12 or more"),
        ({"beta_1": 1.0}, "beta_1 must be 0 or more and below 1"),
        ({"frames": 0}, "frames must be 1 or more"),
        ({"epochs": 2.5}, "epochs must be of type int"),
        ({"batch_size": "8"}, "batch_size must be of type int"),
        ({"channels": True}, "channels must be of type int"),
        ({"loss": 1}, "loss must be of type str"),
        ({"r1_gamma": -1}, "r1_gamma must be 0 or more"),
        ({"momentum": 0.9}, "no momentum"),
    ],
)
def test_values_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        presets.get("laptop", **change)


def test_an_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="laptop, plain28, laptop64, paper28, paper64, document, got 'fast'"):
        presets.get("fast")


def test_few_colour_pictures_are_told_apart_and_shifted_unless_somebody_said_otherwise():
    laptop64 = presets.get("laptop64")

    def chosen(count, fixed=frozenset(), preset=laptop64, name="laptop64"):
        found = presets.suited(preset, count, fixed, name)
        return found.clusters, found.d_learning_rate, found.augment

    assert chosen(10) == chosen(499) == (0, 2e-3, "translation")
    assert chosen(500) == chosen(2_999) == (20, 1e-3, "translation")
    assert chosen(3_000) == chosen(10_000) == (0, 2e-3, "")
    assert chosen(700, {"clusters"}) == (0, 1e-3, "translation")
    assert chosen(700, {"augment", "d_learning_rate"}) == (20, 2e-3, "") and chosen(60, {"augment"}) == (0, 2e-3, "")
    assert chosen(700, preset=presets.get("laptop64", g_learning_rate=1e-3)) == (20, 5e-4, "translation")
    assert chosen(700, preset=presets.get("paper64"), name="paper64") == (0, 2e-4, "")
