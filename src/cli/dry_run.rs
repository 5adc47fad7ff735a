//! `portreeve scan --dry-run`: what would be asked, of which address, for which items.

use super::args::{Format, Shared};
use super::exit::{CliError, Exit};
use super::output::{called, print, wrapped};
use super::statements::Said;
use super::vantage::Control;
use crate::catalog::builtin::Catalogs;
use crate::engine::Engine;
use crate::engine::plan::{Extra, Plan, Wanted};
use crate::model::ports::Transport;
use crate::model::target::Target;
use crate::report::text::{clean, is_special};
use serde_json::json;
use std::fmt::Write as _;

/// What would be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) targets: &'a [Target],
    pub(super) catalogs: &'a Catalogs,
    pub(super) extra: &'a Extra,
    pub(super) control: Option<&'a Control>,
    pub(super) said: Said<'a>,
}

/// Prints the plan. Nothing is asked but DNS.
pub(super) async fn run(
    engine: &Engine,
    Asked { targets, catalogs, extra, control, said }: Asked<'_>,
    format: Format,
    shared: &Shared,
) -> Result<Exit, CliError> {
    let mut exit = Exit::Clean;
    let mut text = String::new();
    let mut plans = Vec::new();
    if let (Some(control), Format::Text) = (control, format) {
        let asked = format!(
            "first the control host {}: states of {} TCP ports, and of 3 that nothing was said to use",
            control.host,
            control.ports.len()
        );
        let _ = writeln!(text, "{}\n", wrapped(&clean(&asked), shared.columns(), "", "  "));
    }
    for target in targets {
        let plan = Plan::new(target, &catalogs.guides, extra);
        let resolved = engine.resolver.resolve(&target.host).await;
        let addresses = match &resolved {
            Ok(resolved) => {
                let wanted = |address: &&std::net::IpAddr| {
                    if address.is_ipv4() { engine.settings.ipv4 } else { engine.settings.ipv6 }
                };
                Ok(resolved.addresses.iter().filter(wanted).map(ToString::to_string).collect::<Vec<_>>())
            }
            Err(error) => {
                exit = Exit::Partial;
                Err(error.to_string())
            }
        };
        if format == Format::Text {
            describe(&mut text, target, &plan, &addresses, shared.columns());
            text.push_str(&said.describe(target, &catalogs.guides, shared.columns()));
            witness(&mut text, engine, shared.columns());
            text.push('\n');
        } else {
            let mut plan = as_json(target, &plan, &addresses);
            plan["attestations"] = said.attestations(target, &catalogs.guides);
            plan["waivers"] = said.waivers(target, &catalogs.guides);
            plans.push(plan);
        }
    }
    if format != Format::Text {
        let control = control.map(|control| json!({ "host": control.host.to_string(), "tcp_ports": control.ports }));
        let plan = json!({ "format": "portreeve-plan", "version": 1, "control_host": control, "targets": plans });
        text = showable(&format!("{plan:#}\n"));
    }
    print(&text)?;
    Ok(exit)
}

