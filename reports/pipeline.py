"""The line, from request to receipt: one function, whoever calls it.

What renders, signs and verifies takes half a second to load. It is loaded beside the queries, which leave the
interpreter alone while the engine works: hence the imports within functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from cryptography import x509
from pydantic import ValidationError

from reports.accounts import pseudonymised
from reports.archive import Receipt, archive, kept, latest, published_for, receipt_of, settle
from reports.assets import Resources
from reports.attach import as_json, briefing_data, evidence_root, statement, subjects
from reports.collect import collect
from reports.compose import Briefing, Settings, compose, report_number
from reports.errors import CheckFailed, InvalidRequest, InvalidSettings
from reports.evidence import EvidenceSource
from reports.group import group
from reports.keys import Lists, SigningKey, no_lists
from reports.names import check_among, check_beside
from reports.query import Inquiry, QueryEngine
from reports.registry import MARKINGS, Dataset, Issuer, Law, Registry, parse
from reports.resolve import Audience, resolve
from reports.store import Store
from reports.timestamp import Timestamper

if TYPE_CHECKING:
    from reports.verify import Verdict

LATER = ("reports.render", "reports.sign", "reports.judge")

Progress = Callable[[str, int, int], None]
"""Told the step, and how much of how much of it is done; 0 of 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: a window in words, an audience, and the instant (aware) at which it is asked.

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
    """With what a briefing is signed: the key, the time-stamp authority, and what a reader is to trust.

    `trust_tsa` are roots for time-stamps alone, as for `verify`. `stranger` says that nobody told the roots of the
    time-stamp authority: they may be in `trust` or not.
    """

    key: SigningKey
    timestamper: Timestamper
    trust: Sequence[x509.Certificate]
    trust_tsa: Sequence[x509.Certificate] = ()
    crls: Lists = no_lists
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """The parts that the line runs on, put together in one place: `reports.local` or `reports.deployed`."""

    engine: QueryEngine
    source: EvidenceSource
    settings: Settings
    resources: Resources
    store: Store
    pseudonym_key: bytes
    page_size: str = "letter"
    settling_days: int = 7


def publish(request: Request, house: House, signing: Signing, progress: Progress) -> Receipt:
    """Publish a briefing and return its receipt; what was published before, unchanged, is so only once.

    Raises the errors of `reports.errors`; the store holds nothing new then.
    """
    progress("resolve", 0, 0)
    window = resolve(request.window, request.as_of)
    inquiry = Inquiry(window, request.as_of, house.settling_days, request.audience == "regulator")
    own = report_number(window, request.audience)
    if request.id and (published := published_for(house.store, own, request.id)):
        return kept(house.store, published)
    settings = addressed(house.settings, request.audience, request.addressee)
    number = report_number(
        window, request.audience, other_addressee(house.settings, settings, request.audience)
    )
    head = settle(house.store)
    before = latest(house.store, number)
    with ThreadPoolExecutor(1) as beside:
        evidence = collect(inquiry, house.engine, house.source, _first(progress, beside))
    progress("group", 0, 0)
    campaigns = group(evidence, settings.registry)
    progress("compose", 0, 0)
    briefing = compose(
        window,
        evidence,
        campaigns,
        request.audience,
        settings=settings,
        as_of=request.as_of,
        number=number,
        edition=before.edition + 1 if before else 1,
        supersedes=before.name if before else None,
        register=head,
        account_table=pseudonymised(campaigns.each_account, house.pseudonym_key)
        if request.audience == "regulator"
        else None,
    )
    content = content_digest(briefing, house)
    if before and before.content_sha256 == content:
        return kept(house.store, before)
    from reports.render import render  # noqa: PLC0415
    from reports.sign import sign  # noqa: PLC0415

    progress("render", 0, 0)
    rendered = render(briefing, house.resources, house.page_size)
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
    digests = (content, evidence_root(subjects(evidence)))
    receipt = receipt_of(briefing, rendered, signed, digests=digests, verdicts=verdicts)
    return archive(house.store, replace(receipt, request=request.id), signed)


