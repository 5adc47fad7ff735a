//! Rules about products, their versions, and services by their protocol.

use super::http::ports_of;
use super::part::Part;
use super::tls::nothing_suits;
use super::view::{AddressView, Answer, View};
use crate::catalog::exploited::{Exploited, Exposure};
use crate::catalog::rule::Protocol;
use crate::model::http::Scheme;
use crate::model::observation::ObservationId;
use crate::model::ports::Transport;
use crate::model::service::{Identified, Product, Service, Version};
use crate::model::verdict::Confidence;

const SETTLE_AGAIN: &str = "Scan again; if it stays so, look at the server's own log.";

/// An answer of a product.
struct Sighting<'a> {
    place: String,
    identified: &'a Identified,
    id: ObservationId,
}

/// Where a product was seen, and whether a web port could not be asked.
fn sightings<'a>(view: &View<'a>, product: Product) -> (Vec<Sighting<'a>>, Vec<Part>) {
    let mut seen = Vec::new();
    let mut unasked = Vec::new();
    for address in &view.addresses {
        for (port, scheme) in address.web_ports() {
            let place = format!("{scheme} on {} at {}", view.actual_name(Transport::Tcp, port), address.address);
            match address.products(port) {
                Answer::Got(products, id) => seen.extend(
                    products.iter().filter(|identified| identified.product == product).map(|identified| Sighting {
                        place: place.clone(),
                        identified,
                        id,
                    }),
                ),
                Answer::None(why, id) => unasked.push(
                    Part::inconclusive("which product answers could not be told")
                        .settle(SETTLE_AGAIN)
                        .seen(format!("{place}: {why}"))
                        .on([id]),
                ),
                Answer::NotAsked => {}
            }
        }
    }
    (seen, unasked)
}

impl Sighting<'_> {
    fn describe(&self) -> String {
        let Identified { product, version, evidence, path } = self.identified;
        let version = version.as_ref().map_or_else(|| "version not told".to_owned(), ToString::to_string);
        format!("{}: {product} {version} (\"{evidence}\" on {path})", self.place)
    }
}

