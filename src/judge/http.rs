//! Rules about HTTP.

mod methods;

pub(super) use methods::method_denied;

use super::part::Part;
use super::tls::nothing_suits;
use super::view::{AddressView, Answer, View};
use crate::model::address::is_inside;
use crate::model::http::{HttpAnswer, Request, Scheme, WebPath};
use crate::model::observation::ObservationId;
use crate::model::ports::Transport;
use crate::model::service::{Product, Service};
use crate::model::verdict::Confidence;
use std::net::IpAddr;

const SETTLE_AGAIN: &str = "Scan again; if it stays so, look at the server's own log.";

/// A web port that a rule judges.
struct WebPort<'v, 'a> {
    view: &'v View<'a>,
    address: &'v AddressView<'a>,
    port: u16,
    place: String,
}

/// Judges every web port but those of `skipped` products; an address without web ports says so.
fn on_web_ports<'a>(view: &View<'a>, skipped: &[Product], judge: impl Fn(&WebPort<'_, 'a>) -> Vec<Part>) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        let web = address.web_ports();
        for (port, scheme) in &web {
            let name = view.actual_name(Transport::Tcp, *port);
            let place = format!("{scheme} on {name} at {}", address.address);
            if address.has_product(*port, skipped) {
                parts.push(
                    Part::not_applicable("the product there is no IIS: IIS settings do not reach it")
                        .seen(format!("{place}: {}", products(address, *port))),
                );
                continue;
            }
            parts.extend(judge(&WebPort { view, address, port: *port, place }));
        }
        parts.extend(unaskable(view, address));
        parts.extend(address.blind_spots(view, "HTTP"));
        if web.is_empty() {
            parts.push(nothing_suits(address, "HTTP"));
        }
    }
    parts
}

fn products(address: &AddressView<'_>, port: u16) -> String {
    match address.products(port) {
        Answer::Got(seen, _) => seen.iter().map(|seen| seen.product.to_string()).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}

/// Ports that speak TLS, of which it could not be told whether HTTP is inside.
fn unaskable(view: &View<'_>, address: &AddressView<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    for port in address.open_tcp() {
        if let Answer::Got((Service::TlsOpaque { why }, _), id) = address.service(port) {
            parts.push(
                Part::inconclusive("the port speaks TLS, and what is inside could not be asked")
                    .settle("Ask with a client that still speaks the server's TLS versions, or mend its TLS first and scan again.")
                    .seen(format!("{} at {}: {why}", view.actual_name(Transport::Tcp, port), address.address))
                    .on([id]),
            );
        }
    }
    parts
}

/// Who answers, for sentences: a proxy may stand before IIS.
fn answering(answer: &HttpAnswer) -> String {
    answer
        .first("Server")
        .map_or_else(|| "a server that does not name itself".to_owned(), |server| format!("\"{server}\""))
}

impl<'a> WebPort<'_, 'a> {
    /// Every GET that was asked of this port.
    fn gets(&self) -> Vec<(Request, Answer<&'a HttpAnswer>)> {
        WebPath::ALL
            .into_iter()
            .map(|path| (Request::Get(path), self.address.http(self.port, Request::Get(path))))
            .filter(|(_, answer)| !matches!(answer, Answer::NotAsked))
            .collect()
    }

    fn unanswered(&self, request: Request, why: &str, id: ObservationId) -> Part {
        Part::inconclusive(&format!("{request} got no answer that can be read"))
            .settle(SETTLE_AGAIN)
            .seen(format!("{}, {request}: {why}", self.place))
            .on([id])
    }
}

/// Whether a status says that the page itself was not reached: no certificate, no sign-in, not from here, not now. Such
/// answers come from what stands before the page, and may lack what the page sends.
fn turns_away(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 407 | 421 | 429 | 495 | 496 | 500..)
}

