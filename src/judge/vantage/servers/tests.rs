use super::*;
use crate::judge::vantage::fixture::Host as Fixture;

fn machine(usual: &str) -> Machine {
    let interface = Interface { name: usual.to_owned(), kind: InterfaceKind::Ordinary };
    let route = Route { source: "198.51.100.2".parse().unwrap(), interface: Some(interface) };
    Machine {
        open_files: (1024, 960),
        error_queue: true,
        raw_sockets: None,
        route_v4: Some(route),
        route_v6: None,
        local_ports: None,
        tracked: None,
        proxies: Vec::new(),
        now: "2027-01-02T03:04:05Z".parse().unwrap(),
    }
}

fn route(source: &str, name: &str, kind: InterfaceKind) -> Route {
    let interface = Some(Interface { name: name.to_owned(), kind });
    Route { source: source.parse().unwrap(), interface }
}

/// A server at `host` with one address, by a way that is as usual unless given.
fn server<'a>(host: &'a Host, fixture: &'a Fixture, way: &Route) -> Server<'a> {
    Server {
        label: host.to_string(),
        host,
        addresses: fixture.addresses.iter().map(|run| (run, Some(way.clone()))).collect(),
        troubles: &fixture.troubles,
    }
}

fn usual() -> Route {
    route("198.51.100.2", "eth0", InterfaceKind::Ordinary)
}

fn find(checkups: Vec<Checkup>, subject: Subject) -> Checkup {
    checkups.into_iter().find(|checkup| checkup.subject == subject).unwrap()
}

fn address(text: &str) -> Host {
    Host::Address(text.parse().unwrap())
}

#[test]
fn an_inventory_of_public_servers_that_answer_is_healthy() {
    let (host, fixture) = (address("203.0.113.5"), Fixture::new("203.0.113.5", &["tcp/443 open"]));
    for checkup in servers(&[server(&host, &fixture, &usual())], &machine("eth0")) {
        assert_eq!(checkup.standing, Standing::Ok, "{checkup:?}");
    }
}

#[test]
fn without_servers_nothing_is_checked() {
    assert!(servers(&[], &machine("eth0")).iter().all(|checkup| checkup.standing == Standing::NotChecked));
    assert!(names(&[], &[]).iter().all(|checkup| checkup.standing == Standing::NotChecked));
}

#[test]
fn servers_inside_are_named() {
    let (host, fixture) = (address("10.0.0.5"), Fixture::new("10.0.0.5", &["tcp/443 open"]));
    let checkup = find(servers(&[server(&host, &fixture, &usual())], &machine("eth0")), Subject::InsideAddresses);
    assert_eq!((checkup.standing, checkup.seen.as_str()), (Standing::Warning, "Not at public addresses: 10.0.0.5."));
}

#[test]
fn names_that_lead_inside_are_named() {
    let host = Host::Name("rmm.example.com".to_owned());
    let (inside, public) = (Fixture::new("10.0.0.5", &[]), Fixture::new("203.0.113.5", &[]));
    let of = |fixture| find(names(&[], &[server(&host, fixture, &usual())]), Subject::SplitHorizon);
    assert_eq!(of(&inside).standing, Standing::Warning);
    assert_eq!(of(&inside).seen, "Names lead to addresses that are not public: rmm.example.com to 10.0.0.5.");
    assert_eq!(of(&public).standing, Standing::Ok);
    // One address of several is enough.
    assert_eq!(of(&public.clone().and(inside.clone())).standing, Standing::Warning);
}

#[test]
fn dns_servers_that_invent_answers_are_named() {
    let dns = |last: u8| IpAddr::from([192, 0, 2, last]);
    let invented = |said: &[(IpAddr, NameAnswer)]| find(names(said, &[]), Subject::InventedNames);
    let honest = (dns(1), NameAnswer::Nothing);
    assert_eq!(invented(std::slice::from_ref(&honest)).standing, Standing::Ok);
    let lie = (dns(2), NameAnswer::Addresses(vec!["203.0.113.80".parse().unwrap()]));
    let mute = (dns(3), NameAnswer::Unreadable("no answer".to_owned()));
    let checkup = invented(&[honest.clone(), lie, mute.clone()]);
    assert_eq!(checkup.standing, Standing::Broken);
    assert_eq!(checkup.seen, "Asked for a name that cannot exist, 192.0.2.2 says 203.0.113.80.");
    assert_eq!(invented(&[honest, mute]).standing, Standing::Unknown);
}

