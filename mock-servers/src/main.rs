//! Starts one mock server from a file and tells where it listens.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use mock_servers::{Authority, Description, start};

const USAGE: &str = "Usage: mock-servers FILE.toml [--listen 127.0.0.1] [--ca CERTIFICATE.pem]\n\n\
    Starts the server that FILE describes, prints which address stands for which logical port, and runs until Ctrl-C.\n\
    --listen ADDRESS  a loopback address\n\
    --ca FILE         writes the certificate of the throw-away authority there";

#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<(), String> {
    let mut file = None;
    let mut ca = None;
    let mut listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => return writeln!(io::stdout(), "{USAGE}").map_err(|error| error.to_string()),
            "--listen" => {
                let address = arguments.next().ok_or(USAGE)?;
                listen = address.parse().map_err(|_| format!("`{address}` is not an IP address"))?;
            }
            "--ca" => ca = Some(arguments.next().ok_or(USAGE)?),
            _ if argument.starts_with('-') || file.is_some() => return Err(USAGE.to_owned()),
            _ => file = Some(argument),
        }
    }
    let file = file.ok_or(USAGE)?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let description = Description::from_toml(&text).map_err(|error| format!("{file}:{error}"))?;
    let authority = Authority::new().map_err(|error| error.to_string())?;
    if let Some(ca) = ca {
        std::fs::write(&ca, authority.ca_pem()).map_err(|error| format!("{ca}: {error}"))?;
    }
    let running = start(&description, &authority, listen).await.map_err(|error| format!("{file}: {error}"))?;
    let mut lines = String::new();
    for mapping in running.ports() {
        for logical in mapping.logical.clone() {
            if let Some(actual) = running.socket(mapping.transport, logical) {
                let _ = writeln!(lines, "{}/{logical} -> {actual}", mapping.transport);
            }
        }
    }
    // Whoever waits for these lines may interrupt at once, so the signal is listened for before they are printed.
    let print = async {
        let mut output = io::stdout();
        output.write_all(lines.as_bytes()).and_then(|()| output.flush())?;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        signal = tokio::signal::ctrl_c() => signal,
        failure = print => failure,
    }
    .map_err(|error| error.to_string())?;
    running.stop().await;
    Ok(())
}
