"""Named sets of hyperparameters. Every value has its source or the measurement that chose it.

Not here: where images come from, and anything that changes between two runs of one recipe (the seed, the folder).
"""

import dataclasses
import math
from collections.abc import Set

_BUNDLED = 10_000  # training images that the presets' epochs were chosen for, where _MADE_FOR does not say otherwise
FEW_STEPS = 500  # of the `laptop` preset: at step 300 of assets/quickstart.gif all is blurred, at 600 one names clothes


def _hyperparameter(help: str, least: float = 1, below: float = math.inf, default=dataclasses.MISSING):
    """Declares a value once: what it is, the range [least, below) it must be in, and what presets leave it at."""
    return dataclasses.field(default=default, metadata={"help": help, "least": least, "below": below})


@dataclasses.dataclass(frozen=True)
class Preset:
    """All hyperparameters of a run. The command line has an option for each, with the text below as its help.

    Raises ValueError if a value is of another type or outside its range.
    """

    image_size: int = _hyperparameter("Height and width of the images, in pixels.")
    channels: int = _hyperparameter("1 for grey, 3 for RGB.")
    latent_dim: int = _hyperparameter("Length of a latent vector.")
    g_filters: int = _hyperparameter("Channels of the generator's last hidden map.")
    d_filters: int = _hyperparameter("Channels of the discriminator's first map.")
    kernel_size: int = _hyperparameter("Of all convolutions, in pixels.")
    batch_size: int = _hyperparameter("Images a step.")
    epochs: int = _hyperparameter("Passes over the images. With --resume, the new total.")
    g_learning_rate: float = _hyperparameter("Adam's, for the generator.", least=1e-12)
    d_learning_rate: float = _hyperparameter("Adam's, for the discriminator.", least=1e-12)
    beta_1: float = _hyperparameter("Adam's decay of the first moment, for both.", least=0, below=1)
    loss: str = _hyperparameter("non_saturating, saturating, least_squares, hinge or wasserstein.")
    r1_gamma: float = _hyperparameter("Weight of the R1 penalty, 0 for none.", least=0)
    ema_decay: float = _hyperparameter("Decay of the moving average per step, 0 for none.", least=0, below=1)
    frames: int = _hyperparameter("Pictures in the film.")
    augment: str = _hyperparameter(
        "Of color, translation, cutout, flip and noise, with commas between them.", default=""
    )
    pack: int = _hyperparameter("Images that the discriminator reads at a time: against mode collapse.", default=1)
    normalization: str = _hyperparameter("Of the discriminator: batch, spectral or none.", default="batch")
    d_hidden: int = _hyperparameter(
        "Units of a dense layer before the discriminator's logit; for batches of 128 or more.", least=0, default=0
    )
    clusters: int = _hyperparameter("Groups of alike images that both networks are told.", least=0, default=0)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, least, below = getattr(self, field.name), field.metadata["least"], field.metadata["below"]
            allowed = (int, float) if field.type is float else field.type
            if not isinstance(value, allowed) or isinstance(value, bool):
                raise ValueError(f"{field.name} must be of type {field.type.__name__}, got {value!r}.")
            if field.type is not str and not least <= value < below:
                wanted = f"{least:g} or more" + (f" and below {below:g}" if below < math.inf else "")
                raise ValueError(f"{field.name} must be {wanted}, got {value!r}.")


# The paper's training recipe (arXiv 1511.06434, section 4), with the widths of its figure 1: 1024, 512, 256, 128. Two
# things differ: latent vectors come from N(0, 1) instead of a uniform distribution, and the number of epochs is this
# project's, since the paper gives none for such images.
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

# Training images that these presets' epochs were chosen for. They promise minutes: other numbers of images get as many
# steps, in more epochs or fewer.
_MADE_FOR = {"laptop": _BUNDLED, "plain28": _BUNDLED, "laptop64": 1_911}

# What they share. Kernel 4 costs 16/25 of kernel 5 and covers all pixels alike. Narrow layers leave time for more
# steps, a larger rate suits them, and the moving average removes the noise it adds.
_LAPTOP = dataclasses.replace(_PAPER, g_filters=16, d_filters=16, kernel_size=4, ema_decay=0.995, frames=40)

# The paper's networks and nothing more, narrow: what the lessons build by hand. Decent garments in about two minutes on
# two CPU cores. Chosen among other recipes: site/measured.md.
_PLAIN28 = dataclasses.replace(_LAPTOP, epochs=60, g_learning_rate=1.5e-3, d_learning_rate=1.5e-3)

