"""How much one caller may ask for in a day."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reports.archive.store import FolderStore
from reports.service.quotas import Quota

NOW = datetime(2026, 6, 20, 23, 59, tzinfo=UTC)


def test_calls_at_once(tmp_path: Path) -> None:
    """Of calls at once, as many are taken as there is room for, and not one more."""
    quota = Quota(FolderStore(tmp_path), "briefings", 5)
    with ThreadPoolExecutor(12) as pool:
        taken = list(pool.map(lambda _: quota.take("one", NOW), range(12)))
    assert taken.count(True) == 5


def test_each_day_and_kind_and_caller_has_its_own(tmp_path: Path) -> None:
    """What one caller has asked for counts for that caller, kind and day alone."""
    store = FolderStore(tmp_path)
    assert [Quota(store, "a", 1).take("one", NOW) for _ in range(2)] == [True, False]
    assert Quota(store, "b", 1).take("one", NOW)
    assert Quota(store, "a", 1).take("two", NOW)
    assert Quota(store, "a", 1).take(None, NOW)
    assert not Quota(store, "a", 1).take("", NOW)
    assert Quota(store, "a", 1).take("one", NOW + timedelta(minutes=1))