#[test]
fn a_machine_without_dns_servers_matters_where_names_do() {
    let none = Err("no such file".to_owned());
    assert_eq!(resolver(&none, true).standing, Standing::Broken);
    assert_eq!(resolver(&none, false).standing, Standing::Ok);
    assert_eq!(resolver(&Ok(Vec::new()), true).standing, Standing::Broken);
    assert_eq!(resolver(&Ok(vec![IpAddr::from([192, 0, 2, 1])]), true).standing, Standing::Ok);
}

#[test]
fn ways_that_are_no_view_from_outside_are_told() {
    let (host, fixture) = (address("203.0.113.5"), Fixture::new("203.0.113.5", &["tcp/443 open"]));
    let of = |way: &Route, usual: &str| {
        find(servers(&[server(&host, &fixture, way)], &machine(usual)), Subject::ServerRoutes)
    };
    let itself = of(&route("203.0.113.5", "eth0", InterfaceKind::Ordinary), "eth0");
    assert_eq!((itself.standing, itself.seen.contains("this machine itself")), (Standing::Warning, true));
    let tunnel = || route("10.9.0.2", "wg0", InterfaceKind::Tunnel);
    assert_eq!(of(&tunnel(), "eth0").standing, Standing::Warning);
    let mut all_by_tunnel = machine("wg0");
    all_by_tunnel.route_v4 = Some(tunnel());
    let checkup = find(servers(&[server(&host, &fixture, &tunnel())], &all_by_tunnel), Subject::ServerRoutes);
    assert_eq!(checkup.standing, Standing::Ok, "everything leaves so: {checkup:?}");
    let mut without = server(&host, &fixture, &tunnel());
    without.addresses.iter_mut().for_each(|(_, way)| *way = None);
    assert_eq!(find(servers(&[without], &machine("eth0")), Subject::ServerRoutes).standing, Standing::Unknown);
}

#[test]
fn a_server_that_could_not_be_asked_is_not_counted_as_silent() {
    let host = address("203.0.113.5");
    let of = |fixture: &Fixture| find(servers(&[server(&host, fixture, &usual())], &machine("eth0")), Subject::Answers);
    let with = |lines: &[&str], troubles: Vec<Trouble>| Fixture { troubles, ..Fixture::new("203.0.113.5", lines) };
    assert_eq!(of(&with(&["tcp/443 closed"], Vec::new())).standing, Standing::Ok);
    assert_eq!(of(&with(&["tcp/443 filtered"], vec![Trouble::Unreachable])).standing, Standing::Warning);
    let unresolved = Trouble::Unresolved { message: "no such name".to_owned() };
    assert_eq!(of(&with(&[], vec![unresolved])).standing, Standing::Unknown);
    assert_eq!(of(&with(&["tcp/443 open"], vec![Trouble::OutOfTime])).standing, Standing::Unknown);
}

#[test]
fn addresses_for_documentation_are_not_called_public() {
    for (given, documentation) in [("203.0.113.5", true), ("2001:db8::5", true), ("9.9.9.9", false)] {
        let (host, fixture) = (address(given), Fixture::new(given, &["tcp/443 open"]));
        let checkup = find(servers(&[server(&host, &fixture, &usual())], &machine("eth0")), Subject::InsideAddresses);
        assert_eq!(checkup.standing, Standing::Ok);
        assert_eq!(checkup.seen.contains("ocumentation address"), documentation, "{checkup:?}");
        assert_eq!(checkup.seen.contains("are public"), !documentation, "{checkup:?}");
        let mut evidence = crate::judge::vantage::Evidence::default();
        evidence.add(fixture.seen());
        let checkup = find(evidence.conclude(&crate::model::vantage::Ways::default()).0, Subject::InsideAddresses);
        assert_eq!(checkup.seen.contains("documentation address"), documentation, "{checkup:?}");
        assert_eq!(checkup.seen.contains("are public"), !documentation, "{checkup:?}");
    }
}
