"""Restored pictures: what is known stays, the operators are what they say, what the generator drew is found again.

And files of them: each becomes a row of pictures, and what cannot be read does not cost the others.
"""

import imageio.v3 as imageio
import keras
import numpy as np
import pytest
from conftest import lively
from dcgan_keras import build_generator, data, models, plots
from dcgan_keras.applications import latent, restoring
from PIL import Image

QUICK = {"restarts": 2, "steps": 3}


@pytest.fixture(scope="module", params=["grey", "colour"])
def generator(request):
    return lively(
        build_generator(28 if request.param == "grey" else 32, 1 + 2 * (request.param == "colour"), filters=2)
    )


@pytest.fixture(scope="module")
def fashion():
    return models.load_generator(data.assets_folder() / "weights" / "fashion_generator.keras")


def noise(generator, count=3):
    shape = (count, *generator.output_shape[1:])
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def drawn(generator, count=4):
    return np.asarray(models.draw(generator, np.random.default_rng(0).normal(size=(count, 100)).astype(np.float32)))


def test_what_is_around_a_hole_stays_exactly(generator):
    images = noise(generator)
    size = images.shape[1]
    hole = np.random.default_rng(2).random((size, size)) < 0.3
    restored = restoring.inpaint(generator, images, hole, **QUICK)
    assert restored.images.dtype == np.float32 and np.abs(restored.images).max() <= 1
    np.testing.assert_array_equal(plots.to_uint8(restored.images)[:, ~hole], images[:, ~hole])
    assert (restored.spread[:, ~hole] == 0).all() and (restored.spread[:, hole] > 0).all()
    floats = (images.astype(np.float32) / 127.5 - 1).astype(np.float32)
    again = restoring.inpaint(generator, floats, hole, **QUICK)
    np.testing.assert_array_equal(again.images, restored.images)


def test_what_is_in_the_hole_does_not_matter(generator):
    images = noise(generator)
    hole = restoring.center(images.shape[1])
    first, second = (
        restoring.inpaint(generator, np.where(hole[..., None], value, images), hole, **QUICK)
        for value in np.uint8([0, 255])
    )
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)


