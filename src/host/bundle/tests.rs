use super::*;
use proptest::prelude::*;
use std::io::Write as _;
use zip::write::SimpleFileOptions;

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer
            .start_file(*name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated))
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn manifest(lines: &str) -> String {
    let count = lines.lines().count();
    format!("portreeve-evidence;1\r\nfact;computer;RMM01\r\n{lines}done;{count}\r\n")
}

fn line(file: &str, content: &[u8]) -> String {
    format!("run;lsa;0;s;e;{file};{};{};reg query\r\n", content.len(), hex(&Sha256::digest(content)))
}

fn bundle(manifest: &str, files: &[(&str, &[u8])]) -> Result<Bundle, Refused> {
    let named = (manifest::NAME, manifest.as_bytes());
    let files = files.iter().chain([&named]);
    Bundle::of_files("b", files.map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect())
}

#[test]
fn a_file_counts_only_as_the_manifest_says() {
    let good = b"HKEY_LOCAL_MACHINE\r\n";
    let of = |text: &str, files: &[(&str, &[u8])]| bundle(&manifest(text), files).unwrap().text("lsa");
    assert_eq!(of(&line("lsa.txt", good), &[("lsa.txt", good)]).unwrap().0, "lsa.txt");
    let why = |text: &str, files: &[(&str, &[u8])]| of(text, files).unwrap_err();
    assert!(why(&line("lsa.txt", good), &[("lsa.txt", b"HKEY_LOCAL_MACHINX\r\n")]).contains("SHA-256"));
    assert!(why(&line("lsa.txt", good), &[("lsa.txt", &good[..9])]).contains("cut off"));
    assert!(why(&line("lsa.txt", good), &[]).contains("not in the bundle"));
    assert!(why(&line("lsa.txt", b""), &[("lsa.txt", b"")]).contains("empty"));
    assert!(why("run;lsa;0;s;e;lsa.txt;-;-;secedit\r\n", &[]).contains("exit code 0 and wrote no file"));
    assert!(why("run;lsa;1;s;e;lsa.txt;20;-;secedit\r\n", &[("lsa.txt", good)]).contains("exit code 1"));
    assert!(why("", &[]).contains("did not run"));
    let odd = b"\xff\xfea\0b";
    assert!(why(&line("lsa.txt", odd), &[("lsa.txt", odd)]).contains("half a UTF-16"));
}

/// certutil cannot hash an empty file, and its error stands where the digest would be: that file is not collected, the others are.
#[test]
fn an_error_in_place_of_a_digest_is_of_its_own_file_only() {
    let error = "CertUtil: -hashfile command FAILED: 0x800703ee (WIN32: 1006 ERROR_FILE_INVALID)";
    let noted = |id: &str, size: usize| format!("run;{id};0;s;e;{id}.txt;{size};{error};reg query\r\n");
    let all = line("a.txt", b"text") + &noted("empty", 0) + &noted("other", 3);
    let bundle = bundle(&manifest(&all), &[("a.txt", b"text"), ("empty.txt", b""), ("other.txt", b"abc")]).unwrap();
    assert_eq!(bundle.text("lsa").unwrap().1, "text");
    assert!(bundle.text("empty").unwrap_err().contains("is empty"));
    let other = bundle.text("other").unwrap_err();
    assert!(other.contains("0x800703ee") && other.contains("could not compute"), "{other}");
    assert_eq!(bundle.changed(), [other]);
}

#[test]
fn a_bundle_that_is_not_finished_is_refused() {
    let text = "portreeve-evidence;1\r\nrun;lsa;0;s;e;lsa.txt;1;-;x\r\n";
    assert!(bundle(text, &[("lsa.txt", b"a")]).unwrap_err().to_string().contains("broke off"));
    assert!(Bundle::of_files("b", BTreeMap::new()).unwrap_err().to_string().contains("no manifest.txt"));
}

