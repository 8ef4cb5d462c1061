"""From a signed briefing to a proof about an account, and to whoever checks it."""

import csv
import io
import json
import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from reports.cli import main
from reports.core.errors import CheckFailed, InvalidRequest, InvalidSettings
from reports.signing.keys import LocalAuthority
from reports.signing.keys_kms import pseudonym_key
from reports.verification.inclusion_proof import check_proof, read_proof
from reports.verification.prove import prove
from tests.support.aws import REGION, client
from tests.support.checking import recorded
from tests.support.publishing import GOLDEN, Published, expected, publish
from tests.support.tools import needs

Capture = pytest.CaptureFixture[str]


def root_of(published: Published) -> str:
    """The root over the accounts that a briefing records."""
    statement = json.loads(published.files["evidence.json"])
    return str(statement["predicate"]["accounts"]["merkleRoot"])


def proved(
    published: Published, authority: LocalAuthority, account: str, out: Path, capsys: Capture
) -> dict[str, object]:
    """The proof that the command line writes, kept in a file."""
    asked = ["prove", str(published.pdf), "--account", account, "--keys", str(authority.directory)]
    assert main(asked) == 0
    written = capsys.readouterr().out
    out.write_text(written)
    found: dict[str, object] = json.loads(written)
    return found


def test_an_account_is_proved_with_all_that_it_did(
    golden: dict[str, Published], authority: LocalAuthority, tmp_path: Path, capsys: Capture
) -> None:
    """Its rows are those of `accounts.csv`, the root is the printed one, and other ids stay out of it."""
    published, file = golden["revisions"], tmp_path / "proof.json"
    proof = proved(published, authority, "a1", file, capsys)
    assert main(["verify-proof", str(file), "--root", root_of(published), "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    table = csv.DictReader(io.StringIO(published.files["accounts.csv"].decode(), newline=""))
    rows = [row for row in table if row.pop("account") == checked["pseudonym"]]
    assert [{key: str(value) for key, value in row.items()} for row in proof["rows"]] == rows  # type: ignore[attr-defined]
    assert rows
    assert [verdict["outcome"] for verdict in checked["verdicts"]] == ["valid", "valid"]
    assert (checked["root"], proof["document"]) == (
        root_of(published),
        recorded(published.pdf.read_bytes()).name,
    )


@pytest.mark.parametrize("scenario", ["hostile", "revisions"])
def test_each_account_is_proved_and_no_other(
    golden: dict[str, Published], authority: LocalAuthority, scenario: str
) -> None:
    """Of all ids in the evidence, whatever they are, as many as `accounts.csv` lists: not those that were excluded."""
    record = recorded(golden[scenario].pdf.read_bytes())
    texts = [file.read_text() for file in (GOLDEN / scenario).glob("detections/*/*")]
    known = {found for text in texts for found in re.findall(r'"account_id": ("(?:[^"\\]|\\.)*")', text)}
    ids = {json.loads(each) for each in known} | {f"a{n}" for n in range(10)}
    proofs = []
    for account in ids:
        with suppress(CheckFailed):
            proofs.append(prove(record, account, authority.pseudonym_key))
    written = [read_proof(json.dumps(proof.model_dump()).encode(), "proof.json") for proof in proofs]
    assert {check_proof(proof)[0].outcome for proof in written} == {"valid"}
    assert {proof.leads_to for proof in written} == {root_of(golden[scenario])}
    assert record.accounts
    assert {proof.pseudonym for proof in written} == set(record.accounts.leaves)


@needs("pdftotext")
def test_the_root_is_printed_for_regulators(golden: dict[str, Published]) -> None:
    """On the pages, as it is recorded; a lawmaker's briefing has none."""
    assert root_of(golden["revisions"]) in golden["revisions"].text
    assert "accounts" not in json.loads(golden["naming"].files["evidence.json"])["predicate"]
    assert "verify-proof" not in golden["naming"].text


def test_the_sample_proves_its_accounts(
    sample_briefings: dict[str, Published], authority: LocalAuthority
) -> None:
    """At most fifteen steps and two kilobytes for one of 24,871 accounts."""
    published = sample_briefings["regulator letter"]
    proof = prove(recorded(published.pdf.read_bytes()), "acct_3d57d2e3dbb7ad7f", authority.pseudonym_key)
    assert [verdict.outcome for verdict in check_proof(proof, root_of(published))] == ["valid", "valid"]
    assert len(proof.path) <= 15
    assert len(json.dumps(proof.model_dump(), indent=2)) < 2048


def test_a_proof_is_shown(
    golden: dict[str, Published], authority: LocalAuthority, tmp_path: Path, capsys: Capture
) -> None:
    """On the screen: verdicts, what the account did, and where to compare the root if it was not given."""
    published, file = golden["revisions"], tmp_path / "proof.json"
    proved(published, authority, "a1", file, capsys)
    assert main(["verify-proof", str(file)]) == 0
    alone = capsys.readouterr().out
    assert re.match(rf"inclusion: +valid +account a1 leads to the root {root_of(published)}", alone)
    assert re.search(r"^  campaign C-1: \d+ exchanges, \d+ detections, from 2026", alone, re.MULTILINE)
    assert "compare the root with the one that EX-" in alone
    printed = " ".join(re.findall(".{16}", root_of(published))).upper()
    assert main(["verify-proof", str(file), "--root", printed]) == 0
    given = capsys.readouterr().out
    assert re.search("^root: +valid", given, re.MULTILINE)
    assert "compare" not in given


def test_what_proves_nothing_is_shown(
    golden: dict[str, Published], authority: LocalAuthority, tmp_path: Path, capsys: Capture
) -> None:
    """An edited proof, or another root, is status 1, and what it says of the account is not repeated."""
    published, file = golden["revisions"], tmp_path / "proof.json"
    proof = proved(published, authority, "a1", file, capsys)
    assert main(["verify-proof", str(file), "--root", "0" * 64]) == 1
    assert re.search("^root: +invalid", capsys.readouterr().out, re.MULTILINE)
    file.write_text(json.dumps({**proof, "account_id": "a\x1b[2J"}))
    assert main(["verify-proof", str(file), "--root", root_of(published)]) == 1
    shown = capsys.readouterr().out
    assert re.match("inclusion: +invalid", shown)
    assert "exchanges" not in shown
    assert "\x1b" not in shown


def test_an_account_that_is_not_there(golden: dict[str, Published], authority: LocalAuthority) -> None:
    """It was checked, with the right key, and is not in the figures."""
    record = recorded(golden["revisions"].pdf.read_bytes())
    with pytest.raises(CheckFailed, match="account 'nobody' is not counted in EX-"):
        prove(record, "nobody", authority.pseudonym_key)


def test_a_wrong_key_is_told_from_an_account_that_is_not_there(golden: dict[str, Published]) -> None:
    """Nothing is said about accounts under another issuer's key."""
    record = recorded(golden["revisions"].pdf.read_bytes())
    with pytest.raises(InvalidSettings, match="this key did not make"):
        prove(record, "a1", lambda: bytes(32))


def test_a_lawmakers_briefing_proves_nothing(golden: dict[str, Published]) -> None:
    """It lists no accounts; the briefing that does is named, and no key is asked for."""

    def key() -> bytes:
        raise AssertionError

    record = recorded(golden["naming"].pdf.read_bytes())
    with pytest.raises(InvalidRequest, match="give the regulator's briefing, EX-20260501-20260501-R"):
        prove(record, "n-1", key)


def test_a_file_that_is_not_whole_proves_nothing(
    golden: dict[str, Published], authority: LocalAuthority, tmp_path: Path, capsys: Capture
) -> None:
    """Unsigned, tampered with, or no PDF: no proof comes of it."""
    pdf, unsigned = golden["revisions"].pdf.read_bytes(), golden["revisions"].unsigned
    for content, status in ((unsigned, 1), (pdf.replace(b"Exhibit", b"Exhibyt", 1), 1), (b"hello", 3)):
        file = tmp_path / "file.pdf"
        file.write_bytes(content)
        assert main(["prove", str(file), "--account", "a1", "--keys", str(authority.directory)]) == status
        out, complaint = capsys.readouterr()
        assert out == ""
        assert complaint.startswith("exhibit: the content of the file cannot be trusted: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify-proof", "nowhere.json"], "nowhere.json cannot be read"),
        (["verify-proof", "README.md"], "README.md is not JSON"),
        (["verify-proof", "README.md", "--root", "12"], "--root '12' is not a root"),
        (["prove", "nowhere.pdf", "--account", "a"], "nowhere.pdf cannot be read"),
        (["prove", "nowhere.pdf"], "--account"),
        (["prove", "x.pdf", "--account", "a", "--keys", "x", "--kms-key", "y"], "not allowed with"),
    ],
)
def test_what_cannot_be_asked(capsys: Capture, arguments: list[str], said: str) -> None:
    """Status 2, in one line."""
    assert main(arguments) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1