def test_the_answer_is_the_generators_own_and_its_error_is_that_of_what_is_known(generator):
    """With one start: what `latent.search` finds for a measure written here in another way."""
    images = noise(generator) / 127.5 - 1
    size = images.shape[1]
    hole = restoring.center(size)
    places = np.flatnonzero(~hole)

    def around(batch):
        flat = keras.ops.reshape(batch, (-1, size * size, batch.shape[-1]))
        return keras.ops.take(flat, places, axis=1)

    def means(batch):
        return keras.ops.mean(keras.ops.reshape(batch, (-1, size // 4, 4, size // 4, 4, batch.shape[-1])), axis=(2, 4))

    small = np.asarray(means(images.astype(np.float32)))
    once = {"restarts": 1, "steps": 3, "prior": 0.01}
    cases = (
        (restoring.inpaint(generator, images, hole, restarts=1, steps=3), around, images[:, ~hole]),
        (restoring.denoise(generator, images, restarts=1, steps=3), lambda batch: batch, images),
        (restoring.upscale(generator, small, 4, restarts=1, steps=3), means, small),
    )
    for restored, measure, known in cases:
        found = latent.search(generator, measure, known, **once)
        wrong = np.asarray(measure(found.images[:, 0])) - known
        rms = np.sqrt((wrong**2).reshape(len(wrong), -1).mean(axis=1))
        np.testing.assert_allclose(restored.errors, rms, rtol=2e-4)
        there = hole if measure is around else np.ones_like(hole)
        np.testing.assert_allclose(restored.images[:, there], found.images[:, 0, there], atol=1e-3)
        assert (restored.spread == 0).all()


@pytest.fixture
def starts(monkeypatch):
    """Stands in for the search: its starts end with the given pictures, the best one first. Returns what it was asked.

    A picture is a number, or one for each channel.
    """
    asked = []

    def end_with(*pictures):
        def search(generator, measure, observed, **options):
            asked.append(options)
            each = [np.broadcast_to(np.float32(picture), generator.output_shape[1:]) for picture in pictures]
            images = np.repeat(np.stack(each)[np.newaxis], len(observed), axis=0)
            return latent.Found(np.zeros((*images.shape[:2], 100)), images, np.zeros(images.shape[:2], np.float32))

        monkeypatch.setattr(latent, "search", search)
        return asked

    return end_with


def ways(generator, value=0.0, **search):
    """Restores two pictures of one value in all three ways."""
    height, width, channels = generator.output_shape[1:]
    images = np.full((2, height, width, channels), value, np.float32)
    yield "inpaint", restoring.inpaint(generator, images, restoring.center(height), **search)
    yield "denoise", restoring.denoise(generator, images, **search)
    yield "upscale", restoring.upscale(generator, images[:, ::4, ::4], 4, **search)


def test_the_picture_and_its_error_are_those_of_the_best_start(generator, starts):
    starts(0.25, 0.75, -1.0)
    inside = restoring.center(generator.output_shape[1])
    for task, restored in ways(generator, value=-0.25):
        np.testing.assert_allclose(restored.errors, [0.5, 0.5], rtol=1e-6)
        there = inside if task == "inpaint" else np.ones_like(inside)
        assert (restored.images[:, there] == 0.25).all() and (restored.images[:, ~there] == -0.25).all()


def test_the_search_is_asked_as_the_caller_asks_and_trusts_the_generator_more(generator, starts):
    asked = starts(0.0)
    own = {"restarts": 3, "prior": 0.2, "seed": 4}
    assert len([*ways(generator, **own), *ways(generator)]) == 6
    assert asked == 3 * [own] + 3 * [{"prior": 0.01}]


def test_the_spread_is_the_unbiased_deviation_of_all_starts(generator, starts):
    inside = restoring.center(generator.output_shape[1])
    for pictures, deviation in (([0.0, -0.5, 0.5], 0.5), ([0.1, 0.3], 0.2 / 2**0.5), ([0.7], 0.0)):
        starts(*pictures)
        for task, restored in ways(generator):
            there = inside if task == "inpaint" else np.ones_like(inside)
            assert restored.spread.dtype == np.float32 and restored.spread.shape == (2, *inside.shape)
            np.testing.assert_allclose(restored.spread[:, there], deviation, rtol=1e-6)
            assert (restored.spread[:, ~there] == 0).all()


def test_the_spread_in_colour_is_the_root_of_the_mean_over_the_channels(starts):
    colour = build_generator(32, 3, filters=2)
    starts((0.3, 0.0, 0.1), (0.0, 0.4, 0.1))
    variances = np.array([0.3**2, 0.4**2, 0]) / 2  # unbiased, of two numbers
    for task, restored in ways(colour):
        spread = restored.spread[:, 8:24, 8:24] if task == "inpaint" else restored.spread
        np.testing.assert_allclose(spread, np.sqrt(variances.mean()), rtol=1e-6)


@pytest.mark.parametrize(("task", "limit"), [("inpaint", 15), ("denoise", 7), ("upscale", 13)])
def test_what_the_generator_drew_itself_is_found_again(fashion, task, limit):
    """Of four images the one found best, in grey levels of 255. Measured: 9.7, 4.7 and 8.4. The others drew over 50."""
    images = drawn(fashion)
    hole = restoring.center(28)
    call = {
        "inpaint": lambda: restoring.inpaint(fashion, images, hole),
        "denoise": lambda: restoring.denoise(fashion, images),
        "upscale": lambda: restoring.upscale(fashion, images.reshape(-1, 7, 4, 7, 4, 1).mean(axis=(2, 4)), 4),
    }[task]
    wrong = 127.5 * np.sqrt(np.square(call().images - images).mean(axis=(1, 2, 3)))
    apart = 127.5 * np.sqrt(np.square(images - images[[1, 2, 3, 0]]).mean(axis=(1, 2, 3)))
    assert wrong.min() < limit < 50 < apart.min()


def test_a_hole_in_the_middle():
    hole = restoring.center(28)
    assert hole.sum() == 14 * 14 and hole[7:21, 7:21].all() and restoring.center(10).sum() == 36


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda g, x: restoring.inpaint(g, x, np.ones((28, 28))), "must be bool of shape"),
        (lambda g, x: restoring.inpaint(g, x, np.ones((14, 14), bool)), "must be bool of shape"),
        (lambda g, x: restoring.inpaint(g, x, np.ones((28, 28), bool)), "takes all of the picture"),
        (lambda g, x: restoring.inpaint(g, x, np.zeros((28, 28), bool)), "takes none of the picture"),
        (lambda g, x: restoring.denoise(g, x[:, :20]), r"must have the shape \(n, 28, 28, 1\), got \(2, 20"),
        (lambda g, x: restoring.denoise(g, x[:0]), "must have the shape"),
        (lambda g, x: restoring.denoise(g, x.astype(float)), r"must be uint8, or float in \[-1, 1\]"),
        (lambda g, x: restoring.denoise(g, x * np.float32("nan")), "must be uint8"),
        (lambda g, x: restoring.upscale(g, x, 3), "must be one of 2, 4, 7, 14, .* got 3"),
        (lambda g, x: restoring.upscale(g, x, 28), "must be one of"),
        (lambda g, x: restoring.upscale(g, x, 4), r"Small pictures must have the shape \(n, 7, 7, 1\)"),
        (lambda g, x: restoring.denoise(g, x, restarts=0), "restarts must be a whole number of 1 or more"),
        (lambda g, x: restoring.denoise(g, x, steps=0), "steps must be a whole number"),
        (lambda g, x: restoring.denoise(g, x, prior=-1), "prior must be"),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    generator = build_generator(28, filters=2)
    with pytest.raises(ValueError, match=words):
        call(generator, noise(generator, 2))


def test_generators_that_are_not_searched():
    from_image = keras.Sequential([keras.layers.Input((7, 7, 1)), keras.layers.Conv2DTranspose(1, 4, 4)])
    for generator, words in (
        (build_generator(28, filters=2, classes=2), "told classes"),
        (from_image, "from an image"),
    ):
        with pytest.raises(ValueError, match=words):
            restoring.denoise(generator, np.zeros((1, 28, 28, 1)))


# Picture files


def made_up(spread=0.0, error=0.0, unknown=None, channels=1, size=16, **more):
    """A job that turns pictures upside down and says this of its starts."""

    def restore(images):
        height = len(images[0])
        return restoring.Restored(
            images[:, ::-1] / np.float32(127.5) - 1,
            np.broadcast_to(np.float32(spread), (1, height, height)),
            np.float32([error]),
        )

    unknown = np.ones((size, size), bool) if unknown is None else unknown
    return restoring.Job(size, {}, restore, lambda image: image // 2, unknown, "turned", **more)


@pytest.fixture
def picture(tmp_path):
    """Writes a picture of 16x16 grey values under a name, and returns its path."""

    def write(name, seed=0):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


def restore(job, paths, out, channels=1):
    return list(restoring.restore_files(job, channels, paths, out))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_is_before_after_and_the_spread_up_to_a_quarter_of_the_range(picture, tmp_path, channels):
    path, spread = picture("one.png"), np.zeros((16, 16), np.float32)
    spread[0, :6] = 0, 0.1, 0.25, 0.499, 0.5, 1.2
    (report,) = restore(made_up(spread, channels=channels), [path], tmp_path / "out", channels)
    assert report.written == tmp_path / "out" / "one.png" and names(tmp_path / "out") == ["one.png", "one_restored.png"]
    row, scale = imageio.imread(report.written), 180 // 16
    assert row.shape[:2] == (16 * scale + 4, 3 * (16 * scale + 2) + 2)
    row = row.reshape(*row.shape[:2], -1)[2:-2:scale]
    before, after, apart = (row[:, 2 + n * (16 * scale + 2) :: scale][:, :16] for n in range(3))
    pixels = imageio.imread(path)[..., np.newaxis].repeat(channels, axis=-1)
    np.testing.assert_array_equal(before, pixels // 2)
    np.testing.assert_array_equal(after, pixels[::-1])
    np.testing.assert_array_equal(imageio.imread(tmp_path / "out" / "one_restored.png").reshape(after.shape), after)
    wanted = [0, 51, 128, 254, 255, 255]  # 510 grey levels for each 1 of the spread
    np.testing.assert_allclose(apart[0, :6], np.repeat(np.array(wanted)[:, None], channels, axis=1), atol=1)
    assert apart[0, 0].max() == 0 and apart[0, 4].min() == 255 and not apart[1:].any()


def test_a_report_counts_what_was_unknown_in_grey_levels(picture, tmp_path):
    unknown = np.zeros((16, 16), bool)
    unknown[:8] = True
    spread = np.where(unknown, np.float32(0.2), np.float32(0.8))
    spread[0] = 0
    (report,) = restore(made_up(spread, error=0.1, unknown=unknown), [picture("one.png")], tmp_path / "out")
    assert report.failed == "" and list(report.remarks) == []
    assert report.error == pytest.approx(12.75)
    assert report.spread == pytest.approx(127.5 * np.sqrt(7 / 8 * 0.2**2))


def test_a_file_that_cannot_be_read_does_not_cost_the_others(picture, tmp_path):
    good, later = picture("good.png"), picture("later.png", seed=1)
    (tmp_path / "text.png").write_text("not a picture")
    paths = [good, tmp_path / "text.png", tmp_path / "nowhere.png", later]
    reports = restore(made_up(), paths, tmp_path / "out")
    assert [report.path for report in reports] == paths
    assert [bool(report.failed) for report in reports] == [False, True, True, False]
    assert reports[1].failed == "not a readable image" and reports[2].failed == "a broken link, or no file"
    assert reports[1].written is None
    assert names(tmp_path / "out") == ["good.png", "good_restored.png", "later.png", "later_restored.png"]


def test_a_picture_is_written_before_the_next_is_read(picture, tmp_path):
    reports = restoring.restore_files(made_up(), 1, [picture("one.png"), picture("two.png")], tmp_path / "out")
    next(reports)
    assert names(tmp_path / "out") == ["one.png", "one_restored.png"]


def test_names_that_collide_become_others(picture, tmp_path):
    paths = [picture(name, seed) for seed, name in enumerate(("a/x.png", "b/X.png", "c/x.jpg.png", "x_restored.png"))]
    paths += [picture(name, seed) for seed, name in enumerate(("c/x.png", "y_restored.png", "Y.png"), 4)]
    paths.append(picture(f"{'long' * 40}.png", 7))
    reports = restore(made_up(), paths, tmp_path / "out")
    written = [report.written.stem for report in reports]
    assert written == ["x", "X-2", "x.jpg", "x_restored-2", "x-3", "y_restored", "Y-2", ("long" * 40)[:50]]
    assert len(names(tmp_path / "out")) == 2 * len(paths)
    for path, report in zip(paths, reports):
        restored = imageio.imread(report.written.with_name(f"{report.written.stem}_restored.png"))
        np.testing.assert_array_equal(restored, imageio.imread(path)[::-1])


def test_a_folder_gives_its_pictures_and_leaves_out_its_results(picture, tmp_path):
    for name in ("mine/one.png", "mine/deep/er/two.png"):
        picture(name)
    (tmp_path / "mine" / "notes.txt").write_text("not meant as one")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"Not read in .*mine: .*\.txt"):
            reports = restore(made_up(), [tmp_path / "mine"], tmp_path / "mine" / "out")
        assert sorted(report.written.stem for report in reports) == ["deep-er-two", "one"]


def test_a_folder_without_a_picture_is_named_and_the_others_are_restored(picture, tmp_path):
    (tmp_path / "empty").mkdir()
    empty, one = restore(made_up(), [tmp_path / "empty", picture("one.png")], tmp_path / "out")
    assert empty.path == tmp_path / "empty" and empty.failed == "no picture in it" and empty.written is None
    assert one.failed == "" and names(tmp_path / "out") == ["one.png", "one_restored.png"]


@pytest.mark.parametrize("paths", [["mine/one.png"], ["mine"], ["other.png", "mine/../mine/one.png"]])
def test_results_do_not_go_where_the_pictures_are(picture, tmp_path, paths):
    picture("mine/one.png"), picture("other.png")
    with pytest.raises(ValueError, match="mine is where the pictures are: name another folder"):
        restore(made_up(), [tmp_path / path for path in paths], tmp_path / "mine")
    assert names(tmp_path / "mine") == ["one.png"]


def test_jobs_say_what_is_seen_and_what_is_asked_for(generator, starts, tmp_path):
    size, channels = generator.output_shape[2:]
    asked = starts(0.5)
    mask = np.zeros((10 * size, 10 * size), np.uint8)
    mask[: 10 * 4] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    image = np.full((size, size, channels), 200, np.uint8)
    top = np.arange(size) < 5  # one more, as the mask is larger than the images
    job = restoring.to_inpaint(generator, tmp_path / "mask.png", seed=1)
    assert job.size == size and job.done == f"{5 * size} of {size * size} pixels filled"
    np.testing.assert_array_equal(job.unknown, np.repeat(top[:, None], size, axis=1))
    np.testing.assert_array_equal(job.before(image)[:, 0, 0], np.where(top, 128, 200))
    restored = job.restore(image[np.newaxis]).images[0, :, 0, 0]
    np.testing.assert_allclose(restored, np.where(top, 0.5, 200 / 127.5 - 1), rtol=1e-6)
    assert restoring.to_inpaint(generator, "center").unknown.sum() == restoring.center(size).sum()

    job = restoring.to_denoise(generator, seed=2)
    assert job.size == size and job.unknown.all() and job.before(image) is image and job.done == "noise removed"
    assert (job.restore(image[np.newaxis]).images == 0.5).all()

    job = restoring.to_upscale(generator, 4, seed=3)
    assert job.size == job.reading["smallest"] == size // 4 and job.unknown.shape == (size, size)
    small = np.arange(job.size**2 * channels, dtype=np.uint8).reshape(job.size, job.size, channels)
    np.testing.assert_array_equal(job.before(small)[1::4, 2::4], small)
    assert job.before(small).shape == (size, size, channels) and job.done.endswith(f"enlarged to {size}x{size}")
    assert job.restore(small[np.newaxis]).images.shape == (1, size, size, channels)
    assert [options["seed"] for options in asked] == [1, 2, 3]


@pytest.mark.parametrize(("value", "words"), [(0, "nowhere white"), (255, "all white"), (None, "no file")])
def test_a_mask_without_a_hole_is_refused(tmp_path, value, words):
    if value is not None:
        Image.new("L", (9, 9), value).save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match=f"The mask .*mask.png.*{words}"):
        restoring.to_inpaint(build_generator(28, filters=2), tmp_path / "mask.png")


# Masks


def hole_of(mask, size=28):
    return restoring.to_inpaint(build_generator(size, filters=2), mask).unknown


def test_no_pixel_that_a_scratch_touches_counts_as_known(tmp_path):
    """Whatever its width, and one pixel more around it: pictures are resized over several."""
    for width in (1, 5, 20):
        scratch = np.zeros((601, 601), np.uint8)
        for row in range(601):
            scratch[row, max(0, row - width // 2) : row + (width + 1) // 2] = 255
        Image.fromarray(scratch).save(tmp_path / "scratch.png")
        hole = hole_of(tmp_path / "scratch.png")
        touched = np.zeros((28, 28), bool)
        for row, column in np.argwhere(scratch):
            low, high = (np.array([row, column]) * 28 // 601), (np.array([row + 1, column + 1]) * 28 - 1) // 601
            touched[low[0] : high[0] + 1, low[1] : high[1] + 1] = True
        around = np.pad(touched, 1)
        wanted = np.any([around[y : y + 28, x : x + 28] for y in range(3) for x in range(3)], axis=0)
        np.testing.assert_array_equal(hole, wanted)


def test_a_mask_of_the_generators_size_or_smaller_is_taken_pixel_by_pixel(tmp_path):
    drawn = np.random.default_rng(0).random((14, 14)) < 0.3
    for size in (14, 28):
        mask = drawn.repeat(size // 14, axis=0).repeat(size // 14, axis=1)
        Image.fromarray(mask).save(tmp_path / "mask.png")
        np.testing.assert_array_equal(hole_of(tmp_path / "mask.png"), drawn.repeat(2, axis=0).repeat(2, axis=1))


def test_a_mask_drawn_in_white_on_a_transparent_ground(tmp_path):
    mask = np.full((28, 28, 4), 255, np.uint8)
    mask[..., 3] = 0
    mask[3:9, 4:10, 3] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    hole = hole_of(tmp_path / "mask.png")
    assert hole.sum() == 36 and hole[3:9, 4:10].all()


def test_a_red_mask_says_how_white_it_is(tmp_path):
    Image.new("RGB", (28, 28), "red").save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match="nowhere white, at most 76 of 255"):
        hole_of(tmp_path / "mask.png")


def test_what_is_erased_from_a_picture_is_its_own_hole(tmp_path):
    generator, holes = build_generator(28, filters=2), []
    for number, rows in enumerate((slice(2, 9), slice(12, 20))):
        picture = np.full((28, 28, 4), 90, np.uint8)
        picture[..., 3] = 255
        picture[rows, 5:15] = 0
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        holes.append(picture[..., 3] == 0)
    Image.new("L", (28, 28)).save(tmp_path / "whole.png")
    rim = np.full((100, 100, 4), 90, np.uint8)
    rim[4:-4, 4:-4, 3] = 0  # the hole touches every pixel of 28x28
    rim[..., 3] = np.where(rim[..., 3], 255, 0)
    Image.fromarray(rim).save(tmp_path / "rim.png")
    job = restoring.to_inpaint(generator, "erased", **QUICK)
    paths = [tmp_path / name for name in ("0.png", "rim.png", "1.png", "whole.png")]
    first, rim, second, whole = restore(job, paths, tmp_path / "out")
    assert rim.failed == "all of it is erased, which makes it transparent" and rim.written is None
    assert [first.done, second.done] == [f"{hole.sum()} of 784 pixels filled" for hole in holes]
    for number, hole in enumerate(holes):
        restored = imageio.imread(tmp_path / "out" / f"{number}_restored.png")
        assert (restored[~hole] == 90).all() and (restored[hole] != 90).any()
    assert whole.failed == "nothing of it is erased, which makes it transparent" and whole.written is None


def test_what_becomes_of_a_picture_is_said(tmp_path):
    Image.new("RGB", (40, 16), "teal").save(tmp_path / "wide.png")
    Image.new("L", (16, 16), 90).save(tmp_path / "fits.png")
    paths = [tmp_path / "wide.png", tmp_path / "fits.png"]
    wide, fits = restore(made_up(), paths, tmp_path / "out")
    assert wide.remarks == ["cropped to 16x16", "made grey"] and fits.remarks == []
    wide, fits = restore(made_up(size=8, unknown=np.ones((8, 8), bool), mask=(20, 20)), paths, tmp_path / "out")
    of_another_shape = "of 40x16 pixels, where the mask has 20x20: the hole may be off"
    assert wide.remarks == ["cropped to 16x16", "resized to 8x8", "made grey", of_another_shape]
    assert fits.remarks == ["resized to 8x8"]


def test_a_picture_unlike_those_of_the_training_is_named(picture, tmp_path):
    path = picture("one.png")
    for error, unlike, said in ((0.3, 40, 0), (0.4, 40, 1), (0.4, np.inf, 0)):
        (report,) = restore(made_up(error=error, unlike=unlike), [path], tmp_path / "out")
        assert len([remark for remark in report.remarks if "cannot draw such a picture" in remark]) == said
