"""Prove to somebody who has only the printed page that an account is counted in a regulator's briefing."""

from __future__ import annotations

from collections.abc import Callable

from reports.briefing.accounts import AccountRow, check_key, pseudonym, salt
from reports.briefing.compose import report_number
from reports.core import merkle
from reports.core.errors import CheckFailed, InvalidRequest
from reports.core.labels import normalized
from reports.verification.inclusion_proof import Part, Proof
from reports.verification.record import Record


def prove(record: Record, account_id: str, key: Callable[[], bytes]) -> Proof:
    """The proof for an account of a briefing; `key` gives the key of the pseudonyms.

    Raises `CheckFailed` if the account is not there, `InvalidRequest` if the briefing lists none, and
    `InvalidSettings` for another key than the briefing was made with.
    """
    table = record.accounts
    if table is None:
        other = report_number(record.window, "regulator")
        raise InvalidRequest(
            f"{record.name} is for lawmakers and lists no accounts: give the regulator's briefing, {other}"
        )
    try:
        account_id.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"--account {account_id!r} is not text: give the id in UTF-8") from None
    account_id = normalized(account_id)
    secret = key()
    check_key(secret, table.key_check)
    salted = salt(secret, account_id)
    name = pseudonym(salted, account_id)
    if name not in table.leaves:
        raise CheckFailed(
            f"account {account_id!r} is not counted in {record.name}: accounts.csv has no line for {name}"
        )
    path = merkle.path(list(table.leaves.values()), list(table.leaves).index(name))
    return Proof(
        document=record.name,
        account_id=account_id,
        salt=salted.hex(),
        rows=tuple(_part(row) for row in table.rows if row.account == name),
        path=tuple({side: digest.hex()} for side, digest in path),
        root=table.root,
    )


def _part(row: AccountRow) -> Part:
    return Part(
        campaign_id=row.campaign_id,
        exchanges=row.exchanges,
        detections=row.detections,
        first_day=row.first_day,
        last_day=row.last_day,
    )
