"""Change the structure of a briefing at random, as whoever has a key or a time-stamp may, and count what is accepted.

`python -m tests.adversarial.mutations N SEED` changes the bytes of updates N times, each under a genuine time-stamp,
and objects of pages N times, each signed again by their signatory. What is accepted has to be shown as the file that
it was made from, by poppler, and by MuPDF and pdfium where they are installed; exit status 1 if something is not.
"""

from __future__ import annotations

import atexit
import importlib.util
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from reports.pdf.pages import Stream, read_pages
from reports.pdf.syntax import Name, Ref
from reports.signing.keys import LocalAuthority
from reports.verification.signature import verify
from tests.adversarial.forgeries import linked, rich, signed_anyway
from tests.support import form_1
from tests.support.pages import Objects, catalog
from tests.support.pki import NOW, reading, sign_locally, stamper_of
from tests.support.publishing import ROOT

PDFJS = ROOT / ".cache" / "pdfjs"

# A gradient that repeats has no /Extend, what is opaque no /ca and no /SMask, plain text no /ActualText; a gradient has
# its own exponent, stops and coordinates, a form its own edges, and a name leads to any of the graphics states. With
# one of these changed, the page is another one that Exhibit can make, and that every viewer shows alike.
ANOTHER_PAGE = {
    *(f"no key ({key})" for key in ("Extend", "ca", "SMask", "ActualText")),
    *(f"another value ({key})" for key in ("N", "Bounds", "Coords", "BBox", "s0")),
}
KEYS = (
    *(
        "AA",
        "OpenAction",
        "OC",
        "OCProperties",
        "Rotate",
        "UserUnit",
        "CropBox",
        "Properties",
        "Alternates",
        "F",
    ),
    *(
        "ActualText",
        "E",
        "RoleMap",
        "ClassMap",
        "Threads",
        "AP",
        "Kids",
        "Parent",
        "Contents",
        "Resources",
        "Font",
    ),
    *(
        "SMask",
        "TR",
        "HT",
        "Encoding",
        "ToUnicode",
        "CIDToGIDMap",
        "DW",
        "FontFile2",
        "Metadata",
        "Next",
        "Type",
    ),
)
TOKENS = (
    *(
        b"endobj\n",
        b"endstream\n",
        b"%%EOF\n",
        b"startxref\n9\n",
        b"trailer\n<</Root 9 0 R>>\n",
        b"xref\n0 0\n",
    ),
    *(
        b"/Prev 9",
        b"/Root 9 0 R",
        b"/Pages 9 0 R",
        b" ",
        b"\r",
        b"\0",
        b"%",
        b"<<",
        b">>",
        b"null",
        b"/XRefStm 9",
    ),
)


@dataclass(frozen=True)
class Mutant:
    """A changed file, what was done to it, and whether it is still said to be whole."""

    pdf: bytes
    done: str
    accepted: bool


def _accepted(pdf: bytes) -> bool:
    return verify(pdf, None, reading())[0].outcome == "valid"


def of_updates(signed: bytes, authority: LocalAuthority, count: int, seed: int) -> Iterator[Mutant]:
    """The file with a change in the bytes of its updates, under a genuine time-stamp where pyHanko can put one."""
    chance = random.Random(seed)  # noqa: S311 -- nothing is kept secret with it
    start, stamper = read_pages(signed).length, stamper_of(authority)
    for _ in range(count):
        done, changed = _bytes(signed, start, chance)
        try:
            pdf, how = form_1.stamped(changed, stamper), "sealed"
        except Exception:  # what pyHanko does not take, others may
            pdf, how = changed, "not sealed"
        yield Mutant(pdf, f"{done}, {how}", pdf[: len(signed)] != signed and _accepted(pdf))


def _bytes(pdf: bytes, start: int, chance: random.Random) -> tuple[str, bytes]:
    at = chance.randrange(start, len(pdf))
    ways: dict[str, Callable[[], bytes]] = {
        "a token": lambda: pdf[:at] + chance.choice(TOKENS) + pdf[at:],
        "a cut": lambda: pdf[:at] + pdf[at + chance.randrange(1, 200) :],
        "a repetition": lambda: pdf[:at] + pdf[max(start, at - chance.randrange(1, 900)) : at] + pdf[at:],
        "a number": lambda: _numbered(pdf, start, chance),
        "an object": lambda: _objects(pdf, start, chance),
        "the end": lambda: pdf + pdf[at:],
    }
    done = chance.choice(sorted(ways))
    return done, ways[done]()


def _numbered(pdf: bytes, start: int, chance: random.Random) -> bytes:
    """Another number in the place of one."""
    found = chance.choice(list(re.finditer(rb"(?<![0-9A-F<])\d{1,6}(?![0-9A-F>])", pdf[start:])))
    begin, end = (start + place for place in found.span())
    return pdf[:begin] + b"%d" % chance.randrange(2000) + pdf[end:]


def _objects(pdf: bytes, start: int, chance: random.Random) -> bytes:
    """An object left out, twice, or in another place."""
    parts = re.split(rb"(?<=\nendobj\n)", pdf[start:])
    one = chance.randrange(len(parts))
    taken = parts.pop(one) if chance.random() < 0.5 else parts[one]
    if chance.random() < 0.7:
        parts.insert(chance.randrange(len(parts) + 1), taken)
    return pdf[:start] + b"".join(parts)


def of_pages(unsigned: bytes, authority: LocalAuthority, count: int, seed: int) -> Iterator[Mutant]:
    """Pages with a change of their objects, signed by their signatory."""
    chance = random.Random(seed)  # noqa: S311 -- nothing is kept secret with it
    for _ in range(count):
        done: list[str] = []
        try:
            pdf = signed_anyway(unsigned, authority, partial(_change, done, chance))
        except Exception:  # what cannot be signed is accepted by nobody
            yield Mutant(b"", f"{' '.join(done)}, not signed", accepted=False)
            continue
        same = pdf.startswith(unsigned)
        yield Mutant(pdf, " ".join(done), not same and _accepted(pdf))


