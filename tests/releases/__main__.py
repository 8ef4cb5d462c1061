"""`python -m tests.releases` enters the digests that this version makes in the table."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from reports import __version__
from tests.releases import TABLE, entry, first_committed, read_table, with_entry
from tests.support.pki import open_authority
from tests.support.publishing import publish_golden, publish_sample


def main() -> None:
    with TemporaryDirectory(prefix="exhibit-") as folder:
        out, keys = Path(folder), open_authority(Path(folder, "keys")).directory
        found = entry(publish_golden(out / "golden", keys) | publish_sample(out / "sample", keys))
    table = with_entry(read_table(), __version__, found, first_committed())
    TABLE.write_text(json.dumps(table, indent=2) + "\n")
    print(f"{TABLE}: the digests of {__version__}")


main()
