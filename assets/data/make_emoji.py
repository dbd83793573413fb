"""Makes `emoji.webp` and `emoji.csv`: Google's emoji at 64x64 on white, with what each shows and which split it is in.

    python assets/data/make_emoji.py emoji-datasource-google-16.0.0.tgz

The archive is npm's (`npm pack emoji-datasource-google@16.0.0`). Its sha256 is checked before anything is written.

Every design is taken once, in Unicode's order. Where people come in skin tones, one of the tones follows its design,
chosen by the sha256 of its name: with all of them, 60% of the pictures would be people. The five pictures of Unicode's
category "Component" (tones and hair on their own) are left out.

A seventh of the pictures is the test split, about a seventh of each category. What shows the same thing is on one side:
a cook is a man, a woman and a person, each in a tone, and all of them are one group. So are pictures that are equal to
the last pixel, as the flags of a country and of its islands.
"""

import collections
import csv
import hashlib
import io
import json
import re
import sys
import tarfile
from pathlib import Path

from PIL import Image

OUT = Path(__file__).with_name("emoji.webp")
SHA256 = "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438"
SIDE = 64  # pixels of a picture
COLUMNS = 48  # pictures a row of the sheet
TEST = 7  # one picture in so many is test

# Parts of a sequence that change who does it, and not what it is: tones, gender, direction, joiners.
VARIES = re.compile("1F3F[B-F]|FE0F|200D|2640|2642|27A1")
PEOPLE = {"1F468", "1F469", "1F9D1", "1F466", "1F467", "1F9D2"}  # man, woman, person; boy, girl, child


def number(text: str) -> int:
    """A number that follows from a text alone, the same on every machine."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def group(code_points: str) -> str:
    """What is shown, whoever shows it: the code points without people, their tones and genders."""
    parts = [part for part in code_points.split("-") if not VARIES.fullmatch(part)]
    others = [part for part in parts if part not in PEOPLE]
    if len(parts) > 1 and not others:
        return "family"
    return "-".join(others or parts)


def pictures(archive: tarfile.TarFile):
    """Yields, in Unicode's order, what a row of the table says of a picture, and the name of its file."""
    emoji = json.load(archive.extractfile("package/emoji.json"))
    for design in sorted(emoji, key=lambda each: each["sort_order"]):
        if design["category"] == "Component" or not design["has_img_google"]:
            continue
        row = {
            "name": design["name"].lower(),
            "category": design["category"],
            "subcategory": design["subcategory"],
            "group": group(design["unified"]),
        }
        chosen = [design]
        tones = [tone for _, tone in sorted(design.get("skin_variations", {}).items()) if tone["has_img_google"]]
        if tones:
            chosen.append(tones[number(design["unified"]) % len(tones)])
        for each in chosen:
            yield {"code_points": each["unified"], **row}, each["image"]


def unite_equal(rows: list[dict], images: list[Image.Image]) -> None:
    """Makes one group of two in which a picture is equal to the last pixel."""
    first = {}
    for row, image in zip(rows, images):
        one, other = row["group"], first.setdefault(image.tobytes(), row)["group"]
        for each in rows if one != other else ():
            each["group"] = other if each["group"] == one else each["group"]


def test_groups(rows: list[dict]) -> set[str]:
    """Chooses groups for the test split: in each kind of pictures by chance, and never more than a seventh so far."""
    sizes = collections.Counter(row["group"] for row in rows)
    kinds = {row["group"]: (row["category"], row["subcategory"]) for row in reversed(rows)}
    chosen, seen, tested = set(), 0, 0
    for name in sorted(sizes, key=lambda name: (kinds[name], number(name))):
        seen += sizes[name]
        if TEST * (tested + sizes[name]) <= seen:
            chosen.add(name)
            tested += sizes[name]
    return chosen


def main(path: Path) -> None:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{path} is not emoji-datasource-google 16.0.0: its sha256 differs.")
    rows, images = [], []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for row, name in pictures(archive):
            picture = Image.open(archive.extractfile(f"package/img/google/64/{name}")).convert("RGBA")
            assert picture.size == (SIDE, SIDE), name
            white = Image.new("RGBA", picture.size, "white")
            images.append(Image.alpha_composite(white, picture).convert("RGB"))
            rows.append(row)
    unite_equal(rows, images)
    test = test_groups(rows)
    for row in rows:
        row["split"] = "test" if row["group"] in test else "train"

    sheet = Image.new("RGB", (COLUMNS * SIDE, -(-len(images) // COLUMNS) * SIDE), "white")
    for place, image in enumerate(images):
        sheet.paste(image, (place % COLUMNS * SIDE, place // COLUMNS * SIDE))
    sheet.save(OUT, lossless=True, quality=100, method=6)
    with open(OUT.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for each in (OUT, OUT.with_suffix(".csv")):
        print(f"{each.name}: {each.stat().st_size:,} bytes, sha256 {hashlib.sha256(each.read_bytes()).hexdigest()}")
    print(f"{len(rows):,} pictures:", collections.Counter(row["split"] for row in rows))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
