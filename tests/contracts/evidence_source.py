"""What every `EvidenceSource` does. The fixture `place` is where a test delivers objects to, empty at first."""

import gzip
import hashlib
import re
from datetime import date
from typing import Protocol

import pytest

from reports.core.errors import InvalidEvidence
from reports.evidence.source import EvidenceSource
from reports.verification.evidence_comparison import Holding

FLAT_DAY = "detections/event_day=2026-05-02"
OCSF_DAY = "ext/gateway/region=eu-west-1/accountId=111122223333/eventDay=20260502"


IN_OCSF = "region=x/accountId=1/eventDay=20260502"
IN_NO_PARTITION = "is not in a partition"
COUNTED = [
    f"{FLAT_DAY}/b.csv",
    f"{FLAT_DAY}/hour=08/b.csv",
    f"{FLAT_DAY}/dt=2026-05-02/source=x/2026/05/02/b.csv",
    f"{FLAT_DAY}/metadata/b.csv",
    f"{FLAT_DAY}/metadata/metadata.csv",
    f"{FLAT_DAY}/delta_log/b.csv",
    f"{FLAT_DAY}/b._hidden/c_.csv",
    f"{FLAT_DAY}/part.csv/b.csv",
    f"{FLAT_DAY}/x_$folder$/b.csv",
    f"{FLAT_DAY}/b...csv",
    f"{OCSF_DAY}/b.csv",
    f"{OCSF_DAY}/hour=08/b.csv",
    f"ext/gateway/1.0/{IN_OCSF}/b.csv",
    f"ext/gateway/1.0/class=2004/{IN_OCSF}/b.csv",
    "ext/gateway/REGION=x/AccountID=1/eventday=20260502/b.csv",
    "ext/Gateway/region==/accountId=a=b/eventDay=20260502/b.csv",
    f"{FLAT_DAY}/detector=burst/b.csv",
    f"{FLAT_DAY}/campaign_ids=C/b.csv",
    f"{FLAT_DAY}/campaign_id/C=1/b.csv",
    f"{OCSF_DAY}/version=2/b.csv",
    f"ext/ext/{IN_OCSF}/b.csv",
    f"ext/next/1.0/{IN_OCSF}/b.csv",
]
FOLDERS = [
    (f"{FLAT_DAY}/campaign_id=C/b.csv", "campaign_id=C would be ignored: write campaign_id in the rows"),
    (f"{FLAT_DAY}/hour=08/Country=NA/b.csv", "Country=NA would be ignored: write country in the rows"),
    (f"{OCSF_DAY}/campaignId=C/b.csv", "campaignId=C would be ignored: write campaign_id in the rows"),
    (f"ext/gateway/network=n/{IN_OCSF}/b.csv", "network=n would be ignored: write network in the rows"),
    (f"ext/a/ext/b/{IN_OCSF}/b.csv", "ext/ could be mistaken for the outer one"),
]
REFUSED = [
    *(
        (name, IN_NO_PARTITION)
        for name in (
            "detections/b.csv",
            "detections/readme.txt",
            "detections/2026-05-02/b.csv",
            "detections/2026/05/02/08/b.csv",
            "detections/dt=2026-05-02/b.csv",
            "detections/source=x/event_day=2026-05-02/b.csv",
            "detections/event_day=2026-05-02",
            "detections/event_day=/b.csv",
            "detections/EVENT_DAY=2026-05-02/b.csv",
            "detections/Event_Day=2026-05-02/b.csv",
            "detections/eventday=2026-05-02/b.csv",
            "detections/eventDay=20260502/b.csv",
            "detections/event-day=2026-05-02/b.csv",
            "detections/event_day =2026-05-02/b.csv",
            "detections/event_day%3D2026-05-02/b.csv",
            "detections/event_day=2026-05-02\\b.csv",
            "detections/detections/event_day=2026-05-02/b.csv",
            "detections/ext/b.csv",
            f"detections/gateway/{IN_OCSF}/b.csv",
            "ext/b.csv",
            "ext/gateway/b.csv",
            "ext/gateway/2026/05/02/b.csv",
            "ext/gateway/eventDay=20260502/b.csv",
            "ext/gateway/region=x/eventDay=20260502/b.csv",
            "ext/gateway/accountId=1/eventDay=20260502/b.csv",
            "ext/gateway/region=x/accountId=1/b.csv",
            "ext/gateway/region=x/accountId=1/eventDay=20260502",
            "ext/gateway/accountId=1/region=x/eventDay=20260502/b.csv",
            "ext/gateway/eventDay=20260502/region=x/accountId=1/b.csv",
            "ext/gateway/region=x/accountId=1/dt=1/eventDay=20260502/b.csv",
            "ext/gateway/region=/accountId=1/eventDay=20260502/b.csv",
            "ext/gateway/region=x/account_id=1/eventDay=20260502/b.csv",
            "ext/gateway/reg\u0131on=x/accountId=1/eventDay=20260502/b.csv",
            "ext/gateway/region=x/accountId=1/event_day=2026-05-02/b.csv",
            "ext/gateway/region=__HIVE_DEFAULT_PARTITION__/accountId=1/eventDay=20260502/b.csv",
            "ext/gateway/region=x/accountId=__HIVE_DEFAULT_PARTITION__/eventDay=20260502/b.csv",
            f"ext/{IN_OCSF}/b.csv",
            "ext/event_day=2026-05-02/b.csv",
        )
    ),
    (f"{FLAT_DAY}/event_day=2026-05-03/b.csv", "is in two partitions, one of them event_day=2026-05-03"),
    (f"{FLAT_DAY}/hour=08/Event-Day=2/b.csv", "is in two partitions, one of them Event-Day=2"),
    (f"{OCSF_DAY}/eventDay=20260503/b.csv", "is in two partitions, one of them eventDay=20260503"),
    (f"{OCSF_DAY}/account_id=1/b.csv", "is in two partitions, one of them account_id=1"),
    (f"ext/gateway/region=y/{IN_OCSF}/b.csv", "is in two partitions, one of them region=y"),
    (f"ext/region=y/{IN_OCSF}/b.csv", "is in two partitions, one of them region=y"),
]
HIDDEN = [
    f"{FLAT_DAY}/_SUCCESS",
    f"{FLAT_DAY}/.part-0.parquet.crc",
    f"{FLAT_DAY}/_temporary/0/task/part.csv",
    f"{FLAT_DAY}/.staging/part.avro",
    "detections/_tmp/event_day=2026-05-02/b.csv",
    "detections/_tmp/dt=2026-05-02/b.csv",
    "detections/_tmp/_delta_log/0.json",
    "detections/.tmp/metadata/v1.metadata.json",
    "detections/_tmp/a\nb.csv",
    "detections/_delta_log_$folder$",
    "detections/_delta_log2/0.json",
    "detections/__HIVE_DEFAULT_PARTITION__/b.csv",
    "detections/.hoodies/b.csv",
    "ext/_gateway/region=x/b.csv",
    f"ext/.gateway/{IN_OCSF}/b.csv",
    f"{OCSF_DAY}/_temporary.parquet",
    f"{OCSF_DAY}/metadata/_v1.metadata.json",
    "detections/dt=2026-05-02_$folder$",
    "ext/gateway_$folder$",
    f"{FLAT_DAY}/08_$folder$",
    "_detections/event_day=2026-05-02/b.csv",
    ".ext/b.csv",
    "_Detections",
]
LOGS = [
    ("detections/_delta_log/00000000000000000000.json", "detections/_delta_log", "Delta Lake"),
    (f"{FLAT_DAY}/_delta_log/0.json", f"{FLAT_DAY}/_delta_log", "Delta Lake"),
    ("ext/gateway/_delta_log/.tmp/0.json", "ext/gateway/_delta_log", "Delta Lake"),
    (f"{OCSF_DAY}/hour=08/_delta_log", f"{OCSF_DAY}/hour=08/_delta_log", "Delta Lake"),
    ("detections/.hoodie/hoodie.properties", "detections/.hoodie", "Hudi"),
    ("ext/gateway/.hoodie/timeline/1.commit", "ext/gateway/.hoodie", "Hudi"),
    (f"{FLAT_DAY}/.hoodie_partition_metadata", f"{FLAT_DAY}/.hoodie_partition_metadata", "Hudi"),
    *(
        (name, name, "Iceberg")
        for name in (
            "detections/metadata/v1.metadata.json",
            "detections/metadata/00000-9c12d441-03fe-4693-9a96-a0705ddf69c1.metadata.json",
            "detections/metadata/v2.gz.metadata.json",
            "detections/metadata/v2.metadata.json.gz",
            "ext/gateway/metadata/v1.metadata.json",
            f"{FLAT_DAY}/metadata/v1.metadata.json",
        )
    ),
    ("_delta_log/0.json", "_delta_log", "Delta Lake"),
    (".hoodie/hoodie.properties", ".hoodie", "Hudi"),
]
NEARLY = [
    "Detections/event_day=2026-05-02/b.csv",
    "DETECTIONS/b.csv",
    "detection/event_day=2026-05-02/b.csv",
    "Detection/a",
    "detec-tions/a",
    "detections /event_day=2026-05-02/b.csv",
    "detection_s/a",
    "detections_/a",
    "detections\xa0/a",
    "\uff44etections/a",
    "detections\x0b/a",
    "detection",
    "Detections",
    "detections\\event_day=2026-05-02\\b.csv",
    f"Ext/gateway/{IN_OCSF}/b.csv",
    "EXT/a",
    "exts/a",
    "e-x-t",
    "event_day=2026-05-02/b.csv",
    "eventDay=20260502/b.csv",
]
THEIRS = [
    "notes/a.csv",
    "README.txt",
    "detections-2025-archive/event_day=2026-05-02/b.csv",
    "detections.zip",
    "detections.bak/a",
    "detections2/a",
    "detectionss/a",
    "old detections/a",
    "extras/a",
    "extra",
    "text/a",
    "ext.md",
    "event_days/a",
    f"archive/{FLAT_DAY}/b.csv",
    f"archive/Detections/{IN_OCSF}/b.csv",
    "metadata/a.json",
    "dt=2026-05-02/a",
    "\x0b/a",
]


