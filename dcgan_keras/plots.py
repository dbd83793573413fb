"""Arrays in, pictures out: grids, captions, dashboards.

Images keep a fixed scale, -1 is black and 1 is white, so that a washed-out sample looks washed out. Backgrounds are
opaque white, so that every picture reads in dark mode too. Nothing here knows a network.
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from dcgan_keras import files
from PIL import Image, ImageDraw, ImageFont

# One meaning a colour throughout the course: the generator and what it draws, the discriminator, real images. They are
# told apart with any colour vision (Okabe and Ito), and by marker where they are lines.
G_COLOR, D_COLOR, REAL_COLOR = "#0072B2", "#D55E00", "#009E73"
OTHER_COLORS = ("#CC79A7", "#E69F00", "#56B4E9")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_STYLE: dict = {
    "figure.facecolor": "white", "savefig.facecolor": "white", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.alpha": 0.3, "font.size": 11, "figure.constrained_layout.use": True,
}  # fmt: skip


def use_style() -> None:
    """Makes all later matplotlib figures look like the course's. Warns in a notebook whose backend shows none."""
    plt.rcParams.update(_STYLE)
    if plt.get_backend().lower() == "agg" and "ipykernel" in sys.modules:
        warnings.warn("MPLBACKEND=Agg shows no figure in a notebook: start Jupyter without it.", stacklevel=2)


def to_uint8(images) -> np.ndarray:
    """Maps images from [-1, 1] to 0..255, values outside clipped, shape kept. Images of uint8 stay as they are."""
    if getattr(images, "dtype", None) == np.uint8:
        return np.asarray(images)
    return np.rint((np.clip(np.asarray(images, np.float32), -1, 1) + 1) * 127.5).astype(np.uint8)


