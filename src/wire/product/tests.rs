use super::*;
use proptest::prelude::*;

fn header(name: &str, value: &str) -> Header {
    Header { name: PeerText::new(name, 100), value: PeerText::new(value, 1000) }
}

fn whole(body: &[u8]) -> Body {
    Body { bytes: body.to_vec(), whole: true }
}

fn seen(path: WebPath, headers: &[Header], body: &str) -> Vec<(Product, Option<String>)> {
    recognise(path, 200, headers, &whole(body.as_bytes()))
        .into_iter()
        .map(|found| (found.product, found.version.map(|version| version.to_string())))
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with an optional version")]
fn version(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn automate_is_six_pipes_and_a_version() {
    let automate = |body| seen(WebPath::AutomateAgent, &[], body);
    assert_eq!(automate("||||||220.105"), [(Product::Automate, version("220.105"))]);
    assert_eq!(automate("\u{feff}||||||220.105\r\n\r\n<!DOCTYPE html>"), [(Product::Automate, version("220.105"))]);
    assert_eq!(automate("||||||"), [(Product::Automate, None)]);
    assert_eq!(automate("||||||220.105|7"), [(Product::Automate, None)]);
    assert_eq!(automate("||||||220"), [(Product::Automate, None)]);
    assert_eq!(automate("||||||hello"), []);
    assert_eq!(automate("|||||220.105"), []);
    assert_eq!(seen(WebPath::Root, &[], "||||||220.105"), []);
    assert!(recognise(WebPath::AutomateAgent, 404, &[], &whole(b"||||||220.105")).is_empty());
    let cut = Body { bytes: b"||||||220.10".to_vec(), whole: false };
    assert_eq!(recognise(WebPath::AutomateAgent, 200, &[], &cut)[0].version, None);
}

#[test]
fn screenconnect_names_itself_in_header_and_script() {
    let server = header("server", "ScreenConnect/6.3.13446.6374-4039728469 Microsoft-HTTPAPI/2.0");
    assert_eq!(
        seen(WebPath::Root, std::slice::from_ref(&server), ""),
        [(Product::ScreenConnect, version("6.3.13446.6374"))]
    );
    let script = "SC.context = {\"productVersion\":\"23.9.10.8817\",\"x\":1}";
    assert_eq!(seen(WebPath::ScreenConnectScript, &[], script), [(Product::ScreenConnect, version("23.9.10.8817"))]);
    // A proxy may add a header of its own; two versions are both shown.
    assert_eq!(seen(WebPath::ScreenConnectScript, &[server], script).len(), 2);
    let unclear = [header("Server", "ScreenConnect/next")];
    assert_eq!(seen(WebPath::Root, &unclear, ""), [(Product::ScreenConnect, None)]);
    assert_eq!(
        seen(WebPath::ScreenConnectScript, &unclear, script),
        [(Product::ScreenConnect, version("23.9.10.8817"))]
    );
}

#[test]
fn endpoint_central_shows_its_build() {
    let build = |value: &str| {
        let body = format!("<p><input type='hidden' id=\"buildNum\" name=\"buildNum\" value=\"{value}\"/></p>");
        seen(WebPath::EndpointCentralConfigurations, &[], &body)
    };
    assert_eq!(build("100474"), [(Product::EndpointCentral, version("10.0.474"))]);
    assert_eq!(build("100082"), [(Product::EndpointCentral, version("10.0.82"))]);
    assert_eq!(build("10.1.2127.18"), [(Product::EndpointCentral, version("10.1.2127.18"))]);
    for unclear in ["101212718", "90109", "", "10047x", "1004", "é00474"] {
        assert_eq!(build(unclear), [(Product::EndpointCentral, None)], "{unclear}");
    }
    let swapped = "<INPUT value=\"100474\" id='buildNum'>";
    assert_eq!(
        seen(WebPath::EndpointCentralConfigurations, &[], swapped),
        [(Product::EndpointCentral, version("10.0.474"))]
    );
}

#[test]
fn endpoint_central_is_known_by_title_and_cookie() {
    for body in
        ["<TITLE>ManageEngine Desktop Central 10 MSP</title>", "<title lang=en>\n ManageEngine Endpoint Central"]
    {
        assert_eq!(seen(WebPath::Root, &[], body), [(Product::EndpointCentral, None)]);
    }
    assert_eq!(seen(WebPath::Root, &[], "<title>About ManageEngine Endpoint Central</title>"), []);
    let cookie = [header("Set-Cookie", "a=b"), header("set-cookie", "DCJSESSIONID=secret; Path=/")];
    let found = recognise(WebPath::Root, 200, &cookie, &whole(b""));
    assert_eq!(found[0].product, Product::EndpointCentral);
    assert!(!found[0].evidence.as_str().contains("secret"));
}

#[test]
fn iis_and_the_kernel_below_it_are_told_apart() {
    let iis = [header("Server", "Microsoft-IIS/10.0")];
    let kernel = [header("Server", "Microsoft-HTTPAPI/2.0")];
    assert_eq!(seen(WebPath::Root, &iis, ""), [(Product::Iis, version("10.0"))]);
    assert_eq!(seen(WebPath::Root, &kernel, ""), []);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(body: Vec<u8>, value: String, start in prop::sample::select(vec![
        "", "||||||", "productVersion\":\"", "<input id=\"buildNum\" value=", "<title>", "<input ='é",
    ])) {
        let headers = [header("Server", &value), header("Set-Cookie", &value)];
        let body = whole(&[start.as_bytes(), &body].concat());
        for path in WebPath::ALL {
            let _ = recognise(path, 200, &headers, &body);
        }
    }

    #[test]
    fn any_tag_is_read_without_panic(tag in "<input [a-z=\"' é]{0,40}>") {
        let _ = recognise(WebPath::EndpointCentralConfigurations, 200, &[], &whole(tag.as_bytes()));
    }
}
