"""The stores of requests, wherever a test keeps them."""

from collections.abc import Callable

from reports.archive.store import Store
from reports.service.requests import Requests

KINDS = ("requests", "attempts", "outcomes", "keys")


def requests_in(store: Callable[[str], Store]) -> Requests:
    """Requests without an index, in a store for each kind of object."""
    requests, attempts, outcomes, keys = map(store, KINDS)
    return Requests(requests, attempts, outcomes, keys)
