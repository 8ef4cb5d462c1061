"""The evidence, and the tables and the workgroup by which Athena reads it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from reports.core import aws_errors
from reports.core.errors import InvalidEvidence, InvalidSettings
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.findings import Finding, of_error, phrase, wrong
from reports.evidence.own_table import OwnTable
from reports.evidence.source import ListedObject
from reports.evidence.table_ddl import STORAGE
from reports.evidence.table_types import of_hive

LAKE_FORMATION = "Lake Formation"
MOST_EXECUTIONS = 50
SHOWN = 5
FORMS = {"parquet": "Parquet", "json": "JSON", "csv": "CSV"}
READ_EXACTLY = (STORAGE["parquet"].serde, "org.apache.hadoop.hive.ql.io.orc.OrcSerde")
_WAY = re.compile(
    r"ext/(?P<source>.+?)/(?ai:region)=(?P<region>[^/]+)/(?ai:accountId)=(?P<accountid>[^/]+)/.+"
)
_VALUES = {"source": "OcsfSources", "region": "OcsfRegions", "accountid": "OcsfAccounts"}
_DAYS = {"flat": ("event_day", "%Y-%m-%d"), "ocsf": ("eventday", "%Y%m%d")}


def listable(stack: DeployedStack) -> Iterator[Finding]:
    """Whether every object of the evidence has a name that is read.

    Permissions: those of `S3Evidence`.
    """
    try:
        stack.objects()
    except InvalidEvidence as error:
        yield of_error("wrong", error)


def same_region(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the bucket of the evidence is in the stack's region.

    Athena would read it elsewhere, too, for a price (Athena User Guide, "Query across regions").

    Permissions: `s3:ListBucket` on the bucket of the evidence.
    """
    bucket = stack.parameters["EvidenceBucket"]
    with aws_errors.translated(f"bucket {bucket}"):
        try:
            answer = stack.client("s3").head_bucket(Bucket=bucket)
        except ClientError as error:
            if aws_errors.code(error) not in ("404", "NoSuchBucket"):
                raise
            yield wrong(f"There is no bucket {bucket}.", "Deploy the stack with the right EvidenceBucket.")
            return
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    region = answer.get("BucketRegion") or headers.get("x-amz-bucket-region")
    if region and region != stack.region:
        yield wrong(
            f"The evidence ({bucket}) is in {region}, and the stack is in {stack.region}: every read of it crosses "
            "regions, and is charged as data transfer.",
            f"Deploy the stack in {region}, or replicate the evidence to a bucket in {stack.region} (S3 Replication) "
            "and name that one as EvidenceBucket.",
        )


