"""One recipe, one source of images, one seed: a run, trained, stopped, resumed and finished.

runs         what a run is, and its folder
starting     a new run and a resumed one, everything that can be wrong said first
trainer      a run trained to its end, its film and its scores
callbacks    what happens between epochs
film         which moments are kept, and the moving picture made of them
devices      where it runs: one device, several, several hosts
"""

from dcgan_keras.training.starting import begin, resume
from dcgan_keras.training.trainer import (
    build,
    evaluate,
    generators,
    load_newest_checkpoint,
    make_film,
    newest_generator,
    train,
)
