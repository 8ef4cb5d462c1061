"""Make a corpus of briefings with the release at hand; later releases have to find them valid for good.

`python -m tests.support.corpus NAME` fills `tests/editions/NAME`: `pages/` are unsigned briefings, each file of
`updates/` is what signing and renewing put after one of them, `trust/` are the roots, and `corpus.json` says which
belong together.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image

from reports.renew import renew
from reports.signing.keys import Lists, LocalAuthority, LocalKey, Private
from reports.signing.sign import sign
from reports.signing.timestamp import LocalTimestamper, Timestamper, _signed_attributes
from tests.support.pki import NOW, certify, new_key, pem, serving, usage
from tests.support.publishing import GOLDEN, publish

EDITIONS = Path(__file__).parents[1] / "editions"
HOUSE = {
    "issuer.yaml": "name: Example House\nlogo: logo.svg\nlogo_alt: Example House\nunit: Trust\nsignatory: Head\n"
    "addressee: {lawmaker: The Committee (on Everything)}\nmarking: TLP:GREEN\ncolours: {accent: '#7a1f5c'}\n",
    "logo.svg": """<svg xmlns="http://www.w3.org/2000/svg" width="240" height="60" viewBox="0 0 240 60">
<defs><linearGradient id="g"><stop offset="0" stop-color="#fc0"/>
<stop offset="0.4" stop-color="#c00" stop-opacity="0.5"/><stop offset="1" stop-color="#00c"/></linearGradient>
<radialGradient id="r"><stop offset="0" stop-color="#fff"/><stop offset="1" stop-color="#070"/></radialGradient>
<pattern id="p" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="4" height="4" fill="#888"/></pattern>
<clipPath id="c"><circle cx="30" cy="30" r="25"/></clipPath>
<mask id="m"><rect width="240" height="60" fill="#999"/></mask>
<filter id="f"><feBlend mode="multiply"/></filter></defs>
<rect width="100" height="60" fill="url(#g)" mask="url(#m)"/><circle cx="130" cy="30" r="25" fill="url(#r)"/>
<rect x="160" width="40" height="60" fill="url(#p)"/><g opacity="0.4"><circle cx="220" cy="30" r="15" fill="#00f"/></g>
<g clip-path="url(#c)"><rect width="60" height="60" fill="#0a0" filter="url(#f)"/></g>
<text x="10" y="35" font-family="Source Sans Pro" font-size="12">House</text></svg>""",
    "sections/glossary.html": """<section class="glossary" id="glossary"><h3 id="überblick">Über</h3>
