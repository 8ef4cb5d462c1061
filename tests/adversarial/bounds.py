"""Files that are one above a bound, which is lowered to just below what they take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cryptography import x509

from reports.pdf import der
from reports.pdf.pages import Pages, Stream, _values, read_pages
from reports.signing.keys import LocalAuthority
from tests.adversarial.forgeries import Change, Forgery, linked, many_pictures, nesting, signed_anyway
from tests.support import remade
from tests.support.pages import changed, data, value
from tests.support.pki import sign_locally


def every(authority: LocalAuthority) -> Iterator[Forgery]:
    """Each file with a bound of one less than it takes."""
    signed = sign_locally(linked(), authority)
    for name, takes, why in (*_of_pages(read_pages(linked())), *_of_updates(signed)):
        yield _above(name, takes, why, signed)
    for change, name, measure, why in _of_other_pages():
        takes = measure(read_pages(changed(linked(), change)))
        yield _above(name, takes, why, signed_anyway(linked(), authority, change))
    for name, takes, why in (
        ("verification.trust.MOST_PATHS", 5, "there are more than {:,} paths to try"),
        (
            "verification.trust.MOST_ISSUERS",
            2,
            "the file has more than {:,} possible issuers of one certificate",
        ),
    ):
        yield _above(name, takes, why, signed, authority.root)


def _above(name: str, takes: int, why: str, pdf: bytes, *trust: x509.Certificate) -> Forgery:
    """A bound is one too low for a file; where somebody is trusted, it is in the way of the verdict on the signer."""
    bound = takes - 1
    return Forgery(
        f"{name} of {bound:,}",
        pdf,
        why.format(bound),
        "signer" if trust else "integrity",
        trust,
        bounds={f"reports.{name}": bound},
    )


def _of_pages(pages: Pages) -> Iterator[tuple[str, int, str]]:
    inflated = {n: len(data(each)) for n, each in pages.objects.items() if isinstance(each, Stream)}
    once = [size for number, size in inflated.items() if number not in pages.containers]
    content = inflated[pages.objects[pages.root["Pages"]]["Kids"][0] - 1]
    yield "pdf.syntax.DEEPEST", 6, "objects nested more than {:,} deep"
    yield "pdf.pages.MOST_OBJECTS", pages.trailer["Size"] - 1, "the file has more than {:,} objects"
    yield "pdf.pages.MOST_VALUES", _packed_values(pages), "the file has more than {:,} values"
    yield (
        "pdf.pages.MOST_INFLATED_AT_ONCE",
        max(once),
        "the file has data that decompresses to more than {:,} bytes",
    )
    yield "pdf.pages.MOST_INFLATED", sum(once), " bytes, or {:,} in all"
    yield "pdf.grammar.MOST_PAGES", 1, "the file has more than {:,} pages"
    yield "pdf.grammar.MOST_STEPS", 1, "the file draws more than {:,} pictures"
    yield "pdf.grammar.MOST_CONTENT", content, "the file has more than {:,} bytes of content"


def _of_updates(signed: bytes) -> Iterator[tuple[str, int, str]]:
    held = [content for _, content in remade.revisions(signed)[1][0].held.stored]
    counted = "the file needs more than {:,} comparisons of certificates, lists and answers"
    whole = "the file has more than {:,} bytes, over the limit for reading"
    yield "pdf.pages.MOST_BYTES", len(signed), whole
    yield (
        "pdf.updates.MOST_STORED",
        len(held),
        "stores more than {:,} certificates, lists and answers in one update",
    )
    yield "pdf.der.MOST_VALUES", sum(map(der.check, held)), "the file has more than {:,} values in DER"
    yield "pdf.store.MOST_COMPARISONS", 6, counted
    yield "verification.signature.MOST_UPDATES", 2, "the file has more than {:,} signatures and time-stamps"


def _of_other_pages() -> Iterator[tuple[Change, str, Callable[[Pages], int], str]]:
    """Changes of the pages that take more of something than of all else."""
    deep = "content that is nested in an unusual way"
    yield many_pictures, "pdf.pages.MOST_VALUES", _stream_values, "the file has more than {:,} values"
    yield _high, "pdf.pages.MOST_OBJECTS", _highest, "the file has more than {:,} objects"
    yield nesting(256), "pdf.content.DEEPEST", lambda _: 256, deep


def _high(objects: dict[int, Any]) -> None:
    """An object that is no stream and has the highest number."""
    objects[max(objects) + 3] = None


def _highest(pages: Pages) -> int:
    return max(pages.objects)


def _packed_values(pages: Pages) -> int:
    body = data(pages.objects[min(pages.containers)])
    return _values(body, 0, len(body))


def _stream_values(pages: Pages) -> int:
    texts = [value(dict(each.entries)) for each in pages.objects.values() if isinstance(each, Stream)]
    return sum(_values(text, 0, len(text)) for text in texts)