/// The version that was told, once for each place; `None` where the product tells none there.
fn versions<'s, 'a>(seen: &'s [Sighting<'a>]) -> (Vec<(&'s Sighting<'a>, &'a Version)>, Option<&'s Sighting<'a>>) {
    let told: Vec<_> =
        seen.iter().filter_map(|sighting| Some((sighting, sighting.identified.version.as_ref()?))).collect();
    let untold = seen.iter().find(|sighting| told.iter().all(|(known, _)| known.place != sighting.place));
    (told, untold)
}

fn version_untold(sighting: &Sighting<'_>, product: Product) -> Part {
    Part::inconclusive(&format!("{product} answers and does not tell its version"))
        .settle("Read the version in the product's own console (Help > About).")
        .seen(sighting.describe())
        .on([sighting.id])
}

pub(super) fn version_at_least(view: &View<'_>, product: Product, least: &Version) -> Vec<Part> {
    let (seen, unasked) = sightings(view, product);
    let (told, untold) = versions(&seen);
    let mut parts: Vec<Part> = told
        .iter()
        .map(|(sighting, version)| {
            let part = if *version >= least {
                Part::pass(&format!("{version} is not older than {least}"))
            } else {
                Part::fail(&format!("{version} is older than {least}"))
            };
            part.seen(sighting.describe()).on([sighting.id])
        })
        .collect();
    parts.extend(untold.map(|sighting| version_untold(sighting, product)));
    parts.extend(unasked);
    if parts.is_empty() {
        parts.push(
            Part::inconclusive(&format!("{product} was not seen on any port that was asked")).settle(&format!(
                "Declare where it listens (`moved`), or read its version in {product}'s own console."
            )),
        );
    }
    parts
}

pub(super) fn not_known_exploited(view: &View<'_>, product: Product) -> Vec<Part> {
    let list = view.exploited();
    let entries: Vec<&Exploited> = list.entries.iter().filter(|entry| entry.product == product).collect();
    if entries.is_empty() {
        return vec![Part::not_applicable(&format!("the list of {} has no entry for {product}", list.revision))];
    }
    let (seen, unasked) = sightings(view, product);
    let (told, untold) = versions(&seen);
    let mut parts: Vec<Part> = Vec::new();
    for (sighting, version) in &told {
        let exposed = |wanted| entries.iter().filter(move |entry| entry.exposure(version) == wanted);
        let name = |entry: &Exploited| format!("{} ({}), fixed in {}", entry.cve.join(", "), entry.title, entry.fixed);
        let vulnerable: Vec<String> = exposed(Exposure::Vulnerable).map(|entry| name(entry)).collect();
        let verify: Vec<String> =
            exposed(Exposure::Verify).map(|entry| format!("{}: {}", name(entry), entry.note)).collect();
        let part = if !vulnerable.is_empty() {
            Part::fail(&format!("{version} is open to {}", vulnerable.join("; ")))
        } else if !verify.is_empty() {
            Part::inconclusive(&format!("{version} may be open to {}", verify.join("; ")))
                .settle("Check with the vendor's bulletin whether this build was patched, or update.")
        } else {
            Part::pass(&format!("{version} has the fixes of every entry in the list of {}", list.revision))
                .at_most(Confidence::Medium)
        };
        parts.push(part.seen(sighting.describe()).on([sighting.id]));
    }
    parts.extend(untold.map(|sighting| version_untold(sighting, product)));
    parts.extend(unasked);
    parts.extend(view.addresses.iter().flat_map(|address| address.blind_spots(view, "HTTP")));
    if told.is_empty() && untold.is_none() {
        parts.extend(view.addresses.iter().map(|address| not_seen(view, address, product)));
    }
    parts
}

pub(super) fn not_over_http(view: &View<'_>, product: Product) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        for (port, scheme) in ports_of(address, product) {
            let place = format!("{} at {}", view.actual_name(Transport::Tcp, port), address.address);
            let Answer::Got(_, id) = address.products(port) else { continue };
            parts.push(
                match scheme {
                    Scheme::Http => Part::fail(&format!("{product} answers without TLS"))
                        .seen(format!("{place}: {product} over plain HTTP")),
                    Scheme::Https => Part::pass(&format!("{product} answers over TLS"))
                        .seen(format!("{place}: {product} over HTTPS")),
                }
                .on([id]),
            );
        }
    }
    let (seen, unasked) = sightings(view, product);
    parts.extend(unasked);
    parts.extend(view.addresses.iter().flat_map(|address| address.blind_spots(view, "HTTP")));
    if seen.is_empty() {
        parts.extend(view.addresses.iter().map(|address| not_seen(view, address, product)));
    }
    parts
}

/// The product did not answer. A target that is said to run it hides it, or shows it elsewhere; for others that is all.
fn not_seen(view: &View<'_>, address: &AddressView<'_>, product: Product) -> Part {
    if view.implied_products().contains(&product) {
        return Part::inconclusive(&format!(
            "{product} is said to run here and was not recognised at {}",
            address.address
        ))
        .settle("Declare where it listens (`moved`), or read what is asked for in the product's own console.");
    }
    if address.web_ports().is_empty() {
        return nothing_suits(address, "HTTP");
    }
    Part::not_applicable(&format!("{product} was not seen on any web port that was asked"))
}

/// The protocol of a service, and the port that the guides know it by.
fn protocol(service: &Service) -> Option<Protocol> {
    Some(match service {
        Service::MySql { .. } => Protocol::MySql,
        Service::MySqlX => Protocol::MySqlX,
        Service::Rdp { .. } => Protocol::Rdp,
        Service::Smb { .. } => Protocol::Smb,
        Service::NetBios { .. } => Protocol::NetBios,
        Service::MsRpc { .. } => Protocol::MsRpc,
        Service::AutomateRedirector => Protocol::Redirector,
        Service::Ssh { .. } => Protocol::Ssh,
        Service::Http
        | Service::Https
        | Service::Tls { .. }
        | Service::TlsOpaque { .. }
        | Service::Unknown { .. }
        | Service::Silent => {
            return None;
        }
    })
}

fn well_known(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::MySql => 3306,
        Protocol::MySqlX => 33060,
        Protocol::Rdp => 3389,
        Protocol::Smb => 445,
        Protocol::NetBios => 139,
        Protocol::MsRpc => 135,
        Protocol::Redirector => 70,
        Protocol::Ssh => 22,
    }
}

