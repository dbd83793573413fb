"""The command line: `dcgan` and `python -m dcgan_keras`."""

import dataclasses
import inspect
import os
import platform
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple, Optional

import typer

os.environ["MPLBACKEND"] = "Agg"  # it draws to files: whatever backend is set may be missing, or want a screen
from dcgan_keras import presets  # noqa: E402

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
KEPT = ("preset", "seed", "precision")  # of a run, and all hyperparameters but the epochs: a resume changes none


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
        except (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None
        except (FloatingPointError, OSError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None


def with_hyperparameters(command):
    """Gives a command an option for each hyperparameter in place of its `**changes`, as `presets` declares them."""
    signature = inspect.signature(command)
    parameters = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    panel = {"rich_help_panel": "Hyperparameters: the preset's value unless given", "show_default": False}
    for field in dataclasses.fields(presets.Preset):
        option = Annotated[Optional[field.type], typer.Option(help=field.metadata["help"], **panel)]
        parameters.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        )
    command.__signature__ = signature.replace(parameters=parameters)
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


@app.command()
@with_hyperparameters
def train(
    preset: Annotated[
        Optional[str], typer.Option(help=f"{', '.join(presets.PRESETS)}.", show_default="a laptop one, by the images")
    ] = None,
    source: Annotated[
        Optional[str],
        typer.Option(help="'bundled', 'bundled:emoji', 'tfds:NAME', or a folder of images.", show_default="bundled"),
    ] = None,
    seed: Annotated[Optional[int], typer.Option(help="Fixes everything random.", show_default="0")] = None,
    run: Annotated[
        Optional[Path],
        typer.Option(help="Folder for the results.", show_default="runs/PRESET-1, -2, ..."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --run.")] = False,
    data_dir: Annotated[Optional[Path], typer.Option(help="Folder of TensorFlow Datasets.", show_default=False)] = None,
    conditional: Annotated[
        bool, typer.Option("--conditional", help="Tell the networks what images show; of a folder, its subfolders.")
    ] = False,
    score_every: Annotated[
        Optional[int],
        typer.Option(
            help="Hold out a tenth of the images, score the generator on them each so many epochs and keep the best.",
            show_default="0, never",
        ),
    ] = None,
    extractor: Annotated[
        Optional[str],
        typer.Option(help="fashion, emoji or inception, to score with.", show_default="one of the first two"),
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
    **changes,
) -> None:
    """Train a DCGAN and write a run folder: GIF, samples, losses, networks, checkpoints."""
    with one_sentence_errors():
        from dcgan_keras import devices, runs, training

        if strategy == "hosts" and run is None:
            raise ValueError("The strategy 'hosts' needs --run FOLDER, one folder that all hosts share.")
        where = devices.make_strategy(strategy, replicas)
        changes = {name: value for name, value in changes.items() if value is not None}
        asked = {
            "preset": preset,
            "source": source,
            "seed": seed,
            "score_every": score_every,
            "precision": precision,
            "extractor": extractor,
            "data_dir": data_dir and str(data_dir.expanduser().absolute()),
        }
        asked = {name: value for name, value in asked.items() if value is not None}
        if resume:
            this, images, labels = resumed(run, asked, changes, conditional)
        else:
            this, images, labels = new_run(run, asked, changes, conditional, where)
        settings, count = this.settings, runs.trained_on(this, len(images))
        steps = count // settings.batch_size
        typer.echo(f"Training {this.preset} on {count:,} images from {this.source}, into {this.folder}")
        typer.echo(
            f"Images of {settings.image_size}x{settings.image_size}, {'grey' if settings.channels == 1 else 'colour'}; "
            f"{settings.epochs:,} epochs of {steps:,} steps of {settings.batch_size}: {settings.epochs * steps:,} steps"
        )
        if this.class_names:
            typer.echo(f"Told apart: {', '.join(this.class_names)}")
        if settings.epochs * steps < presets.FEW_STEPS:
            warnings.warn(
                f"{settings.epochs * steps} steps are few, the pictures will be noise or blobs: give more --epochs or "
                "a smaller --batch-size, or leave both out.",
                stacklevel=1,
            )
        typer.echo(f"Device: {devices.describe(where)}")
        try:
            training.train(this, images, labels, strategy=where)
        except KeyboardInterrupt:
            words = ["dcgan", "train", "--resume", "--run", str(this.folder)]
            quoted = subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
            typer.echo(f"\nStopped. Go on with: {quoted}")
            raise typer.Exit(130) from None
        typer.echo(f"Done. See {this.folder / 'training.gif'} and {this.folder / 'samples.png'}")


def new_run(folder: Optional[Path], asked: dict, changes: dict, conditional: bool, strategy):
    """Checks everything that can be wrong with the input, then makes the folder.

    Returns:
        The run, its images, and what they show if the networks are told.
    """
    from dcgan_keras import devices, extractors, runs, scores, training

    if "preset" not in asked:
        asked["preset"], changes = followed(asked.get("source", "bundled"), asked.get("data_dir"), changes)
    name = asked["preset"]
    this = runs.Run(folder or Path("runs"), presets.get(name, **changes), **asked)
    training.build(this.settings, this.seed, classes=2 if conditional else 0)
    if this.score_every:
        extractors.load(scores.extractor_for(this))
    if conditional:
        images, labels, names = runs.load_labelled(this)
        this = dataclasses.replace(this, class_names=names)
    else:
        images, labels = runs.load_images(this), None
    suited = presets.suited(this.settings, runs.trained_on(this, len(images)), changes.keys(), name)
    if suited != this.settings:
        chosen = [f"--epochs {suited.epochs}", f"--batch-size {suited.batch_size}"]
        chosen += [f"--augment {suited.augment}"] * (suited.augment != this.settings.augment)
        typer.echo(
            f"{len(images):,} images are not the number that the preset was made for: {', '.join(chosen[:-1])} and "
            f"{chosen[-1]} unless you give others."
        )
        this = dataclasses.replace(this, settings=suited)
    runs.check_images(this, images)
    devices.check_batch(this.settings.batch_size, strategy)
    if not folder:
        this = dataclasses.replace(this, folder=runs.new_folder("runs", name))
    return (runs.create(this) if devices.is_chief(strategy) else this), images, labels


def followed(source: str, data_dir: Optional[str], changes: dict) -> tuple[str, dict]:
    """Chooses the preset by the images, and says so. Returns its name, and the changes with what the images ask for."""
    from dcgan_keras import data

    found = data.look(source, data_dir=data_dir)
    if found is None or source == "bundled":
        return "laptop", changes
    name, suits = presets.following(*found)
    typer.echo(
        f"The images are {'grey' if found.channels == 1 else 'in colour'} and usually of {found.side} pixels or more: "
        f"--preset {name} unless you give another."
    )
    return name, suits | changes


def resumed(folder: Optional[Path], asked: dict, changes: dict, conditional: bool):
    """Opens the run to go on with, and refuses to change what it trains. Returns the same as `new_run`."""
    from dcgan_keras import callbacks, extractors, runs, scores

    if folder is None:
        raise ValueError("--resume needs --run FOLDER, the run to go on with.")
    run = runs.open_run(folder)
    if conditional and not run.class_names:
        raise ValueError("A resumed run keeps its settings, --conditional cannot change.")
    kept = {**dataclasses.asdict(run.settings), **{name: getattr(run, name) for name in KEPT}}
    epochs = changes.pop("epochs", run.settings.epochs)
    for name, value in {**changes, **asked}.items():
        if name in kept and value != kept[name]:
            raise ValueError(f"A resumed run keeps its settings, --{name.replace('_', '-')} cannot change.")
    done = max([0, *map(callbacks.epoch_of, callbacks.checkpoints(run.checkpoints))])
    if epochs < done:
        raise ValueError(f"The run has {done} epochs behind it, --epochs {epochs} is fewer.")
    moved = {name: asked[name] for name in ("source", "score_every", "extractor", "data_dir") if name in asked}
    this = dataclasses.replace(run, settings=dataclasses.replace(run.settings, epochs=epochs), **moved)
    if this.score_every:
        extractors.load(scores.extractor_for(this))
    images, labels, _ = runs.load(this)
    return this, images, labels


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder, or a generator.keras file.")],
    out: Annotated[Path, typer.Option(help="The PNG file to write.")] = Path("samples.png"),
    rows: Annotated[int, ROWS] = 6,
    columns: Annotated[int, COLUMNS] = 10,
    seed: Annotated[int, typer.Option(help="Of the latent vectors.")] = 0,
    scale: Annotated[int, typer.Option(min=1, help="Enlargement, a whole number.")] = 2,
    each: Annotated[
        Optional[Path], typer.Option(help="Write --count single pictures into this folder instead.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many single pictures, with --each.")] = 100,
    class_name: Annotated[
        Optional[str],
        typer.Option("--class", help="Draw this class, by its name or its number from 0.", show_default="each in turn"),
    ] = None,
) -> None:
    """Draw new images with a trained generator."""
    with one_sentence_errors():
        from dcgan_keras import film, models, plots, scores

        generator = newest_generator(run.expanduser())
        label = None if class_name is None else class_number(run.expanduser(), generator, class_name)
        if each is None:
            vectors = film.latents(models.latent_dim(generator), rows * columns, seed)
            labels = None if label is None else [label] * (rows * columns)
            plots.save_grid(out.expanduser(), models.draw(generator, vectors, labels), columns=columns, scale=scale)
            typer.echo(f"Wrote {out}")
            return
        number = 0
        for batch in scores.draw(generator, count, seed, label):
            for image in batch:
                plots.save_image(each.expanduser() / f"{number:0{len(str(count - 1))}d}.png", image)
                number += 1
        typer.echo(f"Wrote {number:,} pictures into {each}")


def newest_generator(path: Path):
    """Loads the generator of a run folder, of one that holds only a generator, or in a file."""
    from dcgan_keras import models, runs, training

    if path.is_dir() and ((path / "config.json").is_file() or not (path / "generator.keras").is_file()):
        return next(iter(training.generators(runs.open_run(path)).values()))
    return models.load_generator(path / "generator.keras" if path.is_dir() else path)


def class_number(path: Path, generator, name: str) -> int:
    """Finds the class that is asked for: by its name in the run, by a word that only one name has, or by its number."""
    from dcgan_keras import models, runs

    count = models.classes(generator)
    if not count:
        raise ValueError("This generator draws what chance gives: only one trained with --conditional takes --class.")
    names = [str(number) for number in range(count)]
    known = runs.open_run(path).class_names if (path / "config.json").is_file() else ()
    asked, folded = name.casefold(), [each.casefold() for each in known]
    if asked in folded:
        return folded.index(asked)
    with_word = [number for number, each in enumerate(folded) if asked in re.split(r"\W+", each)]
    if len(with_word) == 1:
        return with_word[0]
    if name not in names:
        raise ValueError(f"--class must be one of {', '.join([*known, *names])}, got {name!r}.")
    return int(name)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or a generator.keras file.")],
    format: Annotated[str, typer.Option(help="onnx, litert or saved_model.")],
    out: Annotated[
        Optional[Path],
        typer.Option(
            help="The file to write; of saved_model, the folder.",
            show_default="generator.onnx, .tflite or _saved_model, beside what is exported",
        ),
    ] = None,
) -> None:
    """Write a trained generator for other runtimes: ONNX, LiteRT, TensorFlow Serving."""
    with one_sentence_errors():
        from dcgan_keras import export

        write, ending = export.get(format)
        path = run.expanduser()
        beside = path / f"generator{ending}" if path.is_dir() else path.with_name(path.stem + ending)
        out = beside if out is None else out.expanduser()
        write(newest_generator(path), out)
        parts = [out] if out.is_file() else [part for part in out.rglob("*") if part.is_file()]
        typer.echo(f"Wrote {out} ({sum(part.stat().st_size for part in parts):,} bytes)")


@app.command()
def restore(
    run: Annotated[Path, typer.Argument(help="A run folder, or a generator.keras file.")],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, and folders of them.")],
    inpaint: Annotated[
        Optional[str],
        typer.Option(
            metavar="MASK", help="Fill the part where this picture is white; center: the middle.", show_default=False
        ),
    ] = None,
    denoise: Annotated[bool, typer.Option("--denoise", help="Remove noise.")] = False,
    upscale: Annotated[
        Optional[int], typer.Option(metavar="FACTOR", help="Enlarge so many times.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("restored"),
    restarts: Annotated[int, typer.Option(min=1, help="Random starts for each picture.")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="Of each start.")] = 300,
    prior: Annotated[
        Optional[float],
        typer.Option(help="How much more to trust the generator than the picture.", show_default="0.01"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the starts.")] = 0,
) -> None:
    """Fill holes, remove noise or enlarge pictures with a trained generator that knows pictures of their kind.

    For each picture it writes NAME.png, a row of before, after and where the starts differ (white: by half the range or
    more), and NAME_restored.png. Pictures are cropped and resized to the generator's size, as in training.
    """
    with one_sentence_errors():
        import numpy as np
        from dcgan_keras import pictures as reader
        from dcgan_keras import plots, restoring

        if [inpaint is not None, denoise, upscale is not None].count(True) != 1:
            raise ValueError("Say what to do, one of --inpaint MASK, --denoise and --upscale FACTOR.")
        generator = newest_generator(run.expanduser())
        size, width, channels = restoring.image_shape(generator)
        if size != width or channels not in (1, 3):
            raise ValueError(f"Pictures are fitted to squares, grey or colour; it draws {size}x{width}x{channels}.")
        search = {"restarts": restarts, "steps": steps, "seed": seed}
        search["prior"] = restoring.PRIOR if prior is None else prior
        repair = repair_of(generator, inpaint, upscale, search)
        found, failed = pictures_to_restore([path.expanduser() for path in pictures], out.expanduser())
        shown = False
        for path, name in found:
            try:
                image, remarks = reader.read(path, repair.size, channels, **repair.reading)
            except Exception as error:  # of any kind: one picture must not cost the others
                typer.echo(f"Error: {path}: {reader.reason(error)}.", err=True)
                failed += 1
                continue
            restored = repair.restore(image[None])
            after, spread = restored.images[0], restored.spread[0][..., None].repeat(channels, axis=-1)
            row = np.stack([repair.before(image), *map(plots.to_uint8, (after, 4 * spread - 1))])
            plots.save_grid(out.expanduser() / f"{name}.png", row, columns=3, scale=max(1, 180 // size))
            plots.save_image(out.expanduser() / f"{name}_restored.png", after)
            apart = (spread[repair.unknown] ** 2).mean() ** 0.5
            typer.echo(
                f"{path}: {repair.done}; {127.5 * restored.errors[0]:.1f} from what is known, {127.5 * apart:.1f} "
                f"between starts{''.join(f' ({remark})' for remark in remarks)}. Wrote {out / name}.png"
            )
            shown = True
        if shown:
            typer.echo("The differences are root mean squares in grey levels, of 0 to 255.")
        if failed:
            raise typer.Exit(1)


class Repair(NamedTuple):
    """How `restore` treats each picture.

    Attributes:
        size: in pixels, to which pictures are fitted when they are read.
        reading: further options of `pictures.read`.
        restore: from uint8 images to `restoring.Restored`.
        before: from a uint8 image of `size` to what is shown beside the restored one.
        unknown: bool (height, width) of the generator's images, True where they decide.
        done: in words.
    """

    size: int
    reading: dict
    restore: Callable
    before: Callable
    unknown: object
    done: str


def repair_of(generator, mask: Optional[str], factor: Optional[int], search: dict) -> Repair:
    """Says what is to be done: a hole filled if there is a mask, enlarged if there is a factor, else noise removed."""
    import numpy as np
    from dcgan_keras import pictures, restoring
    from PIL import Image

    size = restoring.image_shape(generator)[0]
    everywhere = np.ones((size, size), bool)
    means = {"resampling": Image.Resampling.BOX}
    if mask is not None:
        hole = restoring.center(size)
        if mask != "center":
            try:
                hole = pictures.read(Path(mask).expanduser(), size, 1, smallest=1, **means)[0][..., 0] > 127
            except Exception as error:  # of any kind, as a file may hold anything
                raise ValueError(f"The mask {mask}: {pictures.reason(error)}.") from error
            if hole.all() or not hole.any():
                raise ValueError(f"The mask {mask} is {'all' if hole.all() else 'nowhere'} white: white is the hole.")
        return Repair(
            size,
            {},
            lambda images: restoring.inpaint(generator, images, hole, **search),
            lambda image: np.where(hole[..., None], np.uint8(128), image),
            hole,
            f"{hole.sum()} of {hole.size} pixels filled",
        )
    if factor is not None:
        small = restoring.small_shape(generator, factor)[0]
        return Repair(
            small,
            {"smallest": small, **means},
            lambda images: restoring.upscale(generator, images, factor, **search),
            lambda image: image.repeat(factor, axis=0).repeat(factor, axis=1),
            everywhere,
            f"{small}x{small} enlarged to {size}x{size}",
        )
    return Repair(
        size,
        {},
        lambda images: restoring.denoise(generator, images, **search),
        lambda image: image,
        everywhere,
        "noise removed",
    )


def pictures_to_restore(paths: list[Path], out: Path) -> tuple[list[tuple[Path, str]], int]:
    """Lists pictures, each with a name of its own for what is made of it, and counts what cannot be opened."""
    from dcgan_keras import data

    found, failed, target = [], 0, out.resolve()
    for path in paths:
        if target in (path.resolve(), path.resolve().parent):
            raise ValueError(f"--out {out} is where the pictures are: name another folder, so that none is lost.")
        if not path.is_dir():
            found.append((path, path.stem))
            continue
        inside, others, closed = data.find_pictures(path)
        inside = [each for each in inside if target not in each.resolve().parents]
        if not inside:
            closed.append("no picture in it")
        if others:
            warnings.warn(f"Not read in {path}: {others}.", stacklevel=1)
        for reason in closed:
            typer.echo(f"Error: {path}: {reason}.", err=True)
        failed += len(closed)
        found += [(each, "-".join(each.relative_to(path).with_suffix("").parts)) for each in inside]
    named, taken = [], set()
    for path, name in found:
        name = name[:50]  # a name in any script stays within 255 bytes
        number, first = 1, name
        while {name.casefold(), f"{name}_restored".casefold()} & taken:
            number += 1
            name = f"{first}-{number}"
        taken |= {name.casefold(), f"{name}_restored".casefold()}
        named.append((path, name))
    return named, failed


@app.command()
def gif(
    run: Annotated[Path, RUN],
    out: Annotated[
        Optional[Path], typer.Option(help="The file to write: .gif, .webp or .mp4.", show_default="RUN/training.gif")
    ] = None,
    rows: Annotated[int, ROWS] = 6,
    columns: Annotated[int, COLUMNS] = 10,
    scale: Annotated[Optional[int], typer.Option(min=1, help="Enlargement.", show_default="to 560 pixels")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one round.")] = 10.0,
    seed: Annotated[Optional[int], typer.Option(help="Of the latent vectors.", show_default="that of the run")] = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Largest size of the file.")] = 5_000_000,
) -> None:
    """Make the film of a run again from its snapshots, without training."""
    with one_sentence_errors():
        from dcgan_keras import film, runs, training

        path = training.make_film(
            runs.open_run(run),
            out,
            rows=rows,
            columns=columns,
            scale=scale,
            seconds=seconds,
            seed=film.SEED if seed is None else seed,
            max_bytes=max_bytes,
        )
        typer.echo(f"Wrote {path} ({path.stat().st_size:,} bytes)")


@app.command()
def evaluate(
    run: Annotated[Path, RUN],
    extractor: Annotated[
        Optional[str],
        typer.Option(
            help="fashion, emoji, or inception, which is downloaded once.",
            show_default="fashion or emoji, by the images",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=10, help="Images to compare, at most.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of latent vectors and of all that is chosen.")] = 0,
) -> None:
    """Score the generators of a run beside real images, and write RUN/scores.json."""
    with one_sentence_errors():
        from dcgan_keras import runs, scores, training

        this = runs.open_run(run)
        columns = scores.evaluate(this, training.generators(this), extractor, count=count, seed=seed)
        first = columns[0][0]
        typer.echo(scores.table(columns))
        typer.echo(
            f"{first.count:,} images against {first.reference}; extractor {first.extractor} "
            f"{first.extractor_sha256[:12]}; seed {first.seed}"
        )
        typer.echo(f"Wrote {this.folder / 'scores.json'}")


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


if __name__ == "__main__":
    app()
