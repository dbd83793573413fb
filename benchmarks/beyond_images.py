"""Moving garments, and tables and chairs of voxels: the table that notebooks 17 and 17b read.

    python benchmarks/beyond_images.py [--arms voxels ...] [--seeds 0 1 2] [--steps 6000] [--jobs 2] [--csv FILE]

Five arms, three seeds each. `voxels`: tables and chairs of 16x16x16, with heights as channels. `mirrored`: the same by
a generator that draws the left half alone and mirrors it. `motion`: clips of 16 frames of 32x32, by a generator that
draws each frame from one content vector and a recurrent motion vector (arXiv 1707.04993). `channels`: the same clips by
a generator whose last layer has a channel for each frame. `placed`: by a generator that draws one picture for a clip,
and says where it is in each frame. All are trained by the module's `DCGAN`, with one discriminator for both kinds of
shapes, and one for all three of clips. An hour of one core. Runs that are in the file already, as long, are not done
again. Notebooks 17 and 17b have the same functions.

Columns: arm, seed; steps; seconds of one core, training alone; measure and value. Of shapes, 500 of them above 0: the
shares with one piece, on the floor, on four legs, symmetric at a mirror overlap of 0.75 (`symmetric`) and 0.9
(`symmetric 0.9`), with all four (`valid`, `valid 0.9`), and shares valid at the thresholds -0.4 and 0.4. Of clips, 300
of them: mean speed in pixels a frame, distance of their speeds from those of 300 real clips, straightness (mean cosine
between a step and the next), drift (mean distance of the features of a frame from those of the first) and likeness (KID
of the garments in a middle frame against those of the real clips).
"""

import time

import dcgan_keras  # first: it keeps TensorFlow's start-up lines away
import keras
import numpy as np
import tables
import tensorflow as tf
from dcgan_keras import data, models
from dcgan_keras.evaluation import extractors, metrics
from keras import layers, ops
from scipy import ndimage

ARMS = ("voxels", "mirrored", "motion", "channels", "placed")
SEEDS = (0, 1, 2)
HEAD = ("arm", "seed", "steps", "seconds", "measure", "value")
SIDE = 16  # voxels
FRAMES, SIZE, GARMENT = 16, 32, 14  # frames of a clip, pixels of a frame and of a garment
CONTENT, MOTION = 48, 16  # numbers of a latent vector that say what is shown, and how it moves


# Tables and chairs.


def box(*sides):
    """Share of each voxel inside a box, from the (start, end) of its three sides."""
    cells = np.arange(SIDE)
    covers = [np.clip(np.minimum(end, cells + 1) - np.maximum(start, cells), 0, 1) for start, end in sides]
    return np.einsum("i,j,k->ijk", *covers)


def furniture(count, seed):
    """Tables and chairs by chance: shares in [0, 1], shape (count, height, depth, width)."""
    rng, shapes = np.random.default_rng(seed), []
    for _ in range(count):
        chair = rng.random() < 0.5
        seat = rng.uniform(4, 8) if chair else rng.uniform(6, 12)
        half_depth, half_width = rng.uniform(3, 6, 2) if chair else rng.uniform(4, 7.5, 2)
        thick, leg = rng.uniform(1.5, 2.5, 2)
        near, far = 8 - half_depth, 8 + half_depth
        left, right = 8 - half_width, 8 + half_width
        parts = [box((seat, seat + thick), (near, far), (left, right))]
        for rows in ((near, near + leg), (far - leg, far)):
            for columns in ((left, left + leg), (right - leg, right)):
                parts.append(box((0, seat + thick), rows, columns))
        if chair:
            top = rng.uniform(11, 15.5)
            parts.append(box((seat, top), (near, near + thick), (left, right)))
        shapes.append(np.max(parts, axis=0))
    return np.array(shapes, np.float32)


def pieces(grids):
    """Counts the connected pieces of grids of truth values: neighbours share a side."""
    return np.array([ndimage.label(grid)[1] for grid in grids])