pub(super) fn service_absent(view: &View<'_>, services: &[Protocol]) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        let before = parts.len();
        let mut asked = 0;
        for port in address.open_tcp() {
            let place = format!("{} at {}", view.actual_name(Transport::Tcp, port), address.address);
            if let Answer::Got((service, _), id) = address.service(port) {
                asked += 1;
                let found = protocol(service).filter(|protocol| services.contains(protocol));
                if found.is_some() {
                    parts.push(Part::fail("it answers from here").seen(format!("{place}: {service}")).on([id]));
                } else {
                    parts.extend(mute(view, port, services, service, &place, id));
                }
            }
        }
        parts.extend(address.blind_spots(view, "such a service"));
        if parts.len() == before {
            parts.push(if address.health.answered {
                Part::pass("no open port that was asked answers so")
                    .at_most(Confidence::Medium)
                    .seen(format!("{asked} open TCP ports at {}, none of them answers so", address.address))
            } else {
                nothing_suits(address, "anything")
            });
        }
    }
    parts
}

pub(super) fn rdp_nla(view: &View<'_>) -> Vec<Part> {
    on_service(
        view,
        "Remote Desktop",
        Protocol::Rdp,
        |service| matches!(service, Service::Rdp { .. }),
        |address, port| match address.rdp_nla(port) {
            Answer::Got(true, id) => {
                Ok((Part::pass("a client without network level authentication is turned away"), id))
            }
            Answer::Got(false, id) => {
                Ok((Part::fail("a client without network level authentication is let in to the sign-in screen"), id))
            }
            Answer::None(why, id) => Err((why, Some(id))),
            Answer::NotAsked => Err(("it was not asked".to_owned(), None)),
        },
    )
}

pub(super) fn smb1_refused(view: &View<'_>) -> Vec<Part> {
    on_service(
        view,
        "SMB",
        Protocol::Smb,
        |service| matches!(service, Service::Smb { .. }),
        |address, port| match address.smb1(port) {
            Answer::Got(false, id) => Ok((Part::pass("an SMB 1 client is turned away"), id)),
            Answer::Got(true, id) => Ok((Part::fail("SMB 1 is answered"), id)),
            Answer::None(why, id) => Err((why, Some(id))),
            Answer::NotAsked => Err(("it was not asked".to_owned(), None)),
        },
    )
}

type Judged = Result<(Part, ObservationId), (String, Option<ObservationId>)>;

/// Judges every port where a service answers.
fn on_service(
    view: &View<'_>,
    name: &str,
    protocol: Protocol,
    is_it: impl Fn(&Service) -> bool,
    judge: impl Fn(&AddressView<'_>, u16) -> Judged,
) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        let before = parts.len();
        for port in address.open_tcp() {
            let place = format!("{} at {}", view.actual_name(Transport::Tcp, port), address.address);
            match address.service(port) {
                Answer::Got((service, _), _) if is_it(service) => parts.push(match judge(address, port) {
                    Ok((part, id)) => part.seen(format!("{place}: {name}")).on([id]),
                    Err((why, id)) => Part::inconclusive("the question got no answer that can be read")
                        .settle(SETTLE_AGAIN)
                        .seen(format!("{place}: {why}"))
                        .on(id),
                }),
                Answer::Got((service, _), id) => parts.extend(mute(view, port, &[protocol], service, &place, id)),
                Answer::None(..) | Answer::NotAsked => {}
            }
        }
        parts.extend(address.blind_spots(view, name));
        if parts.len() == before {
            parts.push(if address.health.answered && address.open_tcp().next().is_none() {
                Part::not_applicable(&format!("{name} is not reachable: no open TCP port was seen"))
                    .at_most(Confidence::Medium)
            } else {
                nothing_suits(address, name)
            });
        }
    }
    parts
}

/// Something listens where a service is usually found, and does not show what it is.
fn mute(
    view: &View<'_>,
    port: u16,
    protocols: &[Protocol],
    service: &Service,
    place: &str,
    id: ObservationId,
) -> Option<Part> {
    let logical = view.target().logical(Transport::Tcp, port);
    let usual = protocols.iter().any(|protocol| [logical, port].contains(&well_known(*protocol)));
    (usual && matches!(service, Service::Silent | Service::Unknown { .. })).then(|| {
        Part::inconclusive("something listens on the port where this service is usually found, and does not show what")
            .settle("Look at the host which program listens there.")
            .seen(format!("{place}: {service}"))
            .on([id])
    })
}