def _first(progress: Progress, beside: Executor) -> Progress:
    """Loads what comes later at the first word of progress: until then the questions need the interpreter."""
    load = cache(lambda: beside.map(import_module, LATER))

    def told(step: str, done: int, total: int) -> None:
        load()
        progress(step, done, total)

    return told


def read_settings(source: EvidenceSource, resources: Resources) -> Settings:
    """What people wrote, beside the evidence and among the templates.

    Raises `InvalidSettings` for a mistake in it, and before anything is read for a file that would be passed over.
    """
    beside, own = source.tops(), resources.own
    check_beside(beside, own)
    check_among(own, resources.known, beside)
    resources.check()
    return Settings(
        registry=parse(Registry, source.text("campaigns.yaml"), "campaigns.yaml"),
        dataset=parse(Dataset, source.text("dataset.yaml"), "dataset.yaml"),
        issuer=parse(Issuer, _yaml(resources, "issuer.yaml"), "issuer.yaml"),
        law=parse(Law, _yaml(resources, "law.yaml"), "law.yaml"),
    )


def addressed(settings: Settings, audience: Audience, addressee: str | None) -> Settings:
    """Settings whose briefings for an audience go to an addressee; None leaves it to the settings."""
    if addressee is None:
        return settings
    issuer = settings.issuer.model_dump()
    issuer["addressee"] = {**issuer["addressee"], audience: addressee}
    try:
        return replace(settings, issuer=Issuer.model_validate(issuer))
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidRequest(f"addressee {addressee!r}: {why}") from None


def other_addressee(own: Settings, settings: Settings, audience: Audience) -> str | None:
    """The addressee of settings, unless it is the operator's own."""
    addressee = settings.issuer.addressee.get(audience)
    return None if addressee == own.issuer.addressee.get(audience) else addressee


def marked(settings: Settings, marking: str | None) -> Settings:
    """Settings whose briefings bear a marking of TLP 2.0, whatever the issuer's is; None leaves it to the settings.

    Raises `InvalidRequest` for one that there is not, and `InvalidSettings` where nobody has chosen one.
    """
    if marking is None:
        marking = settings.marking
    elif marking not in MARKINGS:
        raise InvalidRequest(f"marking {marking!r} is not one of TLP 2.0: give one of {', '.join(MARKINGS)}")
    return replace(settings, issuer=settings.issuer.model_copy(update={"marking": marking}))


def _yaml(resources: Resources, name: str) -> str:
    try:
        return resources.read(name).decode()
    except UnicodeDecodeError:
        raise InvalidSettings(f"{name} is not UTF-8 text: save it as UTF-8") from None


def content_digest(briefing: Briefing, house: House) -> str:
    """SHA-256 of what a briefing says and is made from, without its edition, the register and the time of the request.

    Which run of a question gave the answer, and what it cost, are left out as well. The first parameter of a question
    is the time of the request.
    """
    said = briefing_data(briefing, ())
    for passing in ("edition", "supersedes", "as_of", "register"):
        del said[passing]
    record = statement(briefing, {})
    for asked in record["predicate"]["questions"]:
        for passing in ("executionId", "bytesScanned"):
            asked.pop(passing, None)
        del asked["parameters"][0]
    made = [record, briefing.settled, house.page_size, house.resources.digest()]
    return hashlib.sha256(as_json([said, made])).hexdigest()


def check(signed: bytes, signing: Signing) -> tuple[Verdict, ...]:
    """Check a briefing as its reader will; raises `CheckFailed` if anything is wrong with it, or it is too large.

    What a time-stamp authority is worth whose root nobody told cannot be checked: that is left to the reader.
    """
    from reports.judge import judge  # noqa: PLC0415
    from reports.verify import verify  # noqa: PLC0415

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
                f"the briefing was not published: nobody could check its {verdict.check}: {verdict.detail}: "
                "ask for a shorter window"
            )
    return verdicts