def _change(done: list[str], chance: random.Random, objects: Objects) -> None:
    done.append(_object(objects, chance))


def _object(objects: Objects, chance: random.Random) -> str:
    number = chance.choice(sorted(objects))
    held = objects[number]
    entries = dict(held.entries) if isinstance(held, Stream) else held
    if type(entries) is not dict or not entries:
        objects[number] = chance.choice([None, {}, [], Ref(1), Name("Page")])
        return "another value"
    holder, key = _place(entries, chance)
    ways: dict[str, Callable[[], Any]] = {
        "a key": lambda: holder.__setitem__(chance.choice(KEYS), _something(objects, chance)),
        "no key": lambda: holder.pop(key),
        "another value": lambda: holder.__setitem__(key, _something(objects, chance)),
        "another reference": lambda: _retargeted(holder, key, objects, chance),
    }
    done = chance.choice(sorted(ways))
    ways[done]()
    if isinstance(held, Stream):
        objects[number] = Stream({**entries, "Length": len(held.raw)}, held.raw)
    return f"{done} ({key})"


def _place(entries: dict[str, Any], chance: random.Random) -> tuple[dict[str, Any], str]:
    """A dictionary in a dictionary, and a key of it."""
    while True:
        key = chance.choice(sorted(entries))
        if type(entries[key]) is not dict or not entries[key] or chance.random() < 0.3:
            return entries, key
        entries = entries[key]


def _something(objects: Objects, chance: random.Random) -> Any:
    ref = Ref(chance.choice(sorted(objects)))
    return chance.choice(
        [ref, ref, [ref], {}, {"S": Name("JavaScript")}, 1, True, Name("Page"), None, [0, 0, 9, 9]]
    )


def _retargeted(holder: dict[str, Any], key: str, objects: Objects, chance: random.Random) -> None:
    ref = Ref(chance.choice(sorted(objects)))
    if type(holder[key]) is list and holder[key]:
        holder[key][chance.randrange(len(holder[key]))] = ref
    else:
        holder[key] = ref


def shown(pdf: bytes, folder: Path) -> dict[str, str]:
    """What viewers show of a file and extract from it, each as a digest of the pictures of its pages and their text."""
    file = folder / "shown.pdf"
    file.write_bytes(pdf)
    found = {}
    if shutil.which("pdftoppm"):
        commands: tuple[tuple[str, list[str | Path]], ...] = (
            ("poppler", ["pdftoppm", "-r", "20", file]),
            ("poppler's text", ["pdftotext", file, "-"]),
            ("poppler's attachments", ["pdfdetach", "-list", file]),
        )
        for name, command in commands:
            run = subprocess.run(command, capture_output=True, check=False)
            found[name] = sha256(run.stdout).hexdigest()
    if importlib.util.find_spec("pymupdf"):
        import pymupdf  # noqa: PLC0415

        with pymupdf.open(file) as opened:
            pictures = [page.get_pixmap(dpi=20).samples + page.get_text().encode() for page in opened]
            found["MuPDF"] = sha256(b"".join(pictures)).hexdigest()
    if importlib.util.find_spec("pypdfium2"):
        import pypdfium2  # noqa: PLC0415

        opened = pypdfium2.PdfDocument(file)
        pictures = [
            bytes(page.render(scale=0.3).buffer) + page.get_textpage().get_text_bounded().encode()
            for page in opened
        ]
        found["pdfium"] = sha256(b"".join(pictures)).hexdigest()
        opened.close()
    if PDFJS.is_dir():
        found["pdf.js"] = _pdfjs(file)
    return found


@cache
def _reader() -> subprocess.Popen[str]:
    command = ["node", str(ROOT / "tests" / "adversarial" / "viewers" / "read.mjs"), str(PDFJS)]
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(_end, reader)
    return reader


def _end(reader: subprocess.Popen[str]) -> None:
    reader.communicate()


def _pdfjs(file: Path) -> str:
    reader = _reader()
    assert reader.stdin
    assert reader.stdout
    reader.stdin.write(f"{file}\n")
    reader.stdin.flush()
    return reader.stdout.readline()


def _answer(accepted: bool, another: bool) -> str:
    return "accepted, another genuine page" if another else "accepted" if accepted else "refused"


def main(arguments: list[str]) -> int:
    count, seed = map(int, arguments)
    with tempfile.TemporaryDirectory() as folder:
        authority = LocalAuthority.open(Path(folder, "keys"), NOW)
        unsigned = linked()
        assert catalog(dict(read_pages(unsigned).objects))
        signed = sign_locally(unsigned, authority)
        wanted = shown(sign_locally(rich(), authority), Path(folder))
        wrong, done = [], Counter[str]()
        for name, mutants in (
            ("updates", of_updates(signed, authority, count, seed)),
            ("pages", of_pages(rich(), authority, count, seed)),
        ):
            for mutant in mutants:
                another = mutant.accepted and mutant.done in ANOTHER_PAGE
                done[f"{name}: {_answer(mutant.accepted, another)}"] += 1
                if another:
                    continue
                if mutant.accepted and (name == "updates" or shown(mutant.pdf, Path(folder)) != wanted):
                    wrong.append(f"{name}: {mutant.done}")
        print(f"viewers: {', '.join(wanted) or 'none'}")
    for line in (*(f"{what} {number:,}" for what, number in sorted(done.items())), *wrong):
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