<h2>Glossary (of the house)</h2>
<p style="background: linear-gradient(to right, #fff, rgba(200, 0, 80, .3))">A gradient.</p>
<p style="background: radial-gradient(circle, #fff, #ddd 40%, #eee); border-radius: 4pt">Another.</p>
<p style="background: repeating-linear-gradient(45deg, #eee 0 4pt, #fff 4pt 8pt); color: lab(40% 20 30)">Stripes.</p>
<p style="transform: rotate(1deg); mix-blend-mode: multiply; border: 2pt dashed #888">Turned.</p>
<p><img src="photo.jpg" alt="A photo" width="40"><img src="alpha.png" alt="A picture" width="40">
<img src="grey.png" alt="Grey" width="20"><img src="logo.svg" alt="The house" width="80"></p>
<p style="background: url(alpha.png) 3pt 2pt / 12pt">Tiles.</p>
<p><a href="https://example.org/a?b=(c)&amp;d=e">Outside</a>, <a href="mailto:a@example.org">a letter</a>,
<a href="#überblick">within</a>, <a href="#who">who</a>.</p>
<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><th scope="row">1</th><td colspan="1">2</td></tr>
<tr><td colspan="2" rowspan="1">Both</td></tr></tbody></table>
<dl><dt>Term</dt><dd>What it is: “ÄÖÜ” – €, ﬁ.</dd></dl><blockquote>Said.</blockquote>
<figure><img src="grey.png" alt="Again" width="20"><figcaption>Caption</figcaption></figure>
</section>
""",
}


@dataclass(frozen=True)
class PssTimestamper(LocalTimestamper):
    """An authority whose tokens are signed with RSASSA-PSS."""

    private: Any = None

    def _signed(self, info: bytes) -> Any:
        certificate = asn1.Certificate.load(self.key.chain[0].public_bytes(Encoding.DER))
        attributes = _signed_attributes(info, certificate)
        digest = algos.DigestAlgorithm({"algorithm": "sha256"})
        parameters = algos.RSASSAPSSParams(
            {
                "hash_algorithm": digest,
                "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": digest},
                "salt_length": 32,
            }
        )
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        sid = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": sid}),
            "digest_algorithm": digest,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "rsassa_pss", "parameters": parameters},
            "signature": self.private.sign(attributes.dump(), pss, hashes.SHA256()),
        }
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [digest],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
                "certificates": [certificate],
                "signer_infos": [signer],
            }
        )


@dataclass(frozen=True)
class OpensslTimestamper:
    """`openssl ts`, whose tokens are written in another way than ours."""

    folder: Path

    def respond(self, request: bytes) -> bytes:
        (self.folder / "query.tsq").write_bytes(request)
        command = [
            "openssl",
            "ts",
            "-reply",
            "-config",
            "ts.cnf",
            "-queryfile",
            "query.tsq",
            "-out",
            "reply.tsr",
        ]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "reply.tsr").read_bytes()


TS_CNF = """[tsa]
default_tsa = own
[own]
dir = .
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
certs = ./chain.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500
ordering = yes
tsa_name = yes
ess_cert_id_chain = yes
ess_cert_id_alg = sha256
"""
CA = x509.BasicConstraints(ca=True, path_length=None)
STAMPING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
Issuer = tuple[x509.Certificate, Any]
"""A certificate of an authority, with its private key."""
FAR = NOW + timedelta(days=365 * 20)


def stamping(name: str) -> tuple[x509.Certificate, Any, Issuer]:
    """A root and a time-stamp authority below it."""
    root_key, key = new_key(), new_key()
    root = certify(root_key, CA, usage("key_cert_sign", "crl_sign"), name=f"{name} root", until=FAR)
    leaf = certify(
        key, usage("digital_signature"), STAMPING, name=name, issuer=(f"{name} root", root_key), until=FAR
    )
    return leaf, key, (root, root_key)


def lists(*issuers: Issuer) -> Lists:
    """Empty revocation lists of authorities, each issued when it is asked for."""

    def issued(since: datetime) -> list[bytes]:
        return [_list(certificate, key, since) for certificate, key in issuers]

    return issued


def _list(issuer: x509.Certificate, key: Any, since: datetime) -> bytes:
    number = x509.CRLNumber(int(since.timestamp()))
    builder = x509.CertificateRevocationListBuilder(issuer.subject, since, since + timedelta(days=30))
    of_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(number, critical=False).add_extension(of_key, critical=False)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if isinstance(key, rsa.RSAPrivateKey) else None
    return builder.sign(key, hashes.SHA256(), rsa_padding=scheme).public_bytes(Encoding.DER)


def openssl(folder: Path) -> tuple[OpensslTimestamper, Issuer]:
    leaf, key, (root, root_key) = stamping("Openssl")
    folder.mkdir()
    (folder / "ts.cnf").write_text(TS_CNF)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.key").write_bytes(pem(key))
    (folder / "tsa.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (folder / "chain.pem").write_bytes(root.public_bytes(Encoding.PEM))
    return OpensslTimestamper(folder), (root, root_key)


def _by_pss(key: Any, name: str, by: Any, issuer: str, *extensions: x509.ExtensionType) -> x509.Certificate:
    def named(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])

    builder = x509.CertificateBuilder(
        named(issuer), named(name), key.public_key(), x509.random_serial_number()
    )
    builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(FAR)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return builder.sign(by, hashes.SHA256(), rsa_padding=pss)


def pss() -> tuple[LocalKey, PssTimestamper, Issuer]:
    """A signer and an authority under a root, all of RSA, whose certificates are signed with RSASSA-PSS."""
    root_key, key, stamp = (rsa.generate_private_key(65537, 3072) for _ in range(3))
    root = _by_pss(root_key, "Pss root", root_key, "Pss root", CA, usage("key_cert_sign", "crl_sign"))
    leaf = _by_pss(key, "Pss signer", root_key, "Pss root", usage("digital_signature", "content_commitment"))
    stamper = _by_pss(stamp, "Pss authority", root_key, "Pss root", usage("digital_signature"), STAMPING)
    return (
        LocalKey((leaf, root), key),
        PssTimestamper(LocalKey((stamper,), stamp), private=stamp),
        (root, root_key),
    )


def two_between() -> tuple[LocalKey, list[Issuer]]:
    keys = [new_key() for _ in range(4)]
    names = ["Top", "Upper", "Lower", "Signer"]
    certificates = [certify(keys[0], CA, usage("key_cert_sign", "crl_sign"), name="Top", until=FAR)]
    for at in (1, 2, 3):
        extensions = (CA, usage("key_cert_sign", "crl_sign")) if at < 3 else (usage("content_commitment"),)
        by = (names[at - 1], keys[at - 1])
        certificates.append(certify(keys[at], *extensions, name=names[at], issuer=by, until=FAR))
    return LocalKey(tuple(reversed(certificates)), keys[3]), list(zip(certificates[:3], keys, strict=False))


def own(key: Private, name: str, until: datetime = FAR) -> tuple[LocalKey, x509.Certificate]:
    """A signer who trusts in nobody but himself."""
    certificate = certify(key, name=name, until=until)
    return LocalKey((certificate,), key), certificate


OWN: dict[str, Callable[[], Private]] = {
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
    "p-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


@dataclass
class Corpus:
    """A folder that is being filled."""

    folder: Path
    authority: LocalAuthority
    cases: list[dict[str, Any]]

    def add(self, name: str, pages: str, pdf: bytes, *roots: x509.Certificate, days: int = 1) -> None:
        unsigned = (self.folder / "pages" / f"{pages}.pdf").read_bytes()
        assert pdf.startswith(unsigned)
        (self.folder / "updates" / f"{name}.bin").write_bytes(pdf[len(unsigned) :])
        trust = []
        for root in roots:
            der = root.public_bytes(Encoding.PEM)
            trust.append(f"{sha256(der).hexdigest()[:12]}.pem")
            (self.folder / "trust" / trust[-1]).write_bytes(der)
        at = (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z")
        self.cases.append({"name": name, "pages": pages, "trust": trust, "at": at})

    def signed(self, pages: str, key: Any = None, stamper: Timestamper | None = None, *more: Issuer) -> bytes:
        unsigned = (self.folder / "pages" / f"{pages}.pdf").read_bytes()
        stamper = stamper or LocalTimestamper(self.authority.stamp_key)
        certificates = (self.authority.root, *(certificate for certificate, _ in more))
        key = key or self.authority.key
        return sign(unsigned, key, stamper, certificates=certificates, crls=self.lists(*more))

    def lists(self, *more: Issuer) -> Lists:
        """The lists of the local authority and of others."""
        return lambda since: [*self.authority.crls(since), *lists(*more)(since)]

    def renewals(
        self, pdf: bytes, stampers: Callable[[Callable[[], datetime]], Timestamper], *roots: Any
    ) -> Iterator[bytes]:
        for year in range(1, 6):
            now = NOW + timedelta(days=365 * year)
            trust = (self.authority.root, *roots)
            pdf = renew(pdf, stampers(_standing(now)), trust, now, crls=self.authority.crls)
            yield pdf


def _standing(now: datetime) -> Callable[[], datetime]:
    return lambda: now


def house(folder: Path) -> Path:
    (folder / "sections").mkdir(parents=True)
    for name, text in HOUSE.items():
        (folder / name).write_text(text)
    picture = Image.linear_gradient("L").resize((24, 24))
    picture.convert("RGB").save(folder / "photo.jpg")
    picture.convert("RGB").convert("RGBA").save(folder / "alpha.png")
    alpha = Image.merge("RGBA", (*Image.merge("RGB", (picture,) * 3).split(), picture))
    alpha.save(folder / "alpha.png")
    picture.save(folder / "grey.png")
    return folder


def pages(folder: Path, work: Path, authority: LocalAuthority) -> None:
    expected = {
        name: json.loads((GOLDEN / name / "expected.json").read_text())["request"]
        for name in ("naming", "quiet", "ocsf")
    }
    asked = {
        "lawmaker": ("naming", "lawmaker", ()),
        "regulator": ("ocsf", "regulator", ("--page-size", "a4")),
        "house": ("naming", "lawmaker", ("--templates", str(house(work / "house")))),
        "house-regulator": ("quiet", "regulator", ("--templates", str(work / "house"))),
    }
    for name, (scenario, audience, more) in asked.items():
        request = {**expected[scenario], "audience": audience}
        made = publish(GOLDEN / scenario, work / name, authority.directory, request, more)
        (folder / "pages" / f"{name}.pdf").write_bytes(made.unsigned)


def main(name: str) -> None:
    folder = EDITIONS / name
    for part in ("pages", "updates", "trust"):
        (folder / part).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "network").mkdir()
        authority = LocalAuthority.open(work / "keys", NOW)
        corpus = Corpus(folder, authority, [])
        pages(folder, work, authority)
        root = authority.root
        for each in ("lawmaker", "regulator", "house", "house-regulator"):
            corpus.add(f"{each}-local", each, corpus.signed(each), root)
        corpus.add("thirty-years", "house", corpus.signed("house"), root, days=int(365.25 * 30) - 1)
        pdf = corpus.signed("regulator")
        again = corpus.renewals(pdf, lambda clock: LocalTimestamper(authority.stamp_key, clock))
        for number, renewed in enumerate(again, 1):
            corpus.add(f"renewed-{number}", "regulator", renewed, root, days=365 * 25)
        for each, new in OWN.items():
            key, certificate = own(new(), each)
            corpus.add(each, "lawmaker", corpus.signed("lawmaker", key), certificate, root)
        key, certificate = own(new_key(), "for a month", NOW + timedelta(days=30))
        pdf = corpus.signed("lawmaker", key)
        corpus.add("expired", "lawmaker", pdf, certificate, root, days=365)
        *_, pdf = corpus.renewals(
            pdf, lambda clock: LocalTimestamper(authority.stamp_key, clock), certificate
        )
        corpus.add("expired-renewed-5", "lawmaker", pdf, certificate, root, days=365 * 25)
        key, above = two_between()
        corpus.add("two-between", "house", corpus.signed("house", key, None, *above), above[0][0], root)
        key, stamper, issuer = pss()
        unsigned = (folder / "pages" / "lawmaker.pdf").read_bytes()
        pdf = sign(unsigned, key, stamper, certificates=issuer[:1], crls=lists(issuer))
        corpus.add("pss", "lawmaker", pdf, issuer[0])
        theirs, issuer = openssl(work / "openssl")
        pdf = corpus.signed("lawmaker", None, theirs, issuer)
        corpus.add("openssl", "lawmaker", pdf, root, issuer[0])
        pdf = renew(pdf, theirs, (root, issuer[0]), datetime.now(UTC), crls=corpus.lists(issuer))
        corpus.add("openssl-renewed", "lawmaker", pdf, root, issuer[0])
        with serving(work / "network") as network:
            pdf = sign(unsigned, network.key("signer"), network.timestamper)
            corpus.add("network", "lawmaker", pdf, network.root)
            for _ in range(5):
                pdf = renew(pdf, network.timestamper, (network.root,), datetime.now(UTC))
            corpus.add("network-renewed-5", "lawmaker", pdf, network.root)
            pdf = corpus.signed("house", None, network.timestamper)
            corpus.add("local-key-network-stamps", "house", pdf, root, network.root)
            pdf = corpus.signed("regulator", network.key("signer"), None)
            corpus.add("network-key-local-stamps", "regulator", pdf, root, network.root)
            pdf = renew(
                pdf, network.timestamper, (root, network.root), datetime.now(UTC), crls=authority.crls
            )
            corpus.add("changed-authority", "regulator", pdf, root, network.root)
        (folder / "corpus.json").write_text(json.dumps(corpus.cases, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
