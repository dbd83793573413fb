"""Films: which moments are kept, and what becomes of them within a size."""

import importlib.util

import imageio.v3 as imageio
import keras
import numpy as np
import pytest
from conftest import TINY
from dcgan_keras import build_generator, data, plots, training
from dcgan_keras.training import film
from PIL import Image


def fit(gan, images, *watchers):
    gan.fit(data.make_dataset(images, batch_size=8), callbacks=list(watchers), verbose=0)


def test_film_steps_are_dense_at_the_start_and_reach_both_ends():
    steps = film.steps(4680, 40)
    assert (steps[0], steps[-1], len(steps)) == (0, 4680, 40)
    gaps = np.diff(steps)
    assert np.all(gaps > 0) and np.all(np.diff(gaps) >= -1) and gaps[0] < gaps[-1] / 10
    assert film.steps(3, 40) == [0, 1, 2, 3]
    assert film.steps(100, 1) == [0, 100]


@pytest.mark.parametrize("at_once", [1, 5])
def test_film_saves_the_averaged_generator_at_its_steps(tmp_path, images, at_once):
    gan = training.build(TINY)
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), steps_per_execution=at_once)
    untrained = gan.ema_generator.get_weights()
    fit(gan, images, film.Film(tmp_path, [0, 5, 10]))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"step-{n:07d}.weights.h5" for n in (0, 5, 10)]
    other = training.build(TINY, seed=9).ema_generator
    for name, expected in (("step-0000000", untrained), ("step-0000010", gan.ema_generator.get_weights())):
        other.load_weights(tmp_path / f"{name}.weights.h5")
        for got, want in zip(other.get_weights(), expected):
            np.testing.assert_array_equal(got, want)


def frames(count, channels=1, side=40):
    images = np.random.default_rng(1).uniform(-1, 1, (count, 4, side, side, channels))
    return [plots.with_caption(plots.image_grid(i, columns=2), f"step {n:,}") for n, i in enumerate(images)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_loops_rests_at_the_end_and_keeps_its_pixels(tmp_path, channels, suffix):
    made = frames(5, channels)
    path = tmp_path / f"a{suffix}"
    assert film.save(path, made, seconds=1) == 5
    with Image.open(path) as gif:
        assert gif.n_frames == 5 and gif.info["loop"] == 0
        durations, read = [], []
        for n in range(5):
            gif.seek(n)
            gif.load()
            durations.append(gif.info["duration"])
            read.append(np.asarray(gif.convert("RGB" if channels == 3 else "L")).astype(int))
    assert durations == [200, 200, 200, 200, 2000]
    errors = np.array([np.abs(a - b).mean() for a, b in zip(read, made)])
    assert errors.max() == 0 if channels == 1 or suffix == ".webp" else errors.max() < 30  # 256 colours for noise


def test_a_colour_keeps_its_shade_through_a_film(tmp_path):
    """One palette for all frames: a patch that does not change does not flicker while the rest does."""
    made = [frame.copy() for frame in frames(6, channels=3)]
    for frame in made:
        frame[:30, :30] = (10, 120, 200)
    film.save(tmp_path / "a.gif", made)
    patches = [frame[:30, :30].reshape(-1, 3) for frame in imageio.imread(tmp_path / "a.gif", index=None)]
    assert len(np.unique(np.concatenate(patches), axis=0)) == 1


def test_one_frame_is_a_still_picture(tmp_path):
    assert film.save(tmp_path / "a.gif", frames(1)) == 1
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 1


def test_a_film_stays_under_its_limit_and_keeps_first_and_last_moment(tmp_path):
    made = frames(16, side=64)
    limit = 120_000
    kept = film.save(tmp_path / "a.gif", made, max_bytes=limit)
    assert (tmp_path / "a.gif").stat().st_size <= limit and 1 < kept < 16
    read = imageio.imread(tmp_path / "a.gif", index=None)[..., 0].astype(int)
    assert len(read) == kept
    assert np.abs(read[-1] - made[-1]).max() <= 9  # sixteen shades


def test_a_film_that_cannot_be_that_small_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="cannot be made in 100 bytes"):
        film.save(tmp_path / "a.gif", frames(4), max_bytes=100)
    with pytest.raises(ValueError, match="at least one frame"):
        film.save(tmp_path / "a.gif", [])
    for name in ("a.png", "a", "gif"):
        with pytest.raises(ValueError, match=".gif, .webp, .mp4"):
            film.save(tmp_path / name, frames(2))
    assert not list(tmp_path.iterdir())