class Source(EvidenceSource, Holding, Protocol):
    """What is published from, and compared with."""


class Place(Protocol):
    """Where evidence is delivered."""

    def put(self, name: str, content: bytes) -> None:
        """Deliver an object, in place of what has its name."""

    def take(self, name: str) -> None:
        """Take an object away."""

    def open(self) -> Source:
        """The source over all that was delivered."""


def filled(place: Place, *names: str) -> Source:
    """A source with objects that hold their own names."""
    for name in names:
        place.put(name, name.encode())
    return place.open()


def test_listed_in_order(place: Place) -> None:
    """All objects of both layouts are listed with their sizes, in the order of their names, and nothing else."""
    names = [f"{OCSF_DAY}/a.csv", f"{FLAT_DAY}/b.csv", f"{FLAT_DAY}/a.parquet", f"{FLAT_DAY}/below/ä c.jsonl"]
    listed = filled(place, *names, "campaigns.yaml", f"{FLAT_DAY}/_SUCCESS", "other/a.csv").list()
    assert [o.name for o in listed] == sorted(names)
    assert [o.size for o in listed] == [len(name.encode()) for name in sorted(names)]
    assert {(o.layout, o.day) for o in listed} == {("flat", date(2026, 5, 2)), ("ocsf", date(2026, 5, 2))}


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_in_a_partition_counts(place: Place, name: str) -> None:
    """Whatever lies in a partition is an evidence object, however deep, also in a folder that is named oddly."""
    assert [o.name for o in filled(place, name).list()] == [name]


