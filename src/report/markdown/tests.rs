use super::{code, overview, text};
use crate::report::fixture::overview as fixture;

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

/// What makes a page look as it does: the lines by what they begin with, and the cells of the tables.
fn skeleton(page: &str) -> Vec<(String, usize)> {
    page.lines()
        .map(|line| {
            let begin = line.split(' ').next().unwrap_or_default();
            let begin = if begin.starts_with(['#', '|', '-']) { begin } else { "text" };
            let pipes = line.replace("\\|", "").matches('|').count();
            (begin.to_owned(), pipes)
        })
        .collect()
}

#[test]
fn no_text_changes_the_shape_of_the_page() {
    let plain = skeleton(&overview(&fixture::hostile_overview("word")));
    for evil in [
        "# x", "- x", "1. x", "> x", "x | y | z", "[x](https://x)", "![x](https://x)", "<img src=x>", "<!-- x", "``` x", "`x",
        "***", "a\n\n# b", "https://x", "| --- | --- |", "$$x$$", "\\", "\\\\", "&#35; x", "x\\",
    ] {
        let page = overview(&fixture::hostile_overview(evil));
        // Files are named by the text, so their order may differ; the number of lines of each kind may not.
        let mut shapes = [plain.clone(), skeleton(&page)];
        shapes.iter_mut().for_each(|shape| shape.sort());
        let [plain, shape] = shapes;
        assert_eq!(plain, shape, "{evil}: {page}");
        assert!(!page.contains("](") || page.contains("\\](") || page.contains("`[x]("), "{page}");
        assert!(!page.contains("<img") || page.contains("\\<img"));
    }
}
