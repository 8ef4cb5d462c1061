"""What each function needs from AWS, and why: `template.yaml` grants this and nothing else.

An action has its reason in the docstring of the adapter that calls it (after "Permissions:"). Where no adapter of ours
calls it, its reason is here.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from types import MappingProxyType

ACTION = re.compile(r"`([a-z0-9]+:[A-Z]\w+)`")

LOGS = frozenset({"logs:CreateLogStream", "logs:PutLogEvents"})  # Lambda writes what is printed
TRACES = frozenset({"xray:PutTelemetryRecords", "xray:PutTraceSegments"})
# The event source mapping takes messages for the function; the function says when one is to come again
QUEUE = frozenset(
    {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"}
)
UNTAKEN = frozenset({"sqs:SendMessage"})  # Lambda puts events that failed into the dead-letter queue
# Athena's documentation asks for these on the place of the results, for those that are written in parts
RESULTS = frozenset(
    {"s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"}
)
PSEUDONYMS = frozenset({"kms:GenerateMac"})
READ_SETTINGS = frozenset({"s3:GetObject", "s3:ListBucket", "kms:Decrypt"})
READ_UPLOAD = frozenset({"s3:GetObject", "s3:ListBucket", "kms:Decrypt"})
PRESIGN_UPLOAD = frozenset({"s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey"})
READ_ARCHIVE = frozenset({"s3:GetObject", "s3:ListBucket", "kms:Decrypt"})
NOTICE = frozenset({"sns:Publish", "kms:Decrypt", "kms:GenerateDataKey"})
EVENT = frozenset({"events:PutEvents"})

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "athena": "reports.query_athena:AthenaEngine",
        "evidence": "reports.evidence_s3:S3Evidence",
        "store": "reports.store_s3:S3Store",
        "key": "reports.keys_kms:KmsKey",
    }
)
# By function: its adapters, and what else it needs
NEEDS: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = MappingProxyType(
    {
        "publish": (
            ("athena", "evidence", "store", "key"),
            QUEUE | RESULTS | PSEUDONYMS | READ_SETTINGS,
        ),
        "schedule": (("store",), UNTAKEN | READ_SETTINGS),
        "api": (("store",), PRESIGN_UPLOAD),
        "verification": ((), READ_UPLOAD | READ_SETTINGS),
        "announce": ((), READ_ARCHIVE | EVENT | NOTICE | UNTAKEN),
        "watch": ((), READ_ARCHIVE | READ_SETTINGS | UNTAKEN),
    }
)


def documented(adapter: str) -> frozenset[str] | None:
    """The actions that an adapter's docstring names; None where there is no such adapter yet."""
    module, _, name = ADAPTERS[adapter].partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None
    doc = found.__doc__ or ""
    return frozenset(ACTION.findall(doc[doc.index("Permissions:") :]))
