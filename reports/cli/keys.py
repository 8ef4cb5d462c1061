"""`exhibit keys`."""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from reports.cli.terminal import Verbs, path, say, write
from reports.core.aws_clients import client
from reports.evidence.source import in_s3


def add(verbs: Verbs) -> None:
    text = (
        "Get a certificate for a signing key in AWS KMS, and put it where the deployed system looks for it."
    )
    keys = verbs.add_parser("keys", help="certificates for a key in AWS KMS", description=text)
    of_keys = keys.add_subparsers(required=True, metavar="COMMAND")
    text = "Write a signing request (PKCS #10), signed by the key, for a certificate authority."
    csr = of_keys.add_parser("csr", help="write a signing request", description=text)
    _add_subject(csr)
    csr.set_defaults(run=_csr)
    text = "Write a certificate that the key signs for itself."
    own = of_keys.add_parser("self-signed", help="write a self-signed certificate", description=text)
    _add_subject(own)
    own.add_argument(
        "--days", metavar="N", type=int, default=825, help="how many days it is valid (default: 825)"
    )
    own.set_defaults(run=_self_signed)
    text = "Check that a certificate and its issuers' fit the key, and put them in a bucket as chain.pem."
    install = of_keys.add_parser("install", help="put certificates in a bucket", description=text)
    _add_kms_key(install)
    install.add_argument(
        "--chain",
        metavar="FILE",
        type=path,
        required=True,
        help="the key's certificate and its issuers' certificates, as PEM",
    )
    install.add_argument("--to", metavar="URL", required=True, help="s3://BUCKET/PREFIX")
    install.set_defaults(run=_install)


def _add_kms_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", metavar="KEY", required=True, help="the KMS key's id, ARN or alias/NAME")


def _add_subject(parser: argparse.ArgumentParser) -> None:
    _add_kms_key(parser)
    parser.add_argument(
        "--subject",
        metavar="NAME",
        required=True,
        help="the name in it: CN=…,O=…,C=…, most specific part first",
    )
    parser.add_argument("--out", metavar="FILE", type=path, required=True, help="a new file")


def _csr(options: argparse.Namespace) -> int:
    kms = client("kms")
    from reports.signing.certificate_requests import signing_request
    from reports.signing.keys_kms import KmsSigner

    write(options.out, signing_request(KmsSigner.open(kms, options.key), options.subject))
    say(f"signing request: {options.out}")
    return 0


def _self_signed(options: argparse.Namespace) -> int:
    kms = client("kms")
    from reports.signing.certificate_requests import self_signed
    from reports.signing.keys_kms import KmsSigner

    signer = KmsSigner.open(kms, options.key)
    write(options.out, self_signed(signer, options.subject, options.days, datetime.now(UTC)))
    say(f"certificate: {options.out}")
    return 0


def _install(options: argparse.Namespace) -> int:
    bucket, prefix = in_s3("--to", options.to)
    name = f"{prefix}chain.pem"
    kms, s3 = client("kms"), client("s3")
    from reports.core.aws_errors import translated
    from reports.core.certificates import load_certificates
    from reports.signing.certificate_requests import whole_chain
    from reports.signing.keys_kms import KmsKey

    certificates = load_certificates(options.chain)
    chain = whole_chain(KmsKey.open(kms, options.key, certificates, datetime.now(UTC)), certificates)
    with translated(f"bucket {bucket}"):
        s3.put_object(Bucket=bucket, Key=name, Body=chain, ContentType="application/x-pem-file")
    say(f"installed: s3://{bucket}/{name}")
    return 0
