"""Names of settings files and templates: what is nearly right is refused, and what is not is left alone."""

import pytest

from reports.core.errors import InvalidSettings
from reports.core.settings_files import check_among, check_beside, check_deployed

EVIDENCE = ("campaigns.yaml", "dataset.yaml", "detections/", "ext/")
TEMPLATES = ("issuer.yaml", "law.yaml", "briefing.css", "lawmaker.html", "sections/who.html")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *((name, "dataset.yaml") for name in ("dataset.yml", "Dataset.yaml", "DATASET.YAML", "dataset.YAML")),
        *(
            (name, "dataset.yaml")
            for name in ("datasets.yaml", "data-set.yml", "data_set.yaml", "data set.yaml")
        ),
        *(
            (name, "dataset.yaml")
            for name in ("dataset", "Dataset", "datasets", "dataset.yaml ", "_dataset.yaml")
        ),
        *(
            (name, "dataset.yaml")
            for name in ("dataset.yml/", "Dataset.yaml/", "data\N{NO-BREAK SPACE}set.yaml")
        ),
        *(
            (name, "campaigns.yaml")
            for name in ("campaign.yaml", "campaigns.yml", "Campaigns.yaml", "CAMPAIGN")
        ),
    ],
)
def test_a_name_that_is_nearly_right_is_refused(name: str, meant: str) -> None:
    """Beside the evidence, with the right file or without it: the line names both."""
    for others in ((), EVIDENCE):
        with pytest.raises(InvalidSettings) as refused:
            check_beside((*others, name))
        assert " ".join(name.split()) in str(refused.value)
        assert f"only {meant} is read beside the evidence: rename it, or remove it" in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        *("campaigns-2025.yaml", "campaigns.yaml.bak", "campaigns.json", "campaigns.md", "my-campaigns.yaml"),
        *(
            "dataset.yaml~",
            ".dataset.yaml.swp",
            ".#dataset.yaml",
            "dataset-1.yaml",
            "dataset.txt",
            "data.yaml",
        ),
        *("dataset/", "campaigns/", "Datasets/", "README.md", "notes/", "law.txt", "-", "s", "ss.yaml", ""),
    ],
)
def test_a_name_of_their_own_is_left_alone(name: str) -> None:
    """Copies, other data sets, folders and notes may lie beside the evidence."""
    check_beside((*EVIDENCE, name))


@pytest.mark.parametrize("name", ["dataset.yaml", "campaigns.yaml"])
def test_a_folder_in_the_place_of_a_file_is_refused(name: str) -> None:
    """A folder of that very name holds nothing that is read, whether the file is there too or not."""
    for others in ((), (name,)):
        with pytest.raises(
            InvalidSettings, match=f"^{name}: is a folder beside the evidence: replace it with the file"
        ):
            check_beside((*others, f"{name}/"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(
            (name, "issuer.yaml")
            for name in ("issuer.yml", "Issuer.yaml", "issuers.yaml", "ISSUER", "issuer.yml/")
        ),
        *((name, "law.yaml") for name in ("laws.yaml", "Law.yml", "law")),
        *((name, "lawmaker.html") for name in ("Lawmaker.html", "lawmaker.HTML")),
        *((name, "sections/who.html") for name in ("Sections/who.html", "sections/Who.html")),
        ("Briefing.css", "briefing.css"),
    ],
)
def test_a_template_whose_name_is_nearly_right_is_refused(name: str, meant: str) -> None:
    """Exhibit's own would be used in its place, without a word."""
    with pytest.raises(InvalidSettings) as refused:
        check_among((name,), TEMPLATES, ())
    assert str(refused.value) == f"{name}: only {meant} is read among the templates: rename it, or remove it"


@pytest.mark.parametrize("name", ["lawmaker.html/", "issuer.yaml/"])
def test_a_folder_in_the_place_of_a_template_is_refused(name: str) -> None:
    """Nor is a folder a template."""
    with pytest.raises(InvalidSettings, match=f"^{name[:-1]}: is a folder among the templates"):
        check_among((name,), TEMPLATES, ())


def test_templates_of_their_own_are_left_alone() -> None:
    """Pieces, images and folders that Exhibit has no file for, and copies that are kept."""
    own = (
        "logo.svg",
        "lawmaker.html.orig",
        "who.html",
        "sections/who-else.html",
        "sections/",
        "laws/",
        "law.html",
    )
    check_among((*TEMPLATES, *own, "law-maker.html", "issuer-2025.yaml"), TEMPLATES, ())


def test_a_settings_file_in_the_place_of_others_is_refused() -> None:
    """A file that is read among the templates would not be beside the evidence, nor the other way round."""
    with pytest.raises(
        InvalidSettings, match=r"^issuer\.yaml: is not read beside the evidence: move it among"
    ):
        check_beside((*EVIDENCE, "issuer.yaml"), ("law.yaml",))
    with pytest.raises(
        InvalidSettings, match=r"^dataset\.yaml: is not read among the templates: move it beside"
    ):
        check_among(("dataset.yaml", "issuer.yaml"), TEMPLATES, ("detections/",))


def test_evidence_and_templates_can_share_a_folder() -> None:
    """Where each place has its own, nothing is lost."""
    both = (*EVIDENCE, *TEMPLATES)
    check_beside(both, both)
    check_among(both, TEMPLATES, both)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("schedule.yaml", "schedule.yaml: only schedules.yaml is read among the settings"),
        ("schedules.yml", "schedules.yml: only schedules.yaml is read"),
        ("Chain.pem", "Chain.pem: only chain.pem is read"),
        ("template/", "template/: only templates/ is read"),
        ("Templates/", "Templates/: only templates/ is read"),
        ("schedules.yaml/", "schedules.yaml: is a folder among the settings"),
        ("issuer.yaml", "issuer.yaml: is not read among the settings: move it in templates/"),
        ("dataset.yaml", "dataset.yaml: is not read among the settings: move it beside the evidence"),
    ],
)
def test_what_would_not_be_read_among_the_settings_is_refused(name: str, said: str) -> None:
    """The settings bucket has names of its own."""
    with pytest.raises(InvalidSettings) as refused:
        check_deployed({"chain.pem", name})
    assert str(refused.value).startswith(said)


def test_the_settings_bucket_may_hold_more() -> None:
    """All that is read, and what is nobody's."""
    check_deployed(
        {"chain.pem", "trust.pem", "schedules.yaml", "crls/", "templates/", "schedules-2025.yaml", "README"}
    )