def test_mp4_needs_its_plugin_and_says_so(tmp_path):
    if importlib.util.find_spec("imageio_ffmpeg"):
        assert film.save(tmp_path / "a.mp4", frames(5), seconds=1) == 5
        assert imageio.imread(tmp_path / "a.mp4", index=0).shape[-1] == 3
    else:
        with pytest.raises(ValueError, match=r"pip install .imageio\[ffmpeg\]"):
            film.save(tmp_path / "a.mp4", frames(5))


@pytest.fixture
def snapshots(tmp_path, images):
    fit(training.build(TINY), images, film.Film(tmp_path / "snapshots", range(11)))
    return tmp_path / "snapshots"


def test_a_film_too_large_shows_fewer_rows_before_it_loses_frames(snapshots, tmp_path):
    generator, size = training.build(TINY).ema_generator, {"rows": 6, "columns": 4, "scale": 2}
    assert film.make(snapshots, generator, tmp_path / "whole.gif", **size) == ""
    limit = int(0.7 * (tmp_path / "whole.gif").stat().st_size)
    said = film.make(snapshots, generator, tmp_path / "less.gif", **size, max_bytes=limit)
    assert said in (f"to stay within {limit:,} bytes it shows {n} of 6 rows" for n in (3, 4, 5))
    whole, less = (imageio.imread(tmp_path / name, index=None) for name in ("whole.gif", "less.gif"))
    assert len(less) == len(whole) == 11 and less.shape[1] < whole.shape[1] and less.shape[2] == whole.shape[2]
    # Same shades, same images: the rows that are left are those of the whole film.
    np.testing.assert_array_equal(less[-1][:100], whole[-1][:100])


def test_no_more_than_half_of_the_rows_go_before_frames_do(snapshots, tmp_path):
    generator, size = training.build(TINY).ema_generator, {"rows": 6, "columns": 4, "scale": 2}
    film.make(snapshots, generator, tmp_path / "whole.gif", **size)
    limit = (tmp_path / "whole.gif").stat().st_size // 6
    said = film.make(snapshots, generator, tmp_path / "least.gif", **size, max_bytes=limit)
    assert said.startswith(f"to stay within {limit:,} bytes it shows 3 of 6 rows and ") and "of 11 frames" in said
    assert (tmp_path / "least.gif").stat().st_size <= limit


def test_many_frames_in_a_short_time_are_short(tmp_path):
    film.save(tmp_path / "a.webp", frames(40), seconds=1.2)
    with Image.open(tmp_path / "a.webp") as found:
        found.seek(1)
        found.load()
        assert found.info["duration"] == 30
    film.save(tmp_path / "b.webp", frames(40), seconds=0.1)  # browsers show none that is shorter than 20 ms
    with Image.open(tmp_path / "b.webp") as found:
        found.seek(1)
        found.load()
        assert found.info["duration"] == 20


def test_steps_beyond_ten_million_stay_in_order(tmp_path):
    for step in (9_999_999, 10_000_000, 2):
        (tmp_path / f"step-{step:07d}.weights.h5").write_bytes(b"")
    assert [step for step, _ in film.snapshots(tmp_path)] == [2, 9_999_999, 10_000_000]


def test_what_is_no_film_is_said(tmp_path):
    generator = training.build(TINY).ema_generator
    with pytest.raises(FileNotFoundError, match="no snapshots"):
        film.make(tmp_path, generator, tmp_path / "a.gif")
    (tmp_path / "step-0000001.weights.h5").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="Snapshot .* cannot be read"):
        film.make(tmp_path, generator, tmp_path / "a.gif")


@pytest.mark.parametrize(("classes", "columns"), [(0, 10), (2, 10), (3, 9), (4, 8), (6, 6), (10, 10), (11, 10)])
def test_a_class_keeps_its_column(classes, columns):
    vectors, found = film.grid(build_generator(28, latent_dim=4, filters=2, classes=classes), rows=2)
    assert (found, len(vectors)) == (columns, 2 * columns)
    np.testing.assert_array_equal(vectors, film.latents(4, 2 * columns))


def test_a_frame_of_a_gif_that_stays_for_too_long_is_refused(tmp_path):
    frames = [np.full((20, 20), value, np.uint8) for value in (0, 255)]
    with pytest.raises(ValueError, match="stays for 655 seconds at most, 1000 are asked"):
        film.save(tmp_path / "slow.gif", frames, seconds=2_000)
    assert not list(tmp_path.iterdir())
    film.save(tmp_path / "slow.gif", frames, seconds=1_310)