def mirror_overlap(shapes):
    """Intersection over union of each shape with its mirror image, left for right."""
    mirror = shapes[..., ::-1]
    both, either = (shapes & mirror).sum(axis=(1, 2, 3)), (shapes | mirror).sum(axis=(1, 2, 3))
    return both / np.maximum(either, 1)


def report(shapes, overlap=0.75):
    """Says of each shape (count, height, depth, width), truth values, what it satisfies."""
    return {
        "one piece": pieces(shapes) == 1,
        "on the floor": shapes[:, 0].any(axis=(1, 2)),
        "four legs": pieces(shapes[:, 0]) == 4,
        "symmetric": mirror_overlap(shapes) >= overlap,
    }


def valid(shapes, overlap=0.75):
    """Share of the shapes that satisfy all of `report`."""
    return np.all(list(report(shapes, overlap).values()), axis=0).mean()


def overlap(shapes, others):
    """Intersection over union of each shape with each other one, all truth values: (count, others)."""
    flat, other = (each.reshape(len(each), -1).astype(np.float32) for each in (shapes, others))
    both = flat @ other.T
    return both / np.maximum(flat.sum(axis=1)[:, None] + other.sum(axis=1) - both, 1)


# Moving garments.


def corners(places):
    """The four whole places around each fractional one (count, 2), and the share of each."""
    whole = np.floor(places).astype(int)
    part = places - whole
    for offset in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = np.prod(np.abs(1 - np.array(offset) - part), axis=1)
        rows = (whole[:, 0] + offset[0])[:, None, None] + np.arange(GARMENT)[:, None]
        columns = (whole[:, 1] + offset[1])[:, None, None] + np.arange(GARMENT)
        yield (np.arange(len(places))[:, None, None], rows, columns), share[:, None, None]


def moving(images, count, seed):
    """Clips uint8 (count, 32, 32, 16) of a garment that moves and bounces, and its places."""
    rng, room = np.random.default_rng(seed), SIZE - GARMENT
    small = images[..., 0].reshape(-1, GARMENT, 2, GARMENT, 2).mean(axis=(2, 4))
    chosen = small[rng.integers(0, len(small), count)]
    start = rng.uniform(0, room, (count, 1, 2))
    angle, speed = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.5, 2.0, count)
    velocity = (speed * [np.cos(angle), np.sin(angle)]).T[:, None]
    way = start + velocity * np.arange(FRAMES)[:, None]
    places = room - np.abs(way % (2 * room) - room)  # folded at both walls
    frames = np.zeros((count * FRAMES, SIZE + 1, SIZE + 1), np.float32)
    for at, share in corners(places.reshape(-1, 2)):
        frames[at] += share * np.repeat(chosen, FRAMES, axis=0)
    frames = frames[:, :SIZE, :SIZE].reshape(count, FRAMES, SIZE, SIZE)
    return np.rint(frames.transpose(0, 2, 3, 1)).astype(np.uint8), places


def track(clips):
    """Centre of light in clips (count, 32, 32, 16): places (count, 16, 2) in pixels."""
    light = np.clip(clips.astype(np.float32) - 40, 0, None)  # dark noise does not count
    total, middle = light.sum(axis=(1, 2)) + 1e-6, np.arange(SIZE) + 0.5
    by_row, by_column = np.einsum("nhwt,h->nt", light, middle), np.einsum("nhwt,w->nt", light, middle)
    return np.stack([by_row / total, by_column / total], axis=-1)


def crops(clips):
    """Cuts the garment out of every frame, at twice its size: uint8 (count * 16, 28, 28, 1)."""
    frames = clips.transpose(0, 3, 1, 2).reshape(-1, SIZE, SIZE)
    frames = np.pad(frames, ((0, 0), (0, 1), (0, 1)))
    places = np.clip(track(clips).reshape(-1, 2) - GARMENT / 2, 0, SIZE - GARMENT)
    cut = sum(share * frames[at] for at, share in corners(places))
    return np.rint(cut.repeat(2, axis=1).repeat(2, axis=2))[..., np.newaxis].astype(np.uint8)


