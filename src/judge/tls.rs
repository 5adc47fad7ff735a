//! Rules about TLS and certificates.

use super::certificate;
use super::part::Part;
use super::view::{AddressView, Answer, PortSeen, View};
use crate::model::fact::PortState;
use crate::model::observation::ObservationId;
use crate::model::ports::{Ports, Transport};
use crate::model::service::{Product, Service};
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::model::verdict::Confidence;

const SETTLE_AGAIN: &str = "Scan again; if it stays so, ask from another network, or look at the server's own log.";

/// Parts for an address where no port suits a rule about what speaks there.
pub(super) fn nothing_suits(address: &AddressView<'_>, what: &str) -> Part {
    let at = address.address;
    if !address.health.answered {
        return Part::inconclusive("nothing at this address answered anything")
            .settle("Check that the server is up and that this machine can reach it, then scan again.");
    }
    let open: Vec<u16> = address.open_tcp().collect();
    if open.is_empty() {
        return Part::inconclusive(&format!("no open TCP port was seen, so {what} could not be asked"))
            .settle("Scan from a network that the server lets in, or declare moved ports in the inventory.");
    }
    if address.health.handshakes_untrusted() {
        return Part::inconclusive(
            "a middlebox completes handshakes for the server, so what stands behind is not known",
        )
        .settle("Scan from a network without such a middlebox.");
    }
    let told = open.iter().all(|port| matches!(address.service(*port), Answer::Got(..)));
    let none = if told { "none speaks" } else { "none is known to speak" };
    Part::not_applicable(&format!("no open port {} {what}", none.trim_start_matches("none ")))
        .seen(format!("{} open TCP ports at {at}, {none} {what}", open.len()))
}

pub(super) fn refused(view: &View<'_>, versions: &[TlsVersion]) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        let before = parts.len();
        for port in address.open_tcp() {
            if let Answer::Got((_, Some(preface)), _) = address.service(port) {
                // Behind the greeting of MySQL nobody can begin with SSL 2.0, and so it is not asked.
                let asked =
                    versions.iter().filter(|version| **version != TlsVersion::Ssl2 || preface != TlsPreface::MySql);
                parts.extend(asked.map(|version| refused_on(view, address, port, *version, versions)));
            }
        }
        if parts.len() == before {
            parts.push(nothing_suits(address, "TLS"));
        }
        parts.extend(address.blind_spots(view, "TLS"));
    }
    parts
}

/// What the hellos of one kind, with or without SNI, brought.
#[derive(Default)]
struct Hellos {
    accepted: Vec<ObservationId>,
    refused: Vec<(String, ObservationId)>,
    unanswered: Vec<(String, ObservationId)>,
    control: Option<(TlsVersion, ObservationId)>,
}

fn hellos(address: &AddressView<'_>, port: u16, version: TlsVersion, tested: &[TlsVersion], sni: bool) -> Hellos {
    let mut hellos = Hellos::default();
    for other in TlsVersion::ALL.into_iter().rev() {
        if let Answer::Got(answer, id) = address.tls(port, other, sni) {
            match answer {
                // Whoever answers another hello in this version accepts it too.
                TlsAnswer::OtherVersion { version: number } if *number == version.wire() && other != version => {
                    hellos.accepted.push(id);
                }
                TlsAnswer::Accepted { .. } if !tested.contains(&other) && hellos.control.is_none() => {
                    hellos.control = Some((other, id));
                }
                _ => {}
            }
        }
    }
    match address.tls(port, version, sni) {
        Answer::Got(TlsAnswer::Accepted { .. }, id) => hellos.accepted.push(id),
        // The hello of SSL 2.0 is none of TLS: who answers it with an error page does not speak SSL 2.0.
        Answer::Got(TlsAnswer::NotTls { first_bytes }, id) if version == TlsVersion::Ssl2 => {
            hellos.refused.push((format!("answered \"{first_bytes}\""), id));
        }
        Answer::Got(TlsAnswer::NotTls { first_bytes }, id) => {
            hellos.unanswered.push((format!("the answer is no TLS: \"{first_bytes}\""), id));
        }
        Answer::Got(answer, id) => hellos.refused.push((refusal(answer), id)),
        Answer::None(why, id) => hellos.unanswered.push((why, id)),
        Answer::NotAsked => {}
    }
    hellos
}

