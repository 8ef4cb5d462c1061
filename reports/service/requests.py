"""Requests for briefings. Each is one object that never changes; its state is given by the objects beside it.

    request             requested, not started
    request, attempts   started
    request, outcome    published or failed

An id sorts the newest first and says when, for whom and about which days, so that lists are made of names alone. Where
two workers end a request differently at the same moment, `published` holds: what is in the archive is published.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import sha256
from heapq import merge
from itertools import chain, takewhile
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from reports.archive.store import Store
from reports.core.errors import ExhibitError, InvalidRequest, Unavailable
from reports.core.window import Audience, Window
from reports.service.segments import Index, Segments

State = Literal["requested", "working", "published", "failed"]
STATES: tuple[State, ...] = ("requested", "working", "published", "failed")
PageSize = Literal["letter", "a4"]
ENDED: tuple[State, ...] = ("published", "failed")
PAGE = 1000  # names per list request: as many as S3 returns
RECENT = 100  # the newest requests, which lists always look up by name
RECENT_PAGE = 250  # names, where an index tells of the others
TRIES = 10
LONGEST_ADDRESSEE = 200  # characters

_ID = re.compile(
    r"(?P<inverted>\d{13})-(?P<audience>lawmaker|regulator)-(?P<first>\d{8})-(?P<last>\d{8})-(?P<tail>[0-9a-f]{12})",
    re.ASCII,
)
_LATEST = 9_999_999_999_999  # milliseconds since 1970, which end in the year 2286
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What is asked for. `window` is `FIRST/LAST`, `as_of` an RFC 3339 instant in UTC.

    `requested_by` is `api`, or `schedule` and its name; `subject` is who asked through the API, as the token says it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    id: str
    window: str
    audience: Audience
    as_of: str
    requested_by: str
    addressee: str | None = None
    page_size: PageSize = "letter"
    subject: str | None = None

    def json(self) -> bytes:
        """The request as it is kept."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    @property
    def instant(self) -> datetime:
        """`as_of` as an aware instant."""
        return datetime.fromisoformat(self.as_of)


@dataclass(frozen=True, slots=True)
class RequestId:
    """What a request's id says."""

    id: str
    created: datetime
    audience: Audience
    window: Window
    tail: str

    @classmethod
    def parse(cls, text: str) -> RequestId | None:
        """Read an id; None if it is not one."""
        match = _ID.fullmatch(text)
        if match is None:
            return None
        try:
            window = Window(date.fromisoformat(match["first"]), date.fromisoformat(match["last"]))
        except ValueError:
            return None
        created = _EPOCH + timedelta(milliseconds=_LATEST - int(match["inverted"]))
        audience: Audience = "lawmaker" if match["audience"] == "lawmaker" else "regulator"
        return cls(text, created, audience, window, match["tail"])


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """A request in a list."""

    name: RequestId
    state: State


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """How a request has ended: with the receipt of what was published, or with the kind and message of an error."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    state: Literal["published", "failed"]
    receipt: dict[str, Any] | None = None
    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """What an idempotency key stands for: the digest of the body that came with it, and the request it became."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    body_sha256: str
    request: StoredRequest


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def id_of(created: datetime, audience: Audience, window: Window, tail: str) -> str:
    """The id of a request that was created at an aware instant; `tail` is 12 hexadecimal digits of its own."""
    inverted = _LATEST - (created - _EPOCH) // timedelta(milliseconds=1)
    first, last = (str(day).replace("-", "") for day in (window.first, window.last))
    return f"{inverted:013}-{audience}-{first}-{last}-{tail}"