/// JSON with what a terminal would obey written as `\uNNNN`; outside of strings only its line ends are special.
pub(super) fn showable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || !is_special(character) {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// What is asked of open ports, in words, with who wants it.
fn follow_up(plan: &Plan) -> Vec<(String, &Wanted)> {
    let wanted = &plan.follow_up;
    let mut asked = vec![("on every open TCP port: what speaks there".to_owned(), &wanted.service)];
    asked.push((
        "where TLS is spoken: SSL 3.0, TLS 1.0, 1.1, 1.2 and 1.3, each with SNI and without".to_owned(),
        &wanted.tls_versions,
    ));
    asked.push(("where TLS is spoken: the certificate".to_owned(), &wanted.certificate));
    asked.push(("where TLS is spoken: the suites of each version".to_owned(), &wanted.suites));
    asked.extend(wanted.http.iter().map(|(request, wanted)| (format!("where HTTP is spoken: {request}"), wanted)));
    asked.push(("where HTTP is spoken: the product, by its own pages".to_owned(), &wanted.products));
    asked.push(("where RDP is spoken: whether network level authentication is enforced".to_owned(), &wanted.rdp_nla));
    asked.push(("where SMB is spoken: whether SMB 1 is answered".to_owned(), &wanted.smb1));
    asked.retain(|(_, wanted)| !wanted.is_empty());
    asked
}

fn describe(text: &mut String, target: &Target, plan: &Plan, addresses: &Result<Vec<String>, String>, width: usize) {
    let roles: Vec<&str> = target.roles.iter().map(|role| role.as_str()).collect();
    let (name, host) = (called(target), target.host.to_string());
    let named = if name == host { host } else { format!("{name} ({host})") };
    let head = format!("{named}, roles {}", roles.join(", "));
    let addresses = match addresses {
        Ok(addresses) => format!("addresses: {}", addresses.join(", ")),
        Err(error) => format!("cannot be scanned: {error}"),
    };
    let (tcp, udp) = plan.port_counts();
    let ports = format!("states of {tcp} TCP and {udp} UDP ports of each address:");
    for (line, first, rest) in [(head, "", "  "), (addresses, "  ", "    "), (ports, "  ", "    ")] {
        let _ = writeln!(text, "{}", wrapped(&clean(&line), width, first, rest));
    }
    if plan.sweep {
        let _ = writeln!(text, "    tcp/1-65535  for --sweep");
    }
    if !plan.rest.is_empty() {
        line(text, "every other TCP port that is asked", &plan.rest, width);
    }
    for (ports, wanted) in &plan.ports {
        let moved = if ports.count() == 1 {
            let logical = target.logical(ports.transport(), ports.first());
            if logical == ports.first() {
                String::new()
            } else {
                format!(" (the guides' {}/{logical})", ports.transport())
            }
        } else {
            String::new()
        };
        line(text, &format!("{ports}{moved}"), wanted, width);
    }
    let decoys = "3 more TCP ports that nothing uses, to find out whether something answers for the server";
    let _ = writeln!(text, "{}", wrapped(decoys, width, "    ", "      "));
    let _ = writeln!(text, "  then:");
    for (what, wanted) in follow_up(plan) {
        line(text, &what, wanted, width);
    }
}

/// What is asked besides where a witness stands behind an address.
fn witness(text: &mut String, engine: &Engine, width: usize) {
    let Some(settings) = engine.settings.witness.as_deref() else { return };
    let addresses: Vec<String> = settings.addresses.iter().map(ToString::to_string).collect();
    let asked = format!(
        "at {}: some messages to every port that the witness holds, and its account of what arrived",
        addresses.join(", ")
    );
    let _ = writeln!(text, "{}", wrapped(&asked, width, "  ", "    "));
}

fn line(text: &mut String, what: &str, wanted: &Wanted, width: usize) {
    let who: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let asked = format!("{what}  for {}", who.join(", "));
    let _ = writeln!(text, "{}", wrapped(&clean(&asked), width, "    ", "      "));
}

fn as_json(target: &Target, plan: &Plan, addresses: &Result<Vec<String>, String>) -> serde_json::Value {
    let (tcp, udp) = plan.port_counts();
    json!({
        "client": target.client,
        "name": target.name,
        "host": target.host.to_string(),
        "addresses": addresses.as_ref().ok(),
        "error": addresses.as_ref().err(),
        "tcp_ports": tcp,
        "udp_ports": udp,
        "sweep": plan.sweep,
        "ports": plan.ports.iter().map(|(ports, wanted)| json!({
            "ports": ports.to_string(),
            "guide_port": (ports.count() == 1).then(|| target.logical(ports.transport(), ports.first())),
            "for": wanted,
        })).collect::<Vec<_>>(),
        "every_other_tcp_port": (!plan.rest.is_empty()).then_some(json!({ "for": plan.rest })),
        "decoys": { "transport": Transport::Tcp, "count": 3 },
        "follow_up": follow_up(plan).into_iter().map(|(what, wanted)| json!({ "ask": what, "for": wanted })).collect::<Vec<_>>(),
    })
}
