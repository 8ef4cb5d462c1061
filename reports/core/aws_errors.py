"""The errors of AWS, as errors of Exhibit.

    Unavailable       no connection, a timeout, a status of 500 or more, throttling, expired credentials
    InvalidSettings   access denied, something that is not there or is switched off, a request that is refused

Messages name no account: its number is cut out of resource names, and what AWS says of a denial, which names the
caller, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as botocore  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from reports.core.errors import ExhibitError, InvalidSettings, Unavailable

# Codes of transient errors with a status below 500
_PASSING = frozenset(
    {
        "ConditionalRequestConflict",
        "ExpiredToken",
        "ExpiredTokenException",
        "KMSInternalException",
        "KeyUnavailableException",
        "DependencyTimeoutException",
        "InternalServerException",
        "LimitExceededException",
        "OperationAborted",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_UNANSWERED = (
    botocore.ConnectionError,
    botocore.CredentialRetrievalError,
    botocore.FlexibleChecksumError,
    botocore.HTTPClientError,
    botocore.IncompleteReadError,
    botocore.MetadataRetrievalError,
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnrecognizedClientException"})
_ADVICE = {
    "DisabledException": "enable it, or use another key",
    "KMSInvalidStateException": "cancel its deletion, or use another key",
    "NoSuchBucket": "check the bucket's name and region",
    "NotFoundException": "check its id and region",
}
_ACCOUNT = re.compile(r"(?<=:)\d{12}(?=:)")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise what botocore raises as `Unavailable` or `InvalidSettings`; `what` names the bucket, key or workgroup."""
    try:
        yield
    except ClientError as error:
        raise _refused(error, what) from None
    except BotoCoreError as error:
        raise _unsent(error, what) from None


def code(error: ClientError) -> str:
    """The code of an answer, such as `NoSuchKey`; HEAD requests have no more than the status, such as `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def without_account(text: str) -> str:
    """A text without the account numbers in its resource names."""
    return _ACCOUNT.sub("…", text)


def _refused(error: ClientError, what: str) -> ExhibitError:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    did = f"{without_account(what)}: {error.operation_name}"
    if code(error) in _PASSING or status >= 500 or status == 429:
        return Unavailable(f"{did} failed ({code(error) or status}): run again")
    if code(error) in _DENIED or status == 403:
        return InvalidSettings(f"{did} is denied ({code(error)}): grant the role this permission")
    reason = without_account(str(error.response.get("Error", {}).get("Message", ""))).rstrip(". ")
    advice = _ADVICE.get(code(error), "check the settings")
    return InvalidSettings(f"{did} was refused ({code(error)}: {reason}): {advice}")


def _unsent(error: BotoCoreError, what: str) -> ExhibitError:
    reason, what = without_account(str(error)).rstrip(". "), without_account(what)
    if isinstance(error, _UNANSWERED):
        return Unavailable(f"{what} did not answer ({reason}): run again, or check the network")
    return InvalidSettings(f"{what} cannot be reached ({reason}): check the settings for AWS")
