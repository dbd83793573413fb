"""A new run and a resumed one: what is chosen is said, what is wrong is refused before there is a folder."""

import dataclasses
import warnings

import numpy as np
import pytest
from conftest import TINY
from dcgan_keras import data, presets, training
from dcgan_keras.training import runs, starting

SMALL = {"g_filters": 2, "d_filters": 3, "latent_dim": 4, "frames": 2}


def test_what_is_held_out_is_not_called_another_number_of_images(tmp_path):
    """10,000 images are what the preset was made for: a tenth of them is held out, and the sentence says that."""
    said = []
    run, images = training.begin(tmp_path / "run", score_every=5, changes=SMALL, say=said.append)
    assert len(images) == 10_000 and run.settings.epochs == 67
    assert said == [
        "9,000 images to train on, beside 1,000 held out, ask for --batch-size 128, --epochs 67, unless you "
        "give others."
    ]
    said.clear()
    training.begin(tmp_path / "other", changes=SMALL, say=said.append)
    assert said == []


def test_a_run_begun_in_python_follows_the_rules_of_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    run, images = training.begin(source="bundled:emoji", conditional=True, changes=SMALL, say=said.append)
    assert run.folder.as_posix() == "runs/laptop64-1" and run.class_names == data.CATEGORIES
    assert images.names == data.CATEGORIES and len(images.labels) == len(images) == 1_911
    assert said == [
        "The images are in colour and usually of 64 pixels or more: --preset laptop64 unless you give another.",
        "1,911 images ask for --batch-size 32, --epochs 120, --d-learning-rate 0.001, --augment translation, unless "
        "you give others.",
    ]
    assert run.settings.clusters == 0 and run.settings.augment == "translation"
    again, same = training.resume(run.folder, changes={"epochs": 200})
    assert again == dataclasses.replace(run, settings=dataclasses.replace(run.settings, epochs=200))
    np.testing.assert_array_equal(same.labels, images.labels)


def test_classes_and_packs_take_the_place_of_the_groups_of_a_preset(tmp_path):
    def clusters(conditional=False, **changes):
        about = {"source": "bundled:emoji", "conditional": conditional, "changes": {**SMALL, **changes}}
        return training.begin(tmp_path / str(len(list(tmp_path.iterdir()))), **about)[0].settings.clusters

    assert [clusters(), clusters(clusters=3)] == [20, 3]
    assert [clusters(True), clusters(pack=2), clusters(clusters=0)] == [0, 0, 0]
    with pytest.raises(ValueError, match="Networks are told classes or clusters, not both"):
        clusters(True, clusters=3)
    with pytest.raises(ValueError, match="reads one image at a time, got pack=2"):
        clusters(pack=2, clusters=3)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"changes": {"pack": 3}}, "shown 3 images at a time: a batch of 128 cannot be"),
        ({"changes": {"pack": 2}, "conditional": True}, "reads one image at a time"),
        ({"changes": {"batch_size": 20_000}}, "give a smaller batch size"),
        ({"changes": {"augment": "blur"}}, "augment must be some of"),
        ({"preset": "fast"}, "preset must be one of"),
        ({"extractor": "vgg"}, "extractor must be one of"),
        ({"changes": {"width": 3}}, "A preset has no width"),
    ],
)
def test_what_is_wrong_leaves_no_folder(tmp_path, asked, message):
    with pytest.raises(ValueError, match=message):
        training.begin(tmp_path / "run", **{**asked, "changes": {**SMALL, **asked.get("changes", {})}})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 5}, "--seed cannot change"),
        ({"precision": "mixed_float16"}, "--precision cannot change"),
        ({"changes": {"batch_size": 8}}, "--batch-size cannot change"),
        ({"changes": {"pack": 2}}, "--pack cannot change"),
        ({"conditional": True}, "--conditional cannot change"),
    ],
)
def test_a_resume_changes_nothing_that_it_trains(tmp_path, changed, message):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    with pytest.raises(ValueError, match=f"A resumed run keeps its settings, {message}"):
        training.resume(run.folder, **changed)


def test_scores_of_two_extractors_are_not_compared(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY, score_every=1))
    training.resume(run.folder, extractor="emoji")
    (run.folder / "scores.csv").write_text("epoch,score\n0,1.0\n")
    training.resume(run.folder, extractor="fashion")  # the one it has
    with pytest.raises(ValueError, match="scores of another extractor"):
        training.resume(run.folder, extractor="emoji")


def test_a_resume_takes_what_may_change(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    again, images = training.resume(run.folder, source="bundled", seed=0, changes={"epochs": 9, "beta_1": TINY.beta_1})
    assert again.settings == dataclasses.replace(TINY, epochs=9) and len(images) == 10_000


def test_few_steps_are_a_warning():
    with pytest.warns(UserWarning, match="499 steps are few"):
        starting.warn_of_few_steps(presets.FEW_STEPS - 1)
    starting.warn_of_few_steps(presets.FEW_STEPS)


def test_a_wasserstein_game_without_a_bound_is_named(tmp_path):
    loss = {**SMALL, "loss": "wasserstein"}
    with pytest.warns(UserWarning, match="Nothing bounds the discriminator, .*: give --r1-gamma 1"):
        training.begin(tmp_path / "run", changes=loss, say=lambda text: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        training.begin(tmp_path / "other", changes={**loss, "normalization": "spectral"}, say=lambda text: None)
