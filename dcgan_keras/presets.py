"""Named sets of hyperparameters. Every value has its source or the measurement that chose it.

Not here: where images come from, and anything that changes between two runs of one recipe (the seed, the folder).
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Preset:
    """All hyperparameters of a run.

    Attributes:
        image_size: height and width in pixels.
        channels: 1 for grey, 3 for RGB.
        latent_dim: length of a latent vector.
        g_filters: channels of the generator's last hidden feature map.
        d_filters: channels of the discriminator's first feature map.
        kernel_size: of all convolutions.
        batch_size: images a step.
        epochs: passes over the images.
        g_learning_rate: Adam's, for the generator.
        d_learning_rate: Adam's, for the discriminator.
        beta_1: Adam's decay of the first moment, for both.
        loss: a name in `losses.LOSSES`.
        r1_gamma: weight of the R1 penalty, 0 for none.
        ema_decay: decay of the generator's moving average per step, 0 for none.
        frames: pictures in the GIF.
    """

    image_size: int
    channels: int
    latent_dim: int
    g_filters: int
    d_filters: int
    kernel_size: int
    batch_size: int
    epochs: int
    g_learning_rate: float
    d_learning_rate: float
    beta_1: float
    loss: str
    r1_gamma: float
    ema_decay: float
    frames: int


# The paper's training recipe (arXiv 1511.06434, section 4): batches of 128, Adam(2e-4, beta_1 = 0.5), 5x5 kernels,
# no averaging. Widths are those of its figure 1, halved towards the image: 1024, 512, 256, 128. Two things differ:
# latent vectors come from N(0, 1) instead of a uniform distribution, and the number of epochs is this project's,
# since the paper gives none for such images.
_PAPER = Preset(
    image_size=28,
    channels=1,
    latent_dim=100,
    g_filters=128,
    d_filters=128,
    kernel_size=5,
    batch_size=128,
    epochs=25,
    g_learning_rate=2e-4,
    d_learning_rate=2e-4,
    beta_1=0.5,
    loss="non_saturating",
    r1_gamma=0.0,
    ema_decay=0.0,
    frames=25,
)

PRESETS = {
    # Decent garments in about two minutes on two CPU cores. Kernel 4 costs 16/25 of kernel 5 and covers all pixels
    # alike. Narrow layers leave time for more steps, a larger rate suits them, and the moving average removes the noise
    # it adds. What was measured against other recipes: README, "What was measured".
    "laptop": dataclasses.replace(
        _PAPER,
        g_filters=16,
        d_filters=16,
        kernel_size=4,
        epochs=60,
        g_learning_rate=1.5e-3,
        d_learning_rate=1.5e-3,
        ema_decay=0.995,
        frames=40,
    ),
    "paper28": _PAPER,
    "paper64": dataclasses.replace(_PAPER, image_size=64, channels=3),
    # What section 5.1 of the course's document writes: Adam(1e-4) for both, hence beta_1 = 0.9, and 100 epochs. It
    # leaves the networks and the batch size open; here they are the paper's.
    "document": dataclasses.replace(_PAPER, epochs=100, g_learning_rate=1e-4, d_learning_rate=1e-4, beta_1=0.9),
}


def get(name: str, **changes) -> Preset:
    """Returns the preset called `name`, with single values changed.

    Args:
        name: one of `PRESETS`.
        **changes: values for attributes of `Preset`. None means unchanged.

    Raises:
        ValueError: if there is no such preset or attribute, or a value is outside its range.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}.")
    changes = {key: value for key, value in changes.items() if value is not None}
    unknown = changes.keys() - {field.name for field in dataclasses.fields(Preset)}
    if unknown:
        raise ValueError(f"A preset has no {', '.join(sorted(unknown))}.")
    preset = dataclasses.replace(PRESETS[name], **changes)
    _check(preset)
    return preset


def _check(preset: Preset) -> None:
    """Checks the values that no network, loss or model checks for itself when it is built."""
    for name in ("batch_size", "epochs", "frames"):
        if not getattr(preset, name) >= 1:
            raise ValueError(f"{name} must be 1 or more, got {getattr(preset, name)!r}.")
    for name in ("g_learning_rate", "d_learning_rate"):
        if not 0 < getattr(preset, name) < float("inf"):
            raise ValueError(f"{name} must be a number over 0, got {getattr(preset, name)!r}.")
    if not 0 <= preset.beta_1 < 1:
        raise ValueError(f"beta_1 must be in [0, 1), got {preset.beta_1!r}.")
