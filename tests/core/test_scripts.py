"""In which language, and in which direction, a piece of text is written."""

import pytest

from reports.core.scripts import Languages, isolated, known, marked_html, marked_svg, runs, script_of


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Campaign A, 28.8\u00a0million – “quoted” ≥ é Ł", "Campaign A, 28.8\u00a0million – “quoted” ≥ é Ł"),
        ("深度求索 peaked", '<span lang="zh-Hans">深度求索</span> peaked'),
        ("深度求索, 月之暗面", '<span lang="zh-Hans">深度求索</span>, <span lang="zh-Hans">月之暗面</span>'),
        ("DeepSeek（深度）", 'DeepSeek<span lang="zh-Hans">（深度）</span>'),
        ("ソニー 株式会社", '<span lang="ja">ソニー 株式会社</span>'),
        ("ﾊﾝｶｸ", '<span lang="ja">ﾊﾝｶｸ</span>'),
        ("삼성 三星", '<span lang="ko">삼성 三星</span>'),
        ("ㄅㄆ注音", '<span lang="zh-Hant">ㄅㄆ注音</span>'),
        ("นน้ำ", '<span lang="th">นน้ำ</span>'),
        ("क्\u200dष", '<span lang="hi">क्\u200dष</span>'),
        ("Кампания, 2-я", '<span lang="und-Cyrl">Кампания, 2-я</span>'),
        ("Άλφα", '<span lang="el">Άλφα</span>'),
        ("தமிழ்", '<span lang="ta">தமிழ்</span>'),
        ("𐍈𐌲", '<span lang="und">𐍈𐌲</span>'),
        ("a שלום b", 'a <bdi lang="he" dir="rtl">שלום</bdi> b'),
        ("\u2068שלום (ABC) 12\u2069: x", '<bdi lang="he" dir="rtl">\u2068שלום (ABC) 12\u2069</bdi>: x'),
        ("\u2068ABC שלום\u2069: x", 'ABC <bdi lang="he" dir="rtl">שלום</bdi>: x'),
        ("\u2068בע&#34;מ\u2069", '<bdi lang="he" dir="rtl">\u2068בע&#34;מ\u2069</bdi>'),
        ("<b title='深'>x</b>", "<b title='深'>x</b>"),
        ("<style>p::before { content: '深' }</style>", "<style>p::before { content: '深' }</style>"),
        ("<title>深</title><!-- 深 -->", "<title>深</title><!-- 深 -->"),
        ('<i title="a > b">深</i>', '<i title="a > b"><span lang="zh-Hans">深</span></i>'),
    ],
)
def test_runs_are_marked(text: str, marked: str) -> None:
    """Each run of another script says its language; what runs from right to left is isolated; markup stays."""
    assert marked_html(text, Languages()) == marked


def test_a_drawing_is_marked() -> None:
    """Each run in it says its language."""
    assert (
        marked_svg("<text x='1'>a 深</text>", Languages())
        == "<text x='1'>a <tspan xml:lang=\"zh-Hans\">深</tspan></text>"
    )


def test_a_language_that_is_known_is_said() -> None:
    """Of the runs in its script, wherever they stand, and of no others."""
    languages = Languages()
    languages.learn("直門骨 (Кампания)", "zh-Hant")
    languages.learn("Кампанія ABC", "uk")

    marked = marked_html("直門骨, 深, Кампания, Кампанія", languages)
    assert marked == (
        '<span lang="zh-Hant">直門骨</span>, <span lang="zh-Hans">深</span>, '
        '<span lang="und-Cyrl">Кампания, Кампанія</span>'
    )
    assert languages.of("Кампанія") == "uk"


def test_neighbours_tell_what_han_is() -> None:
    """Where one text has Kana, its Han is Japanese, although a comma parts them."""
    languages = Languages()
    languages.learn("東京, ソニー")

    assert marked_html("東京", languages) == '<span lang="ja">東京</span>'


@pytest.mark.parametrize(
    "language", ["zh-Hans", "zh-Hant", "ja", "ko", "ar", "fa", "he", "th", "hi", "uk", "ta"]
)
def test_languages_that_can_be_named(language: str) -> None:
    """Those whose script is not Latin."""
    assert known(language) == language


@pytest.mark.parametrize("language", ["zh", "zh-TW", "ZH-HANT", "en", "fr", "japanese", "", "ja-JP", "und"])
def test_other_languages_are_refused(language: str) -> None:
    """With those that can be named."""
    with pytest.raises(ValueError, match=r"is not one of .*zh-Hant"):
        known(language)


def test_marks_and_joiners_are_of_the_run_they_stand_in() -> None:
    """A run is never broken before them."""
    assert list(runs("می\u200cخواهم ẹ\u0300")) == [("ARABIC", "می\u200cخواهم"), (None, " ẹ\u0300")]


def test_only_text_that_runs_to_the_left_is_isolated() -> None:
    """All other text stays as it is."""
    assert isolated("深 a") == "深 a"
    assert isolated("a שלום") == "\u2068a שלום\u2069"
    assert isolated("a\u200fb") == "a\u200fb"


SCRIPTS = {
    **dict.fromkeys("aé–①\u0301", None),
    **dict.fromkeys("、Ａ・々", "WIDE"),
    **{"深": "CJK", "ｶ": "KATAKANA", "ﾠ": "HANGUL", "٣": "ARABIC", "۳": "ARABIC"},
}


@pytest.mark.parametrize(("character", "script"), SCRIPTS.items())
def test_scripts(character: str, script: str | None) -> None:
    """Scripts are known by the names of characters."""
    assert script_of(character) == script