@pytest.mark.parametrize(("name", "saying"), REFUSED)
def test_what_is_in_no_partition_is_refused(place: Place, name: str, saying: str) -> None:
    """An object of a layout's folder that is not in a partition, or in two, is refused by its name, not left out."""
    with pytest.raises(
        InvalidEvidence, match=rf"^{re.escape(name)}: {saying}.*: move it (in)?to (detections|ext)/"
    ):
        filled(place, "detections/event_day=2026-05-01/good.csv", name).list()


@pytest.mark.parametrize(("name", "saying"), FOLDERS)
def test_folders_that_would_say_something(place: Place, name: str, saying: str) -> None:
    """A column that rows need not have is not read from the name of a folder, and a layout holds no other one."""
    with pytest.raises(InvalidEvidence, match=f"^{re.escape(name)}: folder {saying}"):
        filled(place, f"{FLAT_DAY}/good.csv", name).list()


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_hidden_is_passed_over(place: Place, name: str) -> None:
    """A name that starts with `.` or `_` hides all that it leads to, whatever that is; a folder's marker is nothing."""
    assert [o.name for o in filled(place, f"{FLAT_DAY}/good.csv", name).list()] == [f"{FLAT_DAY}/good.csv"]


@pytest.mark.parametrize(("name", "log", "owner"), LOGS)
def test_a_tables_files_are_refused(place: Place, name: str, log: str, owner: str) -> None:
    """Where the log of a table lies its files are not its rows: that is told before all else, at any depth."""
    names = ["detections/a.csv", f"{FLAT_DAY}/a.avro", f"{OCSF_DAY}/a.csv", "ext/z.csv", name]
    message = (
        f"^{re.escape(log)}: the files of this {owner} table may hold old rows: deliver the current ones"
    )
    with pytest.raises(InvalidEvidence, match=message):
        filled(place, *names).list()


