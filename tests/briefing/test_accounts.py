"""The accounts of a regulator's briefing, under their pseudonyms."""

import csv
import hashlib
import hmac
import io
from datetime import date

import pytest

from reports.briefing.accounts import check_key, key_check, pseudonym, pseudonymised, read_accounts, salt
from reports.briefing.group import Account
from reports.core import merkle
from reports.core.errors import InvalidSettings
from tests.support.fakes import KEY

FIRST, LAST = date(2026, 5, 1), date(2026, 5, 3)
ACCOUNTS = [
    Account("a", "A", 60, 1, FIRST, FIRST),
    Account("b", "B", 15, 1, FIRST, FIRST),
    Account("b", "A", 20, 1, LAST, LAST),
    Account("c", None, 5, 2, FIRST, LAST),
    Account("d", "=1\r\n,", 7, 1, FIRST, FIRST),
]
TABLE = pseudonymised(ACCOUNTS, KEY)


def named(account_id: str) -> str:
    """An account's pseudonym, by the definition of HMAC in RFC 2104 and of the salts in the documentation."""

    def mac(key: bytes, message: bytes) -> bytes:
        inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
        return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()

    salted = mac(KEY, b"exhibit: salt of an account\0" + account_id.encode())
    return mac(salted, account_id.encode()).hex()


def test_accounts_are_a_table_under_pseudonyms() -> None:
    """One row an account and campaign, in an order that says nothing, and no id in it."""
    header, *rows = csv.reader(io.StringIO(TABLE.content.decode(), newline=""), strict=True)
    assert header == ["account", "campaign_id", "exchanges", "detections", "first_day", "last_day"]
    assert rows == sorted(rows)
    assert sorted(rows) == sorted(
        [named(account), campaign, exchanges, detections, first, last]
        for account, campaign, exchanges, detections, first, last in (
            ("a", "A", "60", "1", "2026-05-01", "2026-05-01"),
            ("b", "B", "15", "1", "2026-05-01", "2026-05-01"),
            ("b", "A", "20", "1", "2026-05-03", "2026-05-03"),
            ("c", "", "5", "2", "2026-05-01", "2026-05-03"),
            ("d", "'=1\r\n,", "7", "1", "2026-05-01", "2026-05-01"),
        )
    )


def test_a_leaf_is_an_account() -> None:
    """All its lines as they stand in the file, which is made of leaves after its header."""
    assert list(TABLE.leaves) == sorted(map(named, "abcd"))
    _, rest = TABLE.content.split(b"\r\n", 1)
    assert rest == b"".join(TABLE.leaves.values())
    assert TABLE.leaves[named("b")].count(named("b").encode()) == 2
    assert merkle.root(list(TABLE.leaves.values())).hex() == TABLE.root


def test_a_salt_serves_for_one_account() -> None:
    """Whoever has the salt of one makes no other's pseudonym with it."""
    assert pseudonym(salt(KEY, "a"), "a") == named("a")
    assert pseudonym(salt(KEY, "a"), "b") != named("b")
    assert len({salt(KEY, "a"), salt(KEY, "b"), salt(bytes(32), "a")}) == 3


def test_a_table_is_read_as_it_was_written() -> None:
    """With texts that need quotes, and with no account at all."""
    for table in (TABLE, pseudonymised([], KEY)):
        assert read_accounts(table.content, table.key_check) == table


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"\r\n", b"\n"),
        lambda content: content.replace(b",60,", b",060,"),
        lambda content: content.replace(b",60,", b", 60,"),
        lambda content: content.replace(b",60,", b',"60",'),
        lambda content: content.replace(b"account,", b"accounts,"),
        lambda content: content.replace(b"'=1", b"=1"),
        lambda content: content[:-2],
        lambda content: content + b"\r\n",
        lambda content: content + content.splitlines(keepends=True)[-1],
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: b"",
    ],
)
def test_a_table_that_says_the_same_in_other_bytes_is_refused(change: object) -> None:
    """One table, one file: so the root vouches for its bytes."""
    changed = change(TABLE.content)  # type: ignore[operator]
    assert changed != TABLE.content
    try:
        root = read_accounts(changed, "").root
    except ValueError:
        return
    assert root != TABLE.root


def test_a_key_is_known_again() -> None:
    """By what is recorded of it, and another key is not taken for it."""
    assert key_check(KEY) == hmac.digest(KEY, b"exhibit: check of the key", "sha256").hex()[:16]
    check_key(KEY, TABLE.key_check)
    with pytest.raises(InvalidSettings, match="this key did not make the briefing's pseudonyms"):
        check_key(bytes(32), TABLE.key_check)