def test_an_id_that_is_no_text(golden: dict[str, Published], capsys: Capture) -> None:
    """Bytes that are no UTF-8 are the id of no account."""
    assert main(["prove", str(golden["revisions"].pdf), "--account", "\udcff"]) == 2
    assert "is not text" in capsys.readouterr().err


def test_a_key_in_kms_serves_as_the_deployed_system_uses_it(
    aws: None,
    authority: LocalAuthority,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To prove an account, and to make its pseudonym again; one of another kind is named as what is wrong."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    kms = client("kms")
    hashing, encrypting = (
        kms.create_key(KeySpec=spec, KeyUsage=use)["KeyMetadata"]["KeyId"]
        for spec, use in (("HMAC_256", "GENERATE_VERIFY_MAC"), ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"))
    )
    keys = Path(shutil.copytree(authority.directory, tmp_path / "keys"))
    (keys / "pseudonym.key").write_bytes(pseudonym_key(kms, hashing))
    published = publish(GOLDEN / "revisions", tmp_path / "out", keys, expected("revisions")["request"])
    capsys.readouterr()
    pdf, evidence = str(published.pdf), str(GOLDEN / "revisions")
    assert main(["prove", pdf, "--account", "a1", "--kms-key", hashing]) == 0
    assert json.loads(capsys.readouterr().out)["root"] == root_of(published)
    assert main(["verify", pdf, "--evidence", evidence, "--kms-key", hashing]) == 3  # nobody is trusted
    reproduction = capsys.readouterr().out.splitlines()[-1]
    assert re.match("reproduction: +valid", reproduction)
    assert "pseudonyms" not in reproduction
    assert main(["prove", pdf, "--account", "a1", "--kms-key", encrypting]) == 2
    assert f"KMS key {encrypting}" in capsys.readouterr().err