def said(instant: datetime) -> str:
    """An aware instant as a request states it, in whole seconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests in stores, one for each kind of object: requests, attempts, outcomes, idempotency keys.

    With an index, a list looks at the names of the newest requests alone, and `index` has to be called now and then.
    """

    requests: Store
    attempts: Store
    outcomes: Store
    keys: Store
    segments: Segments | None = None

    def create(self, request: StoredRequest) -> bool:
        """Create a request; False if it is there already."""
        return self.requests.put({f"{request.id}.json": request.json()})

    def knows(self, key: str) -> bool:
        """Whether a key stands for a request."""
        return self.keys.get(_of_key(key)) is not None

    def create_once(self, key: str, body_sha256: str, request: StoredRequest) -> StoredRequest | None:
        """Create the request that a key stands for: this one, if the key is new; None if it came with another body.

        The key is written first. Whoever comes with it again, after a crash too, creates the same request.
        """
        name = _of_key(key)
        record = json.dumps({"body_sha256": body_sha256, "request": asdict(request)}, indent=2) + "\n"
        if not self.keys.put({name: record.encode()}):
            kept: _Kept = _read(_Kept, self.keys.get(name), f"keys/{name}")
            if kept.body_sha256 != body_sha256:
                return None
            request = kept.request
        self.create(request)
        return request

    def get(self, id_: str) -> StoredRequest | None:
        """A request, or None; raises `InvalidRequest` for a damaged one."""
        content = self.requests.get(f"{id_}.json")
        if content is None:
            return None
        try:
            request: StoredRequest = _adapter(StoredRequest).validate_json(content)
            _ = request.instant
        except ValueError as error:
            raise InvalidRequest(
                f"requests/{id_}.json is not a request ({_first(error)}): make the request again through the API"
            ) from None
        if request.id != id_:
            raise InvalidRequest(
                f"requests/{id_}.json holds request {request.id}: make the request again through the API"
            )
        return request

    def names(self) -> Iterator[RequestId]:
        """The names of all requests, the newest first."""
        index = self.segments.index() if self.segments else None
        older = () if index is None else merge(index.after(""), index.newest.open)
        ids = chain(self._newest("", index), older)
        return (name for name in map(RequestId.parse, ids) if name)

    def listed(
        self,
        after: str,
        wanted: Callable[[RequestSummary], bool],
        parts: Collection[str] = (),
        state: State | None = None,
    ) -> Iterator[RequestSummary]:
        """The requests after an id (all of them after `""`) that are wanted, the newest first, by names alone.

        Those whose ids lack one of some `parts`, or that are in another `state`, may be left out before they are looked
        at.
        """
        index = self.segments.index() if self.segments else None
        for id_, found in chain(self._recent(after, index), self._indexed(after, index, parts, state)):
            name = RequestId.parse(id_)
            if name and wanted(listed := RequestSummary(name, found)):
                yield listed

    def index(self) -> bool:
        """Have the index tell of all but the newest requests; False if there is nothing new, or others were quicker.

        It may fail, or run several times at once: what is not in the index is looked up by name.
        """
        if self.segments is None:
            return False
        index = self.segments.index()
        recent = list(self._recent("", index))
        older = dict(recent[RECENT:])
        if index is not None:
            older |= {id_: self._state_of(id_) for id_ in index.newest.open}
        ended = {id_: state for id_, state in older.items() if state in ("published", "failed")}
        if not ended and len(recent) < 2 * RECENT:
            return False
        boundary = recent[RECENT][0] if len(recent) > RECENT else index.newest.boundary if index else ""
        return bool(boundary) and self.segments.append(index, boundary, [*older.keys() - ended.keys()], ended)

    def announce(self, id_: str) -> None:
        """Tell the index of a request that is to be created, where it speaks of requests that are newer."""
        for _ in range(TRIES):
            index = self.segments.index() if self.segments else None
            if (
                self.segments is None
                or index is None
                or id_ < index.newest.boundary
                or id_ in index.newest.open
            ):
                return
            if id_ in index.ended or self.segments.append(
                index, index.newest.boundary, [*index.newest.open, id_], {}
            ):
                return
        raise Unavailable(f"request {id_} cannot be added to the index: run again")

    def _newest(self, after: str, index: Index | None) -> Iterator[str]:
        """The ids of requests after an id, down to those in the index."""
        end = index.newest.boundary if index else "~"
        ids = (stem(name) for name in _names(self.requests, f"{after}.json" if after else "", _most(index)))
        return takewhile(lambda id_: id_ < end, ids) if after < end else iter(())

    def _recent(self, after: str, index: Index | None) -> Iterator[tuple[str, State]]:
        """The same, each with its state."""
        most = _most(index)
        outcomes, attempts = _Beside(self.outcomes, after, most), _Beside(self.attempts, after, most)
        for id_ in self._newest(after, index):
            yield id_, _state(outcomes.of(id_), attempts.of(id_))

    def _indexed(
        self, after: str, index: Index | None, parts: Collection[str], state: State | None
    ) -> Iterator[tuple[str, State]]:
        """The requests in the index."""
        if index is None:
            return
        still, failed = frozenset(index.newest.open), index.failed
        some: Iterable[str] = index.after(after)
        if state in ("requested", "working"):
            some = ()
        elif state == "failed":
            some = sorted(id_ for id_ in failed if id_ > after)
        for id_ in merge(some, (id_ for id_ in index.newest.open if id_ > after)):
            if all(part in id_ for part in parts):
                yield id_, self._state_of(id_) if id_ in still else "failed" if id_ in failed else "published"

    def _state_of(self, id_: str) -> State:
        """The state of one request; an object is asked for by its name, which takes no list."""
        for state in ENDED:
            if self.outcomes.get(f"{id_}.{state}.json") is not None:
                return state
        return "requested" if self.attempts.get(f"{id_}.001.json") is None else "working"

    def begin(self, id_: str, number: int, instant: datetime, worker: str) -> None:
        """Record that delivery `number` of a request has begun."""
        record = {"began": said(instant), "worker": worker}
        self.attempts.put({f"{id_}.{number:03}.json": _json(record)})

    def interrupted(
        self, id_: str, number: int, error: Mapping[str, str], queries: Sequence[str] = ()
    ) -> None:
        """Record why delivery `number` of a request did not end it, and which queries it left running."""
        left = {"queries": queries} if queries else {}
        self.attempts.put({f"{id_}.{number:03}.error.json": _json({**error, **left})})

    def deliveries(self, id_: str) -> int:
        """How many deliveries of a request have begun."""
        names = self.attempts.list(f"{id_}.")
        return sum(not name.endswith(".error.json") for name in names)

    def last_error(self, id_: str) -> Mapping[str, str] | None:
        """Why the last delivery that said so did not end a request."""
        errors = self._errors(id_)
        return {name: errors[-1][name] for name in ("kind", "message")} if errors else None

    def left_running(self, id_: str) -> tuple[str, ...]:
        """The queries that the deliveries of a request left running, each once."""
        return tuple(dict.fromkeys(query for each in self._errors(id_) for query in each.get("queries", ())))

    def _errors(self, id_: str) -> Sequence[Mapping[str, Any]]:
        names = [name for name in self.attempts.list(f"{id_}.") if name.endswith(".error.json")]
        return [json.loads(content) for name in names if (content := self.attempts.get(name))]

    def publish(self, id_: str, receipt: Mapping[str, Any]) -> RequestOutcome:
        """End a request: it is published."""
        outcome = RequestOutcome("published", receipt=dict(receipt))
        self.outcomes.put({f"{id_}.published.json": _json({"state": "published", "receipt": receipt})})
        return outcome

    def fail(self, id_: str, error: Mapping[str, str]) -> RequestOutcome:
        """End a request: it has failed."""
        outcome = RequestOutcome("failed", error=dict(error))
        self.outcomes.put({f"{id_}.failed.json": _json({"state": "failed", "error": error})})
        return outcome

    def outcome(self, id_: str) -> RequestOutcome | None:
        """How a request has ended, or None."""
        names = self.outcomes.list(f"{id_}.")
        if not names:
            return None
        name = max(names)  # `published` comes after `failed`
        outcome: RequestOutcome = _read(RequestOutcome, self.outcomes.get(name), f"outcomes/{name}")
        return outcome


