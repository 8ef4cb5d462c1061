"""The tables `flat` and `ocsf` as the Glue Data Catalog holds them, and the DDL that makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from reports.evidence.columns import Layout
from reports.evidence.tables import PARTITIONS, Format, column_types

Dialect = Literal["athena", "trino"]
DIALECTS: tuple[Dialect, ...] = ("athena", "trino")
LINE = "(?s)(.*)"
"""The regular expression of a line, of which the one column is all."""
FOLDERS: Mapping[Layout, str] = {"flat": "detections", "ocsf": "ext"}
_WAY: Mapping[Layout, str] = {
    "flat": "event_day=${event_day}/",
    "ocsf": "${source}/region=${region}/accountId=${accountid}/eventDay=${eventday}/",
}
_HIVE = {"varchar": "string", "timestamp(3)": "timestamp"}


@dataclass(frozen=True, slots=True)
class Storage:
    """How Hive reads the objects of a table."""

    input_format: str
    output_format: str
    serde: str
    serde_parameters: Mapping[str, str]


STORAGE: Mapping[Format, Storage] = {
    "parquet": Storage(
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        {"serialization.format": "1"},
    ),
    "json": Storage(
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "org.apache.hadoop.hive.serde2.RegexSerDe",
        {"input.regex": LINE},
    ),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table over a layout's objects below `location` (`s3://BUCKET/PREFIX/`), from the day `since` on.

    `values` are those that the source, the region and the account of an object may have.
    """

    layout: Layout
    format: Format
    location: str
    since: date
    values: Mapping[str, Sequence[str]]

    @property
    def folder(self) -> str:
        """Where the layout's objects lie."""
        return f"{self.location}{FOLDERS[self.layout]}/"

    @property
    def template(self) -> str:
        """Where the objects of a partition lie."""
        return f"{self.folder}{_WAY[self.layout]}"

    @property
    def types(self) -> Mapping[str, str]:
        """Trino's types of the columns."""
        return {"line": "varchar"} if self.format == "json" else column_types(self.layout)

    @property
    def day_format(self) -> str:
        """How a day is written in the name of a partition."""
        return "yyyy-MM-dd" if self.layout == "flat" else "yyyyMMdd"

    @property
    def days(self) -> str:
        """The first and the last day, as partition projection has them."""
        return f"{str(self.since) if self.layout == 'flat' else f'{self.since:%Y%m%d}'},NOW"

    @property
    def parameters(self) -> dict[str, str]:
        """The table's parameters in the catalog."""
        found = {"classification": self.format, "projection.enabled": "true"}
        for name, _ in PARTITIONS[self.layout]:
            of = f"projection.{name}"
            if name in self.values:
                found |= {f"{of}.type": "enum", f"{of}.values": ",".join(self.values[name])}
                continue
            found |= {f"{of}.type": "date", f"{of}.format": self.day_format, f"{of}.range": self.days}
            if self.layout == "ocsf":
                found |= {f"{of}.interval": "1", f"{of}.interval.unit": "DAYS"}
        return {**found, "storage.location.template": self.template}

    def ddl(self, dialect: Dialect) -> str:
        """The statement that makes the table."""
        return self._athena() if dialect == "athena" else self._trino()

    def _athena(self) -> str:
        storage = STORAGE[self.format]
        columns = ",\n".join(f"    `{name}` {hive(type_)}" for name, type_ in self.types.items())
        partitions = ", ".join(f"`{name}` {hive(type_)}" for name, type_ in PARTITIONS[self.layout])
        return (
            f"CREATE EXTERNAL TABLE `{self.layout}` (\n{columns}\n)\n"
            f"PARTITIONED BY ({partitions})\n"
            f"ROW FORMAT SERDE {_quoted(storage.serde)}\n"
            f"WITH SERDEPROPERTIES ({_pairs(storage.serde_parameters)})\n"
            f"STORED AS INPUTFORMAT {_quoted(storage.input_format)}\n"
            f"OUTPUTFORMAT {_quoted(storage.output_format)}\n"
            f"LOCATION {_quoted(self.folder)}\n"
            f"TBLPROPERTIES (\n    {_pairs(self.parameters, f',{chr(10)}    ')}\n)"
        )

    def _trino(self) -> str:
        columns = [f'    "{name}" {type_}' for name, type_ in self.types.items()]
        columns += [
            f"    {name} {type_} with ({self._projected(name)})" for name, type_ in PARTITIONS[self.layout]
        ]
        read = (
            f"format = 'REGEX',\n    regex = {_quoted(LINE)}"
            if self.format == "json"
            else "format = 'PARQUET'"
        )
        names = ", ".join(_quoted(name) for name, _ in PARTITIONS[self.layout])
        return (
            f"CREATE TABLE {self.layout} (\n" + ",\n".join(columns) + "\n) WITH (\n"
            f"    {read},\n    external_location = {_quoted(self.folder)},\n"
            f"    partitioned_by = ARRAY[{names}],\n    partition_projection_enabled = true,\n"
            f"    partition_projection_location_template = {_quoted(self.template)}\n)"
        )

    def _projected(self, name: str) -> str:
        if name in self.values:
            values = ", ".join(map(_quoted, self.values[name]))
            return f"partition_projection_type = 'ENUM', partition_projection_values = ARRAY[{values}]"
        days = ", ".join(map(_quoted, self.days.split(",")))
        interval = (
            ", partition_projection_interval = 1, partition_projection_interval_unit = 'DAYS'"
            if self.layout == "ocsf"
            else ""
        )
        return (
            f"partition_projection_type = 'DATE', partition_projection_format = {_quoted(self.day_format)}, "
            f"partition_projection_range = ARRAY[{days}]{interval}"
        )


def hive(type_: str) -> str:
    """Hive's name of one of Trino's types."""
    if type_ in _HIVE or "(" not in type_:
        return _HIVE.get(type_, type_)
    outer, inner = type_.split("(", 1)
    parts = [part.strip() for part in _parts(inner[:-1])]
    if outer == "row":
        named = (part.split(" ", 1) for part in parts)
        return f"struct<{','.join(f'{name}:{hive(of)}' for name, of in named)}>"
    return f"{outer}<{','.join(map(hive, parts))}>"


def _parts(text: str) -> list[str]:
    """What the commas of a list part that are in no parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _pairs(parameters: Mapping[str, str], between: str = ", ") -> str:
    return between.join(f"{_quoted(name)} = {_quoted(value)}" for name, value in parameters.items())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
