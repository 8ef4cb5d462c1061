import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from reports.core.certificates import chain_of, load_certificates
from reports.core.errors import InvalidSettings
from reports.signing.keys import LocalAuthority, LocalKey
from tests.contracts.signing_key import *  # noqa: F403
from tests.support.pki import NOW, Key, certify, new_key, pem, usage
from tests.support.tools import PATIENCE

CA = x509.BasicConstraints(ca=True, path_length=None)


def files(folder: Path, key: Key, *certificates: x509.Certificate) -> tuple[Path, Path]:
    (folder / "key.pem").write_bytes(pem(key))
    (folder / "chain.pem").write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
    return folder / "key.pem", folder / "chain.pem"


@pytest.fixture(params=["rsa", "ec"])
def signing_key(request: pytest.FixtureRequest, tmp_path: Path) -> LocalKey:
    key = new_key() if request.param == "ec" else rsa.generate_private_key(65537, 3072)
    return LocalKey.from_pem(*files(tmp_path, key, certify(key)), NOW)


def test_pem_chain_is_sorted(tmp_path: Path) -> None:
    """Certificates may come in any order: the chain starts with that of the key and climbs to the root."""
    root_key, key = new_key(), new_key()
    root = certify(root_key, CA, name="Root")
    leaf = certify(key, name="Leaf", issuer=("Root", root_key))
    stranger = certify(new_key(), name="Root")
    loaded = LocalKey.from_pem(*files(tmp_path, key, stranger, root, leaf), NOW)
    assert (leaf, root) == loaded.chain


def test_pkcs12(tmp_path: Path) -> None:
    """A PKCS #12 file gives the key and its chain."""
    root_key, key = new_key(), new_key()
    root, leaf = certify(root_key, CA, name="Root"), certify(key, name="Leaf", issuer=("Root", root_key))
    encryption = BestAvailableEncryption(b"open sesame")
    file = tmp_path / "key.p12"
    file.write_bytes(pkcs12.serialize_key_and_certificates(None, key, leaf, [root], encryption))
    loaded = LocalKey.from_pkcs12(file, b"open sesame", NOW)
    assert (leaf, root) == loaded.chain
    with pytest.raises(InvalidSettings, match=r"key\.p12 cannot be opened: .* passphrase"):
        LocalKey.from_pkcs12(file, b"wrong", NOW)


def test_pkcs12_without_key(tmp_path: Path) -> None:
    """A PKCS #12 file of certificates alone is refused."""
    file = tmp_path / "trust.p12"
    alone = [certify(new_key())]
    file.write_bytes(pkcs12.serialize_key_and_certificates(None, None, None, alone, _p12_encryption()))
    with pytest.raises(InvalidSettings, match=r"trust\.p12 does not hold a private key"):
        LocalKey.from_pkcs12(file, b"open sesame", NOW)


def _p12_encryption() -> KeySerializationEncryption:
    return BestAvailableEncryption(b"open sesame")


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa", "ec", "ed25519"],
)
def test_weak_or_foreign_keys(tmp_path: Path, key: Key) -> None:
    """RSA below 3072 bits, other curves and Ed25519 are refused."""
    with pytest.raises(
        InvalidSettings, match=r"key cannot be used: give RSA of 3072 bits or more, or ECDSA on"
    ):
        LocalKey.from_pem(*files(tmp_path, key, certify(key)), NOW)


