"""One training step in Keras and in PyTorch: a table that notebook 18 reads.

    python benchmarks/torch_steps.py [--seeds 0 1 2] [--steps 10] [--csv FILE]

It needs `pip install torch`.

Columns: seed; step; the losses of discriminator and generator before the step, in Keras, d_keras and g_keras; in
PyTorch as it comes, d_default and g_default; in PyTorch with Adam's epsilon where Keras has it and 0.999 as it rounds
it, d_torch and g_torch; all in float32. Then double: the larger difference of the two losses between Keras and the last
of these, both in float64. All begin with the same weights and see the same images and latent vectors, in batches of 64,
by the recipe of the `plain28` preset.
"""

import runtimes
import tables

HEAD = ("seed", "step", "d_keras", "g_keras", "d_default", "g_default", "d_torch", "g_torch", "double")


def train(run: tuple[int, int]) -> list[tuple]:
    """Takes the steps of one seed, for (seed, steps). Returns the rows of the table."""
    seed, steps = run
    return runtimes.compare_steps(steps, seed)


TABLE = tables.Table("torch_steps", HEAD, ("seed",), ("step",), [(0,), (1,), (2,)], train, steps=10)


if __name__ == "__main__":
    if runtimes.torch is None:
        raise SystemExit("This table needs PyTorch: `pip install torch`.")
    TABLE.main()
