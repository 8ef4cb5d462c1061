"""Proofs that an account is in the figures, and what is none."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.briefing.accounts import AccountTable, pseudonymised, salt
from reports.briefing.group import Account
from reports.core import merkle
from reports.core.errors import InvalidRequest
from reports.verification.inclusion_proof import MOST_BYTES, Part, Proof, check_proof, read_proof
from tests.support.fakes import KEY
from tests.support.publishing import ROOT

DAY = date(2026, 5, 1)
Data = dict[str, Any]


def accounts(ids: list[str], campaigns: int = 1) -> list[Account]:
    """Accounts, each in some campaigns or in none."""
    names = ["A", "=B,\r\n", None][:campaigns]
    return [Account(each, name, 7 + at, 1, DAY, DAY) for at, each in enumerate(ids) for name in names]


def proof_of(table: AccountTable, account_id: str) -> Data:
    """The proof of one of the accounts, as it is written."""
    salted = salt(KEY, account_id)
    names = list(table.leaves)
    blank = Proof(
        document="EX-1 edition 1",
        account_id=account_id,
        salt=salted.hex(),
        rows=(
            Part(campaign_id="", exchanges=0, detections=0, first_day="2026-05-01", last_day="2026-05-01"),
        ),
        path=(),
        root=table.root,
    )
    path = merkle.path(list(table.leaves.values()), names.index(blank.pseudonym))
    rows = [
        dict(zip(row._fields[1:], row[1:], strict=True)) for row in table.rows if row[0] == blank.pseudonym
    ]
    return {**blank.model_dump(), "rows": rows, "path": [{side: digest.hex()} for side, digest in path]}


def read(data: Any) -> Proof:
    """A proof, read from a file of these data."""
    return read_proof(json.dumps(data).encode(), "proof.json")


TABLE = pseudonymised(accounts([f"account {n}" for n in range(21)], 3), KEY)
GOOD = proof_of(TABLE, "account 4")


@given(st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=40), st.integers(1, 3), st.data())
def test_any_account_of_any_briefing_is_proved(ids: set[str], campaigns: int, data: st.DataObject) -> None:
    """Whatever its id and its campaigns are called, under the root over all, with all its rows."""
    table = pseudonymised(accounts(sorted(ids), campaigns), KEY)
    proof = read(proof_of(table, data.draw(st.sampled_from(sorted(ids)))))
    assert len(proof.rows) == campaigns
    assert [verdict.outcome for verdict in check_proof(proof, table.root)] == ["valid", "valid"]


def places(value: Any, *at: str | int) -> list[tuple[str | int, ...]]:
    """Where the values of some data are."""
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        return [place for key in keys for place in places(value[key], *at, key)]
    return [at]


def other(value: Any) -> st.SearchStrategy[Any]:
    """Something else of the same form."""
    if isinstance(value, int):
        return st.integers(0, 10**30)
    digits = set(value) <= set("0123456789abcdef") and len(value) == 64
    if digits:
        return st.text("0123456789abcdef", min_size=64, max_size=64)
    if value == "2026-05-01":
        return st.dates().map(str)
    return st.text(max_size=20)


@given(st.data())
def test_whatever_is_another_value_proves_nothing(data: st.DataObject) -> None:
    """Each value but the document's name leads to another root than the printed one."""
    place = data.draw(st.sampled_from([p for p in places(GOOD) if p not in {("document",), ("type",)}]))
    changed = copy.deepcopy(GOOD)
    of = changed
    for key in place[:-1]:
        of = of[key]  # type: ignore[index]
    old = of[place[-1]]  # type: ignore[index]

    def differs(new: Any) -> bool:
        return bool(new != old)

    of[place[-1]] = data.draw(other(old).filter(differs))  # type: ignore[index]
    assert "invalid" in [verdict.outcome for verdict in check_proof(read(changed), TABLE.root)]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["path"].pop(),
        lambda data: data["path"].pop(0),
        lambda data: data["path"].reverse(),
        lambda data: data["path"].append(data["path"][0]),
        lambda data: data["path"].__setitem__(0, {"left": next(iter(data["path"][0].values()))}),
        lambda data: data["rows"].pop(),
        lambda data: data["rows"].reverse(),
        lambda data: data["rows"].append(data["rows"][0]),
    ],
    ids=["short", "late", "backwards", "long", "side", "row", "order", "twice"],
)
def test_a_step_or_a_row_more_or_less_proves_nothing(change: Callable[[Data], object]) -> None:
    """A path is whole, and so are the rows of an account."""
    changed = copy.deepcopy(GOOD)
    change(changed)
    if changed == GOOD:
        changed["path"][0] = {"right": changed["path"][0]["left"]}
    assert [verdict.outcome for verdict in check_proof(read(changed))] == ["invalid"]


def test_a_proof_is_of_its_briefing() -> None:
    """A good proof under another root is valid, and proves nothing about the printed one."""
    found = check_proof(read(GOOD), "0" * 64)
    assert [(verdict.check, verdict.outcome) for verdict in found] == [
        ("inclusion", "valid"),
        ("root", "invalid"),
    ]


