import dataclasses

import pytest
from dcgan_keras import presets, runs


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds_and_fits_its_description(name):
    preset = presets.get(name)
    gan = runs.build(dataclasses.replace(preset, g_filters=2, d_filters=2))
    assert gan.generator.output_shape[1:] == (preset.image_size, preset.image_size, preset.channels)
    assert float(gan.g_optimizer.learning_rate) == pytest.approx(preset.g_learning_rate)
    assert gan.d_optimizer.beta_1 == preset.beta_1
    attributes = presets.Preset.__doc__
    assert all(f"\n        {field.name}: " in attributes for field in dataclasses.fields(preset))


def test_the_papers_recipe():
    paper = presets.get("paper64")
    recipe = (paper.batch_size, paper.g_learning_rate, paper.d_learning_rate, paper.beta_1, paper.kernel_size)
    assert recipe == (128, 2e-4, 2e-4, 0.5, 5)
    assert (paper.image_size, paper.channels, paper.g_filters, paper.ema_decay) == (64, 3, 128, 0.0)


def test_the_documents_recipe():
    document = presets.get("document")
    assert (document.g_learning_rate, document.d_learning_rate, document.epochs) == (1e-4, 1e-4, 100)


def test_changes_replace_single_values_and_none_changes_nothing():
    changed = presets.get("laptop", epochs=2, beta_1=None)
    assert changed == dataclasses.replace(presets.get("laptop"), epochs=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"batch_size": -1}, "batch_size must be 1 or more"),
        ({"g_learning_rate": 0.0}, "g_learning_rate must be a number over 0"),
        ({"d_learning_rate": float("nan")}, "d_learning_rate must be a number over 0"),
        ({"beta_1": 1.0}, r"beta_1 must be in \[0, 1\)"),
        ({"frames": 0}, "frames must be 1 or more"),
        ({"momentum": 0.9}, "no momentum"),
    ],
)
def test_values_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        presets.get("laptop", **change)


def test_an_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="laptop, paper28, paper64, document, got 'fast'"):
        presets.get("fast")
