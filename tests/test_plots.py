import io

import imageio.v3 as imageio
import matplotlib
import numpy as np
import pytest
from dcgan_keras import plots

matplotlib.use("Agg")
NOISE = np.random.default_rng(0).uniform(-1, 1, (7, 8, 8, 1)).astype(np.float32)


def test_intensity_range_is_fixed():
    assert plots.to_uint8([-2, -1, 0, 1, 2]).tolist() == [0, 0, 128, 255, 255]
    washed_out = plots.image_grid(np.full((1, 4, 4, 1), 0.1), columns=1, scale=1)
    assert washed_out[2:-2, 2:-2].tolist() == [[140] * 4] * 4


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_places_every_image_and_enlarges_without_smoothing(channels):
    images = np.random.default_rng(0).uniform(-1, 1, (7, 8, 8, channels))
    grid = plots.image_grid(images, columns=3, scale=2)
    assert grid.shape == (3 * 18 + 2, 3 * 18 + 2) + (() if channels == 1 else (3,))
    cell = grid[2 + 18 : 2 + 18 + 16, 2 + 36 : 2 + 36 + 16]  # row 1, column 2: image 5
    np.testing.assert_array_equal(cell[::2, ::2].reshape(8, 8, channels), plots.to_uint8(images[5]))
    np.testing.assert_array_equal(cell[::2, ::2], cell[1::2, 1::2])
    assert np.all(grid[-16:, -16:] == 255)  # the last row is not full


@pytest.mark.parametrize("shape", [(8, 8, 1), (2, 8, 8), (2, 8, 8, 2)])
def test_grid_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="Expected images"):
        plots.image_grid(np.zeros(shape), columns=2)


def test_png_round_trip(tmp_path):
    plots.save_grid(tmp_path / "a.png", NOISE, columns=4)
    np.testing.assert_array_equal(imageio.imread(tmp_path / "a.png"), plots.image_grid(NOISE, columns=4))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_caption_is_drawn_below_the_picture():
    picture = np.zeros((100, 200), np.uint8)
    captioned = plots.with_caption(picture, "step 1,234")
    np.testing.assert_array_equal(captioned[:100], picture)
    strip = captioned[100:]
    assert strip.min() < 100 and strip[0].min() == 255 and strip[-1].min() == 255  # ink inside, not clipped


def test_dashboard_shows_what_it_is_given():
    history = {"g_loss": [1.0, 2.0], "d_loss": [1.5, 1.4], "d_real": [0.6, 0.5], "d_fake": [0.4, 0.5]}
    figure = plots.plot_history(history)
    losses, scores = figure.axes
    drawn = {line.get_label(): line for axes in (losses, scores) for line in axes.lines}
    assert drawn["generator"].get_ydata().tolist() == [1.0, 2.0]
    assert drawn["generator"].get_xdata().tolist() == [1.0, 2.0]
    assert drawn["on generated images"].get_ydata().tolist() == [0.4, 0.5]
    assert losses.get_ylabel() and scores.get_xlabel() and scores.get_ylim() == (-0.03, 1.03)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    assert np.all(imageio.imread(buffer.getvalue())[0, 0, :3] == 255)  # opaque white


def test_show_images_uses_the_fixed_range_and_labels_its_rows():
    figure = plots.show_images(NOISE * 0.1, columns=4, titles=["a"], row_titles=["real", "fake"])
    assert figure.axes[0].images[0].get_clim() == (0, 255)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), plots.to_uint8(NOISE[1] * 0.1)[..., 0])
    assert figure.axes[0].get_title() == "a" and len(figure.axes) == 8
    assert [axes.texts[0].get_text() for axes in figure.axes if axes.texts] == ["real", "fake"]
    figure.canvas.draw()
    box = figure.axes[0].texts[0].get_window_extent()
    assert box.x0 >= 0  # nothing of the label is cut off


@pytest.mark.parametrize("channels", [1, 3])
def test_one_image_is_written_as_it_is(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (6, 5, channels), dtype=np.uint8)
    plots.save_image(tmp_path / "new" / "a.png", image)
    assert imageio.imread(tmp_path / "new" / "a.png").reshape(image.shape).tolist() == image.tolist()


def test_colours_have_one_meaning():
    colours = [plots.G_COLOR, plots.D_COLOR, plots.REAL_COLOR, *plots.OTHER_COLORS]
    assert len(set(colours)) == len(colours)
    losses, scores = plots.plot_history({name: [0.5] for name in ("g_loss", "d_loss", "d_real", "d_fake")}).axes
    drawn = {line.get_label(): line.get_color() for axes in (losses, scores) for line in axes.lines}
    assert drawn["generator"] == drawn["on generated images"] == plots.G_COLOR
    assert drawn["discriminator"] == plots.D_COLOR and drawn["on real images"] == plots.REAL_COLOR


def test_what_is_known_by_heart_has_a_panel_of_its_own_where_it_was_measured():
    history = {name: [0.5, 0.6] for name in ("g_loss", "d_loss", "d_real", "d_fake")}
    assert len(plots.plot_history(history).axes) == 2
    *_, third = plots.plot_history(history, [(0, 0.1, 0.2), (1, 3.0, 0.4)]).axes
    drawn = {line.get_label(): line for line in third.lines}
    assert drawn["real, trained on"].get_ydata().tolist() == [0.1, 3.0]
    assert drawn["real, held out"].get_xdata().tolist() == [1.0, 2.0]
    assert third.get_xlabel() == "epoch" and drawn["real, held out"].get_linestyle() == "--"


def test_only_a_cross_entropy_is_drawn_beside_what_cannot_tell():
    history = {name: [0.5, 0.6] for name in ("g_loss", "d_loss", "d_real", "d_fake")}
    for loss, lines, label in (("saturating", 1, "probability of real"), ("wasserstein", 0, "sigmoid of its output")):
        losses, scores = plots.plot_history(history, loss=loss).axes
        for axes, curves in ((losses, 2), (scores, 2)):
            assert len(axes.lines) == curves + lines
        assert scores.get_ylabel() == label


@pytest.mark.parametrize("name", ["name", "name.mp3", "name.gif"])
def test_a_grid_is_written_to_a_picture_file_alone(tmp_path, name):
    with pytest.raises(ValueError, match=r"ends in \.png, \.jpg, \.jpeg, \.webp, got .*name"):
        plots.save_grid(tmp_path / name, np.zeros((2, 4, 4, 1)), columns=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("backend", "module", "words"), [("agg", "ipykernel", 1), ("agg", "other", 0), ("svg", "ipykernel", 0)]
)
def test_a_notebook_that_shows_no_figure_is_told_so(monkeypatch, recwarn, backend, module, words):
    monkeypatch.setattr(plots.plt, "get_backend", lambda: backend)
    monkeypatch.setattr(plots.sys, "modules", {module: None})
    plots.use_style()
    assert [str(each.message).startswith("MPLBACKEND=Agg shows no figure") for each in recwarn] == [True] * words
