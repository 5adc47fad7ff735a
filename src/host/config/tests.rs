use super::*;
use proptest::prelude::*;

const HOST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.applicationHost>
    <applicationPools><add name="DefaultAppPool" /><add name="LabTech" /></applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/"><virtualDirectory path="/" physicalPath="%SystemDrive%\inetpub\wwwroot" /></application>
        <application path="/LabTech" applicationPool="LabTech"><virtualDirectory path="/" physicalPath="C:\x" /></application>
        <bindings><binding protocol="http" bindingInformation="*:80:" /><binding protocol="https" bindingInformation="[::]:443:a.example" /></bindings>
      </site>
      <applicationDefaults applicationPool="DefaultAppPool" />
    </sites>
  </system.applicationHost>
  <system.webServer>
    <httpProtocol><customHeaders><clear /><add name="X-Powered-By" value="ASP.NET" /></customHeaders></httpProtocol>
    <security><requestFiltering><verbs allowUnlisted="true" /></requestFiltering></security>
  </system.webServer>
  <location path="Default Web Site">
    <system.webServer><security><requestFiltering removeServerHeader="true"><verbs><add verb="OPTIONS" allowed="false" /></verbs></requestFiltering></security></system.webServer>
  </location>
</configuration>
"#;

#[test]
fn a_location_is_stronger_than_the_server_and_a_web_config_than_both() {
    let mut iis = read("applicationHost.config", HOST).unwrap();
    assert_eq!(iis.pools, ["DefaultAppPool", "LabTech"]);
    assert_eq!(
        iis.sites[0].bindings.iter().map(|(port, tls, _)| (*port, *tls)).collect::<Vec<_>>(),
        [(80, false), (443, true)]
    );
    assert_eq!(iis.sites[0].applications[0].pool.as_deref(), Some("DefaultAppPool"));
    let root = iis.effective("Default Web Site");
    assert_eq!(root.unknown.len(), 1, "its web.config was not collected");
    iis.add_none("Default Web Site");
    let root = iis.effective("Default Web Site");
    assert!(
        root.unknown.is_empty()
            && root.remove_server_header.as_ref().is_some_and(|(on, line)| *on && line.number == 19)
    );
    assert!(root.denies("options").is_some() && root.denies("GET").is_none());
    assert_eq!(
        root.headers.iter().map(|(name, _, line)| (name.as_str(), line.number)).collect::<Vec<_>>(),
        [("X-Powered-By", 15)]
    );

    let own = r#"<configuration><system.webServer><httpProtocol><customHeaders><remove name="x-powered-by" /><add name="X-B" value="1" />
        </customHeaders></httpProtocol><security><requestFiltering removeServerHeader="false"><verbs><remove verb="OPTIONS" /></verbs>
        </requestFiltering></security></system.webServer></configuration>"#;
    iis.add_own("Default Web Site/LabTech", "web-1.xml", own).unwrap();
    let app = iis.effective("Default Web Site/LabTech");
    assert!(app.remove_server_header.is_some_and(|(on, line)| !on && line.file == "web-1.xml"));
    assert!(app.verbs.is_empty());
    assert_eq!(app.headers.len(), 1);
    assert!(iis.effective("Default Web Site").remove_server_header.is_some_and(|(on, _)| on));
}

#[test]
fn what_is_no_configuration_is_an_error_with_its_place() {
    assert!(read("a.config", "").is_err());
    assert!(read("a.config", "<configuration/>").unwrap_err().to_string().contains("applicationHost"));
    assert!(read("a.config", "<other/>").is_err());
    let cut: String = HOST.chars().take(600).collect();
    let error = read("a.config", &cut).unwrap_err().to_string();
    assert!(error.starts_with("a.config:") && error.contains("not XML"), "{error}");
    assert!(read("a.config", "<!DOCTYPE a [<!ENTITY b \"c\">]><configuration/>").is_err(), "no entities are expanded");
    let mut iis = read("a.config", HOST).unwrap();
    assert!(iis.add_own("Default Web Site", "w.xml", "<configuration>").is_err());
    assert_eq!(iis.effective("Default Web Site").unknown.len(), 1);
}

#[test]
fn screenconnects_endpoints_are_found() {
    let text = r#"<configuration><appSettings><add key="WebServerListenUri" value="http://+:8040/" /><add key="Other" value="x" /></appSettings>
        <system.serviceModel><client><endpoint address="net.pipe://localhost/SessionManager" /></client></system.serviceModel></configuration>"#;
    let found = read_screenconnect("web.config", text).unwrap();
    assert_eq!(found.listen[0].1, "http://+:8040/");
    assert_eq!(found.endpoints[0].0, "net.pipe://localhost/SessionManager");
}

#[test]
fn what_applications_do_not_inherit_is_not_applied_to_them() {
    let own = |inherits: &str| {
        let mut iis = read("applicationHost.config", &HOST.replace(" removeServerHeader=\"true\"", "")).unwrap();
        let text = format!(
            r#"<configuration><location path="." {inherits}><system.webServer><security><requestFiltering removeServerHeader="true" />
            </security></system.webServer></location></configuration>"#
        );
        iis.add_own("Default Web Site", "web.xml", &text).unwrap();
        iis.add_none("Default Web Site/LabTech");
        ["Default Web Site", "Default Web Site/LabTech"].map(|path| iis.effective(path).remove_server_header.is_some())
    };
    assert_eq!(own(""), [true, true]);
    assert_eq!(own("inheritInChildApplications=\"true\""), [true, true]);
    assert_eq!(own("inheritInChildApplications=\"false\""), [true, false]);
    // For the whole server, nobody says what is left of it.
    let all = HOST.replace("path=\"Default Web Site\"", "path=\"\" inheritInChildApplications=\"false\"");
    let mut iis = read("applicationHost.config", &all).unwrap();
    iis.add_none("Default Web Site");
    assert_eq!(iis.effective("Default Web Site").unknown.len(), 1);
}

