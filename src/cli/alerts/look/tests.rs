use super::{is_same, name};
use crate::history::Beginning;
use std::path::{Path, PathBuf};

fn begun(line: &str) -> Beginning {
    Beginning {
        arguments: line.split(' ').map(str::to_owned).collect(),
        folder: "/srv".to_owned(),
        ..Beginning::default()
    }
}

#[test]
fn what_is_written_does_not_make_another_question() {
    let one = begun("scan --targets inventory --html scan-2026-11-20.html");
    for same in [
        "scan --targets inventory --html scan-2026-11-21.html --store x.db",
        "scan --quiet --format json --targets /srv/./inventory",
    ] {
        assert!(is_same(&one, &begun(same)), "{same}");
    }
    for other in [
        "scan --targets inventory --sweep",
        "scan --targets other",
        "scan --targets inventory --guide iis",
        "scan --targets inventory --host-time 9",
        "scan --targets inventory --job x",
        "scan --targets inventory --an-option-of-another-version",
        "",
    ] {
        assert!(!is_same(&one, &begun(other)), "{other}");
    }
    assert!(!is_same(&one, &Beginning { folder: "/home".to_owned(), ..begun("scan --targets inventory") }));
    assert!(!is_same(&Beginning::default(), &Beginning::default()), "of a run that is gone nothing is known");
    assert!(is_same(&begun("scan --job x --targets a"), &begun("scan --job y --targets b")), "both by the watch");
}

#[cfg(unix)]
#[test]
fn an_inventory_is_called_the_same_whether_it_is_there_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("a"), folder.path().join("link"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let named = |path: &Path| name(&[path.to_owned()]);
    let before = (named(&path), named(&link));
    std::fs::create_dir(&path).unwrap();
    assert_eq!((named(&path), named(&link)), before);
    assert_eq!(named(&folder.path().join("b/../a/.")), before.0);
    let here = std::env::current_dir().unwrap();
    assert_eq!(named(Path::new("a")), named(&here.join("a")), "from whatever folder");
    let both = |paths: [&str; 2]| name(&paths.map(PathBuf::from));
    assert_eq!(both(["/a", "/b"]), both(["/b", "/a"]));
}