fn refusal(answer: &TlsAnswer) -> String {
    match answer {
        TlsAnswer::OtherVersion { version } => match TlsVersion::from_wire(*version) {
            Some(version) => format!("answered in {version}"),
            None => format!("answered in version 0x{version:04x}"),
        },
        TlsAnswer::Alert { description } => format!("alert {description}"),
        TlsAnswer::Ssl2Error { code } => format!("SSL 2.0 error {code}"),
        TlsAnswer::Reset => "connection reset".to_owned(),
        TlsAnswer::Closed => "connection closed".to_owned(),
        TlsAnswer::Accepted { .. } | TlsAnswer::NotTls { .. } => String::new(),
    }
}

fn refused_on(
    view: &View<'_>,
    address: &AddressView<'_>,
    port: u16,
    version: TlsVersion,
    tested: &[TlsVersion],
) -> Part {
    let place = format!("{} at {}", view.actual_name(Transport::Tcp, port), address.address);
    let with = hellos(address, port, version, tested, true);
    let without = hellos(address, port, version, tested, false);
    let accepted: Vec<ObservationId> = with.accepted.iter().chain(&without.accepted).copied().collect();
    if !accepted.is_empty() {
        let asked = |hellos: &Hellos| !hellos.refused.is_empty() || !hellos.unanswered.is_empty();
        let how = if with.accepted.is_empty() && asked(&with) {
            " to a hello without SNI"
        } else if without.accepted.is_empty() && asked(&without) {
            " to a hello with SNI"
        } else {
            ""
        };
        return Part::fail(&format!("{version} is accepted"))
            .seen(format!("{place} accepts {version}{how}"))
            .on(accepted);
    }
    let unanswered = with.unanswered.iter().chain(&without.unanswered).next();
    if let Some((why, id)) = unanswered {
        return Part::inconclusive(&format!("a hello with {version} got no answer that can be read"))
            .settle(SETTLE_AGAIN)
            .seen(format!("{place}, {version}: {why}"))
            .on([*id]);
    }
    let refused: Vec<&(String, ObservationId)> = with.refused.iter().chain(&without.refused).collect();
    let Some((how, _)) = refused.first() else {
        return Part::inconclusive(&format!("{version} was not asked")).settle("Scan again.").seen(place);
    };
    // A site that is bound by name refuses every hello without SNI; the other way round there is no such excuse.
    let control = if with.refused.is_empty() { without.control } else { with.control };
    let Some((control, control_id)) = control else {
        return Part::inconclusive(&format!(
            "{version} was refused, but no other version worked on the same port with such a hello, so the refusal may have \
             another cause"
        ))
        .settle(SETTLE_AGAIN)
        .seen(format!("{place}: {version} refused ({how}), no version accepted"))
        .on(refused.iter().map(|(_, id)| *id));
    };
    let part = Part::pass(&format!("{version} is refused where {control} works"))
        .seen(format!("{place} refuses {version} ({how}) and accepts {control}"))
        .on(refused.iter().map(|(_, id)| *id).chain([control_id]));
    // "On any port" is only known of all ports.
    if address.every_port_told() { part } else { part.at_most(Confidence::Medium) }
}

/// The open ports of `ports` at an address, as asked, and a part for each that is not open.
fn open_ports(view: &View<'_>, address: &AddressView<'_>, ports: &[Ports]) -> (Vec<u16>, Vec<Part>) {
    let mut open = Vec::new();
    let mut parts = Vec::new();
    for logical in ports.iter().flat_map(|ports| ports.each()) {
        let actual = view.target().actual(Transport::Tcp, logical);
        let name = view.port_name(Transport::Tcp, logical);
        match address.port(Transport::Tcp, actual) {
            PortSeen::Known(fact, _) if fact.state == PortState::Open => open.push(actual),
            PortSeen::Known(fact, observation) => parts.push(
                Part::inconclusive("the port is not open from here, so what it serves could not be asked")
                    .excusable()
                    .settle("Scan from a network that the server lets in, or declare the moved port in the inventory.")
                    .seen(format!("{name} {} at {}", fact.state, address.address))
                    .on([observation.id]),
            ),
            PortSeen::Unknown(_) | PortSeen::NotAsked => parts.push(
                Part::inconclusive("the port's state is not known, so what it serves could not be asked")
                    .settle("Scan again.")
                    .seen(format!("{name} at {}", address.address)),
            ),
        }
    }
    (open, parts)
}

