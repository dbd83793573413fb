"""The command line: `dcgan` and `python -m dcgan_keras`."""

import dataclasses
import platform
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    name="dcgan",
    help="Train DCGANs and watch them learn.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RUN = typer.Argument(help="A run folder.")
COLUMNS = typer.Option(min=1, help="Images a row.")
ROWS = typer.Option(min=1, help="Rows of images.")
RECIPE = "Hyperparameters: the preset's value unless given"


def hyperparameter(help: str) -> typer.models.OptionInfo:
    return typer.Option(help=help, rich_help_panel=RECIPE, show_default=False)


@app.command()
def train(
    preset: Annotated[
        Optional[str], typer.Option(help="laptop, paper28, paper64 or document.", show_default="laptop")
    ] = None,
    source: Annotated[
        Optional[str], typer.Option(help="'bundled', 'tfds:NAME', or a folder of images.", show_default="bundled")
    ] = None,
    seed: Annotated[Optional[int], typer.Option(help="Fixes everything random.", show_default="0")] = None,
    run: Annotated[
        Optional[Path],
        typer.Option(help="Folder for the results.", show_default="runs/PRESET-1, -2, ..."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --run.")] = False,
    data_dir: Annotated[Optional[Path], typer.Option(help="Folder of TensorFlow Datasets.", show_default=False)] = None,
    score_every: Annotated[
        Optional[int],
        typer.Option(
            help="Hold out a tenth of the images, score the generator on them each so many epochs and keep the best.",
            show_default="0, never",
        ),
    ] = None,
    precision: Annotated[
        Optional[str], typer.Option(help="float32, mixed_float16 or mixed_bfloat16.", show_default="float32")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="one device; mirrored: all GPUs here, or --replicas; hosts: those of TF_CONFIG.")
    ] = "one",
    replicas: Annotated[
        Optional[int], typer.Option(help="Devices for mirrored: GPUs, or parts of the CPU.", show_default="all GPUs")
    ] = None,
    epochs: Annotated[Optional[int], hyperparameter("Passes over the images. With --resume, the new total.")] = None,
    image_size: Annotated[Optional[int], hyperparameter("Height and width of the images, in pixels.")] = None,
    channels: Annotated[Optional[int], hyperparameter("1 for grey, 3 for RGB.")] = None,
    batch_size: Annotated[Optional[int], hyperparameter("Images a step.")] = None,
    latent_dim: Annotated[Optional[int], hyperparameter("Length of a latent vector.")] = None,
    g_filters: Annotated[Optional[int], hyperparameter("Channels of the generator's last hidden map.")] = None,
    d_filters: Annotated[Optional[int], hyperparameter("Channels of the discriminator's first map.")] = None,
    kernel_size: Annotated[Optional[int], hyperparameter("Of all convolutions, in pixels.")] = None,
    g_learning_rate: Annotated[Optional[float], hyperparameter("Adam's, for the generator.")] = None,
    d_learning_rate: Annotated[Optional[float], hyperparameter("Adam's, for the discriminator.")] = None,
    beta_1: Annotated[Optional[float], hyperparameter("Adam's decay of the first moment.")] = None,
    loss: Annotated[
        Optional[str], hyperparameter("non_saturating, saturating, least_squares, hinge or wasserstein.")
    ] = None,
    r1_gamma: Annotated[Optional[float], hyperparameter("Weight of the R1 penalty, 0 for none.")] = None,
    ema_decay: Annotated[Optional[float], hyperparameter("Decay of the moving average, 0 for none.")] = None,
    frames: Annotated[Optional[int], hyperparameter("Pictures in the GIF.")] = None,
) -> None:
    """Train a DCGAN and write a run folder: GIF, samples, losses, networks, checkpoints."""
    given = locals()
    with one_sentence_errors():
        from dcgan_keras import devices, presets, runs

        if strategy == "hosts" and run is None:
            raise ValueError("The strategy 'hosts' needs --run FOLDER, one folder that all hosts share.")
        engine = devices.make_strategy(strategy, replicas)
        names = [field.name for field in dataclasses.fields(presets.Preset)]
        changes = {name: given[name] for name in names if given[name] is not None}
        asked = {"source": source, "seed": seed, "score_every": score_every, "precision": precision}
        if resume:
            this = resumed(run, {"preset": preset, **asked, **changes})
            images = runs.load_images(this)
        else:
            name = "laptop" if preset is None else preset
            settings = presets.get(name, **changes)
            folder = run or runs.free_folder("runs", name)
            asked = {name: value for name, value in asked.items() if value is not None}
            this = runs.Run(folder, settings, name, data_dir=data_dir and str(data_dir), **asked)
            # All that can be wrong with the input shows here, before the folder exists.
            runs.build(settings, this.seed)
            images = runs.load_images(this)
            runs.check_images(this, images)
            devices.check_batch(settings.batch_size, engine)
            if devices.is_chief(engine):
                runs.create(this)
        typer.echo(f"Training {this.preset} on {len(images):,} images from {this.source}, into {this.folder}")
        typer.echo(f"Device: {devices.describe(engine)}")
        try:
            runs.train(this, images, engine)
        except KeyboardInterrupt:
            typer.echo(f"\nStopped. Go on with: dcgan train --resume --run {this.folder}")
            raise typer.Exit(130) from None
        typer.echo(f"Done. See {this.folder / 'training.gif'} and {this.folder / 'samples.png'}")


def resumed(folder: Optional[Path], changes: dict) -> "runs.Run":  # noqa: F821
    """Opens the run to go on with, and refuses to change anything of it but the number of epochs."""
    from dcgan_keras import runs

    if folder is None:
        raise ValueError("--resume needs --run FOLDER, the run to go on with.")
    run = runs.open_run(folder)
    names = ("preset", "source", "seed", "score_every", "precision")
    kept = {**dataclasses.asdict(run.settings), **{name: getattr(run, name) for name in names}}
    asked = {name: value for name, value in changes.items() if name != "epochs" and value is not None}
    changed = [name for name, value in asked.items() if kept[name] != value]
    if changed:
        raise ValueError(f"A resumed run keeps its settings, --{changed[0].replace('_', '-')} cannot change.")
    epochs = changes.get("epochs", run.settings.epochs)
    if epochs < run.settings.epochs:
        raise ValueError(f"The run was started for {run.settings.epochs} epochs, --epochs {epochs} is fewer.")
    return runs.extend(run, epochs) if epochs > run.settings.epochs else run


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder, or a generator.keras file.")],
    out: Annotated[Path, typer.Option(help="The PNG file to write.")] = Path("samples.png"),
    rows: Annotated[int, ROWS] = 6,
    columns: Annotated[int, COLUMNS] = 10,
    seed: Annotated[int, typer.Option(help="Of the latent vectors.")] = 0,
    scale: Annotated[int, typer.Option(min=1, help="Enlargement, a whole number.")] = 2,
) -> None:
    """Draw new images with a trained generator."""
    with one_sentence_errors():
        from dcgan_keras import plots, runs

        generator = runs.load_generator(run / "generator.keras" if run.is_dir() else run)
        latents = runs.film_latents(generator.input_shape[-1], rows * columns, seed)
        plots.save_grid(out, generator(latents, training=False), columns=columns, scale=scale)
        typer.echo(f"Wrote {out}")


