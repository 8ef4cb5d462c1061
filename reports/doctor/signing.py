"""What briefings are signed with: the key, its certificate, the time-stamps, and the roots that are trusted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256

from asn1crypto import tsp  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from cryptography import x509

from reports.core import aws_errors
from reports.core.certificates import certificates_in, same_key, signing_fault
from reports.core.errors import ExhibitError, InvalidSettings
from reports.doctor.deployed_stack import DeployedStack
from reports.doctor.findings import Finding, of_error, warning, wrong
from reports.service.parts import CHAIN, TRUST
from reports.signing.keys_kms import KmsSigner
from reports.signing.timestamp import HttpTimestamper

SOON = timedelta(days=30)  # as for the alarm
DENIED = "AccessDeniedException"
_STATES = {
    "Disabled": ("disabled", "aws kms enable-key --key-id {key}"),
    "PendingDeletion": (
        "about to be deleted",
        "aws kms cancel-key-deletion --key-id {key}, and then aws kms enable-key --key-id {key}",
    ),
}


def key_usable(stack: DeployedStack) -> Iterator[Finding]:
    """Whether KMS lets the signing key be used.

    Permissions: `kms:DescribeKey` and `kms:GetPublicKey` on the signing key.
    """
    key, kms = stack.resources["SigningKey"], stack.client("kms")
    with aws_errors.translated(f"KMS key {key}"):
        try:
            state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
            if state == "Enabled":
                kms.get_public_key(KeyId=key)
        except ClientError as error:
            if aws_errors.code(error) != DENIED:
                raise
            yield wrong(
                f"KMS denies {error.operation_name} on the signing key {key}.",
                "Allow kms:DescribeKey and kms:GetPublicKey on it, in its key policy and in the policies of your role; "
                "if its key policy was changed, deploy the stack's again, for the functions need it too.",
            )
            return
    if state != "Enabled":
        told, command = _STATES.get(state, (f"in the state {state}", "aws kms describe-key --key-id {key}"))
        yield wrong(f"The signing key {key} is {told}.", f"Run: {command.format(key=key)}")
        return
    try:
        KmsSigner.open(kms, key)
    except InvalidSettings as error:
        yield of_error("wrong", error)


def certificate_of_key(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the settings hold a certificate of the signing key.

    Permissions: those of `settings.schedules_parse`, and `kms:GetPublicKey` on the signing key.
    """
    content = stack.parts.settings.get(CHAIN)
    install = (
        f"Run exhibit keys csr, have the request signed, and exhibit keys install, for key {_key(stack)}."
    )
    if content is None:
        yield wrong(f"The settings have no {CHAIN}, so nothing can be signed.", install)
        return
    try:
        certificates = certificates_in(content, CHAIN)
    except InvalidSettings as error:
        yield of_error("wrong", error)
        return
    public = KmsSigner.open(stack.client("kms"), _key(stack)).public
    leaf = next((each for each in certificates if same_key(each.public_key(), public)), None)
    if leaf is None:
        yield wrong(
            f"{stack.place(CHAIN)} holds certificates of other keys than the signing key alone.", install
        )
    elif fault := signing_fault(leaf):
        yield wrong(f"{stack.place(CHAIN)}: {fault}.", "Get a certificate for signing documents. " + install)


def certificate_in_force(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the certificate is valid now; permissions as for `certificate_of_key`."""
    leaf = _leaf(stack)
    first, last = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    install = (
        f"Get a new one for the same key: exhibit keys csr, then exhibit keys install, for key {_key(stack)}."
    )
    if stack.now > last:
        yield wrong(f"The certificate expired on {last:%Y-%m-%d}.", install)
    elif stack.now < first:
        yield wrong(
            f"The certificate is not valid before {first:%Y-%m-%d %H:%M} UTC.",
            f"Wait until then. Or: {install}",
        )
    elif stack.now > last - SOON:
        yield warning(f"The certificate expires on {last:%Y-%m-%d}.", install)


def timestamps(stack: DeployedStack) -> Iterator[Finding]:
    """Whether each authority gives a time-stamp; permissions as for `DeployedStack`."""
    for url in stack.timestamp_urls():
        query = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {
                    "hash_algorithm": {"algorithm": "sha256"},
                    "hashed_message": sha256(secrets.token_bytes(32)).digest(),
                },
                "nonce": secrets.randbits(63),
                "cert_req": True,
            }
        )
        try:
            HttpTimestamper(url, timeout=10, attempts=2).respond(query.dump())
        except ExhibitError as error:
            yield of_error("wrong", error)


def roots_there(stack: DeployedStack) -> Iterator[Finding]:
    """Whether the settings hold the roots that time-stamps are checked with.

    Permissions: those of `settings.schedules_parse`.
    """
    content = stack.parts.settings.get(TRUST)
    if content is None:
        yield wrong(
            f"The settings have no {TRUST}, so the time-stamps of briefings cannot be checked.",
            f"Put the root certificates of the time-stamp authorities there, as PEM: {stack.place(TRUST)}",
        )
        return
    try:
        certificates_in(content, TRUST)
    except InvalidSettings as error:
        yield of_error("wrong", error)


def _key(stack: DeployedStack) -> str:
    return stack.resources["SigningKey"]


def _leaf(stack: DeployedStack) -> x509.Certificate:
    """The certificate of the signing key; the first one if none is, or KMS does not tell."""
    chain = stack.parts.chain()
    try:
        public = KmsSigner.open(stack.client("kms"), _key(stack)).public
    except ExhibitError:
        return chain[0]
    return next((each for each in chain if same_key(each.public_key(), public)), chain[0])
