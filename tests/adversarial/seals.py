"""Briefings whose updates are other than they should be: what is stored, the signature, and time-stamps.

Each is written in the form in which Exhibit writes, most below a genuine time-stamp, and differs in one thing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha1, sha256
from types import SimpleNamespace
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA1, SHA224, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from reports.pdf import der, updates
from reports.pdf.cms import read_signature, read_token
from reports.pdf.updates import KIB
from reports.signing import sign as sign_module
from reports.signing import timestamp
from reports.signing.keys import LocalAuthority, LocalKey
from reports.signing.sign import _Authority, sign
from reports.signing.timestamp import LocalTimestamper, Timestamper
from tests.adversarial.attacks import adding
from tests.adversarial.forgeries import Forgery, linked, once, signed_anyway, with_language
from tests.support import form_1, remade
from tests.support.pki import NOW, certify, new_key, sign_locally, stamper_of, usage

CA = x509.BasicConstraints(ca=True, path_length=None)
STAMPING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
ANSWERING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
Stored = tuple[Any, bytes]


def dumped(each: Any) -> bytes:
    made: bytes = each.public_bytes(Encoding.DER)
    return made


def stranger() -> bytes:
    return dumped(certify(new_key(), name="Stranger"))


def revoking(
    issuer: x509.Certificate, key: Any, *serials: int, digest: Any = None, text: bytes = b""
) -> bytes:
    """A revocation list."""
    since = NOW - timedelta(minutes=1)
    builder = x509.CertificateRevocationListBuilder(issuer.subject, since, NOW + timedelta(days=9))
    for serial in serials:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, since).build())
    if text:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), text)
        builder = builder.add_extension(unknown, critical=False)
    return dumped(builder.sign(key, digest or SHA256()))


@dataclass(frozen=True)
class House:
    """A root of one's own, and a certificate of it that signs."""

    authority: LocalAuthority
    root_key: Any
    root: x509.Certificate
    key: Any
    leaf: x509.Certificate

    @classmethod
    def new(cls, authority: LocalAuthority, *extensions: x509.ExtensionType) -> House:
        root_key, key = new_key(), new_key()
        leaf = certify(key, *extensions, name="Leaf", issuer=("Root", root_key))
        return cls(authority, root_key, certify(root_key, CA, name="Root"), key, leaf)

    def signed(self, *stored: Stored) -> bytes:
        return careless(self.authority, LocalKey((self.leaf, self.root), self.key), *stored)

    def answer(
        self,
        about: x509.Certificate | None = None,
        by: tuple[x509.Certificate, Any] | None = None,
        brought: tuple[x509.Certificate, ...] = (),
        digest: Any = None,
    ) -> bytes:
        """An answer about a certificate of the house."""
        responder, key = by or (self.root, self.root_key)
        good = ocsp.OCSPCertStatus.GOOD
        builder = ocsp.OCSPResponseBuilder(certs=list(brought) or None)
        builder = builder.add_response(about or self.leaf, self.root, SHA1(), good, NOW, None, None, None)  # noqa: S303
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        return dumped(builder.sign(key, digest or SHA256()))


def careless(
    authority: LocalAuthority, key: Any, *stored: Stored, stamper: Timestamper | None = None, own: bool = True
) -> bytes:
    """Signed by somebody who stores what he is given, besides his own certificates and the authority's."""
    chain = [*(key.chain if own else ()), *authority.stamp_key.chain, authority.root]
    held = dict.fromkeys([*(("Certs", dumped(each)) for each in chain), *stored])

    async def collected(*_: object) -> tuple[Stored, ...]:
        return tuple(held)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_module, "_collected", collected)
        patch.setattr(sign_module, "check_store", lambda *_: None)
        return sign(linked(), key, stamper or stamper_of(authority))