@pytest.mark.parametrize("name", NEARLY)
def test_what_is_nearly_a_layout_is_refused(place: Place, name: str) -> None:
    """A name at the top that somebody may have meant for a layout's is refused, for it would not be read."""
    top, slash, _ = name.partition("/")
    told = re.escape(top + slash if top.isprintable() else repr(top + slash))
    with pytest.raises(InvalidEvidence, match=rf"^{told}: (would not be read|is a partition outside)"):
        filled(place, f"{FLAT_DAY}/a.csv", name).list()


@pytest.mark.parametrize("name", THEIRS)
def test_what_else_is_at_the_top_is_theirs(place: Place, name: str) -> None:
    """Other names at the top, however much they begin like a layout's, are of no concern."""
    assert [o.name for o in filled(place, f"{FLAT_DAY}/a.csv", name).list()] == [f"{FLAT_DAY}/a.csv"]


@pytest.mark.parametrize("name", ["detections", "ext"])
def test_a_layout_is_a_folder(place: Place, name: str) -> None:
    """An object with the name of a layout's folder is refused."""
    others = {"detections": f"{OCSF_DAY}/a.csv", "ext": f"{FLAT_DAY}/a.csv"}
    with pytest.raises(InvalidEvidence, match=f"^{name}: is not a folder: put the objects in a folder"):
        filled(place, others[name], name).list()


def test_of_several_faults_the_first_is_told(place: Place) -> None:
    """The refusal is that of the first name, whatever its kind, in whatever order the objects came."""
    names = [
        "ext/no-partition.csv",
        "detections/event_day=2026-13-01/a.csv",
        f"{FLAT_DAY}/a.avro",
        "detections/z.csv",
    ]
    told = []
    for name in sorted(names, reverse=True):
        place.put(name, b"")
        with pytest.raises(InvalidEvidence) as refused:
            place.open().list()
        told.append(str(refused.value).partition(": ")[0])
    assert told == sorted(names, reverse=True)


@pytest.mark.parametrize("character", ["\n", "\x1b", "\x7f", "\x85", "\u2028"])
def test_a_control_character_in_a_name_is_refused(place: Place, character: str) -> None:
    """A name that cannot be printed as it is cannot be listed in a briefing: the message shows it escaped."""
    name = f"{FLAT_DAY}/a{character}b.csv"
    escaped = re.escape(repr(name))
    with pytest.raises(InvalidEvidence, match=f"^{escaped}: has a control character in its name: rename it"):
        filled(place, f"{FLAT_DAY}/a\xa0\u202fb\u200d.csv", name).list()
    place.take(name)
    assert [o.name for o in place.open().list()] == [f"{FLAT_DAY}/a\xa0\u202fb\u200d.csv"]


def test_the_top_is_told(place: Place) -> None:
    """The names directly below the root are told in their order, hidden ones too, folders with a slash."""
    names = ["zz.yaml", ".hidden/a", "Notes/a/b", "Notes/c", "dataset.yaml", f"{FLAT_DAY}/a.csv", "notes"]
    assert filled(place).tops() == ()
    assert filled(place, *names).tops() == (
        ".hidden/",
        "Notes/",
        "dataset.yaml",
        "detections/",
        "notes",
        "zz.yaml",
    )


