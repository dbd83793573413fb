"""The pictures of built pages: their sizes written down, loaded when they are near, films small and with a still.

`build.py` calls `finish` on the folder that Sphinx made.
"""

import io
import os
import re
from pathlib import Path
from urllib.parse import unquote

from PIL import Image, ImageDraw, ImageFont

_QUALITY = 60  # of WebP: grey levels of a 28x28 picture, enlarged, look the same


def to_webp(path: Path) -> Path:
    """Writes a GIF film's last frame beside it, as `NAME-still.webp`, and the film anew as WebP if that is smaller.

    Returns the file that shows the film, or what is no film.
    """
    with Image.open(path) as film:
        count = getattr(film, "n_frames", 1)
        if count < 2:
            return path
        frames, pauses = [], []
        for place in range(count):
            film.seek(place)
            frames.append(film.convert("RGB"))
            pauses.append(film.info.get("duration", 100))
    frames[-1].save(still_of(path), format="WEBP", quality=80)
    content = io.BytesIO()
    options = {"save_all": True, "append_images": frames[1:], "duration": pauses, "loop": 0, "minimize_size": True}
    frames[0].save(content, format="WEBP", quality=_QUALITY, method=4, **options)
    if content.tell() >= path.stat().st_size:
        return path
    made = path.with_suffix(".webp")
    made.write_bytes(content.getvalue())
    path.unlink()
    return made


def still_of(film: Path) -> Path:
    return film.with_name(f"{film.stem}-still.webp")


def finished(html: str, place: Path) -> str:
    """Completes the pictures of one page, which lies at `place`: each has its size and is loaded when it is near.

    A film gets a button that stops it (`static/site.js`), and a figure of a notebook leads to itself, for phones.
    """
    figures = 0

    def complete(match):
        nonlocal figures
        tag = match[0]
        source = re.search(r' src="([^"]+)"', tag)[1]
        path = place.parent / unquote(source)
        if re.match(r"[a-z]+:", source) or not path.is_file():
            return tag
        if path.suffix == ".svg":
            return tag
        with Image.open(path) as image:
            width, height = image.size
            is_film = getattr(image, "n_frames", 1) > 1
        if " width=" not in tag:
            tag = tag.replace("<img", f'<img width="{width}" height="{height}"', 1)
        if "fetchpriority" not in tag and figures:
            tag = tag.replace("<img", '<img loading="lazy" decoding="async"', 1)
        figures += 1
        still = still_of(path)
        if is_film and still.is_file():
            beside = os.path.relpath(still, place.parent).replace("\\", "/")
            return tag.replace("<img", f'<img data-still="{beside}"', 1)
        return f'<a class="enlarge" href="{source}">{tag}</a>' if "/_images/" in f"/{source}" else tag

    # Sphinx leads from a picture with a width to itself already: a link in a link would be an empty one.
    html = re.sub(r'<a class="reference internal image-reference"[^>]*>\s*(<img\b[^>]*>)\s*</a>', r"\1", html)
    return re.sub(r'<img\b[^>]*? src="[^"]+"[^>]*>', complete, html)


def card(film: Path, path: Path) -> None:
    """Draws what stands for the course where a link to it is shown: 1,200 x 630 pixels, with a film's last frame."""
    image = Image.new("RGB", (1200, 630), "white")
    with Image.open(film) as frames:
        frames.seek(frames.n_frames - 1)
        shown = frames.convert("RGB").resize((810, 543), Image.Resampling.LANCZOS)
    image.paste(shown, (366, 44))
    draw = ImageDraw.Draw(image)
    for top, size, text in (
        (150, 64, "Learn"),
        (225, 64, "DCGANs"),
        (320, 38, "on a laptop,"),
        (370, 38, "without a GPU"),
    ):
        draw.text((44, top), text, fill="#0067a3" if size == 64 else "#333333", font=ImageFont.load_default(size))
    image.save(path, optimize=True)


def finish(folder: Path) -> None:
    """Completes the pictures of all pages and slides in a folder."""
    card(folder / "assets" / "fashion.gif", folder / "_static" / "card.png")
    films = [path for part in ("_images", "assets", "slides") for path in (folder / part).glob("*.gif")]
    changed = {path.name: to_webp(path).name for path in films}
    for page in folder.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        for old, new in changed.items():
            html = html.replace(f'{old}"', f'{new}"')
        page.write_text(finished(html, page), encoding="utf-8")
