"""What each function needs from AWS, and why: `template.yaml` grants this and nothing else.

An action has its reason in a docstring of the adapter that calls it (after "Permissions:"). Where no adapter of ours
calls it, its reason is here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

REPORTS = Path(__file__).parents[2] / "reports"
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
# Athena asks Lake Formation in the name of who queries, if the evidence is registered there
REGISTERED = frozenset({"lakeformation:GetDataAccess"})
READ_SETTINGS = frozenset({"s3:GetObject", "s3:ListBucket", "kms:Decrypt"})
READ_CELLS = frozenset({"s3:GetObject", "s3:ListBucket", "kms:Decrypt"})
READ_UPLOAD = frozenset({"s3:GetObject", "s3:ListBucket", "kms:Decrypt"})
PRESIGN_UPLOAD = frozenset({"s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey"})
READ_ARCHIVE = frozenset({"s3:GetObject", "s3:ListBucket", "kms:Decrypt"})
NOTICE = frozenset({"sns:Publish", "kms:Decrypt", "kms:GenerateDataKey"})
EVENT = frozenset({"events:PutEvents"})

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "athena": "evidence/engine_athena.py",
        "evidence": "evidence/source_s3.py",
        "store": "archive/store_s3.py",
        "days": "evidence/shared_days.py",
        "key": "signing/keys_kms.py",
    }
)
# By function: its adapters, and what else it needs
NEEDS: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = MappingProxyType(
    {
        "publish": (
            ("athena", "evidence", "store", "key"),
            QUEUE | RESULTS | REGISTERED | READ_CELLS | READ_SETTINGS,
        ),
        "schedule": (("store",), UNTAKEN | READ_SETTINGS),
        "api": (("store",), PRESIGN_UPLOAD),
        "verification": ((), READ_UPLOAD | READ_SETTINGS),
        "announce": ((), READ_ARCHIVE | EVENT | NOTICE | UNTAKEN),
        "close": (("evidence", "days"), UNTAKEN),
        "watch": (("store",), READ_SETTINGS | UNTAKEN),
        "renewal": (("store",), READ_SETTINGS | UNTAKEN),
    }
)


def documented(adapter: str) -> frozenset[str] | None:
    """The actions that the docstrings of an adapter's module name; None where there is no such module."""
    module = REPORTS / ADAPTERS[adapter]
    if not module.exists():
        return None
    paragraphs = re.findall(r"^ *Permissions: (.+?)(?:\n\n|\"{3})", module.read_text("utf-8"), re.M | re.S)
    return frozenset(action for paragraph in paragraphs for action in ACTION.findall(paragraph))