def test_recorded_objects_are_listed_whatever_else_is_there(place: Place) -> None:
    """Of some names those that are there are listed, also where the place would be refused, or they be passed over."""
    wanted = [f"{FLAT_DAY}/a.csv", f"{FLAT_DAY}/_tmp/b.csv", f"{OCSF_DAY}/eventDay=20260503/c.csv"]
    others = [
        "detections/no-partition.csv",
        "Detections/a.csv",
        f"{FLAT_DAY}/a.avro",
        f"{FLAT_DAY}/other.csv",
    ]
    source = filled(place, *wanted, *others, "detections/_delta_log/0.json")
    listed = source.list({*wanted, f"{FLAT_DAY}/missing.csv", "ext/missing/a.csv", f"{FLAT_DAY}/a.csv/b.csv"})
    assert [o.name for o in listed] == sorted(wanted)
    assert [o.size for o in listed] == [len(name) for name in sorted(wanted)]
    assert {o.state for o in listed} != {""}
    assert [o.name for o in source.pin(listed)] == sorted(wanted)
    assert source.list([]) == ()


def test_recorded_names_are_an_objects(place: Place) -> None:
    """A name that never was an evidence object's is not looked for."""
    names = [
        "dataset.yaml",
        "detections/a.csv",
        f"{FLAT_DAY}/../../a.csv",
        f"../{FLAT_DAY}/a.csv",
        "/etc/a.csv",
    ]
    source = filled(place, f"{FLAT_DAY}/a.csv", *names[:2])
    assert source.list([*names, f"{FLAT_DAY}/./a.csv", f"{FLAT_DAY}//a.csv", f"{FLAT_DAY}/a.csv/", ""]) == ()


def test_listed_alike_while_nothing_changes(place: Place) -> None:
    """Two listings are equal if nothing was delivered between them, and differ if something was."""
    source = filled(place, f"{FLAT_DAY}/a.csv")
    before = source.list()
    assert source.list() == before
    place.put(f"{FLAT_DAY}/b.csv", b"")
    assert source.list() != before


def test_listed_otherwise_after_a_rewrite(place: Place) -> None:
    """Another content of the same length, under the same name, shows in a listing."""
    source = filled(place, f"{FLAT_DAY}/a.csv")
    before = source.list()
    place.put(f"{FLAT_DAY}/a.csv", f"{FLAT_DAY}/b.csv".encode())
    assert [o.size for o in source.list()] == [o.size for o in before]
    assert source.list() != before


def test_neither_layout_is_refused(place: Place) -> None:
    """A place without evidence is refused with what was expected in it."""
    message = r"neither layout is present: expected detections/event_day=.* or ext/"
    with pytest.raises(InvalidEvidence, match=message):
        filled(place, "campaigns.yaml").list()


@pytest.mark.parametrize(
    ("file", "message"),
    [("a.avro", "avro is not a supported format"), ("a", "is neither Parquet nor JSON Lines")],
)
def test_what_cannot_be_read_is_not_passed_over(place: Place, file: str, message: str) -> None:
    """An object in its place whose format is not read is refused by its name."""
    with pytest.raises(InvalidEvidence, match=f"{FLAT_DAY}/{file}: .*{message}"):
        filled(place, f"{FLAT_DAY}/a.csv", f"{FLAT_DAY}/{file}").list()


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        *(
            (f"a{suffix}", b"", "json")
            for suffix in (".json", ".json.gz", ".ndjson", ".ndjson.gz", ".jsonl.gz")
        ),
        ("stream.of-1-2026-05-02-08-00-00-0f8fad5b-d9cb", b"\xef\xbb\xbf\n {}", "json"),
        ("000000_0", b"PAR1", "parquet"),
        ("a.gz", gzip.compress(b"{}", mtime=0), "json"),
        ("a", b"", "json"),
        ("a", gzip.compress(b"{}", mtime=0), r"compressed with gzip, but its name does not end in \.gz"),
        ("a.gz", b"{}", "is not compressed with gzip"),
        ("a", b"[{}]", "neither Parquet nor JSON Lines"),
        ("a.parquet.bak", b"PAR1", r"\.bak is not a supported format"),
    ],
)
def test_the_format_is_told_by_the_name_or_else_by_the_first_bytes(
    place: Place, file: str, content: bytes, found: str
) -> None:
    """A name without a suffix, as Firehose and Athena write it, tells no format; gzip is told by names alone."""
    name = f"{FLAT_DAY}/{file}"
    place.put(name, content)
    if found in ("json", "parquet"):
        source = place.open()
        assert [(o.name, o.format) for o in source.list()] == [(name, found)]
        assert [o.format for o in source.list([name])] == [found]
    else:
        with pytest.raises(InvalidEvidence, match=f"{name}: .*{found}"):
            place.open().list()