def stored(signed: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Something in the store that has no reason to be there."""

    def seal(*more: Stored) -> bytes:
        return remade.stamped(signed, stamper_of(authority), more)

    foreign, key = stranger(), new_key()
    root = certify(key, name="Root of a stranger")
    held = remade.revisions(signed)[1][0].held.stored
    nothing = "a stored revocation list is not about a certificate in the file"
    not_der = "a stored item is not DER: it has "
    unread = "a certificate that cannot be read ("
    for name, more, why in (
        ("a certificate of a stranger", ("Certs", foreign), " did not issue any of the others"),
        ("a certificate twice", held[0], "an item is stored twice"),
        ("no certificate", ("Certs", der.value(0x30)), unread),
        ("nothing", ("Certs", b""), f"{not_der}nothing"),
        ("bytes", ("Certs", b"bytes"), f"{not_der}a value that is cut short"),
        ("half a value", ("Certs", b"\x30\1\5"), f"{not_der}a value that is cut short"),
        (
            "a certificate with a tail",
            ("Certs", foreign + b"\5\0"),
            f"{not_der}bytes after the end of a value",
        ),
        ("a list of a stranger", ("CRLs", revoking(root, key)), nothing),
        ("a list that another signed", ("CRLs", revoking(authority.root, key)), nothing),
        ("a list that is none", ("CRLs", foreign), "a revocation list that cannot be read ("),
        ("an answer that is none", ("OCSPs", foreign), "an OCSP answer that cannot be read ("),
    ):
        yield Forgery(name, seal(more), why)


def housed(_: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Lists and answers about a certificate of a signer with a root of his own."""
    house = House.new(authority)
    other, key = certify(new_key(), issuer=("Root", house.root_key)), new_key()
    answer, responder = house.answer(), certify(key, name="Responder", issuer=("Root", house.root_key))
    named = certify(key, ANSWERING, name="Responder", issuer=("Root", new_key()))
    unexplained = (
        "a stored OCSP answer is not about a certificate in the file, or not from an authorised responder"
    )
    weak = revoking(house.root, house.root_key, digest=SHA224())
    unknown = revoking(house.root, house.root_key).replace(
        b"\x2a\x86\x48\xce\x3d\4\3\2", b"\x2a\x86\x48\xce\x3d\4\3\x09"
    )
    for name, more, why in (
        (
            "a namesake of the root",
            ("Certs", dumped(certify(new_key(), CA, name="Root"))),
            " did not issue any of the others",
        ),
        ("an answer with a tail", ("OCSPs", answer + b"\5\0"), "bytes after the end of a value"),
        (
            "an answer with a tail in it",
            ("OCSPs", _tailed(answer)),
            "a stored OCSP answer has no result",
        ),
        ("an answer about another", ("OCSPs", house.answer(other)), unexplained),
        ("an answer that nobody signed", ("OCSPs", answer[:-1] + bytes([answer[-1] ^ 1])), unexplained),
        (
            "an answer of who may not answer",
            ("OCSPs", house.answer(None, (responder, key), (responder,))),
            unexplained,
        ),
        (
            "an answer of a stranger's house",
            ("OCSPs", house.answer(None, (named, key), (named,))),
            unexplained,
        ),
        (
            "an answer by an unknown digest",
            ("OCSPs", answer.replace(b"\x2b\x0e\3\2\x1a", b"\x2b\x0e\3\2\x7f")),
            "an OCSP answer that identifies its issuer by ",
        ),
        ("an answer by SHA-224", ("OCSPs", house.answer(digest=SHA224())), "an OCSP answer: "),
        ("a list by SHA-224", ("CRLs", weak), " is signed with sha224, which is no longer secure"),
        (
            "a list by an unknown algorithm",
            ("CRLs", unknown),
            " is signed with an algorithm that Exhibit does not know",
        ),
        *(
            (
                f"a list with {piece.decode()}",
                ("CRLs", revoking(house.root, house.root_key, text=b"x " + piece)),
                "a stored item could be read as part of a PDF: it has ",
            )
            for piece in (b"endobj", b"endstream", b"startxref", b"%%EOF", b"7 0 obj")
        ),
    ):
        yield Forgery(name, house.signed(more), why)


def _tailed(answer: bytes) -> bytes:
    """An answer with something behind it, within its wrapping."""
    status, tagged = der.members(answer)
    kind, octets = der.members(der.members(tagged, 0xA0)[0])
    inside = der.value(der.SEQUENCE, kind, der.value(der.OCTETS, der.contents(octets, der.OCTETS), b"\5\0"))
    return der.value(der.SEQUENCE, status, der.value(0xA0, inside))


def signers(_: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Signed with a key, or under a certificate, that proves nothing."""
    root_key, keys = new_key(), [new_key() for _ in range(2)]
    root = certify(root_key, CA, name="Root")
    stamp = certify(keys[0], STAMPING, name="Stamper", issuer=("Root", root_key))
    stamper = LocalTimestamper(LocalKey((stamp,), keys[0]), lambda: NOW)
    namesake = LocalKey((certify(keys[1], name="Leaf", issuer=("Root", new_key())),), keys[1])
    nobodys = LocalKey((certify(keys[1], name="Leaf", issuer=("Nobody", new_key())),), keys[1])
    rooted = tuple(("Certs", dumped(each)) for each in (stamp, root))
    bare = replace(authority, stamp_key=LocalKey((), keys[0]), root=root)
    yield Forgery(
        "a certificate that its issuer did not sign",
        careless(bare, namesake, *rooted, stamper=stamper),
        " is not one that its issuer signed",
    )
    yield Forgery(
        "a certificate of nobody",
        careless(authority, nobodys, own=False),
        " is stored without the certificate of its issuer",
    )
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- to be refused
    yield Forgery(
        "a short key",
        careless(authority, LocalKey((certify(short),), short)),
        " bits, which is no longer secure",
    )
    curve = ec.generate_private_key(ec.SECP256K1())
    own = SimpleNamespace(chain=(certify(curve),), sign=lambda data: curve.sign(data, ec.ECDSA(SHA256())))
    yield Forgery("another curve", careless(authority, own), " has a key on the curve ")
    edwards = ed448.Ed448PrivateKey.generate()
    own = SimpleNamespace(chain=(certify(edwards, issuer=("Root", root_key)), root), sign=edwards.sign)
    yield Forgery(
        "a key of another kind", careless(authority, own), " has a key of a kind that Exhibit does not use"
    )


@dataclass(frozen=True)
class Sealing:
    """The last time-stamp of a file, made again with something else in it, by the same key or another."""

    signed: bytes
    key: Any

    def sealed(
        self,
        told: Callable[[bytes], bytes] = bytes,
        attributes: Callable[[Any], Any] = lambda made: made,
        data: Callable[[Any], object] = lambda _: None,
        parts: Callable[[list[bytes]], object] = len,
    ) -> bytes:
        """With other content, signed attributes, or, which nothing signs, other data or parts of these."""
        own = timestamp._signed_attributes
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timestamp, "_signed_attributes", lambda *given: attributes(own(*given)))
            made = LocalTimestamper(self.key)._signed(told(self.told))
        data(made)
        return self.replaced(cms.ContentInfo({"content_type": "signed_data", "content": made}).dump(), parts)

    def replaced(self, token: bytes, parts: Callable[[list[bytes]], object] = len) -> bytes:
        kind, tagged = der.members(token)
        found = der.members(der.members(tagged, der.TAGGED_0)[0])
        parts(found)
        inside = der.value(der.TAGGED_0, der.value(der.SEQUENCE, *found))
        return remade.replaced(self.signed, 1, der.value(der.SEQUENCE, kind, inside))

    @property
    def told(self) -> bytes:
        """What the time-stamp says."""
        return read_token(remade.revisions(self.signed)[-1][0].held.content).content


def _set(path: tuple[Any, ...], value: Any) -> Callable[[Any], None]:
    """Puts a value into the data of a time-stamp."""

    def change(data: Any) -> None:
        *above, last = path
        for each in above:
            data = data[each]
        data[last] = value

    return change


def _append(path: tuple[Any, ...], value: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for each in path:
            data = data[each]
        data.append(value)

    return change


def _named(value: bytes) -> Callable[[bytes], bytes]:
    """What a time-stamp tells, with a name of its authority that is any value."""
    other = der.value(der.TAGGED_0, core.ObjectIdentifier("1.2.3.4").dump(), der.value(0xA0, value))
    return lambda told: der.value(der.SEQUENCE, *der.members(told), der.value(0xA0, other))


def nested(depth: int) -> Callable[[bytes], bytes]:
    value = b""
    for _ in range(depth):
        value = der.value(der.SEQUENCE, value)
    return _named(value)


def _told(**entries: Any) -> Callable[[bytes], bytes]:
    def change(told: bytes) -> bytes:
        info = tsp.TSTInfo.load(told)
        for key, value in entries.items():
            info[key] = value
        changed: bytes = info.dump()
        return changed

    return change


def _attribute(at: int, **entries: Any) -> Callable[[Any], Any]:
    """Another signed attribute in the place of one, or behind the last."""
    return lambda made: cms.CMSAttributes([*list(made)[:at], entries, *list(made)[at + 1 :]])


def _part(at: int, change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], None]:
    return lambda parts: parts.__setitem__(at, change(parts[at]))


def _named_by(serial: int, authority: LocalAuthority) -> Any:
    """A signer by a serial number."""
    issuer = asn1_x509.Name.load(authority.root.subject.public_bytes())
    return cms.SignerIdentifier({"issuer_and_serial_number": {"issuer": issuer, "serial_number": serial}})


def _in_signer(at: int, change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], None]:
    def changed(parts: list[bytes]) -> None:
        held = der.members(der.members(parts[-1], der.SET)[0])
        held[at] = change(held[at])
        parts[-1] = der.value(der.SET, der.value(der.SEQUENCE, *held))

    return changed


def tokens(signed: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Time-stamps that are written, or that say, something else than they should."""
    sealing = Sealing(signed, authority.stamp_key)
    later = _told(gen_time=NOW + timedelta(minutes=1))(sealing.told)
    swapped = _Authority(stamper_of(authority)).stamp(bytes(32))
    own = dumped(authority.stamp_key.chain[0])
    for name, how, why in (*_unsigned(_named_by(7, authority), later), *_telling(), *_signing(own)):
        yield Forgery(name, sealing.sealed(**how), why)
    yield from _others_keys(signed)
    yield Forgery(
        "a time-stamp of something else",
        sealing.replaced(swapped),
        " was made for other data: the file was changed, or the time-stamp was swapped",
    )


def _unsigned(nobody: Any, later: bytes) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What nothing signs."""
    hidden = der.value(
        der.SEQUENCE, algos.DigestAlgorithmId("sha256").dump(), der.value(der.OCTETS, b"hidden")
    )
    time = cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": NOW})]})
    other = algos.SignedDigestAlgorithm({"algorithm": "sha384_ecdsa"})
    contradicts, signer = "the time-stamp is inconsistent", ("signer_infos", 0)
    yield (
        "a time-stamp of another time",
        {"data": _set(("encap_content_info", "content"), core.ParsableOctetString(later))},
        " does not match its certificate",
    )
    yield (
        "an attribute that nothing signs",
        {"data": _set((*signer, "unsigned_attrs"), cms.CMSAttributes([time]))},
        "the time-stamp has attributes that are not signed",
    )
    yield (
        "a certificate of a stranger in a token",
        {"data": _append(("certificates",), cms.CertificateChoices.load(stranger()))},
        " did not issue any of the others",
    )
    yield (
        "another digest in a token",
        {"data": _append(("digest_algorithms",), algos.DigestAlgorithm({"algorithm": "sha512"}))},
        contradicts,
    )
    yield (
        "parameters in a token",
        {"data": _set(("digest_algorithms",), cms.DigestAlgorithms.load(der.value(der.SET, hidden)))},
        "has parameters for a digest algorithm",
    )
    yield (
        "lists in a token",
        {"data": _set(("crls",), cms.RevocationInfoChoices([]))},
        "does not hold its authority's certificate, or holds more than certificates",
    )
    yield (
        "a token of another version",
        {"data": _set(("version",), "v1")},
        "the time-stamp is not a time-stamp token",
    )
    yield ("a signer of another version", {"data": _set((*signer, "version"), "v3")}, contradicts)
    yield (
        "a token of another signer",
        {"data": _set((*signer, "sid"), nobody)},
        "the time-stamp does not hold its authority's certificate",
    )
    yield (
        "an algorithm of another digest",
        {"data": _set((*signer, "signature_algorithm"), other)},
        " does not match its key or digest, or is one that Exhibit does not use",
    )
    yield (
        "certificates of another kind",
        {"parts": _part(3, lambda held: b"\xa2" + held[1:])},
        "the time-stamp cannot be read (NotDerError: a value of an unexpected kind)",
    )
    yield (
        "a signature of another kind",
        {"parts": _in_signer(5, lambda held: b"\x14" + held[1:])},
        "a value of an unexpected kind",
    )
    yield (
        "a length with a zero before it",
        {"parts": _part(3, lambda held: b"\xa0\x83\0" + held[2:])},
        " is not DER: it has a length that is indefinite, or longer than necessary",
    )


def _telling() -> Iterator[tuple[str, dict[str, Any], str]]:
    """What a time-stamp tells."""
    critical = tsp.Extension({"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\5\0"})
    yield ("values 33 deep", {"told": nested(29)}, "values that are nested too deeply")
    yield ("a value of an unknown kind", {"told": _named(b"\x41\1\0")}, "a value of an unknown kind")
    yield ("a truth that is neither", {"told": _named(b"\1\1\1")}, " that is not valid DER")
    yield ("letters that are none", {"told": _named(b"\x0c\1\xff")}, " that is not valid DER")
    yield ("another version", {"told": _told(version=2)}, "has another version")
    yield (
        "a critical extension",
        {"told": _told(extensions=[critical])},
        "has an unknown critical extension",
    )


def _signing(own: bytes) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What a time-stamp signs besides."""
    weak = {"hash_algorithm": {"algorithm": "sha1"}, "cert_hash": sha1(own).digest()}  # noqa: S324
    kind = core.ObjectIdentifier("1.2.3.4").dump()
    needless = cms.CMSAttribute.load(der.value(der.SEQUENCE, kind, der.value(der.SET, b"\5\0")))
    hasty = cms.CMSAttribute.load(
        der.value(
            der.SEQUENCE,
            cms.CMSAttributeType("signing_time").dump(),
            der.value(der.SET, der.value(0x17, b"2601010000Z")),
        )
    )
    yield (
        "a time without seconds",
        {"attributes": lambda made: cms.CMSAttributes([*made, hasty])},
        " is not DER: it has ",
    )
    yield (
        "content of another kind",
        {"attributes": _attribute(0, type="content_type", values=["data"])},
        "the time-stamp is inconsistent",
    )
    yield (
        "an attribute that time-stamps do not need",
        {"attributes": lambda made: cms.CMSAttributes([*made, needless])},
        " that time-stamps do not need",
    )
    yield (
        "the certificate of another",
        {"attributes": _ess_v2(cert_hash=bytes(32))},
        "names a certificate that is not its own",
    )
    yield (
        "a certificate by SHA-1",
        {"attributes": _ess_v2(**weak)},
        "the time-stamp is weak: the digest algorithm sha1 is no longer secure",
    )
    yield (
        "a certificate by ESS v1",
        {
            "attributes": _attribute(
                2,
                type="signing_certificate",
                values=[tsp.SigningCertificate({"certs": [{"cert_hash": sha1(own).digest()}]})],  # noqa: S324
            )
        },
        "the time-stamp does not sign the identity of its certificate (ESS v2, RFC 5816)",
    )


def _ess_v2(**entries: Any) -> Callable[[Any], Any]:
    found = tsp.SigningCertificateV2({"certs": [entries]})
    return _attribute(2, type="signing_certificate_v2", values=[found])


def _others_keys(signed: bytes) -> Iterator[Forgery]:
    """Time-stamps by keys that their algorithm does not go with."""
    key = rsa.generate_private_key(65537, 2048)
    certificates = (certify(key, STAMPING),)
    algorithm = ("signer_infos", 0, "signature_algorithm")
    wrong = algos.SignedDigestAlgorithm({"algorithm": "sha384_rsa", "parameters": core.Null()})
    sealing = Sealing(signed, LocalKey(certificates, key))
    yield Forgery(
        "RSA with another digest",
        sealing.sealed(data=_set(algorithm, wrong)),
        " does not match its key or digest, or is one that Exhibit does not use",
    )
    own = SimpleNamespace(
        chain=certificates, sign=lambda data: key.sign(data, PSS(MGF1(SHA256()), 32), SHA256())
    )
    for name, mask, trailer in (
        ("RSA with another mask", "sha384", 1),
        ("RSA with another end", "sha256", 2),
    ):
        given = {
            "hash_algorithm": {"algorithm": "sha256"},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask}},
            "salt_length": 32,
            "trailer_field": trailer,
        }
        padded = algos.SignedDigestAlgorithm(
            {"algorithm": "rsassa_pss", "parameters": algos.RSASSAPSSParams(given)}
        )
        yield Forgery(
            name,
            Sealing(signed, own).sealed(data=_set(algorithm, padded)),
            " does not match its key or digest, or is one that Exhibit does not use",
        )


