//! What a witness behind the firewall proved of ports. It decides before their ordinary state does, and it decides about the
//! firewall: while the witness holds a port, no service can be seen there.

use super::{Group, Terms, way};
use crate::catalog::rule::AnswersAs;
use crate::judge::part::Part;
use crate::judge::view::{AddressView, Answer, View};
use crate::model::fact::PortState;
use crate::model::ports::Transport;
use crate::model::verdict::Confidence;
use crate::model::witness::{Proof, WitnessFact};

const FIREWALL_ONLY: &str = "the witness was the listener, so this is about the firewall and not about a service";
const SETTLE_WITHOUT: &str = "Scan again without the witness, while the service runs.";
pub(super) const SETTLE_LED: &str = "Look on the firewall where this port is led to.";
const ALTERED: &str = "something reached the witness on this port, but not the message as it was sent, so whether the \
                       firewall lets it through is not clear";
const SETTLE_ALTERED: &str = "Look on the firewall whether something there inspects or alters what goes to this port.";
pub(super) const BY_ANOTHER: &str = "something answers for this port, while the witness, which held it, saw nothing: a proxy or another \
                          machine stands between";
const REFUSED: &str = "the witness, which held the port, saw nothing: another machine to which the port is forwarded refused, or a \
                       firewall in its place";
const CONTRADICTION: &str = "something answered when its state was asked, and later no message reached the witness";

impl Group<'_> {
    /// What is proved of the ports, which are called `name`, in a sentence; where it was asked for and is not known, that.
    pub(super) fn describe_proof(&self, name: &str, address: &AddressView<'_>) -> Option<String> {
        let at = address.address;
        if self.unproved {
            return Some(format!("whether messages to {name} reach the witness at {at} could not be learned"));
        }
        let fact = self.proof?;
        let WitnessFact { proof, sent, arrived, .. } = fact;
        let held = if self.first == self.last { "it" } else { "them" };
        let told = match proof {
            Proof::Passed => {
                format!("{name} passed at {at}: {arrived} of {sent} messages reached the witness, which confirmed")
            }
            Proof::Blocked => {
                format!("{name} blocked at {at}: none of {sent} messages reached the witness, which held {held}")
            }
            Proof::AnsweredByAnother => {
                format!(
                    "{name} answered by another at {at}: none of {sent} messages reached the witness, which held {held}"
                )
            }
            Proof::ArrivedElsewhere { at: port } => format!(
                "{name} changed on the way at {at}: {arrived} of {sent} messages reached the witness, on {}/{port}",
                self.transport
            ),
            Proof::Altered => format!(
                "{name} changed on the way at {at}: something reached the witness, but none of {sent} messages as it was sent"
            ),
            Proof::AnswerLost => {
                format!(
                    "{name} let in at {at}: {arrived} of {sent} messages reached the witness, and no answer came back"
                )
            }
            Proof::NotHeld { because } => format!("{name} not held by the witness at {at}: {because}"),
        };
        Some(match fact.translated(at) {
            Some(there) => format!("{told}; {at} is translated to {there} on the way"),
            None => told,
        })
    }

    fn speaks(&self, address: &AddressView<'_>) -> bool {
        let speaks =
            |port| matches!(address.service(port), Answer::Got((service, _), _) if service.is_protocol_answer());
        self.transport == Transport::Tcp && self.each().any(speaks)
    }
}

/// What the proof says of ports that must not be reachable; nothing where their ordinary state decides.
pub(super) fn unwanted(view: &View<'_>, address: &AddressView<'_>, group: &Group<'_>, terms: &Terms) -> Option<Part> {
    let fact = group.proof?;
    Some(match &fact.proof {
        Proof::Passed | Proof::ArrivedElsewhere { .. } | Proof::AnswerLost => {
            let_in_but_unwanted(view, address, group, terms, &fact.proof)
        }
        Proof::Blocked if group.fact.state == PortState::Open => contradiction(),
        Proof::Blocked => {
            let part =
                Part::pass("blocked: the witness behind the firewall held the port, and none of the messages arrived");
            let part = controlled(address, group, part);
            let part = if way::may_be_blocked(address, group) { part.at_most(Confidence::Medium) } else { part };
            // The witness sees what arrives, and not which firewall drops the rest: it may be the one of this end.
            way::weigh_silence(address, group, part)
        }
        Proof::AnsweredByAnother if group.speaks(address) || group.fact.is_port_refusal() => return None,
        Proof::AnsweredByAnother => Part::inconclusive(BY_ANOTHER).settle(SETTLE_LED),
        Proof::Altered => Part::inconclusive(ALTERED).settle(SETTLE_ALTERED),
        Proof::NotHeld { .. } => return None,
    })
}

