import pytest

from barcodemae.cells import markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kmer:6 + whiten_2 (65 %)", "kmer:6 + whiten_2 (65 %)"),
        ("-1.5", "-1.5"),
        ("a|b", r"a\|b"),
        ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
        ("# head", r"\# head"),
        ("- item", r"\- item"),
        ("$x$ `y` *z* [a](b) \\", r"\$x\$ \`y\` \*z\* \[a\](b) \\"),
        ("two\nlines\x1b[2J", r"two\\nlines\\x1b\[2J"),
    ],
)
def test_a_text_in_markdown_is_shown_as_it_is(text, shown):
    assert markdown(text) == shown
