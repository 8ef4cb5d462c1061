"""What every `EvidenceSource` does. The fixture `place` is where a test delivers objects to, empty at first."""

import hashlib
from datetime import date
from typing import Protocol

import pytest

from reports.errors import InvalidEvidence
from reports.evidence import EvidenceSource

FLAT_DAY = "detections/event_day=2026-05-02"
OCSF_DAY = "ext/gateway/region=eu-west-1/accountId=111122223333/eventDay=20260502"


class Place(Protocol):
    """Where evidence is delivered."""

    def put(self, name: str, content: bytes) -> None:
        """Deliver an object, in place of what has its name."""

    def take(self, name: str) -> None:
        """Take an object away."""

    def open(self) -> EvidenceSource:
        """The source over all that was delivered."""


def filled(place: Place, *names: str) -> EvidenceSource:
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


@pytest.mark.parametrize(("file", "message"), [("a.avro", "avro is not a format"), ("a", "no suffix is not")])
def test_what_cannot_be_read_is_not_passed_over(place: Place, file: str, message: str) -> None:
    """An object in its place whose format is not read is refused by its name."""
    with pytest.raises(InvalidEvidence, match=f"{FLAT_DAY}/{file}: .*{message}"):
        filled(place, f"{FLAT_DAY}/a.csv", f"{FLAT_DAY}/{file}").list()


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