fn let_in_but_unwanted(
    view: &View<'_>,
    address: &AddressView<'_>,
    group: &Group<'_>,
    terms: &Terms,
    proof: &Proof,
) -> Part {
    let target = view.target();
    if terms.unless_redirectors && target.redirectors == Some(true) {
        return Part::not_applicable("the inventory declares redirectors in use, for which this port is open");
    }
    if let Some(product) = terms.product {
        return Part::inconclusive(&format!(
            "the firewall lets it through, and whether {product} answers there was not seen, because the witness held the \
             port"
        ))
        .settle(SETTLE_WITHOUT);
    }
    if terms.inside_active_directory && target.active_directory == Some(true) && address.health.inside {
        return Part::inconclusive(
            "a member of Active Directory may have it open towards its own network, and this is a view from inside",
        )
        .settle("Scan the server's public address from outside.");
    }
    Part::fail(&match proof {
        Proof::ArrivedElsewhere { at } => format!(
            "the firewall lets it through, and leads it to another port: a message reached the witness behind it on {}/{at}; \
             {FIREWALL_ONLY}",
            group.transport
        ),
        Proof::AnswerLost => format!(
            "the firewall lets it in: messages reached the witness behind it, though no answer came back; {FIREWALL_ONLY}"
        ),
        _ => format!(
            "the firewall lets it through: a message reached the witness behind it, and the answer came back; \
             {FIREWALL_ONLY}"
        ),
    })
}

/// What the proof says of ports that must be reachable; nothing where their ordinary state decides.
pub(super) fn wanted(address: &AddressView<'_>, group: &Group<'_>, answers_as: Option<AnswersAs>) -> Option<Part> {
    let fact = group.proof?;
    Some(match &fact.proof {
        Proof::Passed if answers_as.is_some() => Part::inconclusive(
            "the firewall lets it through, but the witness held the port, so what answers there was not seen",
        )
        .settle(SETTLE_WITHOUT),
        Proof::Passed => {
            let part = Part::pass(
                "the firewall lets it through: a message reached the witness behind it, and the answer came back; this \
                 proves the firewall's rule, and nothing of the service",
            );
            if address.health.inside { part.at_most(Confidence::Medium) } else { part }
        }
        Proof::Blocked if group.fact.state == PortState::Open => contradiction(),
        Proof::Blocked => {
            let part = Part::fail(
                "it should be reachable, and is blocked: the witness behind the firewall held the port, and none of the \
                 messages arrived",
            );
            way::weigh_silence(address, group, controlled(address, group, part)).excusable()
        }
        Proof::AnswerLost => Part::fail(
            "it should be reachable, and is so one way only: messages reached the witness behind the firewall, and no \
             answer came back",
        )
        .at_most(Confidence::Medium)
        .excusable(),
        Proof::ArrivedElsewhere { at } => Part::inconclusive(&format!(
            "the firewall leads it to {}/{at} of the machine behind it, and whether the service listens there was not seen",
            group.transport
        ))
        .settle(SETTLE_LED),
        Proof::AnsweredByAnother if group.speaks(address) || group.fact.is_port_refusal() => return None,
        Proof::AnsweredByAnother => Part::inconclusive(BY_ANOTHER).settle(SETTLE_LED),
        Proof::Altered => Part::inconclusive(ALTERED).settle(SETTLE_ALTERED),
        Proof::NotHeld { .. } => return None,
    })
}

/// What a part that rests on the ordinary state is worth beside the proof: a refusal that the witness knows nothing of is not
/// the word of its machine.
pub(super) fn beside(group: &Group<'_>, part: Part) -> Part {
    let by_another = matches!(group.proof, Some(WitnessFact { proof: Proof::AnsweredByAnother, .. }));
    if by_another && group.fact.is_port_refusal() { part.but(REFUSED).at_most(Confidence::Medium) } else { part }
}

fn contradiction() -> Part {
    Part::inconclusive(CONTRADICTION).settle("Scan again when the network is quiet.")
}

/// "Blocked" may be the doing of this end, unless something of the same transport got through; and from inside it is not
/// about the perimeter.
fn controlled(address: &AddressView<'_>, group: &Group<'_>, part: Part) -> Part {
    let part = if address.witness_reached_by(group.transport) {
        part
    } else {
        part.at_most(Confidence::Low).seen(format!(
            "nothing over {0} reached the witness on any port: that it was reached at all is known of the other transport only, \
             and loss, or a block of all {0} near the scanning machine, would look the same",
            group.transport
        ))
    };
    if address.health.inside {
        return part.at_most(Confidence::Medium).seen(format!(
            "{} is not a public address: this is a view from inside, and says nothing about the perimeter",
            address.address
        ));
    }
    part
}

#[cfg(test)]
mod tests;
