"""All checks of a deployed stack, in order. One that fails hides none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from reports.core import aws_clients
from reports.core.errors import ExhibitError
from reports.core.progress import Progress
from reports.doctor import api, archive, clock, evidence, settings, signing
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.findings import CheckResult, Finding, Report, of_error


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its name, what holds if it finds nothing, what finds, and whether it is of the stack's tables alone.

    `of_own` is None if it does not matter whether the evidence is in a table of the operator's own.
    """

    name: str
    claim: str
    find: Callable[[DeployedStack], Iterable[Finding]]
    of_own: bool | None = None


CLOCK = "clock", "The clock of this machine agrees with AWS's."
CHECKS = (
    Check("archive", "The archive keeps versions and locks its objects.", archive.protected),
    Check("evidence", "Every object of the evidence can be read.", evidence.listable, of_own=False),
    Check("evidence-region", "The evidence is in the stack's region.", evidence.same_region),
    Check("table-format", "The tables read the format of the evidence.", evidence.table_format, of_own=False),
    Check("partitions", "The tables' partitions cover all evidence.", evidence.projected, of_own=False),
    Check("own-table", "Your own table has what is needed.", evidence.own_table, of_own=True),
    Check("lake-formation", "Lake Formation lets the tables be read.", evidence.lake_formation),
    Check("workgroup", "The workgroup enforces its configuration.", evidence.workgroup_enforced),
    Check("scan-limit", "A query may scan the largest day of evidence.", evidence.scan_limit, of_own=False),
    Check("signing-key", "KMS lets the signing key be used.", signing.key_usable),
    Check("certificate-key", "The certificate is that of the signing key.", signing.certificate_of_key),
    Check("certificate-dates", "The certificate is valid now.", signing.certificate_in_force),
    Check("timestamps", "Every time-stamp authority gives time-stamps.", signing.timestamps),
    Check("trust", "The roots of the time-stamp authorities are among the settings.", signing.roots_there),
    Check("issuer", "The issuer of tokens publishes its discovery document.", api.issuer_known),
    Check("audience", "The API accepts tokens of the stack's issuer and audience.", api.audience_right),
    Check("schedules", "The schedules can be read.", settings.schedules_parse),
    Check("published", "Every scheduled briefing that is due was published.", settings.published),
    Check("closed-days", "Each day of evidence that is over was closed.", settings.days_closed, of_own=False),
    Check(
        "days",
        f"Each of the last {settings.RECENT} days has evidence.",
        settings.days_delivered,
        of_own=False,
    ),
)


def checks_of(stack: DeployedStack) -> Sequence[Check]:
    """The checks that are about the evidence as a stack has it."""
    own = bool(stack.own_table)
    return [check for check in CHECKS if check.of_own in (None, own)]


def _now() -> datetime:
    return datetime.now(UTC)


def examine(name: str, progress: Progress, clock_here: Callable[[], datetime] = _now) -> Report:
    """Check the stack of a name, with what the environment says about AWS. Nothing is changed.

    Raises as `clock.ahead` and `DeployedStack.open` do; but where AWS refuses to describe the stack because of the
    clock, that is what the report says.
    """
    off = clock.ahead(clock_here)
    first = CheckResult(*CLOCK, tuple(clock.right(off)))
    now = clock_here() - off
    try:
        stack = DeployedStack.open(name, now)
    except ExhibitError as error:
        if not first.findings:
            raise
        unasked = (of_error("could not be checked", error),)
        others = tuple(CheckResult(check.name, check.claim, unasked) for check in CHECKS)
        region = str(aws_clients.client("cloudformation").meta.region_name)
        return Report(name, region, now, (first, *others))
    found = [first]
    for check in checks_of(stack):
        progress(check.name, 0, 0)
        found.append(CheckResult(check.name, check.claim, _found(check, stack)))
    return Report(name, stack.region, now, tuple(found))


def _found(check: Check, stack: DeployedStack) -> tuple[Finding, ...]:
    found: list[Finding] = []
    try:
        found.extend(check.find(stack))  # what was found before an error stays
    except ExhibitError as error:
        found.append(of_error("could not be checked", error))
    return tuple(found)