/// Certificates and schemes are judged where the port is open; an address of the name where it is known not to be says
/// nothing against the others.
fn judged_where_open(
    view: &View<'_>,
    ports: &[Ports],
    judge: impl Fn(&AddressView<'_>, u16) -> Vec<Part>,
) -> Vec<Part> {
    let mut parts = Vec::new();
    for address in &view.addresses {
        let (open, closed) = open_ports(view, address, ports);
        for port in open {
            parts.extend(other_product(view, address, port).map_or_else(|| judge(address, port), |part| vec![part]));
        }
        parts.extend(closed);
    }
    Part::weigh(parts)
}

/// A port where a product answers that this target is not said to run is about that product, not about the rule's.
fn other_product(view: &View<'_>, address: &AddressView<'_>, port: u16) -> Option<Part> {
    let implied = view.implied_products();
    let Answer::Got(seen, id) = address.products(port) else { return None };
    let other =
        seen.iter().map(|seen| seen.product).find(|product| *product != Product::Iis && !implied.contains(product))?;
    let ours = seen.iter().any(|seen| implied.contains(&seen.product));
    (!implied.is_empty() && !ours).then(|| {
        Part::inconclusive(&format!("{other} answers there, which this target is not said to run"))
            .settle("Correct the target's roles, or declare where its own service listens (`moved`).")
            .seen(format!("{} at {}: {other}", view.actual_name(Transport::Tcp, port), address.address))
            .on([id])
    })
}

pub(super) fn https_served(view: &View<'_>, ports: &[Ports]) -> Vec<Part> {
    judged_where_open(view, ports, |address, port| {
        let place = format!("{} at {}", view.actual_name(Transport::Tcp, port), address.address);
        vec![match address.service(port) {
            Answer::Got((service @ Service::Https, _), id) => {
                Part::pass("HTTPS answers there").seen(format!("{place}: {service}")).on([id])
            }
            Answer::Got((service @ Service::Http, _), id) => {
                Part::fail("what passes there is not encrypted").seen(format!("{place}: {service}")).on([id])
            }
            Answer::Got((service, _), id) => Part::inconclusive("the port is open and not recognised as HTTPS or HTTP")
                .settle(
                    "Look in a browser which product answers on that port; if it was moved, declare it under `moved`.",
                )
                .seen(format!("{place}: {service}"))
                .on([id]),
            Answer::None(why, id) => Part::inconclusive("what speaks there could not be told")
                .settle(SETTLE_AGAIN)
                .seen(format!("{place}: {why}"))
                .on([id]),
            Answer::NotAsked => Part::inconclusive("what speaks there was not asked").settle("Scan again.").seen(place),
        }]
    })
}

pub(super) fn certificate_valid(view: &View<'_>, ports: &[Ports]) -> Vec<Part> {
    judged_where_open(view, ports, |address, port| {
        let place = format!("{} at {}", view.actual_name(Transport::Tcp, port), address.address);
        match address.service(port) {
            Answer::Got((Service::Http, _), id) => {
                return vec![
                    Part::fail("the port serves HTTP without TLS, so there is no certificate")
                        .seen(format!("{place}: HTTP without TLS"))
                        .on([id]),
                ];
            }
            Answer::Got((service, None), id) => {
                return vec![
                    Part::inconclusive("the port does not speak TLS")
                        .settle("Look which program listens there; if the service was moved, declare it under `moved`.")
                        .seen(format!("{place}: {service}"))
                        .on([id]),
                ];
            }
            _ => {}
        }
        let named = view.target().server_name().is_some();
        vec![match address.certificate(port, named) {
            Answer::Got(certificate, id) => certificate::judge(certificate, named, &place).on([id]),
            Answer::None(why, id) => Part::inconclusive("the certificate could not be read")
                .settle(SETTLE_AGAIN)
                .seen(format!("{place}: {why}"))
                .on([id]),
            Answer::NotAsked => {
                Part::inconclusive("the certificate was not asked for").settle("Scan again.").seen(place)
            }
        }]
    })
}
