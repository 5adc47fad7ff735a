use super::{code, overview, text};
use crate::report::fixture::overview as fixture;
use pulldown_cmark::{Event, Options, Parser};
use std::collections::BTreeMap;

#[test]
fn text_does_nothing_but_stand_there() {
    for (foreign, shown) in [
        ("# heading", "\\# heading"),
        ("- item", "\\- item"),
        ("+ item", "\\+ item"),
        ("12. item", "12\\. item"),
        ("12) item", "12\\) item"),
        ("> quote", "\\> quote"),
        ("=====", "\\====="),
        ("---", "\\---"),
        ("a | b", "a \\| b"),
        ("[x](http://x)", "`[x](http://x)`"),
        ("![x](y)", "\\!\\[x\\](y)"),
        ("<b>x</b>", "\\<b\\>x\\</b\\>"),
        ("&lt;", "\\&lt;"),
        ("**x** _y_ ~~z~~ `c` $m$", "\\*\\*x\\*\\* \\_y\\_ \\~\\~z\\~\\~ \\`c\\` \\$m\\$"),
        ("see https://evil.example/x now", "see `https://evil.example/x` now"),
        ("see WWW.evil.example", "see `WWW.evil.example`"),
        ("mail a@b.example", "mail `a@b.example`"),
        ("@team look", "`@team` look"),
        ("https://x`|y", "`https://x\\x60\\x7cy`"),
        ("two\r\nlines", "two  lines"),
        ("\u{1b}[31m", "\\\\x1b\\[31m"),
        ("tcp/443 is open; TLS 1.2", "tcp/443 is open; TLS 1.2"),
        ("", "\u{2013}"),
    ] {
        assert_eq!(text(foreign).replace("  ", " "), shown.replace("  ", " "), "{foreign:?}");
    }
    assert_eq!(code("``` `|"), "`\\x60\\x60\\x60 \\x60\\x7c`");
}

/// What a reader of Markdown makes of a page, counted, without text and code in lines.
fn shape(page: &str) -> BTreeMap<String, usize> {
    let mut shape = BTreeMap::new();
    for event in Parser::new_ext(page, Options::all()) {
        let kind = match event {
            Event::Text(_) | Event::Code(_) | Event::End(_) | Event::SoftBreak => continue,
            Event::Start(tag) => format!("{:?}", tag.to_end()),
            other => format!("{other:?}"),
        };
        *shape.entry(kind).or_default() += 1;
    }
    shape
}

#[test]
fn no_text_changes_the_shape_of_the_page() {
    let plain = shape(&overview(&fixture::hostile_overview("word")));
    let known = ["Heading", "Paragraph", "Table", "List", "Item", "Strong", "Rule"];
    assert!(plain.keys().all(|kind| known.iter().any(|known| kind.starts_with(known))), "{plain:?}");
    for evil in [
        "# x",
        "- x",
        "1. x",
        "> x",
        "x | y | z",
        "[x](https://x)",
        "![x](https://x)",
        "<img src=x>",
        "<!-- x",
        "``` x",
        "`x",
        "***",
        "a\n\n# b",
        "https://x",
        "<https://x>",
        "| --- | --- |",
        "$$x$$",
        "\\",
        "\\\\",
        "&#35; x",
        "x\\",
        "[^1]",
        "[x]: y",
        "~~x~~",
        "~x~",
        "^x^",
        ":::",
        ": x",
        "{#id}",
        "- [ ] x",
        "__x__",
        "_x_",
        "[[x]]",
        "    x",
        "\t x",
        "x  ",
        "+++",
        "== x ==",
    ] {
        let page = overview(&fixture::hostile_overview(evil));
        assert_eq!(plain, shape(&page), "{evil}: {page}");
    }
}
