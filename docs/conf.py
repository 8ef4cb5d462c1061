"""How `make docs` makes a site of the pages."""

from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent

project = "Exhibit"
html_title = "Exhibit"
html_theme = "furo"
html_show_copyright = False
root_doc = "README"
extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/**"]
exclude_patterns = ["docs/conf.py"]
myst_heading_anchors = 4
# JSON Lines and SVG have no highlighting.
suppress_warnings = ["misc.highlighting_failure"]

PAGES = (
    (
        "Using Exhibit",
        ("tour", "evidence", "tables", "engines", "settings", "command-line", "laptop", "api", "schedules"),
    ),
    ("Reading a briefing", ("checking", "inside-the-pdf")),
    ("Running it", ("aws", "operations", "costs", "upgrading", "templates")),
    ("Building it", ("decisions/README",)),
)


def with_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """The pages that have no other table of contents, for the side bar."""
    if name == "README":
        trees = [(caption, [f"docs/{page}" for page in pages]) for caption, pages in PAGES]
        trees.append(("About", ["CONTRIBUTING", "SECURITY", "CHANGELOG"]))
        source[0] += "".join(
            f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{chr(10).join(pages)}\n```\n"
            for caption, pages in trees
        )
    if name == "docs/decisions/README":
        decisions = sorted(path.stem for path in (ROOT / "docs" / "decisions").glob("0*.md"))
        source[0] += f"\n```{{toctree}}\n:hidden:\n\n{chr(10).join(decisions)}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", with_contents)
