//! Whether the DNS servers of this machine invent answers.
//!
//! They are asked for a name under `.invalid`, which cannot exist (RFC 6761, section 6.4). The library's resolver answers
//! for such names itself, so the servers are asked past it, each by itself. A server that keeps to that section answers
//! without asking anybody; what it would say of other names that do not exist is not known then.

use crate::model::vantage::NameAnswer;
use hickory_resolver::config::NameServerConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle as _, FirstAnswer as _};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequestOptions, Query};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long the name's first label is: nobody has it by chance.
const LABEL: usize = 20;

/// The DNS servers that this machine is configured with.
pub struct NameServers {
    servers: Vec<NameServerConfig>,
    context: Arc<PoolContext>,
    within: Duration,
}

impl NameServers {
    /// As the system is configured; each has `within` to answer.
    pub fn of_system(within: Duration) -> Result<Self, String> {
        let (config, options) = hickory_resolver::system_conf::read_system_conf().map_err(|error| error.to_string())?;
        Self::new(config.name_servers().to_vec(), options, within)
    }

    fn new(
        servers: Vec<NameServerConfig>,
        options: hickory_resolver::config::ResolverOpts,
        within: Duration,
    ) -> Result<Self, String> {
        let tls = TlsConfig::new().map_err(|error| error.to_string())?;
        Ok(Self { servers, context: Arc::new(PoolContext::new(options, tls)), within })
    }

    /// Their addresses.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.servers.iter().map(|server| server.ip).collect()
    }

    /// Asks each of them for a name that cannot exist. Nobody else is asked by us.
    pub async fn ask_for_nothing(&self) -> Vec<(IpAddr, NameAnswer)> {
        let label: String = std::iter::repeat_with(fastrand::lowercase).take(LABEL).collect();
        let ask = self.servers.iter().map(|server| {
            let name = Name::from_ascii(format!("{label}.invalid.")).map_err(|error| error.to_string());
            async move {
                let said = match name {
                    Ok(name) => self.ask(server, name).await,
                    Err(error) => NameAnswer::Unreadable(error),
                };
                (server.ip, said)
            }
        });
        futures::future::join_all(ask).await
    }

    async fn ask(&self, server: &NameServerConfig, name: Name) -> NameAnswer {
        let provider = TokioRuntimeProvider::default();
        let pool = NameServerPool::from_config([server.clone()], Arc::clone(&self.context), provider);
        let answer = pool.lookup(Query::query(name, RecordType::A), DnsRequestOptions::default()).first_answer();
        match tokio::time::timeout(self.within, answer).await {
            Err(_) => NameAnswer::Unreadable("no answer".to_owned()),
            Ok(Ok(response)) => {
                let addresses: Vec<IpAddr> =
                    response.answers.iter().filter_map(|record| record.data.ip_addr()).collect();
                if addresses.is_empty() { NameAnswer::Nothing } else { NameAnswer::Addresses(addresses) }
            }
            // "No such name", and every other refusal to name an address.
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_) | DnsError::ResponseCode(_)))) => NameAnswer::Nothing,
            Ok(Err(error)) => NameAnswer::Unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{ConnectionConfig, ResolverOpts};
    use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
    use hickory_resolver::proto::rr::rdata::A;
    use hickory_resolver::proto::rr::{RData, Record};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::net::UdpSocket;

    /// A DNS server that answers everything so, and counts.
    async fn server(code: ResponseCode, address: Option<A>) -> (NameServers, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let place = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                counter.fetch_add(1, Ordering::Relaxed);
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let query = question.queries[0].clone();
                assert!(query.name().to_string().ends_with(".invalid."), "{query:?}");
                let mut answer = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
                answer.add_query(query.clone());
                answer.metadata.response_code = code;
                if let Some(address) = address {
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::A(address)));
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = place.port();
        let servers = vec![NameServerConfig::new(place.ip(), true, vec![connection])];
        (NameServers::new(servers, ResolverOpts::default(), Duration::from_secs(5)).unwrap(), asked)
    }

    #[tokio::test]
    async fn the_server_itself_is_asked_and_its_inventions_are_seen() {
        let (servers, asked) = server(ResponseCode::NoError, Some(A::new(203, 0, 113, 80))).await;
        let said = servers.ask_for_nothing().await;
        assert_eq!(said, [(servers.addresses()[0], NameAnswer::Addresses(vec!["203.0.113.80".parse().unwrap()]))]);
        assert!(asked.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn a_server_that_knows_of_nothing_is_honest() {
        for code in [ResponseCode::NXDomain, ResponseCode::NoError, ResponseCode::Refused] {
            let (servers, asked) = server(code, None).await;
            assert_eq!(servers.ask_for_nothing().await[0].1, NameAnswer::Nothing, "{code}");
            assert!(asked.load(Ordering::Relaxed) > 0, "nobody was asked");
        }
    }
}