def image_grid(images, *, columns: int, scale: int = 2) -> np.ndarray:
    """Lays images out in rows, enlarged without smoothing, with white lines between them.

    Args:
        images: float of shape (count, height, width, 1 or 3) in [-1, 1], or uint8.
        columns: images a row. A last row that is not full is filled with white.
        scale: each pixel becomes scale x scale pixels.

    Returns uint8 of shape (rows * (height * scale + 2) + 2, the same for columns and width), with a last axis of 3 for
    colour images. Raises ValueError if `images` has another shape, or columns or scale are under 1.
    """
    images = to_uint8(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or columns < 1 or scale < 1:
        wanted = "images of shape (count, height, width, 1 or 3), columns and scale of 1 or more"
        raise ValueError(f"Expected {wanted}, got {images.shape}, {columns} and {scale}.")
    images = images.repeat(scale, axis=1).repeat(scale, axis=2)
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    grid = np.full((rows * (height + 2) + 2, columns * (width + 2) + 2, channels), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = (2 + n * (side + 2) for n, side in zip(divmod(place, columns), (height, width)))
        grid[top : top + height, left : left + width] = image
    return grid[..., 0] if channels == 1 else grid


def save_grid(path: str | Path, images, *, columns: int, scale: int = 2) -> None:
    """Writes `image_grid` as a file: ValueError if its ending is not one of a picture, as .png is."""
    if Path(path).suffix.lower() not in _ENDINGS:
        raise ValueError(f"A picture is written to a file that ends in {', '.join(_ENDINGS)}, got {path}.")
    with files.atomic(path) as unfinished:
        Image.fromarray(image_grid(images, columns=columns, scale=scale)).save(unfinished)


def save_image(path: str | Path, image) -> None:
    """Writes one image, of shape (height, width, 1 or 3), float in [-1, 1] or uint8, as a PNG file."""
    with files.atomic(path) as unfinished:
        Image.fromarray(to_uint8(image).squeeze(axis=-1) if image.shape[-1] == 1 else to_uint8(image)).save(unfinished)


def with_caption(picture: np.ndarray, caption: str) -> np.ndarray:
    """Adds a white strip with a line of text, in a size that suits it, below a picture.

    It is uint8 of shape (height, width) or (height, width, 3), and so is what is returned, higher by the strip.
    """
    height, width = picture.shape[:2]
    size = max(12, width // 28)
    image = Image.new("RGB" if picture.ndim == 3 else "L", (width, height + 2 * size), "white")
    image.paste(Image.fromarray(picture), (0, 0))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((size // 2, height + size), caption, fill="black", font=font, anchor="lm")
    return np.asarray(image)


def plot_history(
    history: Mapping[str, Sequence[float]], logit_gap: Sequence[tuple] = (), *, loss: str = "non_saturating"
):
    """Draws the dashboard of a training run, a matplotlib figure: losses above, what the discriminator says below.

    Args:
        history: columns `epoch`, `g_loss`, `d_loss`, `d_real` and `d_fake`, one value an epoch, as in `history.csv`
            or `keras.callbacks.History.history` (whose missing `epoch` is counted from 0).
        logit_gap: rows of epoch, mean logit of training images and of held-out ones; a third panel shows them.
        loss: of the training. Only under a cross-entropy is the discriminator's output the logit of a probability.
    """
    entropy = loss in ("non_saturating", "saturating")
    epochs = 1 + np.asarray(history.get("epoch", range(len(history["g_loss"]))), float)
    every = max(1, len(epochs) // 10)
    with plt.rc_context(_STYLE):
        panels = 3 if len(logit_gap) else 2
        figure, (losses, scores, *third) = plt.subplots(panels, 1, figsize=(9, 3 * panels), sharex=True)
        lines = (
            (losses, "g_loss", "generator", G_COLOR, "o"),
            (losses, "d_loss", "discriminator", D_COLOR, "s"),
            (scores, "d_real", "on real images", REAL_COLOR, "^"),
            (scores, "d_fake", "on generated images", G_COLOR, "o"),
        )
        for axes, key, label, color, marker in lines:
            axes.plot(epochs, history[key], color=color, marker=marker, markevery=every, label=label)
        losses.set(ylabel="loss (nats)" if entropy else f"{loss} loss", title="Losses, mean of each epoch")
        said = "probability of real" if entropy else "sigmoid of its output"
        scores.set(title="What the discriminator says", ylabel=said, ylim=(-0.03, 1.03))
        if entropy:
            losses.axhline(2 * np.log(2), color="grey", linestyle=":", label="discriminator cannot tell: 2 log 2")
            scores.axhline(0.5, color="grey", linestyle=":", label="cannot tell: 0.5")
        for axes in third:
            moments, training, held_out = np.array(logit_gap, float).T
            axes.plot(1 + moments, training, color=REAL_COLOR, marker="^", label="real, trained on")
            axes.plot(1 + moments, held_out, color=REAL_COLOR, marker="v", linestyle="--", label="real, held out")
            axes.set(title="Does it know its images by heart? Then these part", ylabel="mean logit")
        figure.axes[-1].set(xlabel="epoch")
        for axes in figure.axes:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def save_history(path: str | Path, *history, **loss) -> None:
    """Writes `plot_history` as a PNG file."""
    figure = plot_history(*history, **loss)
    with files.atomic(path) as unfinished:
        figure.savefig(unfinished, dpi=120)
    plt.close(figure)


def show_images(
    images, *, columns: int, titles: Sequence[str] = (), row_titles: Sequence[str] = (), inches: float = 0.75
):
    """Draws images in a matplotlib figure, each with an optional title, each row with one at its left.

    Args:
        images: float of shape (count, height, width, 1 or 3) in [-1, 1], or uint8.
        columns: images a row.
        titles, row_titles: one for each of the first images, and of the first rows.
        inches: width of one image.
    """
    images = to_uint8(images)
    rows = -(-len(images) // columns)
    margin = 0.09 * max(map(len, row_titles), default=0)  # inches, wide enough for the longest title of a row
    with plt.rc_context(_STYLE):
        size = (margin + columns * inches, rows * inches * (1.3 if len(titles) else 1))
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        for ax, image in zip(axes.flat, images):
            ax.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        for ax, title in zip(axes.flat, titles):
            ax.set_title(title, fontsize=9)
        for ax, title in zip(axes[:, 0], row_titles):
            ax.text(-0.08, 0.5, title, transform=ax.transAxes, ha="right", va="center", fontsize=11)
    return figure