def speeds(clips):
    """Pixels from each frame to the next, shape (count, 15)."""
    return np.linalg.norm(np.diff(track(clips), axis=1), axis=-1)


def straightness(clips):
    """Mean cosine of the angle between a step and the next, of each clip."""
    steps = np.diff(track(clips), axis=1)
    lengths = np.linalg.norm(steps, axis=-1) + 1e-6
    return np.mean((steps[:, 1:] * steps[:, :-1]).sum(axis=-1) / lengths[:, 1:] / lengths[:, :-1], axis=1)


def drift(clips, extractor):
    """Mean distance of the features of frames from those of the first, of each clip."""
    features = extractor(crops(clips)).features.reshape(len(clips), FRAMES, -1)
    return np.linalg.norm(features[:, 1:] - features[:, :1], axis=-1).mean(axis=1)


def likeness(clips, real, extractor):
    """KID of the garments in a middle frame of each clip, against those of real clips."""
    features = [extractor(crops(some)[FRAMES // 2 :: FRAMES]).features for some in (real, clips)]
    return metrics.kid(*features, subset_size=50, seed=0).mean


def distance(values, others):
    """Earth mover's distance of two sets of numbers: mean distance of their quantiles."""
    shares = np.linspace(0, 1, 201)
    return np.abs(np.quantile(values, shares) - np.quantile(others, shares)).mean()


# Networks. Their weights are drawn after keras.utils.set_random_seed.


def settings():
    """What every convolution has: kernel 4, stride 2, weights from N(0, 0.02)."""
    normal = keras.initializers.RandomNormal(0, models.WEIGHTS_STDDEV)
    return {"kernel_size": 4, "strides": 2, "padding": "same", "kernel_initializer": normal}


def normed(x, activation):
    return activation(models.fast.FastBatchNormalization(momentum=0.9, epsilon=1e-5)(x))


def start_map(x, width, columns=4):
    """Project and reshape: a map of 4x4, or of fewer columns."""
    normal = keras.initializers.RandomNormal(0, models.WEIGHTS_STDDEV)
    x = layers.Dense(4 * columns * width, use_bias=False, kernel_initializer=normal)(x)
    return normed(layers.Reshape((4, columns, width))(x), layers.ReLU())


def upwards(x, widths, channels):
    """Doubles the map for each width, and once more for the output in [-1, 1]."""
    for width in widths:
        x = layers.Conv2DTranspose(width, use_bias=False, **settings())(x)
        x = normed(x, layers.ReLU())
    return layers.Activation("tanh")(models.fast.FastConv2DTranspose(channels, **settings())(x))


def downwards(x, widths, anywhere=False):
    """Halves the map for each width. One logit, of the map or of its mean over places."""
    x = layers.LeakyReLU(models.LEAKY_SLOPE)(layers.Conv2D(widths[0], **settings())(x))
    for width in widths[1:]:
        x = layers.Conv2D(width, use_bias=False, **settings())(x)
        x = normed(x, layers.LeakyReLU(models.LEAKY_SLOPE))
    normal = keras.initializers.RandomNormal(0, models.WEIGHTS_STDDEV)
    x = layers.GlobalAveragePooling2D()(x) if anywhere else layers.Flatten()(x)
    return layers.Dense(1, kernel_initializer=normal)(x)


def voxel_generator(filters=64, latent_dim=32):
    """Shapes (height, depth, width). Inside, heights are channels."""
    latent = layers.Input((latent_dim,))
    maps = upwards(start_map(latent, 2 * filters), [filters], SIDE)
    return keras.Model(latent, layers.Permute((3, 1, 2))(maps))


def mirrored_generator(filters=64, latent_dim=32):
    """The same, but it draws the left half alone. The right half is its mirror image."""
    latent = layers.Input((latent_dim,))
    half = upwards(start_map(latent, 2 * filters, columns=2), [filters], SIDE)
    maps = layers.Concatenate(axis=2)([half, ops.flip(half, axis=2)])
    return keras.Model(latent, layers.Permute((3, 1, 2))(maps))


def voxel_discriminator(filters=64):
    """A logit for a shape."""
    shape = layers.Input((SIDE, SIDE, SIDE))
    return keras.Model(shape, downwards(layers.Permute((2, 3, 1))(shape), [filters, 2 * filters]))


def to_frames(x):
    """Clips (count, 32, 32, frames) as single frames (count * frames, 32, 32, 1)."""
    return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, SIZE, SIZE, 1))


def to_clips(x):
    """The way back."""
    return ops.transpose(ops.reshape(x, (-1, FRAMES, SIZE, SIZE)), (0, 2, 3, 1))


def motion_generator(filters=16, memory=16):
    """One content vector a clip, a motion vector a frame, one 2-D generator.

    The motion vector starts anywhere, and a recurrent layer says how it changes by frame.
    """
    latent = layers.Input((CONTENT + MOTION,))
    content = layers.RepeatVector(FRAMES)(latent[:, :CONTENT])
    motion = layers.RepeatVector(FRAMES)(latent[:, CONTENT:])
    changes = layers.GRU(memory, return_sequences=True)(motion)
    first = layers.Dense(memory)(latent[:, CONTENT:])
    motion = first[:, None] + ops.cumsum(changes, axis=1) / 4  # steady change: steady movement
    both = ops.reshape(layers.Concatenate()([content, motion]), (-1, CONTENT + memory))
    frames = upwards(start_map(both, 4 * filters), [2 * filters, filters], 1)
    return keras.Model(latent, to_clips(frames))


def channels_generator(filters=16):
    """The 2-D generator with a channel for each frame."""
    latent = layers.Input((CONTENT + MOTION,))
    return keras.Model(latent, upwards(start_map(latent, 4 * filters), [2 * filters, filters], FRAMES))


def shifts(places):
    """Matrices (count, frames, 32, 14) that put 14 lines at a place among 32, in two shares."""
    gaps = ops.convert_to_tensor(np.subtract.outer(np.arange(SIZE), np.arange(GARMENT)), "float32")
    return ops.relu(1 - ops.abs(gaps - places[..., None, None]))


def placed_generator(filters=16, memory=16):
    """Draws one garment for a clip, and says for each frame where it is."""
    latent = layers.Input((CONTENT + MOTION,))
    content, motion = latent[:, :CONTENT], latent[:, CONTENT:]
    image = dcgan_keras.build_generator(28, latent_dim=CONTENT, filters=filters)(content)
    light = layers.AveragePooling2D(2)((image + 1) / 2)[..., 0]  # (count, 14, 14), 0 is black
    changes = layers.GRU(memory, return_sequences=True)(layers.RepeatVector(FRAMES)(motion))
    way = layers.Dense(memory)(motion)[:, None] + ops.cumsum(changes, axis=1) / 4
    places = (SIZE - GARMENT) * ops.sigmoid(layers.Dense(2)(way))
    lines = ops.einsum("ntig,ngh->ntih", shifts(places[..., 0]), light)
    frames = ops.einsum("ntih,ntjh->nijt", lines, shifts(places[..., 1]))
    return keras.Model(latent, 2 * frames - 1)


def clip_discriminator(filters=12, frame_filters=16):
    """A logit for the movement, at a quarter of the size, plus one for two frames."""
    clip = layers.Input((SIZE, SIZE, FRAMES))
    movement = downwards(layers.AveragePooling2D(4)(clip), [filters, 2 * filters])
    widths = [frame_filters, 2 * frame_filters, 4 * frame_filters]
    each = downwards(to_frames(clip[..., 4::8]), widths, anywhere=True)
    look = ops.mean(ops.reshape(each, (-1, 2)), axis=1, keepdims=True)
    return keras.Model(clip, layers.Add()([movement, look]))


def draw(generator, count, seed=1):
    """So many outputs of a generator, in [-1, 1], the same latent vectors each time."""
    latents = tf.random.stateless_normal((count, models.latent_dim(generator)), (seed, 0))
    return np.concatenate([np.asarray(generator(part, training=False)) for part in tf.split(latents, count // 50)])


# The table.


GENERATORS = {
    "voxels": voxel_generator,
    "mirrored": mirrored_generator,
    "motion": motion_generator,
    "channels": channels_generator,
    "placed": placed_generator,
}
SHAPES = ("voxels", "mirrored")  # the others draw clips


def build(arm, seed):
    keras.utils.set_random_seed(seed)
    if arm in SHAPES:
        discriminator, rate, options = voxel_discriminator, 1e-3, {"ema_decay": 0.998}
    else:
        discriminator, rate, options = clip_discriminator, 1.5e-3, {"ema_decay": 0.995, "r1_gamma": 0.5}
    gan = dcgan_keras.DCGAN(GENERATORS[arm](), discriminator(), seed=seed, **options)
    gan.compile(keras.optimizers.Adam(rate, beta_1=0.5), keras.optimizers.Adam(rate, beta_1=0.5))
    return gan


def fit(gan, real, steps, batch_size, seed):
    """Trains on uint8 examples. Returns the seconds of one core."""
    stream = iter(data.make_stream(real, batch_size=batch_size, seed=seed))
    gan.make_train_function()  # the one that Keras's `fit` calls
    start = time.process_time()
    for _ in range(steps):
        gan.train_function(stream)
    return time.process_time() - start


def measures(arm, generator):
    """Pairs of measure and value."""
    if arm in SHAPES:
        drawn = draw(generator, 500)
        found = {name: flags.mean() for name, flags in report(drawn > 0).items()}
        found["symmetric 0.9"] = (mirror_overlap(drawn > 0) >= 0.9).mean()
        found |= {"valid": valid(drawn > 0), "valid 0.9": valid(drawn > 0, 0.9)}
        return found | {f"valid above {level}": valid(drawn > level) for level in (-0.4, 0.4)}
    real, _ = moving(data.load_bundled("test")[0], 300, seed=1)
    clips, extractor = ((draw(generator, 300) + 1) * 127.5).astype(np.uint8), extractors.load("fashion")
    return {
        "speed": speeds(clips).mean(),
        "distance of speeds": distance(speeds(clips), speeds(real)),
        "straightness": straightness(clips).mean(),
        "drift": drift(clips, extractor).mean(),
        "likeness": likeness(clips, real, extractor),
    }


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains once, for (arm, seed, steps). Returns the rows of the table."""
    arm, seed, steps = run
    if arm in SHAPES:
        real, batch_size = np.rint(255 * furniture(4_000, 0)).astype(np.uint8), 32
    else:
        images = data.load_bundled()[0]
        real, batch_size = np.concatenate([moving(images, 4_000, part)[0] for part in (0, 1)]), 64
    gan = build(arm, seed)
    seconds = fit(gan, real, steps, batch_size, seed)
    found = measures(arm, gan.ema_generator)
    return [(arm, seed, steps, f"{seconds:.0f}", name, f"{value:.4f}") for name, value in found.items()]


RUNS = [(arm, seed) for seed in SEEDS for arm in ARMS]
LENGTHS = {arm: 6_000 if arm in SHAPES else 2_000 for arm in ARMS}
TABLE = tables.Table("beyond_images", HEAD, ("arm", "seed"), ("measure",), RUNS, train, steps=LENGTHS, jobs=2)


if __name__ == "__main__":
    TABLE.main()
