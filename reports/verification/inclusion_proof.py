"""A proof that an account is counted in a briefing, and its check, which needs nothing else.

1. The account's pseudonym follows from its id and its salt.
2. Its leaf follows from the pseudonym and the rows: its lines in `accounts.csv`.
3. The path leads from the leaf to a root, which has to be the one that the pages print.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reports.briefing.accounts import AccountRow, pseudonym
from reports.core import merkle
from reports.core.csv_tables import lines
from reports.core.errors import InvalidRequest
from reports.core.json_text import read_json
from reports.core.verdict import Verdict

PROOF_TYPE: Literal["urn:exhibit:account-proof:v1"] = "urn:exhibit:account-proof:v1"
MOST_BYTES = 2**20
MOST_STEPS = 64  # more than any tree that anyone can build needs

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Step = Annotated[dict[merkle.Side, Sha256], Field(min_length=1, max_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Part(_Model):
    """An account's part in a campaign, as a row of `accounts.csv` says it; `campaign_id` is empty for none."""

    campaign_id: str
    exchanges: Count
    detections: Count
    first_day: Day
    last_day: Day


class Proof(_Model):
    """A proof. `document` tells on which pages to look for the root; all else leads to the root, or does not.

    `salt`, the digests of `path` and `root` are in hexadecimal; each step of the path, from the leaf on, says on which
    side of it the digest goes.
    """

    type: Literal["urn:exhibit:account-proof:v1"] = PROOF_TYPE
    document: Annotated[str, Field(max_length=100)]
    account_id: str
    salt: Sha256
    rows: Annotated[tuple[Part, ...], Field(min_length=1)]
    path: Annotated[tuple[Step, ...], Field(max_length=MOST_STEPS)]
    root: Sha256

    @property
    def pseudonym(self) -> str:
        """The account's pseudonym."""
        return pseudonym(bytes.fromhex(self.salt), self.account_id)

    @property
    def leads_to(self) -> str:
        """The root to which the path leads, in hexadecimal."""
        name = self.pseudonym
        leaf = lines(AccountRow(name, **row.model_dump()) for row in self.rows)
        steps = [(side, bytes.fromhex(digest)) for step in self.path for side, digest in step.items()]
        return merkle.root_from(leaf, steps).hex()


def read_proof(content: bytes, name: str) -> Proof:
    """Read a proof; raises `InvalidRequest`, naming the file and the field, if it is not one."""
    if len(content) > MOST_BYTES:
        raise InvalidRequest(f"{name} has more than {MOST_BYTES:,} bytes, too many for a proof")
    try:
        read_json(content)
        return Proof.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))[:100] or "the whole"
        raise InvalidRequest(f"{name}: {place}: {first['msg']}: give the output of exhibit prove") from None
    except ValueError as error:
        raise InvalidRequest(f"{name} is not JSON ({error}): give the output of exhibit prove") from None


def check_proof(proof: Proof, root: str | None = None) -> tuple[Verdict, ...]:
    """The verdict `inclusion`, and `root` where the printed root is given, in lower-case hexadecimal."""
    found = proof.leads_to
    if found == proof.root:
        detail = f"account {proof.account_id} leads to the root {found}, {len(proof.path)} steps up"
        inclusion = Verdict("inclusion", "valid", detail)
    else:
        detail = f"the account and the path lead to {found}, not to the root in the proof"
        inclusion = Verdict("inclusion", "invalid", detail)
    if root is None:
        return (inclusion,)
    if found == root:
        return (inclusion, Verdict("root", "valid", "it is the printed one"))
    return (inclusion, Verdict("root", "invalid", f"the printed one is {root}: this proof is not for it"))
