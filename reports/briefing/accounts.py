"""The accounts of a regulator's briefing: their pseudonyms, `accounts.csv`, and the Merkle tree over them.

An account's pseudonym is HMAC-SHA-256 (RFC 2104) of its id under its salt. Its salt is HMAC-SHA-256 of its id under the
key of all pseudonyms: whoever gets a salt can check one pseudonym, and learns nothing about any other.

A leaf of the tree is an account: its exact lines in `accounts.csv`, one per campaign.
"""

from __future__ import annotations

import csv
import hmac
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from sys import intern
from typing import TYPE_CHECKING, NamedTuple

from reports.core import merkle
from reports.core.csv_tables import cell, each_line, lines
from reports.core.errors import InvalidSettings

if TYPE_CHECKING:
    from reports.briefing.group import Account

_SALT = b"exhibit: salt of an account\0"
_CHECK = b"exhibit: check of the key"


class AccountRow(NamedTuple):
    """A line of `accounts.csv`: an account's part in a campaign, or in none. Days are `YYYY-MM-DD`."""

    account: str
    campaign_id: str
    exchanges: int
    detections: int
    first_day: str
    last_day: str


@dataclass(frozen=True)
class AccountTable:
    """The accounts, sorted by pseudonym; `key_check` identifies the key of the pseudonyms."""

    rows: tuple[AccountRow, ...]
    key_check: str

    @cached_property
    def leaves(self) -> dict[str, bytes]:
        """The lines of each account, by its pseudonym."""
        leaves: dict[str, bytes] = {}
        for row, line in zip(self.rows, each_line(self.rows), strict=True):
            leaves[row.account] = leaves.get(row.account, b"") + line
        return leaves

    @cached_property
    def content(self) -> bytes:
        """`accounts.csv`."""
        return lines([AccountRow._fields]) + b"".join(self.leaves.values())

    @cached_property
    def root(self) -> str:
        """The Merkle root over the accounts, in hexadecimal."""
        return merkle.root(list(self.leaves.values())).hex()


def pseudonymised(accounts: Iterable[Account], key: bytes) -> AccountTable:
    """The accounts under their pseudonyms, one row per account and campaign."""
    found = list(accounts)
    known = {each: pseudonym(salt(key, each), each) for each in {a.account_id for a in found}}
    rows = (
        AccountRow(
            known[a.account_id],
            cell(a.campaign_id or ""),
            a.exchanges,
            a.detections,
            str(a.first_day),
            str(a.last_day),
        )
        for a in found
    )
    return AccountTable(tuple(sorted(rows)), key_check(key))


def read_accounts(content: bytes, key_check: str) -> AccountTable:
    """Read `accounts.csv`; raises `ValueError` if it is not written as `AccountTable.content` is."""
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=""), strict=True)
    if next(rows, None) != list(AccountRow._fields):
        raise ValueError("accounts.csv does not have the expected columns")
    found = tuple(
        AccountRow(a, intern(c), int(e), int(d), intern(first), intern(last))
        for a, c, e, d, first, last in rows
    )
    if any(before[:2] >= after[:2] for before, after in pairwise(found)):
        raise ValueError("accounts.csv is not sorted by account and campaign, or repeats a row")
    table = AccountTable(found, key_check)
    if table.content != content:
        raise ValueError("accounts.csv is not in the form that Exhibit writes")
    return table


def salt(key: bytes, account_id: str) -> bytes:
    """An account's salt, 32 bytes: neither the key nor another account's salt can be derived from it."""
    return hmac.digest(key, _SALT + account_id.encode(), "sha256")


def pseudonym(salted: bytes, account_id: str) -> str:
    """An account's pseudonym under its salt, in hexadecimal."""
    return hmac.digest(salted, account_id.encode(), "sha256").hex()


def check_key(key: bytes, recorded: str) -> None:
    """Raise `InvalidSettings` if a key does not have the recorded check value."""
    if key_check(key) != recorded:
        raise InvalidSettings("this key did not make the briefing's pseudonyms: give the issuer's key")


def key_check(key: bytes) -> str:
    """The check value of a key: 16 hexadecimal digits that differ for another key."""
    return hmac.digest(key, _CHECK, "sha256")[:8].hex()