def test_a_proof_grows_with_the_logarithm() -> None:
    """Sixteen times the accounts take four steps more."""
    small, large = (
        proof_of(pseudonymised(accounts([str(n) for n in range(size)]), KEY), "3") for size in (64, 1024)
    )
    assert (len(small["path"]), len(large["path"])) == (6, 10)
    assert len(json.dumps(large)) - len(json.dumps(small)) < 4 * 90


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.pop("salt"), "salt: Field required"),
        (lambda data: data.update(salt="00"), "salt: "),
        (lambda data: data.update(salt=GOOD["salt"].upper()), "salt: "),
        (lambda data: data.update(salt=GOOD["salt"] + "\n"), "salt: "),
        (lambda data: data.update(type="x"), "type: "),
        (lambda data: data.update(more=1), "more: "),
        (lambda data: data.update({"\x1b[2J" * 1000: 1}), "proof.json: "),
        (lambda data: data.update(rows=[]), "rows: "),
        (lambda data: data["rows"][0].update(account="0"), "rows.0.account: "),
        (lambda data: data["rows"][0].update(exchanges="7"), "rows.0.exchanges: "),
        (lambda data: data["rows"][0].update(exchanges=-7), "rows.0.exchanges: "),
        (lambda data: data["rows"][0].update(exchanges=7.0), "rows.0.exchanges: "),
        (lambda data: data["rows"][0].update(exchanges=True), "rows.0.exchanges: "),
        (lambda data: data["rows"][0].update(first_day="May"), "rows.0.first_day: "),
        (lambda data: data["rows"][0].update(campaign_id=None), "rows.0.campaign_id: "),
        (lambda data: data["path"].__setitem__(1, {}), "path.1: "),
        (lambda data: data["path"].__setitem__(1, {"left": "0" * 64, "right": "0" * 64}), "path.1: "),
        (lambda data: data["path"].__setitem__(1, {"up": "0" * 64}), "path.1."),
        (lambda data: data["path"].extend(data["path"] * 20), "path: "),
        (lambda data: data.update(root=7), "root: "),
        (lambda data: data.update(account_id=7), "account_id: "),
        (lambda data: data.update(document="x" * 101), "document: "),
    ],
)
def test_what_is_no_proof_is_refused(change: Callable[[Data], object], said: str) -> None:
    """In one short line that names the file and the field."""
    changed = copy.deepcopy(GOOD)
    change(changed)
    with pytest.raises(InvalidRequest) as refused:
        read(changed)
    assert said in str(refused.value)
    assert str(refused.value).startswith("proof.json: ")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{",
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"root": 1, "root": 1}',
        json.dumps(GOOD).replace("{", '{"salt": "", ', 1).encode(),
        json.dumps(GOOD).replace('"exchanges": 11', '"exchanges": NaN').encode(),
        json.dumps(GOOD).replace('"exchanges": 11', '"exchanges": 1' + "0" * 5000).encode(),
        json.dumps(GOOD).replace("account 4", "\\ud800").encode(),
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).encode().ljust(MOST_BYTES + 1),
    ],
    ids=[
        *("empty", "bytes", "list", "null", "cut", "deep list", "deep object", "twice", "salted twice"),
        *("no number", "digits", "surrogate", "encoding", "huge"),
    ],
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    """Whatever it is, in one line and no time."""
    with pytest.raises(InvalidRequest, match=r"^proof\.json") as refused:
        read_proof(content, "proof.json")
    assert len(str(refused.value)) < 1000


@pytest.mark.usefixtures("slow")
def test_the_lines_of_the_documentation_lead_to_the_root(tmp_path: Path) -> None:
    """Whatever a campaign is called; and to another root from an account that claims another's rows."""
    (lines,) = re.findall(r"```python\n(.*?)```", Path("docs/checking.md").read_text("utf-8"), re.DOTALL)
    stolen = proof_of(TABLE, "account 5")
    stolen["rows"] = [{**row, "account": read(GOOD).pseudonym} for row in GOOD["rows"]]
    stolen["path"] = GOOD["path"]
    for proof, leads_there in ((GOOD, True), (stolen, False)):
        (tmp_path / "proof.json").write_text(json.dumps(proof, ensure_ascii=False), "utf-8")
        printed = subprocess.run(
            [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, check=True, text=True
        )
        assert (printed.stdout.strip() == TABLE.root) == leads_there


@pytest.mark.usefixtures("slow")
def test_little_is_loaded_to_check_one(tmp_path: Path) -> None:
    """`exhibit verify-proof` loads no library for PDFs, signatures, evidence or AWS."""
    (tmp_path / "proof.json").write_text(json.dumps(GOOD))
    checked = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reports", "verify-proof", tmp_path / "proof.json"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    loaded = set(re.findall(r"\| +(\w+)", checked.stderr))
    assert "pydantic" in loaded
    assert loaded.isdisjoint({"pikepdf", "pypdf", "pyhanko", "weasyprint", "cryptography", "duckdb", "boto3"})