/// Of two files with one name nobody knows which counts, wherever they lie in the zip.
#[test]
fn a_zip_with_a_name_twice_is_refused() {
    let twice = |second: &str| unzip(&zipped(&[("x/lsa.txt", b"a"), (second, b"b")]), "z").unwrap_err().to_string();
    for second in ["x/LSA.txt", "y/lsa.txt", "lsa.txt", "x\\lsa.txt"] {
        assert!(twice(second).contains("twice"), "{second}: {}", twice(second));
    }
    // The writer would refuse the very same name: another one of its length becomes it.
    let mut bytes = zipped(&[("x/lsa.txt", b"a"), ("x/lsb.txt", b"b")]);
    let at: Vec<usize> =
        bytes.windows(9).enumerate().filter(|(_, name)| *name == b"x/lsb.txt").map(|(at, _)| at).collect();
    assert_eq!(at.len(), 2, "in its own header and in the directory");
    for at in at {
        bytes[at + 4] = b'a';
    }
    assert!(unzip(&bytes, "z").unwrap_err().to_string().contains("twice"));
}

#[test]
fn a_zip_is_read_and_a_dangerous_one_is_not() {
    let files = unzip(&zipped(&[("bundle\\manifest.txt", b"a"), ("bundle\\x.txt", b"b")]), "z").unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["manifest.txt", "x.txt"]);
    for name in ["../x", "a/../../x", "/etc/x", "C:/x", "..\\x", "a//x"] {
        assert!(matches!(unzip(&zipped(&[(name, b"a")]), "z"), Err(Refused::Entry { .. })), "{name}");
    }
    assert!(matches!(unzip(&zipped(&[("a/b/c", b"a")]), "z"), Err(Refused::Entry { .. })));
    assert!(matches!(unzip(&zipped(&[("a/x", b"a"), ("b/x", b"b")]), "z"), Err(Refused::Entry { .. })));
    let bomb = zipped(&[("x.txt", &vec![0; 20 * 1024 * 1024])]);
    let error = unzip(&bomb, "z").unwrap_err().to_string();
    assert!(error.contains("times its size"), "{error}");
    let huge = zipped(&[("x.txt", &vec![b'a'; 33 * 1024 * 1024])]);
    assert!(unzip(&huge, "z").unwrap_err().to_string().contains("32 MiB"));
    let whole = zipped(&[("x.txt", b"abc")]);
    assert!(unzip(&whole[..whole.len() - 5], "z").is_err());
}

#[test]
fn a_secret_and_a_stranger_are_told() {
    let held = b"<add password=\"hunter2\" />";
    let found = bundle(&manifest(&line("a.xml", held)), &[("a.xml", held), ("other.txt", b"x")]).unwrap().oddities();
    assert!(found.iter().any(|one| one.starts_with("a.xml:1 holds a secret")), "{found:?}");
    assert!(found.iter().any(|one| one.contains("other.txt")), "{found:?}");
    assert!(!found.concat().contains("hunter2"));
}

#[test]
fn arguments_are_told_without_looking_at_all_of_them() {
    let begin = std::time::Instant::now();
    let arguments = "password=x ".repeat(100_000);
    let bundle = bundle(&manifest(&format!("run;a;5;x;x;a.txt;-;-;{arguments}\r\n")), &[]).unwrap();
    let error = bundle.text("a").unwrap_err();
    assert!(error.contains("exit code 5") && error.contains("redacted") && error.len() < 300, "{error}");
    assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = unzip(&bytes, "any");
    }

    /// Whatever byte of a zip is damaged, what is read is refused or what was written.
    #[test]
    fn a_damaged_zip_is_refused_or_the_same(at: prop::sample::Index, flip in 1..=255_u8) {
        let mut bytes = zipped(&[("x.txt", b"some content of a file that is long enough to be packed, packed, packed")]);
        let place = at.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(files) = unzip(&bytes, "z") {
            for content in files.values() {
                prop_assert!(content.is_empty() || content.starts_with(b"some content"));
            }
        }
    }
}