@dataclass(slots=True)
class _Beside:
    """The objects beside requests, read once, in the order of the ids."""

    store: Store
    after: str
    most: int
    _names: Iterator[str] = field(init=False)
    _next: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._names = _names(self.store, self.after, self.most)

    def of(self, id_: str) -> Sequence[str]:
        """The objects beside a request; ids must be asked for in order."""
        found = []
        while self._next < f"{id_}/":  # the character after the full stop
            if self._next.startswith(f"{id_}."):
                found.append(self._next)
            self._next = next(self._names, "~")
        return found


def kind_and_message(error: Exception) -> Mapping[str, str]:
    """An error as stored and shown, without values from rows; of an internal error, only the type."""
    if isinstance(error, ExhibitError):
        return {"kind": type(error).__name__, "message": error.public}
    return {
        "kind": "InternalError",
        "message": f"internal error: {type(error).__name__}: see the log of the function",
    }


def _of_key(key: str) -> str:
    return f"{sha256(key.encode()).hexdigest()}.json"


def stem(name: str) -> str:
    """The name of an object without its suffix."""
    return name.removesuffix(".json")


def _state(outcomes: Sequence[str], attempts: Sequence[str]) -> State:
    if outcomes:
        return "published" if max(outcomes).endswith(".published.json") else "failed"
    return "working" if attempts else "requested"


def _most(index: Index | None) -> int:
    return PAGE if index is None else min(PAGE, RECENT_PAGE)


def _names(store: Store, after: str, most: int) -> Iterator[str]:
    while names := store.list("", after, most):
        yield from names
        if len(names) < most:
            return
        after = names[-1]


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _read(kind: type, content: bytes | None, name: str) -> Any:
    try:
        return _adapter(kind).validate_json(content or b"")
    except ValidationError as error:
        raise Unavailable(f"{name} cannot be read ({_first(error)}): restore it") from None


def _first(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    details = error.errors(include_url=False, include_input=False)[0]
    return ", ".join([*map(str, details["loc"]), details["msg"]])