def table_format(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the tables read the format of the objects.

    Permissions: `glue:GetTable` on the catalog, the database and its tables; those of `S3Evidence`.
    """
    for layout, objects in _by_layout(stack).items():
        serde = (
            _table(stack, layout)["StorageDescriptor"].get("SerdeInfo", {}).get("SerializationLibrary", "")
        )
        read = next((form for form, storage in STORAGE.items() if storage.serde == serde), None)
        others = [each for each in objects if each.format != read]
        if not others:
            continue
        form = others[0].format
        how = f"reads {FORMS[read]}" if read else f"reads with {serde or 'no SerDe'}"
        yield wrong(
            f"The table {layout} {how}, but {_some(others)} {FORMS[form]}.",
            _format_remedy(stack, layout, objects),
        )


def _format_remedy(stack: DeployedStack, layout: str, objects: Sequence[ListedObject]) -> str:
    forms = {each.format for each in objects}
    (form, *more) = forms
    if more or form not in STORAGE:
        return "Convert the objects to one format, Parquet or JSON Lines: a table reads one."
    if stack.parameters["EvidenceFormat"] == form:
        return f"Make the table {layout} again, as exhibit tables --format {form} prints it: it was changed."
    return f"Deploy the stack with EvidenceFormat={form}."


def projected(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the tables' partitions cover all objects; permissions as for `table_format`."""
    for layout, objects in _by_layout(stack).items():
        parameters = _table(stack, layout).get("Parameters", {})
        again = f"Make the table {layout} again, as exhibit tables prints it: it was changed."
        if parameters.get("projection.enabled") != "true":
            yield wrong(f"The table {layout} does not compute its partitions (projection.enabled).", again)
            continue
        yield from _days_outside(stack, layout, objects, parameters, again)
        if layout == "ocsf":
            yield from _values_outside(stack, objects, parameters, again)


def _days_outside(
    stack: DeployedStack,
    layout: str,
    objects: Sequence[ListedObject],
    parameters: Mapping[str, str],
    again: str,
) -> Iterator[Finding]:
    column, form = _DAYS[layout]
    since = _first(parameters.get(f"projection.{column}.range", ""), form)
    if since is None:
        yield wrong(f"The table {layout} does not say which days it has (projection.{column}.range).", again)
        return
    early = sorted((each for each in objects if each.day < since), key=lambda each: each.day)
    if early:
        first = early[0].day
        drifted = stack.parameters["EvidenceSince"] <= str(first)
        yield wrong(
            f"The table {layout} begins on {since}, but {_some(early)} older.",
            again if drifted else f"Deploy the stack with EvidenceSince={first}.",
        )
    late = [each for each in objects if each.day > stack.now.date()]
    if late:
        yield wrong(
            f"The table {layout} ends today, but {_some(late)} of a later day.",
            "Move the objects to the partitions of their days.",
        )


def _first(range_: str, form: str) -> date | None:
    try:
        return datetime.strptime(range_.partition(",")[0], form).date()
    except ValueError:
        return None


def _values_outside(
    stack: DeployedStack, objects: Sequence[ListedObject], parameters: Mapping[str, str], again: str
) -> Iterator[Finding]:
    ways = [way.groupdict() for each in objects if (way := _WAY.fullmatch(each.name))]
    for column, parameter in _VALUES.items():
        listed = parameters.get(f"projection.{column}.values", "").split(",")
        found = sorted({way[column] for way in ways})
        unlisted = [value for value in found if value not in listed]
        if unlisted:
            drifted = set(unlisted) <= set(stack.parameters[parameter].split(","))
            named = ",".join(sorted({*found, *filter(None, listed)}))
            shown = [*unlisted[:SHOWN], *[f"{len(unlisted) - SHOWN} more"] * (len(unlisted) > SHOWN)]
            yield wrong(
                f"The table ocsf does not list {_NAMED[column]} {phrase(shown)}, of which there is evidence.",
                again if drifted else f"Deploy the stack with {parameter}={named}.",
            )


_NAMED = {"source": "the source", "region": "the region", "accountid": "the account"}


def lake_formation(stack: DeployedStack) -> Iterator[Finding]:
    """Whether Lake Formation lets the tables be read: here and now, and in the last query of the workgroup.

    Permissions: `glue:GetTable`; `athena:ListQueryExecutions` and `athena:BatchGetQueryExecution` on the workgroup.
    """
    database, role = stack.tables[0][0], stack.resources["PublishRole"]
    names = phrase([name for _, name in stack.tables])
    grant = (
        f"As a data lake administrator, grant the role {role} DESCRIBE on the database {database}, and SELECT and "
        f"DESCRIBE on {'its tables' if stack.tables[1:] else 'its table'} {names} (aws lakeformation grant-permissions)"
    )
    for _, name in stack.tables:
        if _denied_here(stack, database, name):
            yield wrong(
                f"Lake Formation does not let you read the table {name}.",
                f"{grant}; and your own role DESCRIBE on these.",
            )
            return
    if _of_lake_formation(_last_failure(stack)):
        yield wrong(f"Lake Formation refused the last query of {stack.resources['Workgroup']}.", f"{grant}.")


def _denied_here(stack: DeployedStack, database: str, name: str) -> bool:
    with aws_errors.translated(f"table {database}.{name}"):
        try:
            stack.table(database, name)
        except ClientError as error:
            if not _of_lake_formation(str(error.response.get("Error", {}).get("Message", ""))):
                raise
            return True
    return False


def _of_lake_formation(message: str) -> bool:
    return LAKE_FORMATION in message and "nsufficient" in message


def _last_failure(stack: DeployedStack) -> str:
    """Why the last query of the workgroup that has ended failed; empty if it did not."""
    athena, workgroup = stack.client("athena"), stack.resources["Workgroup"]
    with aws_errors.translated(f"workgroup {workgroup}"):
        listed = athena.list_query_executions(WorkGroup=workgroup, MaxResults=MOST_EXECUTIONS)
        ids = listed.get("QueryExecutionIds", [])
        if not ids:
            return ""
        found = athena.batch_get_query_execution(QueryExecutionIds=ids)["QueryExecutions"]
    ended = [each["Status"] for each in found if each["Status"]["State"] in ("SUCCEEDED", "FAILED")]
    if not ended:
        return ""
    last = max(ended, key=lambda status: status["SubmissionDateTime"])
    return str(last.get("StateChangeReason", "")) if last["State"] == "FAILED" else ""


def workgroup_enforced(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the workgroup's settings hold for every query.

    Permissions: `athena:GetWorkGroup` on the workgroup.
    """
    if not _workgroup(stack).get("EnforceWorkGroupConfiguration"):
        name = stack.resources["Workgroup"]
        yield wrong(
            f"The workgroup {name} does not enforce its configuration, so a query may choose its own limits and place.",
            f"Run: aws athena update-work-group --work-group {name} --configuration-updates "
            "EnforceWorkGroupConfiguration=true",
        )


def scan_limit(stack: DeployedStack) -> Iterator[Finding]:
    """Whether a query may read the largest day; permissions as for `workgroup_enforced`, and those of `S3Evidence`."""
    limit = _workgroup(stack).get("BytesScannedCutoffPerQuery")
    sizes: Counter[tuple[str, date]] = Counter()
    for each in stack.objects():
        sizes[each.layout, each.day] += each.size
    ((_, day), size) = sizes.most_common(1)[0]
    if limit is not None and size > limit:
        wanted, name = int(stack.parameters["ScanLimitBytes"]), stack.resources["Workgroup"]
        yield wrong(
            f"A query may scan {limit:,} bytes, and the evidence of {day} alone has {size:,}.",
            f"Run: aws athena update-work-group --work-group {name} --configuration-updates "
            f"BytesScannedCutoffPerQuery={wanted}"
            if wanted >= size
            else f"Deploy the stack with a ScanLimitBytes of at least {size:,} times the days of the longest window.",
        )


def _workgroup(stack: DeployedStack) -> Mapping[str, Any]:
    name = stack.resources["Workgroup"]
    with aws_errors.translated(f"workgroup {name}"):
        answer = stack.client("athena").get_work_group(WorkGroup=name)
    return dict(answer["WorkGroup"].get("Configuration", {}))


def _table(stack: DeployedStack, layout: str) -> Mapping[str, Any]:
    database = stack.resources["Database"]
    with aws_errors.translated(f"table {database}.{layout}"):
        return stack.table(database, layout)


def own_table(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the operator's own table or view has what is needed, in a format that is read exactly.

    Permissions: `glue:GetTable` on the catalog, the database and the table.
    """
    ((database, name),) = stack.tables
    with aws_errors.translated(f"table {database}.{name}"):
        try:
            found = stack.table(database, name)
        except ClientError as error:
            if aws_errors.code(error) != "EntityNotFoundException":
                raise
            yield wrong(
                f"There is no table {database}.{name}.",
                "Make it, or deploy the stack with the right EvidenceTable.",
            )
            return
    storage, is_view = found.get("StorageDescriptor", {}), found.get("TableType") == "VIRTUAL_VIEW"
    columns = [*storage.get("Columns", ()), *found.get("PartitionKeys", ())]
    types = {each["Name"].lower(): of_hive(each.get("Type", "")) for each in columns}
    try:
        OwnTable((database, name), types, is_view, "")
    except InvalidSettings as error:
        yield of_error("wrong", error)
    if not is_view:
        yield from _own_storage(stack, f"{database}.{name}", found)


def _own_storage(stack: DeployedStack, name: str, table: Mapping[str, Any]) -> Iterator[Finding]:
    storage, bucket = table.get("StorageDescriptor", {}), stack.parameters["EvidenceBucket"]
    location = storage.get("Location", "")
    if location.partition("://")[2].partition("/")[0] != bucket:
        yield wrong(
            f"The objects of table {name} lie in {location or 'no place'}, and EvidenceBucket is {bucket}.",
            "Deploy the stack with the bucket of that table as EvidenceBucket.",
        )
    serde = storage.get("SerdeInfo", {}).get("SerializationLibrary", "")
    iceberg = table.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG"
    if not iceberg and serde not in READ_EXACTLY:
        yield wrong(
            f"The table {name} reads with {serde or 'no SerDe'}, which may read less than its objects hold.",
            "Have its objects written as Parquet or ORC, or deploy without EvidenceTable, over a layout of Exhibit's.",
        )


def _by_layout(stack: DeployedStack) -> Mapping[str, Sequence[ListedObject]]:
    found: dict[str, list[ListedObject]] = defaultdict(list)
    for each in stack.objects():
        found[each.layout].append(each)
    return found


def _some(objects: Sequence[ListedObject]) -> str:
    """The first of some objects and how many there are, with the verb."""
    more = len(objects) - 1
    return f"{objects[0].name} and {more:,} more are" if more else f"{objects[0].name} is"