#[test]
fn a_path_without_an_end_is_not_followed() {
    let deep = "/a".repeat(5000);
    let application =
        (0..1900).map(|number| format!("<application path=\"{deep}/{number}\" />")).collect::<Vec<_>>().concat();
    let iis = read("x", &HOST.replace("<bindings>", &format!("{application}<bindings>"))).unwrap();
    let begin = std::time::Instant::now();
    for application in iis.applications().skip(2) {
        assert!(iis.effective(&application.path).unknown[0].contains("not followed"));
    }
    assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{:?}", begin.elapsed());
}

/// Groups of sections may stand in a file several times.
#[test]
fn a_group_that_stands_twice_is_read_twice() {
    let group = |inner: &str| format!("<system.webServer>{inner}</system.webServer>");
    let header = "<httpProtocol><customHeaders><add name=\"X-B\" value=\"1\" /></customHeaders></httpProtocol>";
    let filtering = |on: &str| {
        format!(
            "<security><requestFiltering removeServerHeader=\"{on}\"><verbs><clear /></verbs></requestFiltering></security>"
        )
    };
    let with = |groups: &str| {
        let mut iis = read("applicationHost.config", HOST).unwrap();
        let added = iis.add_own("Default Web Site", "web.xml", &format!("<configuration>{groups}</configuration>"));
        (iis.effective("Default Web Site"), added.map_err(|error| error.to_string()))
    };
    let (found, _) = with(&(group("<defaultDocument />") + &group(header) + &group(&filtering("false"))));
    assert!(found.remove_server_header.is_some_and(|(on, _)| !on) && found.verbs.is_empty());
    assert!(found.headers.iter().any(|(name, ..)| name == "X-B"));
    let inner = format!("<security></security>{}", filtering("false"));
    assert!(with(&group(&inner)).0.remove_server_header.is_some_and(|(on, _)| !on));
    let (found, added) = with(&(group(&filtering("true")) + &group(&filtering("false"))));
    assert!(added.is_err_and(|why| why.contains("twice")) && found.unknown.len() == 1);
    // What is encrypted is as unknown as what is kept elsewhere.
    let secret = group("<httpProtocol configProtectionProvider=\"x\"><EncryptedData /></httpProtocol>");
    assert!(with(&secret).1.is_err_and(|why| why.contains("encrypted")));
    // So may the group of the sites.
    let more = "<system.applicationHost><sites><site name=\"Two\"><application path=\"/\" /></site></sites></system.applicationHost></configuration>";
    let iis = read("applicationHost.config", &HOST.replace("</configuration>", more)).unwrap();
    assert!(iis.applications().any(|application| application.path == "Two"), "{:?}", iis.sites);
}

/// Each file may have a thousand headers, and a path may lead through thirty of them to thousands of places.
#[test]
fn more_than_is_followed_is_not_followed() {
    let paths: Vec<String> = (0..31).map(|depth| "/a".repeat(depth)).collect();
    let applications =
        paths.iter().map(|path| format!("<application path=\"{}\" />", if path.is_empty() { "/" } else { path }));
    let config = format!(
        "<configuration><system.applicationHost><sites><site name=\"S\">{}</site></sites></system.applicationHost></configuration>",
        applications.collect::<String>()
    );
    let mut iis = read("applicationHost.config", &config).unwrap();
    let own = |headers: usize, locations: usize| {
        let headers = (0..headers).map(|number| format!("<add name=\"h{number}\" value=\"\" />"));
        let headers = headers.collect::<Vec<String>>().concat();
        let location = |number: usize| {
            format!(
                "<location path=\"f{number}\"><system.web><httpRuntime enableVersionHeader=\"true\" /></system.web></location>"
            )
        };
        let locations: String = (0..locations).map(location).collect();
        format!(
            "<configuration><system.webServer><httpProtocol><customHeaders>{headers}</customHeaders></httpProtocol></system.webServer>\
             {locations}</configuration>"
        )
    };
    for (depth, path) in paths.iter().enumerate() {
        let locations = if depth >= 29 { 1950 } else { 0 };
        iis.add_own(&format!("S{path}"), "web.xml", &own(900, locations)).unwrap();
    }
    let mut told = 0;
    let error = iis.each(|_, _| told += 1).unwrap_err();
    assert!(error.contains("not followed") && told < 100, "{told}: {error}");
    // A tenth of the headers at a tenth of the places is a server's day.
    for path in &paths {
        iis.add_own(&format!("S{path}"), "web.xml", &own(20, 0)).unwrap();
    }
    let mut told = 0;
    iis.each(|_, _| told += 1).unwrap();
    assert_eq!(told, 31);
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(<configuration>|</configuration>|<location path=\"a\"/>|<system.applicationHost/>|[<>/=\" aé])*") {
        if let Ok(iis) = read("any", &text) {
            let _ = iis.effective("a/b");
        }
        let _ = read_screenconnect("any", &text);
    }
}