pub(super) fn header_absent(view: &View<'_>, headers: &[String], skipped: &[Product]) -> Vec<Part> {
    on_web_ports(view, skipped, |web| {
        let gets = web.gets();
        let mut sent: Vec<(String, Vec<String>, ObservationId)> = Vec::new();
        let mut paths = Vec::new();
        let mut turned_away = Vec::new();
        let mut unanswered = Vec::new();
        for (request, answer) in gets {
            match answer {
                Answer::Got(answer, id) => {
                    paths.push((request.path().to_string(), id));
                    if turns_away(answer.status) {
                        turned_away.push(format!("{request} answers {}", answer.status));
                    }
                    for name in headers {
                        // An empty value tells nothing: it is what a rewrite rule leaves on Server 2016.
                        for value in answer.header(name).filter(|value| !value.is_empty()) {
                            let field = format!("{name}: {value}");
                            match sent.iter_mut().find(|(known, ..)| *known == field) {
                                Some((_, on, _)) => on.push(request.path().to_string()),
                                None => sent.push((field, vec![request.path().to_string()], id)),
                            }
                        }
                    }
                }
                Answer::None(why, id) => unanswered.push(web.unanswered(request, &why, id)),
                Answer::NotAsked => {}
            }
        }
        if !sent.is_empty() {
            let mut part = Part::fail("the header is sent");
            for (field, on, id) in sent {
                part = part.seen(format!("{} sends \"{field}\" on {}", web.place, on.join(", "))).on([id]);
            }
            return vec![part];
        }
        if !unanswered.is_empty() {
            return unanswered;
        }
        if paths.is_empty() {
            return vec![Part::inconclusive("no page was asked for").settle("Scan again.").seen(web.place.clone())];
        }
        let asked: Vec<&str> = paths.iter().map(|(path, _)| path.as_str()).collect();
        let ids = paths.iter().map(|(_, id)| *id);
        if turned_away.len() == paths.len() {
            return vec![
                Part::inconclusive("every page turned us away, so what it sends to those who are let in was not seen")
                    .settle("Look at the answers as a user who is let in (browser, developer tools, network), or let this machine in and scan again.")
                    .seen(format!("{}: {}", web.place, turned_away.join(", ")))
                    .on(ids),
            ];
        }
        vec![
            Part::pass("no answer carries it")
                .seen(format!("{} sends none of {} on {}", web.place, headers.join(", "), asked.join(", ")))
                .on(ids),
        ]
    })
}

/// The directories that were asked for without Host.
fn hostless<'a>(web: &WebPort<'_, 'a>) -> Vec<(Request, Answer<&'a HttpAnswer>)> {
    WebPath::ALL
        .into_iter()
        .map(|path| (Request::HostlessHead(path), web.address.http(web.port, Request::HostlessHead(path))))
        .filter(|(_, answer)| !matches!(answer, Answer::NotAsked))
        .collect()
}

pub(super) fn hostless_header(view: &View<'_>, skipped: &[Product]) -> Vec<Part> {
    on_web_ports(view, skipped, |web| {
        let answers = hostless(web);
        if answers.is_empty() {
            return vec![Part::inconclusive("the request was not made").settle("Scan again.").seen(web.place.clone())];
        }
        answers
            .into_iter()
            .map(|(request, answer)| match answer {
                Answer::Got(answer, id) => {
                    let place = format!("{}: {request} answers {}", web.place, answer.status);
                    match answer.first("Server").filter(|server| !server.is_empty()) {
                        Some(server) => {
                            Part::fail("the answer names the server").seen(format!("{place}, Server: {server}"))
                        }
                        None if turns_away(answer.status) && answer.status != 400 => turned_away(&place),
                        None => {
                            Part::pass("the answer does not name the server").seen(format!("{place}, no Server header"))
                        }
                    }
                    .on([id])
                }
                Answer::None(why, id) => web.unanswered(request, &why, id),
                Answer::NotAsked => Part::inconclusive("the request was not made").settle("Scan again."),
            })
            .collect()
    })
}

pub(super) fn hostless_address(view: &View<'_>, skipped: &[Product]) -> Vec<Part> {
    on_web_ports(view, skipped, |web| {
        let parts: Vec<Part> = hostless(web)
            .into_iter()
            .map(|(request, answer)| match answer {
                Answer::Got(answer, id) => location(web, request, answer).on([id]),
                Answer::None(why, id) => web.unanswered(request, &why, id),
                Answer::NotAsked => Part::inconclusive("the request was not made").settle("Scan again."),
            })
            .collect();
        if parts.is_empty() {
            return vec![Part::inconclusive("the request was not made").settle("Scan again.").seen(web.place.clone())];
        }
        // One directory that exists is enough to tell; those that are absent say nothing more.
        Part::weigh(parts)
    })
}