def signatures(signed: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Signatures that are written otherwise, where they sign nothing, and are sealed again."""
    first = remade.revisions(signed)[0][0].held.content
    held = remade.revisions(signed)[1][0].held.stored
    stamper, nobody = stamper_of(authority), _named_by(7, authority)
    assert read_signature(first).dump() == first

    def sealed(content: bytes) -> bytes:
        return remade.stamped(remade.replaced(signed, 0, content), stamper, held)

    def changed(change: Callable[[Any], object]) -> bytes:
        info = cms.ContentInfo.load(first)
        change(info["content"])
        return sealed(info.dump())

    for name, change, why in (
        (
            "content in a signature",
            _set(("encap_content_info", "content"), core.OctetString(b"hidden")),
            "the signature holds something that Exhibit does not write",
        ),
        (
            "two time-stamps of a signature",
            lambda data: data["signer_infos"][0]["unsigned_attrs"].append(
                data["signer_infos"][0]["unsigned_attrs"][0]
            ),
            "the signature has no time-stamp, or another unsigned attribute",
        ),
        (
            "two signers",
            lambda data: data["signer_infos"].append(data["signer_infos"][0]),
            "the signature is not in the form that Exhibit writes (",
        ),
        (
            "a signature of another",
            _set(("signer_infos", 0, "sid"), nobody),
            "the signature does not hold its signer's certificate",
        ),
        (
            "a certificate of a stranger in a signature",
            _append(("certificates",), cms.CertificateChoices.load(stranger())),
            " did not issue any of the others",
        ),
    ):
        yield Forgery(name, changed(change), why)
    found = read_signature(first)
    value = found.value[:-1] + bytes([found.value[-1] ^ 1])
    token = _Authority(stamper).stamp(sha256(value).digest())
    yield Forgery(
        "another signature",
        sealed(replace(found, value=value, token=token).dump()),
        "the signature does not match its certificate",
    )


def written(signed: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Updates in another form than ours, or after something that is none."""
    stamper = stamper_of(authority)
    stated = remade.revisions(signed)[0][0].held.moment
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "bool", lambda _: object(), raising=False)
        signature = remade.stamped(signed, stamper, moment=stated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "_deflates_to", lambda *_: True)
        rows, longer = (
            remade.stamped(
                signed, stamper, more=-1001, deflated=zlib.compress(b"rows" * times), identifier=bytes(16)
            )
            for times in (1, 999)
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "_encoded", bytes)
        text = signed_anyway(linked(), authority, with_language(b"\xfe\xff\xd8\x3d"))
    for name, pdf, why in (
        (
            "a time-stamp in the form of a signature",
            signature,
            "a signature where a time-stamp should be, or the reverse",
        ),
        ("other rows", rows, "a cross-reference that does not point to its objects"),
        ("longer rows", longer, "a cross-reference that does not point to its objects"),
        ("half a character", text, "a string that is not text"),
        (
            "too much room",
            remade.stamped(signed, stamper, more=4 * KIB),
            "it reserves more or less space than it needs",
        ),
        (
            "a token with a tail",
            remade.replaced(signed, 1, remade.revisions(signed)[-1][0].held.content + b"\1"),
            " differs from what Exhibit writes",
        ),
        (
            "another product's stream",
            form_1.stamped(signed, stamper, adding(b"nobody refers to this")),
            "it has a stream that its store does not list",
        ),
        (
            "another product's comment",
            form_1.stamped(signed + b"% more\n", stamper),
            " is neither an object of an update nor its end",
        ),
        (
            "a day that is not",
            _stating(authority, b"D:20261399000000Z"),
            "it states a date or time that does not exist",
        ),
        (
            "a moment in another time zone",
            _stating(authority, b"D:20260101000000+01'00'"),
            "it states a time in a time zone other than UTC",
        ),
        ("no signature", linked(), "not signed"),
        (
            "a signature that cannot be read",
            once(rb"/Contents <[0-9A-F]{8}", b"/Contents <00000000", remade.cut(signed, 1)),
            "changed: the signature does not match the file",
        ),
    ):
        yield Forgery(name, pdf, why)


