"""The command line: `dcgan` and `python -m dcgan_keras`."""

import dataclasses
import inspect
import os
import platform
import shlex
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Optional

import typer
from typer import Argument, Option

os.environ["MPLBACKEND"] = "Agg"  # it draws to files: whatever backend is set may be missing, or want a screen
from dcgan_keras import files, presets  # noqa: E402

app = typer.Typer(
    name="dcgan",
    help="Train DCGANs and watch them learn.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Text = Optional[str]  # these four may be left out, and are None then: the rooms know their defaults
Whole = Optional[int]
Number = Optional[float]
Place = Optional[Path]
RUN = Argument(help="A run folder.")
RUN_OR_FILE = Argument(help="A run folder, or a generator.keras file.")


@contextmanager
def one_sentence_errors():
    """Turns the module's errors and warnings into one sentence each: exit code 2 for bad input, 1 for a failed run."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a folder's name may not exist in the terminal's encoding
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # libraries' notes to their own developers
        warnings.showwarning = lambda message, *_: typer.echo(f"Warning: {message}", err=True)
        try:
            yield
        except (ValueError, FloatingPointError, OSError, ImportError) as error:
            bad_input = isinstance(error, (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError))
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2 if bad_input else 1) from None


def given(options: dict) -> dict:
    """Returns the options that were given: the others are None, and the rooms know their defaults."""
    return {name: value for name, value in options.items() if value is not None}


def with_hyperparameters(command):
    """Gives a command an option for each hyperparameter in place of its `**changes`, as `presets` declares them."""
    signature = inspect.signature(command)
    parameters = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    panel = {"rich_help_panel": "Hyperparameters: the preset's value unless given", "show_default": False}
    for field in dataclasses.fields(presets.Preset):
        option = Annotated[Optional[field.type], Option(help=field.metadata["help"], **panel)]
        parameters += [inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)]
    command.__signature__ = signature.replace(parameters=parameters)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


@app.command()
@with_hyperparameters
def train(
    preset: Annotated[
        Text, Option(help=f"{', '.join(presets.PRESETS)}.", show_default="a laptop one, by the images")
    ] = None,
    source: Annotated[
        Text, Option(help="'bundled', 'bundled:emoji', 'tfds:NAME', or a folder of images.", show_default="bundled")
    ] = None,
    seed: Annotated[Whole, Option(help="Fixes everything random.", show_default="0")] = None,
    run: Annotated[Place, Option(help="Folder for the results.", show_default="runs/PRESET-1, -2, ...")] = None,
    resume: Annotated[bool, Option("--resume", help="Go on with the run in --run.")] = False,
    data_dir: Annotated[Place, Option(help="Folder of TensorFlow Datasets.", show_default=False)] = None,
    conditional: Annotated[
        bool, Option("--conditional", help="Tell the networks what images show; of a folder, its subfolders.")
    ] = False,
    score_every: Annotated[
        Whole,
        Option(
            help="Hold out a tenth of the images, score on them each so many epochs, keep the best.",
            show_default="0, never",
        ),
    ] = None,
    extractor: Annotated[
        Text, Option(help="fashion, emoji or inception, to score with.", show_default="one of the first two")
    ] = None,
    precision: Annotated[Text, Option(help="float32, mixed_float16 or mixed_bfloat16.", show_default="float32")] = None,
    strategy: Annotated[
        str, Option(help="one device; mirrored: all GPUs here, or --replicas; hosts: those of TF_CONFIG.")
    ] = "one",
    replicas: Annotated[
        Whole, Option(help="Devices for mirrored: GPUs, or parts of the CPU.", show_default="all GPUs")
    ] = None,
    **changes,
) -> None:
    """Train a DCGAN and write a run folder: GIF, samples, losses, networks, checkpoints."""
    with one_sentence_errors():
        from dcgan_keras import training
        from dcgan_keras.training import devices, runs, starting

        if strategy == "hosts" and run is None:
            raise ValueError("The strategy 'hosts' needs --run FOLDER, one folder that all hosts share.")
        where = devices.make_strategy(strategy, replicas)
        asked: dict = {"source": source, "preset": preset, "seed": seed, "precision": precision, "extractor": extractor}
        asked |= {"score_every": score_every, "data_dir": data_dir and str(files.at_home(data_dir).absolute())}
        asked = given(asked) | {"conditional": conditional, "changes": given(changes)}
        if resume:
            if run is None:
                raise ValueError("--resume needs --run FOLDER, the run to go on with.")
            this, images = training.resume(run, **asked)
        else:
            this, images = training.begin(run, **asked, strategy=where, say=typer.echo)
        settings, count = this.settings, runs.trained_on(this, images)
        steps, size = count // settings.batch_size, f"{settings.image_size}x{settings.image_size}"
        work, total = f"{settings.epochs:,} epochs of {steps:,} steps of {settings.batch_size}", settings.epochs * steps
        typer.echo(f"Training {this.preset} on {count:,} images from {this.source}, into {this.folder}")
        typer.echo(f"Images of {size}, {'grey' if settings.channels == 1 else 'colour'}; {work}: {total:,} steps")
        if this.class_names or settings.clusters:
            labels = [] if images.labels is None else images.labels.tolist()
            kinds = ", ".join(f"{name} ({labels.count(place):,})" for place, name in enumerate(this.class_names))
            way_out = "" if resume else " (--clusters 0 for none)"
            typer.echo(f"Told apart: {kinds or f'{settings.clusters} clusters of alike images{way_out}'}")
        starting.warn_of_few_steps(total)
        typer.echo(f"Device: {devices.describe(where)}")
        try:
            training.train(this, images, strategy=where)
        except KeyboardInterrupt:
            words = ["dcgan", "train", "--resume", "--run", str(this.folder)]
            quoted = subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
            typer.echo(f"\nStopped. Go on with: {quoted}")
            raise typer.Exit(130) from None
        typer.echo(f"Done. See {this.folder / 'training.gif'} and {this.folder / 'samples.png'}")


@app.command()
def sample(
    run: Annotated[Path, RUN_OR_FILE],
    out: Annotated[Path, Option(help="The PNG file to write.")] = Path("samples.png"),
    rows: Annotated[int, Option(min=1, help="Rows of images.")] = 6,
    columns: Annotated[Whole, Option(min=1, help="Images a row.", show_default="10, or a class a column")] = None,
    seed: Annotated[int, Option(help="Of the latent vectors.")] = 0,
    scale: Annotated[int, Option(min=1, help="Enlargement, a whole number.")] = 2,
    each: Annotated[
        Place, Option(help="Write --count single pictures into this folder instead.", show_default=False)
    ] = None,
    count: Annotated[int, Option(min=1, help="How many single pictures, with --each.")] = 100,
    class_name: Annotated[
        Text, Option("--class", help="Draw this class, by its name or its number from 0.", show_default="each in turn")
    ] = None,
) -> None:
    """Draw new images with a trained generator."""
    with one_sentence_errors():
        from dcgan_keras import models, plots, training
        from dcgan_keras.evaluation import scores
        from dcgan_keras.training import film, runs

        run = files.at_home(run)
        generator, label = training.newest_generator(run), None
        if class_name is not None:
            known = runs.open_run(run).class_names if (run / "config.json").is_file() else ()
            label = runs.class_number(class_name, models.classes(generator), known)
        if each is None:
            vectors, columns = film.grid(generator, rows, columns, seed)
            labels = None if label is None else [label] * len(vectors)
            plots.save_grid(files.at_home(out), models.draw(generator, vectors, labels), columns=columns, scale=scale)
            typer.echo(f"Wrote {out}")
            return
        images = (image for batch in scores.draw(generator, count, seed, label) for image in batch)
        for number, image in enumerate(images):
            plots.save_image(files.at_home(each) / f"{number:0{len(str(count - 1))}d}.png", image)
        typer.echo(f"Wrote {count:,} pictures into {each}")


@app.command()
def export(
    run: Annotated[Path, RUN_OR_FILE],
    format: Annotated[str, Option(help="onnx, litert, litert_float16, litert_int8 or saved_model.")],
    out: Annotated[
        Place,
        Option(
            help="The file to write; of saved_model, the folder.",
            show_default="generator.onnx, .tflite or _saved_model, beside what is exported",
        ),
    ] = None,
) -> None:
    """Write a trained generator for other runtimes: ONNX, LiteRT, TensorFlow Serving."""
    with one_sentence_errors():
        from dcgan_keras import training
        from dcgan_keras.applications import export

        write, ending = export.get(format)
        path = files.at_home(run)
        beside = path / f"generator{ending}" if path.is_dir() else path.with_name(path.stem + ending)
        out = beside if out is None else files.at_home(out)
        write(training.newest_generator(path), out)
        parts = [out] if out.is_file() else [part for part in out.rglob("*") if part.is_file()]
        typer.echo(f"Wrote {out} ({sum(part.stat().st_size for part in parts):,} bytes)")


@app.command()
def restore(
    run: Annotated[Path, RUN_OR_FILE],
    pictures: Annotated[list[Path], Argument(help="Picture files, and folders of them.")],
    inpaint: Annotated[
        Text,
        Option(
            metavar="MASK",
            help="Fill what is white in this picture; center: the middle; erased: what is transparent.",
            show_default=False,
        ),
    ] = None,
    denoise: Annotated[bool, Option("--denoise", help="Remove noise.")] = False,
    upscale: Annotated[Whole, Option(metavar="FACTOR", help="Enlarge so many times.", show_default=False)] = None,
    out: Annotated[Path, Option(help="Folder for the results.")] = Path("restored"),
    restarts: Annotated[Whole, Option(min=1, help="Random starts for each picture.", show_default="4")] = None,
    steps: Annotated[Whole, Option(min=1, help="Of each start.", show_default="300")] = None,
    prior: Annotated[
        Number, Option(help="How much more to trust the generator than the picture.", show_default="0.01")
    ] = None,
    seed: Annotated[int, Option(min=0, help="Of the starts.")] = 0,
) -> None:
    """Fill holes, remove noise or enlarge pictures with a trained generator that knows pictures of their kind.

    For each picture it writes NAME.png, a row of before, after and where the starts differ (white: a quarter of the
    range or more), and NAME_restored.png. Pictures, of 8x8 pixels or more, for --upscale of the small size or more, are
    cropped and resized to the generator's size, as in training.
    """
    with one_sentence_errors():
        from dcgan_keras import training
        from dcgan_keras.applications import restoring

        if [inpaint is not None, denoise, upscale is not None].count(True) != 1:
            raise ValueError("Say what to do, one of --inpaint MASK, --denoise and --upscale FACTOR.")
        generator = training.newest_generator(files.at_home(run))
        search = given({"restarts": restarts, "steps": steps, "prior": prior, "seed": seed})
        if inpaint is not None:
            job = restoring.to_inpaint(generator, inpaint, **search)
        elif upscale is not None:
            job = restoring.to_upscale(generator, upscale, **search)
        else:
            job = restoring.to_denoise(generator, **search)
        channels, shown, failed = restoring.image_shape(generator)[-1], False, False
        for report in restoring.restore_files(job, channels, [*map(files.at_home, pictures)], files.at_home(out)):
            if report.failed:
                typer.echo(f"Error: {report.path}: {report.failed}.", err=True)
                failed = True
                continue
            found = f"{report.error:.1f} from what is known, {report.spread:.1f} between starts"
            remarks = "".join(f" ({remark})" for remark in report.remarks)
            typer.echo(f"{report.path}: {report.done}; {found}{remarks}. Wrote {report.written}")
            shown = True
        if shown:
            typer.echo("The differences are root mean squares in grey levels, of 0 to 255.")
        if failed:
            raise typer.Exit(1)


@app.command()
def gif(
    run: Annotated[Path, RUN],
    out: Annotated[
        Place, Option(help="The file to write: .gif, .webp or .mp4.", show_default="RUN/training.gif")
    ] = None,
    rows: Annotated[Whole, Option(min=1, help="Rows of images.", show_default="6")] = None,
    columns: Annotated[Whole, Option(min=1, help="Images a row.", show_default="as of sample")] = None,
    scale: Annotated[Whole, Option(min=1, help="Enlargement.", show_default="to 560 pixels")] = None,
    seconds: Annotated[Number, Option(min=0.1, help="Length of one round.", show_default="10.0")] = None,
    seed: Annotated[Whole, Option(help="Of the latent vectors.", show_default="that of the run")] = None,
    max_bytes: Annotated[Whole, Option(min=1, help="Largest size of the file.", show_default="5000000")] = None,
) -> None:
    """Make the film of a run again from its snapshots, without training."""
    with one_sentence_errors():
        from dcgan_keras import training
        from dcgan_keras.training import runs

        options = {"rows": rows, "columns": columns, "scale": scale, "seconds": seconds, "seed": seed}
        path = training.make_film(runs.open_run(run), out, **given(options | {"max_bytes": max_bytes}))
        typer.echo(f"Wrote {path} ({path.stat().st_size:,} bytes)")


@app.command()
def evaluate(
    run: Annotated[Path, RUN],
    extractor: Annotated[
        Text,
        Option(
            help="fashion, emoji, or inception, which is downloaded once.",
            show_default="fashion or emoji, by the images",
        ),
    ] = None,
    count: Annotated[int, Option(min=10, help="Images to compare, at most.")] = 10_000,
    seed: Annotated[int, Option(min=0, help="Of latent vectors and of all that is chosen.")] = 0,
) -> None:
    """Score the generators of a run beside real images, and write RUN/scores.json."""
    with one_sentence_errors():
        from dcgan_keras import training
        from dcgan_keras.evaluation import scores
        from dcgan_keras.training import runs

        this = runs.open_run(run)
        columns = training.evaluate(this, extractor, count=count, seed=seed)
        first = columns[0][0]
        network = f"extractor {first.extractor} {first.extractor_sha256[:12]}"
        typer.echo(scores.table(columns))
        typer.echo(f"{first.count:,} images against {first.reference}; {network}; seed {first.seed}")
        typer.echo(f"Wrote {this.folder / 'scores.json'}")


@app.command()
def info() -> None:
    """Show versions, devices and threads."""
    with one_sentence_errors():
        from dcgan_keras.training import devices, runs

        about = runs.versions() | {"system": platform.platform(), "device": devices.describe()}
        for name, value in about.items():
            typer.echo(f"{name:12s} {value}")


if __name__ == "__main__":
    app()