fn location(web: &WebPort<'_, '_>, request: Request, answer: &HttpAnswer) -> Part {
    let place = format!("{}: {request} answers {}", web.place, answer.status);
    let Some(location) = answer.first("Location") else {
        return match answer.status {
            400 => Part::pass("a request without Host is refused before it could reveal an address").seen(place),
            404 => Part::inconclusive("the directory does not exist, so no redirect was provoked")
                .excusable()
                .settle("Ask for a directory that exists: curl -sI --http1.0 -H 'Host:' https://SERVER/DIRECTORY")
                .seen(place),
            _ => Part::inconclusive("the answer is no redirect, so it is not told what a redirect would reveal")
                .settle("Ask for a directory that exists: curl -sI --http1.0 -H 'Host:' https://SERVER/DIRECTORY")
                .seen(place),
        };
    };
    let seen = format!("{place}, Location: {location}");
    let Some(host) = location_host(location.as_str()) else {
        return Part::pass("the redirect names no host").seen(seen);
    };
    let own_address = host.parse::<IpAddr>().is_ok_and(|address| address == web.address.address);
    let own_name = web.view.target().server_name().is_some_and(|name| name.eq_ignore_ascii_case(&host));
    match host.parse::<IpAddr>() {
        _ if own_name => Part::pass("the redirect names only the public name").seen(seen),
        Ok(_) if own_address && web.address.health.inside => {
            Part::inconclusive("the redirect names the very address that was scanned, which is not public")
                .settle("Scan the public name from outside.")
                .seen(seen)
        }
        Ok(_) if own_address => Part::pass("the redirect names only the address that was scanned").seen(seen),
        Ok(address) if is_inside(address) => Part::fail("the redirect names an internal address").seen(seen),
        Ok(_) => Part::fail("the redirect names an address other than the one that was scanned")
            .at_most(Confidence::Medium)
            .seen(seen),
        Err(_) if is_internal_name(&host) => Part::fail("the redirect names an internal host name").seen(seen),
        Err(_) => Part::inconclusive("the redirect names another host than was scanned, and whether that name is public is not known")
            .settle("If it is the server's public name, give it as `host` or `sni` (option --sni); if it is internal, it is leaked.")
            .seen(seen),
    }
}

/// The host of an absolute or scheme-relative reference (RFC 3986, section 3.2.2).
fn location_host(location: &str) -> Option<String> {
    let authority = location.split_once("//").filter(|(scheme, _)| scheme.is_empty() || scheme.ends_with(':'))?.1;
    let authority = authority.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    (!host.is_empty()).then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

/// A name without a dot, or under a suffix that is never delegated (RFC 6762, RFC 9476; ICANN's `internal`).
fn is_internal_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    !host.contains('.')
        || ["local", "lan", "internal", "corp", "home", "intranet", "private", "localdomain"].contains(&last)
}

pub(super) fn http_sys_silent(view: &View<'_>) -> Vec<Part> {
    on_web_ports(view, &[Product::EndpointCentral], |web| {
        vec![match web.address.http(web.port, Request::MissingHost) {
            Answer::Got(answer, id) => {
                let place = format!("{}: {} answers {}", web.place, Request::MissingHost, answer.status);
                let server = answer.first("Server").filter(|server| !server.is_empty());
                match server {
                    Some(server) if server.as_str().contains("Microsoft-HTTPAPI") => {
                        Part::fail("the kernel's http.sys names itself").seen(format!("{place}, Server: {server}"))
                    }
                    Some(server) if !server.as_str().contains("Microsoft-IIS") => {
                        Part::not_applicable("another server than Windows' http.sys answers there")
                            .seen(format!("{place}, Server: {server}"))
                    }
                    Some(server) => {
                        Part::pass("http.sys does not name itself").seen(format!("{place}, Server: {server}"))
                    }
                    None if turns_away(answer.status) && answer.status != 400 => turned_away(&place),
                    None => {
                        Part::pass("the answer does not name the server").seen(format!("{place}, no Server header"))
                    }
                }
                .on([id])
            }
            Answer::None(why, id) => web.unanswered(Request::MissingHost, &why, id),
            Answer::NotAsked => {
                Part::inconclusive("the request was not made").settle("Scan again.").seen(web.place.clone())
            }
        }]
    })
}

/// An answer of something that stands before the page.
fn turned_away(place: &str) -> Part {
    Part::inconclusive("we were turned away before the server itself could answer")
        .settle("Let this machine in, and scan again.")
        .seen(place.to_owned())
}

/// The web ports where `product` answers, with how.
pub(super) fn ports_of(address: &AddressView<'_>, product: Product) -> Vec<(u16, Scheme)> {
    address.web_ports().into_iter().filter(|(port, _)| address.has_product(*port, &[product])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_redirect_is_found() {
        let host = |location: &str| location_host(location);
        assert_eq!(host("https://10.0.0.4/dir/").as_deref(), Some("10.0.0.4"));
        assert_eq!(host("https://WIN-1:8443/dir/").as_deref(), Some("win-1"));
        assert_eq!(host("//user@srv.lan./x").as_deref(), Some("srv.lan"));
        assert_eq!(host("https://[fd00::1]:443/x").as_deref(), Some("fd00::1"));
        assert_eq!(host("/dir//x"), None);
        assert_eq!(host("dir/"), None);
    }

    #[test]
    fn internal_names_are_known() {
        assert!(
            is_internal_name("win-srv01") && is_internal_name("srv.acme.local") && !is_internal_name("rmm.example.com")
        );
    }
}
