//! What the configuration of IIS and of http.sys says of headers and methods.

use super::Claim;
use crate::host::config::Iis;
use crate::host::evidence::{Evidence, SERVICES};
use crate::host::{State, key_times};
use crate::judge::host::restart::{Since, since};

/// From this build on (version 1709, and so not on Server 2016) IIS 10 knows `removeServerHeader`.
const REMOVES_SERVER_HEADER: u32 = 16_299;

/// What the configuration says of something.
struct Said {
    /// Whether it is as the guides ask; `None` where that is not known.
    holds: Option<bool>,
    /// The lines that say so.
    seen: Vec<String>,
    /// Something that would tell was not collected.
    lacking: bool,
}

impl Said {
    fn of(holds: Option<bool>, seen: Vec<String>) -> Self {
        Self { holds, seen, lacking: false }
    }

    fn not_collected(why: &str) -> Self {
        Self { holds: None, seen: vec![format!("not collected: {why}")], lacking: true }
    }

    fn with(mut self, seen: String) -> Self {
        self.seen.push(seen);
        self
    }
}

/// What is said of all places of IIS together: applications, virtual directories, paths that a `<location>` is about.
fn everywhere(iis: &Iis, holds: impl Fn(&crate::host::config::Effective) -> (bool, String)) -> Said {
    let places = match iis.places() {
        Ok(places) => places,
        Err(why) => return Said::not_collected(&why),
    };
    let (mut failing, mut unknown, mut fine) = (Vec::new(), Vec::new(), Vec::new());
    for place in &places {
        let effective = iis.effective(place);
        let (holds, line) = holds(&effective);
        let name = crate::model::peer_text::PeerText::new(place, 120);
        if !effective.unknown.is_empty() {
            unknown.push(format!("{name}: not collected: {}", effective.unknown.join("; ")));
        } else if holds {
            fine.push(format!("{name}: {line}"));
        } else {
            failing.push(format!("{name}: {line}"));
        }
    }
    if places.is_empty() {
        return Said::of(None, vec![format!("no site is configured ({})", iis.line().quote())]);
    }
    let holds = match (failing.is_empty(), unknown.is_empty()) {
        (false, _) => Some(false),
        (true, false) => None,
        (true, true) => Some(true),
    };
    let lacking = !unknown.is_empty();
    // What decides comes first.
    let mut seen: Vec<String> = failing.into_iter().chain(unknown).chain(fine).collect();
    if holds == Some(true) {
        // Behind the first, which a contradiction quotes.
        seen.insert(
            1,
            "no bundle holds the web.config files of ordinary folders below an application's root or a virtual directory: a \
             folder may have settings of its own"
                .to_owned(),
        );
    }
    Said { holds, seen, lacking }
}

const WEB_EXPLANATIONS: [&str; 4] = [
    "another web server than IIS answers on that port, or a proxy in front of the host",
    "the change is not in effect yet: http.sys reads its settings when it starts (restart the host)",
    "an application sets it in its own code",
    "the bundle is of another host, or older than the change",
];

fn web(subject: &str, Said { holds, seen, lacking }: Said) -> Claim {
    Claim {
        subject: subject.to_owned(),
        holds,
        seen,
        lacking,
        passes_alone: true,
        own: false,
        network: None,
        explanations: WEB_EXPLANATIONS.map(str::to_owned).to_vec(),
        settle: "Ask the web server on the host itself (`curl -I http://localhost/`) and compare with what is seen from outside.".to_owned(),
    }
}

pub(super) fn header(evidence: &Evidence, header: &str) -> Claim {
    let iis = match &evidence.iis {
        Ok(iis) => iis,
        Err(why) => return without_iis(evidence, header, why),
    };
    let unset = |what: &str| format!("{what} is not set ({})", iis.line().quote());
    let mut said = everywhere(iis, |effective| {
        if header.eq_ignore_ascii_case("Server") {
            return match &effective.remove_server_header {
                Some((on, line)) => (*on, line.quote()),
                None => (false, unset("removeServerHeader")),
            };
        }
        if header.eq_ignore_ascii_case("X-AspNet-Version") {
            return match &effective.version_header {
                Some((on, line)) => (!on, line.quote()),
                None => (false, unset("enableVersionHeader")),
            };
        }
        match effective.headers.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(header)) {
            Some((_, _, line)) => (false, line.quote()),
            None => (true, format!("customHeaders without {header} ({})", iis.line().quote())),
        }
    });
    if said.holds == Some(true) && header.eq_ignore_ascii_case("X-AspNetMvc-Version") {
        said.holds = None;
        said.seen.push(format!("no configuration shows whether code sends {header}: MVC does by itself"));
    }
    let build = evidence.system.as_ref().ok().and_then(|system| system.get("build")?.0.parse::<u32>().ok());
    if let Some(build) = build.filter(|build| *build < REMOVES_SERVER_HEADER)
        && said.holds == Some(true)
        && header.eq_ignore_ascii_case("Server")
    {
        said.holds = None;
        said.seen.push(format!("build {build} of Windows has no removeServerHeader, whatever its configuration says"));
    }
    let mut claim = web(header, said);
    if let (true, Since::After(line)) = (header.eq_ignore_ascii_case("Server"), since(evidence, key_times::HTTP)) {
        let pending = format!(
            "http.sys's settings were written after Windows started, and it reads them then only ({})",
            line.quote()
        );
        claim.explanations.insert(0, pending);
    }
    claim
}

/// Where IIS is proven not to be installed, http.sys alone writes the Server header.
fn without_iis(evidence: &Evidence, header: &str, why: &str) -> Claim {
    let installed = evidence.registry.key(&format!(r"{SERVICES}\W3SVC"));
    let silent = evidence.registry.value(&format!(r"{SERVICES}\HTTP\Parameters"), "DisableServerHeader");
    let (State::Absent(none), true) = (&installed, header.eq_ignore_ascii_case("Server")) else {
        return web(header, Said::not_collected(why));
    };
    let none = format!("IIS is not installed: {} has no W3SVC", none.quote());
    match &silent {
        State::Value(data, line) => web(header, Said::of(Some(data.dword() == Some(2)), vec![line.quote(), none])),
        State::NotSet(line) | State::Absent(line) => {
            web(header, Said::of(Some(false), vec![format!("DisableServerHeader is not set ({})", line.quote()), none]))
        }
        State::NotCollected(why) => web(header, Said::not_collected(why).with(none)),
    }
}

pub(super) fn options(evidence: &Evidence) -> Claim {
    let iis = match &evidence.iis {
        Ok(iis) => iis,
        Err(why) => return web("OPTIONS", Said::not_collected(why)),
    };
    let says = everywhere(iis, |effective| {
        if let Some(line) = effective.denies("OPTIONS") {
            return (true, line.quote());
        }
        let named = effective.verbs.iter().find(|(verb, _, _)| verb.eq_ignore_ascii_case("OPTIONS"));
        let line = named.map_or_else(|| iis.line(), |(_, _, line)| line.clone());
        (false, format!("requestFiltering does not deny OPTIONS ({})", line.quote()))
    });
    web("OPTIONS", says)
}