PRESETS = {
    # Half the FID in the same two minutes, by one layer that the paper's authors have at this size in their code: a
    # hidden one before the logit. With it D is strong, and learns at half of G's rate, lest it wins: on ten seeds it
    # did not (assets/tables/stability.csv).
    "laptop": dataclasses.replace(_PLAIN28, d_hidden=64, g_learning_rate=2e-3, d_learning_rate=1e-3),
    "plain28": _PLAIN28,
    # Colour pictures of which one can name people, faces and flags, in minutes on two CPU cores. Chosen as `laptop`
    # was, by the KID after as many images. Batches of 32 and a rate of 2e-3 beat larger batches, smaller rates and,
    # with 1,911 pictures and so few steps, every augmentation.
    "laptop64": dataclasses.replace(
        _LAPTOP, image_size=64, channels=3, batch_size=32, epochs=120, g_learning_rate=2e-3, d_learning_rate=2e-3
    ),
    "paper28": _PAPER,
    "paper64": dataclasses.replace(_PAPER, image_size=64, channels=3),
    # What section 5.1 of the course's document writes: Adam(1e-4) for both, hence beta_1 = 0.9, and 100 epochs. It
    # leaves the networks and the batch size open; here they are the paper's.
    "document": dataclasses.replace(_PAPER, epochs=100, g_learning_rate=1e-4, d_learning_rate=1e-4, beta_1=0.9),
}


def get(name: str, **changes) -> Preset:
    """Returns the preset called `name`, one of `PRESETS`, with single values changed. None means unchanged.

    Raises ValueError if there is no such preset or attribute, or a value is outside its range.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}.")
    changes = {key: value for key, value in changes.items() if value is not None}
    unknown = changes.keys() - {field.name for field in dataclasses.fields(Preset)}
    if unknown:
        raise ValueError(f"A preset has no {', '.join(sorted(unknown))}.")
    return dataclasses.replace(PRESETS[name], **changes)


def following(side: int, channels: int) -> tuple[str, dict[str, int]]:
    """Chooses a preset for images of this shorter side in pixels, 1 channel or 3, and the values of it to change.

    It is `laptop` for small grey images, else `laptop64`: with `image_size` 32 for small, `channels` 1 for grey ones.
    """
    if channels == 1 and side < 48:
        return "laptop", {}
    return "laptop64", {"image_size": 32} if side < 48 else {"channels": 1} if channels == 1 else {}


# Of fewer colour pictures D knows many by heart before the run ends, unless all it sees is shifted. From 500 on, groups
# and half of G's rate help too (assets/tables/few_pictures.csv, folders.csv). Of 4,000 and more none of it does.
_FEW, _TOO_FEW_FOR_GROUPS = 3_000, 500
_OF_HIDDEN = ("d_hidden", "g_learning_rate", "d_learning_rate")  # what `laptop` has for its hidden layer


def suited(preset: Preset, count: int, fixed: Set[str] = frozenset(), name: str = "") -> Preset:
    """Suits batch size and epochs to a number of images, so that a run takes as many steps as the preset was made for.

    Of fewer images batches get smaller, until there are eight an epoch or they have 16; epochs make up for the rest.
    Below 3,000 the D of `laptop64` sees shifted images; from 500 on it is slower, and both networks are told groups. In
    small batches the hidden layer of `laptop` may end a training (assets/tables/stability.csv): it becomes `plain28`.

    Args:
        preset: the hyperparameters, perhaps changed.
        count: how many images there are.
        fixed: names of values that stay as they are, because somebody asked for them.
        name: of the preset they come from: the laptop presets promise minutes.
    """
    batch_size, epochs, made_for = preset.batch_size, preset.epochs, _MADE_FOR.get(name, _BUNDLED)
    if name == "laptop64" and count < _FEW:
        few: dict = {"augment": "translation"}
        if count >= _TOO_FEW_FOR_GROUPS:
            few |= {"clusters": 20, "d_learning_rate": preset.g_learning_rate / 2}
        preset = dataclasses.replace(preset, **{key: few[key] for key in few.keys() - fixed})
    if count == made_for or count > made_for and name not in _MADE_FOR:
        return preset
    if "batch_size" not in fixed:
        while batch_size > 16 and count // batch_size < 8 or batch_size > max(2, count):
            if batch_size // 2 % preset.pack:
                break
            batch_size //= 2
    if name == "laptop" and batch_size < preset.batch_size and not fixed & set(_OF_HIDDEN):
        preset = dataclasses.replace(preset, **{name: getattr(_PLAIN28, name) for name in _OF_HIDDEN})
    if "epochs" not in fixed:
        wanted = preset.epochs * max(1, made_for // preset.batch_size)
        epochs = math.ceil(wanted / max(1, count // batch_size))
    return dataclasses.replace(preset, batch_size=batch_size, epochs=epochs)