def test_pinned_as_they_are(place: Place) -> None:
    """Objects are pinned in the order given, by size and digest as they are then, not as they were listed."""
    names = [f"{FLAT_DAY}/{n}.csv" for n in range(30)]
    source = filled(place, *names)
    large = b"large" * 2**18
    place.put(names[7], large)
    listed = source.list()[::-1]
    place.put(listed[0].name, b"changed")
    contents = [b"changed", *(large if o.name == names[7] else o.name.encode() for o in listed[1:])]
    pinned = source.pin(listed)
    assert [o.name for o in pinned] == [o.name for o in listed]
    assert [o.sha256 for o in pinned] == [hashlib.sha256(content).hexdigest() for content in contents]
    assert [o.size for o in pinned] == [len(content) for content in contents]
    assert source.pin([]) == ()


def test_an_object_that_went_away_is_refused(place: Place) -> None:
    """What cannot be read cannot be pinned, and the message names it."""
    source = filled(place, f"{FLAT_DAY}/a.csv")
    listed = source.list()
    place.take(f"{FLAT_DAY}/a.csv")
    with pytest.raises(InvalidEvidence, match=r"event_day=2026-05-02/a\.csv: cannot be read"):
        source.pin(listed)


def test_names_are_listed_by_no_rule(place: Place) -> None:
    """All that lies in the folders of the layouts is listed by name, in order, also what no listing would allow."""
    names = ["detections/event_day=soon/a", "detections/loose.csv", f"{OCSF_DAY}/_SUCCESS"]
    assert list(filled(place, *names, "campaigns.yaml", f"other/{FLAT_DAY}/a.csv").names()) == names


def test_digested_by_name(place: Place) -> None:
    """Named objects are digested as they are, whatever lies beside them; what is not there is left out."""
    source = filled(place, f"{FLAT_DAY}/a.csv", f"{FLAT_DAY}/refused", "detections/loose.csv")
    wanted = [
        "detections/loose.csv",
        f"{FLAT_DAY}/missing.csv",
        f"{FLAT_DAY}/a.csv/below.csv",
        f"{FLAT_DAY}/a.csv",
    ]
    found = source.named(wanted)
    assert [o.name for o in found] == ["detections/loose.csv", f"{FLAT_DAY}/a.csv"]
    assert [o.sha256 for o in found] == [hashlib.sha256(o.name.encode()).hexdigest() for o in found]
    assert [o.size for o in found] == [len(o.name) for o in found]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/hosts",
        "../a.csv",
        f"{FLAT_DAY}/../b.csv",
        f"{FLAT_DAY}//a.csv",
        f"./{FLAT_DAY}/a.csv",
        "a\0",
    ],
)
def test_no_object_has_such_a_name(place: Place, name: str) -> None:
    """A name that leads elsewhere is the name of nothing, though something is there."""
    assert filled(place, f"{FLAT_DAY}/a.csv", "detections/b.csv").named([name, "\udc80"]) == ()


def test_settings_lie_beside_the_objects(place: Place) -> None:
    """A settings file is its text, and None where there is none."""
    place.put("dataset.yaml", "name: größe\n".encode())
    place.put("latin.yaml", "name: größe\n".encode("latin-1"))
    source = filled(place, f"{FLAT_DAY}/a.csv")
    assert source.text("dataset.yaml") == "name: größe\n"
    assert source.text("missing.yaml") is None
    with pytest.raises(InvalidEvidence, match=r"latin\.yaml: cannot be read as UTF-8 text"):
        source.text("latin.yaml")


def test_the_top_is_listed(place: Place) -> None:
    """The names directly below the root are in order, those of folders with a slash, however much lies in these."""
    names = (
        f"{FLAT_DAY}/a.csv",
        f"{FLAT_DAY}/b.csv",
        f"{OCSF_DAY}/a.csv",
        "dataset.yaml",
        "Dataset.yml",
        "detection",
    )
    source = filled(place, *names, "campaigns.yaml/a", "notes/a/b")
    expected = (
        "Dataset.yml",
        "campaigns.yaml/",
        "dataset.yaml",
        "detection",
        "detections/",
        "ext/",
        "notes/",
    )
    assert source.tops() == expected