def _stating(authority: LocalAuthority, moment: bytes) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sign_module, "moment", lambda _: moment)
        return sign_locally(linked(), authority)


def changed(signed: bytes, authority: LocalAuthority) -> bytes:
    """Another year of signing, below a genuine time-stamp."""
    held = remade.revisions(signed)[1][0].held.stored
    cut = once(rb"/M \(D\\072\d{4}", rb"/M (D\\0721999", remade.cut(signed, 1))
    return remade.stamped(cut, stamper_of(authority), held)


def uses(signed: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Files whose signer or whose time-stamps a reader cannot rely on."""
    pdf, own = changed(signed, authority), (authority.root,)
    no_match = "the signature does not match the file: the file was changed"
    yield Forgery("a changed moment", pdf, no_match)
    yield Forgery("a changed moment, by its time-stamp", pdf, no_match, "time-stamp", own)
    yield Forgery("a changed moment, by its signer", pdf, ", so it does not show who signed", "signer", own)
    early = NOW - timedelta(days=400)
    yield Forgery("a clock that is behind", signed, "the last time-stamp is from ", "time-stamp", own, early)
    later = remade.stamped(signed, stamper_of(authority, timedelta(days=2)))
    pdf = remade.stamped(later, stamper_of(authority, timedelta(days=1)))
    after = NOW + timedelta(days=3)
    yield Forgery("time-stamps out of order", pdf, " cannot have existed at ", "time-stamp", own, after)
    for name, extensions, why in (
        (
            "an authority of two purposes",
            (
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION]
                ),
            ),
            " is not only for time-stamps",
        ),
        (
            "an authority that may not sign",
            (STAMPING, usage("key_cert_sign")),
            " is not for digital signatures",
        ),
    ):
        key = new_key()
        one = certify(key, *extensions)
        alone = replace(authority, stamp_key=LocalKey((one,), key))
        pdf = careless(alone, authority.key, stamper=stamper_of(alone))
        yield Forgery(name, pdf, why, "time-stamp", (authority.root, one))
    key = new_key()
    one = certify(key, STAMPING)
    alone = replace(authority, stamp_key=LocalKey((one,), key))
    cut = remade.cut(careless(alone, authority.key, stamper=stamper_of(alone)), 1)
    why = "the document has no time-stamp: it was cut short, or was never finished"
    yield Forgery("a file that was cut short", cut, why, "time-stamp", (authority.root, one))


def houses(_: bytes, authority: LocalAuthority) -> Iterator[Forgery]:
    """Signers with a root of their own, that a reader cannot rely on."""
    house = House.new(authority)
    place = x509.DistributionPoint([x509.DirectoryName(house.root.subject)], None, None, None)
    declaring = House.new(authority, x509.CRLDistributionPoints([place]))
    certifier = House.new(authority, usage("key_cert_sign"))
    server = House.new(authority, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
    serial = house.leaf.serial_number
    for name, pdf, why, root in (
        ("a stranger", house.signed(), " cannot be trusted at ", authority.root),
        (
            "a certificate without its list",
            declaring.signed(),
            "the file does not hold the proof that ",
            declaring.root,
        ),
        (
            "a certificate for something else",
            certifier.signed(),
            " is not for digital signatures",
            certifier.root,
        ),
        (
            "a certificate for servers",
            server.signed(),
            " is for a purpose other than signing documents",
            server.root,
        ),
        (
            "a revoked certificate",
            house.signed(("CRLs", revoking(house.root, house.root_key, serial))),
            " was revoked at ",
            house.root,
        ),
        ("a weak certificate between", *_between(house)),
    ):
        yield Forgery(name, pdf, why, "signer", (root,))
    issuer, key = ed25519.Ed25519PrivateKey.generate(), new_key()
    root, leaf = certify(issuer, CA, name="Edwards"), certify(key, name="Leaf", issuer=("Edwards", issuer))
    pdf = careless(house.authority, LocalKey((leaf, root), key))
    why = " is signed with an algorithm that Exhibit does not use"
    yield Forgery("a certificate signed with Ed25519", pdf, why, "signer", (root,))
    yield Forgery(
        "a reader who trusts nobody",
        house.signed(),
        "give the certificate that you trust with --trust",
        "signer",
    )


def _between(house: House) -> tuple[bytes, str, x509.Certificate]:
    """A signer below a certificate on a curve that is not used here."""
    middle, key = ec.generate_private_key(ec.SECP256K1()), new_key()
    between = certify(middle, CA, name="Between", issuer=("Root", house.root_key))
    leaf = certify(key, name="Leaf", issuer=("Between", middle))
    pdf = careless(house.authority, LocalKey((leaf, between, house.root), key))
    return pdf, " cannot be trusted: ", house.root


KINDS = (stored, tokens, signatures, written, uses, housed, signers, houses)


def every(authority: LocalAuthority) -> Iterator[Forgery]:
    """All of them."""
    signed = sign_locally(linked(), authority)
    for kind in KINDS:
        yield from kind(signed, authority)
