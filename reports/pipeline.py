"""The pipeline, from request to receipt: one function for every caller.

`reports.preload` loads what renders, signs and verifies while the queries run: hence the imports within functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509

from reports import __version__
from reports.archive.archive import (
    Bytes,
    Document,
    Receipt,
    archive,
    edition_stem,
    intact_document,
    intact_receipt,
    latest,
    published_for,
    restore_last_receipt,
)
from reports.archive.store import Store
from reports.briefing.accounts import AccountTable, pseudonymised
from reports.briefing.compose import Edition, report_number
from reports.briefing.content import Content
from reports.briefing.group import Campaigns
from reports.briefing.prepare import prepare
from reports.briefing.settings import Settings, addressed, other_addressee
from reports.core.errors import CheckFailed, Unavailable
from reports.core.progress import Progress
from reports.core.verdict import Verdict
from reports.core.window import Audience, resolve
from reports.evidence.questions import Answer, Inquiry, QueryEngine
from reports.evidence.source import EvidenceSource
from reports.pages.assets import Resources
from reports.preload import preloading
from reports.signing.keys import Lists, SigningKey, no_lists
from reports.signing.timestamp import Timestamper

if TYPE_CHECKING:
    from reports.pages.render import Rendered


@dataclass(frozen=True, slots=True)
class BriefingRequest:
    """The request: a window in words, an audience, and the instant (aware) at which it is asked.

    A request with an `id` is published once, whatever changes between its runs. An `addressee` takes the place of the
    settings' own.
    """

    window: str
    audience: Audience
    as_of: datetime
    id: str | None = None
    addressee: str | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """What signs a briefing: the key and the time-stamp authority, and the certificates that a reader should trust.

    `trust_tsa` are roots for time-stamps alone, as for `verify`. If `stranger`, nobody gave the roots of the
    time-stamp authority: they may be in `trust` or not.
    """

    key: SigningKey
    timestamper: Timestamper
    trust: Sequence[x509.Certificate]
    trust_tsa: Sequence[x509.Certificate] = ()
    crls: Lists = no_lists
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class PublishingParts:
    """The parts that the pipeline uses, put together in one place: `reports.local` or `reports.service.parts`."""

    engine: QueryEngine
    source: EvidenceSource
    settings: Settings
    resources: Resources
    store: Store
    pseudonym_key: bytes
    page_size: str = "letter"
    settling_days: int = 7


def publish(
    request: BriefingRequest, house: PublishingParts, signing: Signing, progress: Progress
) -> Receipt:
    """Publish a briefing and return its receipt; unchanged content is published only once.

    Raises the errors of `reports.core.errors`; the store then contains nothing new.
    """
    progress("resolve", 0, 0)
    window = resolve(request.window, request.as_of)
    inquiry = Inquiry(window, request.as_of, house.settling_days, request.audience == "regulator")
    own = report_number(window, request.audience)
    if request.id and (published := published_for(house.store, own, request.id)):
        return intact_receipt(house.store, published)
    settings = addressed(house.settings, request.audience, request.addressee)
    number = report_number(
        window, request.audience, other_addressee(house.settings, settings, request.audience)
    )
    head = restore_last_receipt(house.store)
    before = latest(house.store, number)
    edition = Edition(
        request.audience,
        number,
        before.edition + 1 if before else 1,
        before.name if before else None,
        head,
    )
    with preloading(progress) as told:
        briefing = prepare(
            inquiry,
            house.engine,
            house.source,
            settings=settings,
            edition=edition,
            accounts=lambda campaigns: _account_table(campaigns, request.audience, house.pseudonym_key),
            progress=told,
        )
    content = Content.of(briefing, house.page_size, house.resources.digest())
    if before and before.content_sha256 == content.sha256:
        return intact_receipt(house.store, before)
    return _issue(_compared(content, before, house), request.id, house, signing, progress)


def _compared(content: Content, before: Receipt | None, house: PublishingParts) -> Content:
    """The content, saying so if only the release makes it differ from the edition before.

    An edition that cannot be read does not stop the next one, which then says nothing.
    """
    software = content.statement["predicate"]["software"]
    if not before or before.software == software or before.evidence_sha256 != content.evidence_root:
        return content
    from reports.verification.same_figures import same_figures  # noqa: PLC0415

    try:
        document = intact_document(house.store, before)
    except Unavailable:
        return content
    same = same_figures(document, content, house.resources, datetime.now(UTC))
    briefing = replace(content.briefing, same_figures_as=same)
    return Content.of(briefing, content.page_size, content.templates_sha256)


def _account_table(campaigns: Campaigns, audience: Audience, key: bytes) -> AccountTable | None:
    return pseudonymised(campaigns.each_account, key) if audience == "regulator" else None


def _issue(
    content: Content, request: str | None, house: PublishingParts, signing: Signing, progress: Progress
) -> Receipt:
    """Set, sign, check and archive a briefing."""
    from reports.pages.render import render  # noqa: PLC0415
    from reports.signing.sign import sign  # noqa: PLC0415

    progress("render", 0, 0)
    rendered = render(content, house.resources)
    progress("sign", 0, 0)
    signed = sign(
        rendered.pdf,
        signing.key,
        signing.timestamper,
        certificates=(*signing.trust, *signing.trust_tsa),
        crls=signing.crls,
    )
    progress("verify", 0, 0)
    verdicts = check(signed, signing)
    progress("archive", 0, 0)
    receipt = receipt_of(content, rendered, signed, verdicts)
    return archive(house.store, replace(receipt, request=request), signed)


def check(signed: bytes, signing: Signing) -> tuple[Verdict, ...]:
    """Check a briefing as its reader will; raises `CheckFailed` if anything is wrong with it, or it is too large.

    Without the root of a time-stamp authority, its time-stamp cannot be checked: that is left to the reader.
    """
    from reports.verification.signature import verify  # noqa: PLC0415
    from reports.verification.verify import judge  # noqa: PLC0415

    now = datetime.now(UTC)
    integrity, signer, stamp, attachments = judge(
        signed, signing.trust, now, trust_tsa=signing.trust_tsa
    ).verdicts
    if signing.stranger and stamp.outcome == "invalid":
        stamp = verify(signed, None, now)[2]
    verdicts = (integrity, signer, stamp, attachments)
    for verdict in verdicts:
        if verdict.outcome == "invalid":
            raise CheckFailed(
                f"the briefing was not published: its {verdict.check} is not valid: {verdict.detail}"
            )
    for verdict in (integrity, attachments):
        if verdict.outcome != "valid":
            raise CheckFailed(
                f"the briefing was not published: its {verdict.check} could not be checked: {verdict.detail}: "
                "choose a shorter window"
            )
    return verdicts


def receipt_of(content: Content, rendered: Rendered, signed: bytes, verdicts: Sequence[Verdict]) -> Receipt:
    """The receipt of a signed briefing."""
    briefing = content.briefing
    first = briefing.parts[0] if briefing.parts else briefing.total
    digest = hashlib.sha256(signed).hexdigest()
    name = edition_stem(briefing.number, briefing.audience, briefing.edition)
    return Receipt(
        report_number=briefing.number,
        edition=briefing.edition,
        supersedes=briefing.supersedes,
        audience=briefing.audience,
        window={"from": str(briefing.window.first), "to": str(briefing.window.last)},
        as_of=f"{briefing.as_of:%Y-%m-%dT%H:%M:%SZ}",
        synthetic=briefing.synthetic,
        document=Document(digest, len(signed), f"{name}-{digest[:12]}.pdf"),
        unsigned=Bytes(hashlib.sha256(rendered.pdf).hexdigest(), len(rendered.pdf)),
        content_sha256=content.sha256,
        evidence_sha256=content.evidence_root,
        verdicts=tuple(asdict(verdict) for verdict in verdicts),
        figures={
            "exchanges": str(first.exchanges.value),
            "accounts": str(first.accounts.value),
        },
        software={"name": "exhibit", "version": __version__},
        printed_as_codes=rendered.printed_as_codes,
        not_yet_counted=briefing.evidence.uncounted,
        same_figures_as=content.data.get("same_figures_as"),
        answered=tuple(map(_answered, briefing.evidence.answers)),
    )


def _answered(answer: Answer) -> dict[str, int | str | None]:
    return {
        "question": answer.question,
        "engine": answer.engine,
        "engine_version": answer.engine_version,
        "execution_id": answer.execution_id,
        "bytes_scanned": answer.bytes_scanned,
        "counted_by": ", ".join(answer.counted_by) or None,
    }