@pytest.mark.parametrize(
    ("certificate", "message"),
    [
        (lambda key: certify(key, until=NOW - timedelta(1), since=NOW - timedelta(9)), "expired at"),
        (lambda key: certify(key, since=NOW + timedelta(1)), "not valid until"),
        (lambda key: certify(new_key()), "does not hold the certificate of the signing key"),
        (lambda key: certify(key, usage("key_cert_sign")), "not for digital signatures"),
        (
            lambda key: certify(key, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
            "for a purpose other than",
        ),
    ],
    ids=["expired", "early", "mismatched", "usage", "purpose"],
)
def test_unfit_certificates(
    tmp_path: Path, certificate: Callable[[Key], x509.Certificate], message: str
) -> None:
    """A certificate that does not serve is refused, with the file and what is wrong."""
    key = new_key()
    with pytest.raises(InvalidSettings, match=rf"chain\.pem.*{message}"):
        LocalKey.from_pem(*files(tmp_path, key, certificate(key)), NOW)


@pytest.mark.parametrize(
    "purpose", [ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")]
)
def test_document_purposes(tmp_path: Path, purpose: x509.ObjectIdentifier) -> None:
    """A certificate for mail or for documents serves."""
    key = new_key()
    certificate = certify(key, usage("content_commitment"), x509.ExtendedKeyUsage([purpose]))
    assert LocalKey.from_pem(*files(tmp_path, key, certificate), NOW).chain == (certificate,)


def test_encrypted_pem(tmp_path: Path) -> None:
    """An encrypted PEM key opens with its passphrase, and without it is refused."""
    key = new_key()
    paths = files(tmp_path, key, certify(key))
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    paths[0].write_bytes(encrypted)
    assert LocalKey.from_pem(*paths, NOW, b"sesame").chain
    for passphrase in (b"wrong", None):
        with pytest.raises(InvalidSettings, match=r"key\.pem does not hold a readable private key"):
            LocalKey.from_pem(*paths, NOW, passphrase)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_unreadable_certificates(tmp_path: Path, content: bytes) -> None:
    """A file without a certificate is refused by name."""
    (tmp_path / "chain.pem").write_bytes(content)
    with pytest.raises(InvalidSettings, match=r"chain\.pem does not hold a readable certificate"):
        load_certificates(tmp_path / "chain.pem")


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is refused by name."""
    with pytest.raises(InvalidSettings, match=r"nowhere\.pem cannot be read: No such file"):
        load_certificates(tmp_path / "nowhere.pem")


def test_der_certificate(tmp_path: Path) -> None:
    """A certificate may be DER."""
    certificate = certify(new_key())
    (tmp_path / "root.cer").write_bytes(certificate.public_bytes(Encoding.DER))
    assert load_certificates(tmp_path / "root.cer") == (certificate,)


def test_chain_ends_where_known() -> None:
    """A chain stops at the last issuer that is known."""
    leaf = certify(new_key(), issuer=("Unknown", new_key()))
    assert chain_of(leaf, [certify(new_key())]) == (leaf,)


def test_keys_keep_silent(authority: LocalAuthority, tmp_path: Path) -> None:
    """Neither what is shown of a key nor an error about it holds the key."""
    shown = repr(authority.key) + repr(authority)
    assert "PRIVATE" not in shown
    assert "_private" not in shown
    broken = tmp_path / "key.pem"
    broken.write_bytes((authority.directory / "signer.key.pem").read_bytes().replace(b"\n", b"\nXY", 1))
    secret = broken.read_text().splitlines()[1]
    with pytest.raises(InvalidSettings) as refused:
        LocalKey.from_pem(broken, authority.directory / "signer.cert.pem", NOW)
    assert secret not in str(refused.value)


def test_authority_is_made_once(authority: LocalAuthority) -> None:
    """The second use of a folder finds what the first made."""
    again = LocalAuthority.open(authority.directory, NOW)
    assert (again.root, again.key.chain) == (authority.root, authority.key.chain)
    assert again.crls(NOW)[0] == authority.crls(NOW)[0]
    assert len(again.pseudonym_key()) == 32
    assert again.pseudonym_key() == authority.pseudonym_key()


def test_authority_is_private(authority: LocalAuthority) -> None:
    """Only the owner can enter the folder or read its files; the certificate that is handed out, all can."""
    assert modes(authority.directory) == {0o700}
    files = set(authority.directory.iterdir())
    assert modes(authority.directory / "root.cert.pem") == {0o644}
    assert modes(*files - {authority.directory / "root.cert.pem"}) == {0o600}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_permissions_do_not_depend_on_the_umask(tmp_path: Path, mask: int) -> None:
    """Whatever the umask, a new authority is as private, and so are the folders that are made for it."""
    before = os.umask(mask)
    try:
        made = LocalAuthority.open(tmp_path / "data" / "exhibit" / "keys", NOW)
    finally:
        os.umask(before)
    test_authority_is_private(made)
    assert modes(tmp_path / "data", tmp_path / "data" / "exhibit") == {0o700}


def modes(*paths: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in paths}


def test_authority_forgets_the_root_key(authority: LocalAuthority) -> None:
    """Nothing else can be issued under the root, whose key is in no file."""
    private = [file.name for file in authority.directory.iterdir() if b"PRIVATE" in file.read_bytes()]
    assert sorted(private) == ["issuing.key.pem", "signer.key.pem", "timestamp.key.pem"]


def test_authority_certificates(authority: LocalAuthority) -> None:
    """The signing key signs documents, the other one time-stamps alone, and the root lists no revocation."""
    signer, stamper = authority.key.chain[0], authority.stamp_key.chain[0]
    key_usage = signer.extensions.get_extension_for_class(x509.KeyUsage)
    purpose = stamper.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert key_usage.critical
    assert key_usage.value == usage("digital_signature", "content_commitment")
    assert purpose.critical
    assert list(purpose.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    issuing = authority.key.chain[1]
    assert stamper.issuer == signer.issuer == issuing.subject
    lists = [x509.load_der_x509_crl(each) for each in authority.crls(NOW)]
    for crl, issuer in zip(lists, (authority.root, issuing), strict=True):
        key = issuer.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert crl.is_signature_valid(key)
        assert not list(crl)


def test_authority_expires(authority: LocalAuthority) -> None:
    """When the signing certificate has expired, the folder is refused and the way on is said."""
    with pytest.raises(InvalidSettings, match=r"signer\.cert\.pem expired at 20.*choose a new folder"):
        LocalAuthority.open(authority.directory, NOW + timedelta(days=5 * 366))


def test_authority_does_not_touch_other_folders(tmp_path: Path) -> None:
    """A folder that holds something else is refused, and stays as it is."""
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InvalidSettings, match=r"cannot be used for keys .*: choose a new or empty folder"):
        LocalAuthority.open(tmp_path, NOW)
    assert [each.name for each in tmp_path.iterdir()] == ["photo.jpg"]
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


def test_authority_in_an_empty_folder(tmp_path: Path) -> None:
    """An empty folder is filled, whatever a run that was killed left beside it."""
    (tmp_path / ".keys.unfinished").mkdir()
    (tmp_path / "keys").mkdir()
    assert LocalAuthority.open(tmp_path / "keys", NOW).directory == tmp_path / "keys"
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]


def test_authority_under_a_file(tmp_path: Path) -> None:
    """A folder that cannot be made is refused by name."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSettings, match=r"file/keys cannot be created: "):
        LocalAuthority.open(tmp_path / "file" / "keys", NOW)


def test_mixed_authorities(tmp_path: Path) -> None:
    """Files of two authorities in one folder are refused."""
    one, other = (LocalAuthority.open(tmp_path / name, NOW).directory for name in ("one", "other"))
    (one / "signer.cert.pem").write_bytes((other / "signer.cert.pem").read_bytes())
    with pytest.raises(InvalidSettings, match="mixes files from two authorities"):
        LocalAuthority.open(one, NOW)


def test_damaged_pseudonym_key(tmp_path: Path) -> None:
    """A key of another length than 32 bytes is refused."""
    opened = LocalAuthority.open(tmp_path / "keys", NOW)
    (opened.directory / "pseudonym.key").write_bytes(b"short")
    with pytest.raises(InvalidSettings, match=r"pseudonym\.key is damaged"):
        opened.pseudonym_key()


@pytest.mark.usefixtures("slow")
def test_race(tmp_path: Path) -> None:
    """Processes that make the same authority at once all end up with the same one, and nothing beside it."""
    program = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from reports.signing.keys import LocalAuthority; sys.stdin.read(1);"
        "print(LocalAuthority.open(Path(sys.argv[1]), datetime.now(UTC)).root.serial_number)"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "keys")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"!")
        racer.stdin.flush()
    serials = {racer.communicate(timeout=PATIENCE)[0] for racer in racers}
    assert len(serials) == 1
    assert serials != {b""}
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]
