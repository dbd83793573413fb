"""A source of images in, shuffled batches out, with what the images show where networks are told.

sources     what comes with the package, a folder, a data set: all images in one array
tfds        the source tfds:NAME
pictures    one picture file, read safely
clusters    groups of alike images
batches     an array of images served in batches
"""

from dcgan_keras.data.batches import Labelled, labelled, make_dataset, make_stream
from dcgan_keras.data.clusters import cluster
from dcgan_keras.data.sources import (
    CATEGORIES,
    CLASS_NAMES,
    EMOJI_SHAPE,
    assets_folder,
    emoji_table,
    images_digest,
    is_bundled,
    load_bundled,
    load_dataset,
    load_images,
    load_labelled,
    look,
)