@app.command()
def gif(
    run: Annotated[Path, RUN],
    out: Annotated[Optional[Path], typer.Option(help="The file to write.", show_default="RUN/training.gif")] = None,
    rows: Annotated[int, ROWS] = 6,
    columns: Annotated[int, COLUMNS] = 10,
    scale: Annotated[Optional[int], typer.Option(min=1, help="Enlargement.", show_default="to 560 pixels")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one round.")] = 10.0,
    seed: Annotated[Optional[int], typer.Option(help="Of the latent vectors.", show_default="that of the run")] = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Largest size of the file.")] = 3_000_000,
) -> None:
    """Make the GIF of a run again from its snapshots, without training."""
    with one_sentence_errors():
        from dcgan_keras import runs

        path = runs.make_gif(
            runs.open_run(run),
            out,
            rows=rows,
            columns=columns,
            scale=scale,
            seconds=seconds,
            seed=runs.FILM_SEED if seed is None else seed,
            max_bytes=max_bytes,
        )
        typer.echo(f"Wrote {path} ({path.stat().st_size:,} bytes)")


@app.command()
def evaluate(
    run: Annotated[Path, RUN],
    extractor: Annotated[
        Optional[str],
        typer.Option(help="fashion, or inception, which is downloaded once.", show_default="by the images' size"),
    ] = None,
    count: Annotated[int, typer.Option(min=10, help="Images to compare, at most.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of latent vectors and of all that is chosen.")] = 0,
) -> None:
    """Score the generators of a run beside real images, and write RUN/scores.json."""
    with one_sentence_errors():
        from dcgan_keras import runs, scores

        columns = runs.evaluate(runs.open_run(run), extractor, count=count, seed=seed)
        first = columns[0][0]
        typer.echo(scores.table(columns))
        typer.echo(
            f"{first.count:,} images against {first.reference}; extractor {first.extractor} "
            f"{first.extractor_sha256[:12]}; seed {first.seed}"
        )
        typer.echo(f"Wrote {run / 'scores.json'}")


@app.command()
def info() -> None:
    """Show versions, devices and threads."""
    with one_sentence_errors():
        import dcgan_keras
        import keras
        import numpy
        import tensorflow as tf
        from dcgan_keras import devices

        for name, value in {
            "dcgan_keras": dcgan_keras.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "device": devices.describe(),
        }.items():
            typer.echo(f"{name:12s} {value}")


@contextmanager
def one_sentence_errors():
    """Turns the module's errors and warnings into one sentence each: exit code 2 for bad input, 1 for a failed run."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: typer.echo(f"Warning: {message}", err=True)
        try:
            yield
        except (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None
        except (FloatingPointError, OSError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
