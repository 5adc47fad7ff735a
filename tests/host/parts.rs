//! Bundles made from small parts, modelled on what Windows' commands really write.

use portreeve::host::bundle::{Bundle, Refused, hex};
use portreeve::host::collector;
use portreeve::host::evidence::Evidence;
use portreeve::host::sids::of_pool;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// When the bundles are judged.
pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";
pub(crate) const USER: &str = "S-1-5-21-11-22-33-1001";

/// One command of a bundle.
#[derive(Clone)]
struct Part {
    exit: i32,
    file: String,
    content: Option<Vec<u8>>,
    arguments: String,
}

/// A bundle in the making.
#[derive(Clone)]
pub(crate) struct Parts {
    commands: BTreeMap<String, Part>,
    facts: Vec<(String, String)>,
    done: bool,
    hashes: bool,
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// The command with which the collector asks.
pub(crate) fn asked(id: &str, file: &str) -> String {
    let key = |key: &str| format!("reg.exe query \"HKLM\\{key}\" /reg:64");
    let whole = |key: &str| format!("reg.exe export \"HKLM\\{key}\" {file} /y /reg:64");
    match id {
        "lsa" => key(r"SYSTEM\CurrentControlSet\Control\Lsa"),
        "policies-microsoft" => key(r"SOFTWARE\Policies\Microsoft"),
        "http" => key(r"SYSTEM\CurrentControlSet\Services\HTTP\Parameters"),
        "services" => key(r"SYSTEM\CurrentControlSet\Services"),
        "wmsvc" => key(r"SYSTEM\CurrentControlSet\Services\WMSVC"),
        "w3svc" => key(r"SYSTEM\CurrentControlSet\Services\W3SVC"),
        "profiles" => key(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"),
        "policies-windows" => whole(WINDOWS),
        "policies-explorer" => whole(POLICIES),
        "schannel" => whole(SCHANNEL),
        "firewall" => whole(FIREWALL),
        "firewall-policy" => whole(r"SOFTWARE\Policies\Microsoft\WindowsFirewall"),
        "secedit-local" => {
            format!("secedit.exe /export /cfg {file} /areas SECURITYPOLICY USER_RIGHTS /log secedit.log /quiet")
        }
        "secedit-merged" => {
            format!(
                "secedit.exe /export /mergedpolicy /cfg {file} /areas SECURITYPOLICY USER_RIGHTS /log secedit.log /quiet"
            )
        }
        "hku" => "reg.exe query HKU".to_owned(),
        _ => match (id.strip_prefix("user-policies-"), id.strip_prefix("user-")) {
            (Some(sid), _) => format!("reg.exe export \"HKU\\{sid}\\Software\\Policies\" {file} /y"),
            (_, Some(sid)) => format!("reg.exe query \"HKU\\{sid}\\Software\""),
            _ => {
                let command = collector::commands().iter().find(|command| command.id == id);
                command.map_or_else(|| format!("{id}.exe"), |command| command.arguments.clone())
            }
        },
    }
}

/// What `reg export` writes of these keys.
pub(crate) fn export(keys: &[(&str, &[&str])]) -> String {
    let mut text = "Windows Registry Editor Version 5.00\n\n".to_owned();
    for (key, values) in keys {
        text.push_str(&format!("[HKEY_LOCAL_MACHINE\\{key}]\n"));
        for value in *values {
            text.push_str(&format!("{value}\n"));
        }
        text.push('\n');
    }
    text
}

/// What `reg query` prints of a key.
pub(crate) fn listing(key: &str, values: &[&str], subkeys: &[&str]) -> String {
    let mut text = "\n".to_owned();
    if !values.is_empty() {
        text.push_str(&format!("{key}\n"));
        for value in values {
            text.push_str(&format!("    {value}\n"));
        }
        text.push('\n');
    }
    for subkey in subkeys {
        text.push_str(&format!("{key}\\{subkey}\n"));
    }
    text
}

pub(crate) const WINDOWS: &str = r"SOFTWARE\Policies\Microsoft\Windows";
pub(crate) const POLICIES: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies";
pub(crate) const SCHANNEL: &str = r"SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL";
pub(crate) const FIREWALL: &str = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";

pub(crate) fn schannel(version: &str, enabled: &str) -> String {
    let key = format!(r"{SCHANNEL}\Protocols\{version}\Server");
    let other = format!(r"{SCHANNEL}\Protocols\TLS 1.1\Server");
    let value = format!("\"Enabled\"=dword:{enabled}");
    let protocols = format!(r"{SCHANNEL}\Protocols");
    let mut keys: Vec<(&str, Vec<&str>)> =
        vec![(SCHANNEL, vec!["\"EventLogging\"=dword:00000001"]), (&protocols, vec![])];
    keys.push((&key, vec![&value, "\"DisabledByDefault\"=dword:00000001"]));
    if version != "TLS 1.1" {
        keys.push((&other, vec!["\"Enabled\"=dword:00000000"]));
    }
    let keys: Vec<(&str, &[&str])> = keys.iter().map(|(key, values)| (*key, values.as_slice())).collect();
    export(&keys)
}

pub(crate) fn firewall(rules: &[&str]) -> String {
    let values: Vec<String> =
        rules.iter().enumerate().map(|(number, rule)| format!("\"{{rule-{number}}}\"=\"{rule}\"")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let rules = format!(r"{FIREWALL}\FirewallRules");
    let profiles = ["DomainProfile", "StandardProfile", "PublicProfile"].map(|name| format!(r"{FIREWALL}\{name}"));
    let on: &[&str] = &["\"EnableFirewall\"=dword:00000001"];
    let [domain, standard, public] = &profiles;
    export(&[(FIREWALL, &[]), (domain, on), (&rules, &values), (public, on), (standard, on)])
}

pub(crate) const WEB_RULE: &str = "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=443|Name=Web|";

/// A security policy; `changes` replace the lines of rights.
pub(crate) fn policy(changes: &[(&str, &str)]) -> String {
    let mut rights = vec![
        ("SeNetworkLogonRight", "*S-1-5-11,*S-1-5-32-544".to_owned()),
        ("SeBackupPrivilege", "*S-1-5-32-544".to_owned()),
        ("SeDebugPrivilege", "*S-1-5-32-544".to_owned()),
        ("SeShutdownPrivilege", "*S-1-5-32-544".to_owned()),
        ("SeBatchLogonRight", "*S-1-5-32-544,*S-1-5-32-568".to_owned()),
        ("SeServiceLogonRight", format!("*S-1-5-80-0,*{}", of_pool("DefaultAppPool"))),
        ("SeAssignPrimaryTokenPrivilege", format!("*S-1-5-19,*S-1-5-20,*{}", of_pool("LabTech"))),
        ("SeIncreaseQuotaPrivilege", format!("*S-1-5-19,*S-1-5-20,*S-1-5-32-544,*{}", of_pool("LabTech"))),
        ("SeImpersonatePrivilege", "*S-1-5-19,*S-1-5-20,*S-1-5-32-544,*S-1-5-32-568,*S-1-5-6".to_owned()),
    ];
    for (right, holders) in changes {
        rights.retain(|(known, _)| known != right);
        rights.push((right, (*holders).to_owned()));
    }
    let rights: Vec<String> = rights.iter().map(|(right, holders)| format!("{right} = {holders}\n")).collect();
    let rights = rights.concat();
    format!(
        "[Unicode]\nUnicode=yes\n[System Access]\nMinimumPasswordLength = 14\nPasswordComplexity = 1\nNewAdministratorName = \"Übung\"\n\
         [Privilege Rights]\n{rights}[Version]\nsignature=\"$CHICAGO$\"\nRevision=1\n"
    )
}

pub(crate) const IIS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.applicationHost>
    <applicationPools><add name="DefaultAppPool" /><add name="LabTech" /><add name="LabTech WebCC" /><add name="CwaRestApi" /></applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/"><virtualDirectory path="/" physicalPath="%SystemDrive%\inetpub\wwwroot" /></application>
        <bindings><binding protocol="https" bindingInformation="*:443:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <httpProtocol><customHeaders><clear /></customHeaders></httpProtocol>
    <security><requestFiltering removeServerHeader="true"><verbs allowUnlisted="true"><add verb="OPTIONS" allowed="false" /></verbs></requestFiltering></security>
  </system.webServer>
</configuration>
"#;

pub(crate) const MYSQL: &str = "[service] MySQL80\n[image] \"C:\\MySQL\\bin\\mysqld.exe\" --defaults-file=\"C:\\ProgramData\\MySQL 8\\my.ini\" MySQL80\n\
                                [file] C:\\ProgramData\\MySQL 8\\my.ini\n[there]\n|[mysqld]\n|bind-address=127.0.0.1\n[complete]\n";

/// What is below LTShare: its first level and something deeper.
pub(crate) const BELOW: &str =
    "[folder] D:\\LTShare\n\\Transfer|D:AI(A;OICIID;FA;;;SY)\n[looked] 42\n[unread] 0\n[complete]\n";

const WEB_CONFIG: &str = "[application] Default Web Site/\n[there]\n<configuration><system.web><httpRuntime enableVersionHeader=\"false\" />\
                          </system.web></configuration>\n[complete]\n";

pub(crate) fn netstat(more: &str) -> String {
    format!(
        "\nActive Connections\n\n  Proto  Local Address          Foreign Address        State           PID\n\
         \x20 TCP    0.0.0.0:443            0.0.0.0:0              LISTENING       4\n\
         \x20 TCP    0.0.0.0:8040           0.0.0.0:0              LISTENING       4\n\
         \x20 TCP    0.0.0.0:8041           0.0.0.0:0              LISTENING       2008\n\
         \x20 TCP    127.0.0.1:3306         0.0.0.0:0              LISTENING       2212\n{more}\
         \x20 UDP    0.0.0.0:75             *:*                                    1200\n"
    )
}

/// What `sc query` prints of two services, of which the last is the firewall's, in this state.
pub(crate) fn sc(firewall: u32) -> String {
    let one = |name: &str, state: u32| {
        format!(
            "\nSERVICE_NAME: {name}\nDISPLAY_NAME: x\n        TYPE               : 20  WIN32\n        STATE              : {state}  X\n        \
             WIN32_EXIT_CODE    : 0  (0x0)\n        SERVICE_EXIT_CODE  : 0  (0x0)\n        CHECKPOINT         : 0x0\n        \
             WAIT_HINT          : 0x0\n"
        )
    };
    one("W3SVC", 4) + &one("mpssvc", firewall)
}

/// What `netsh http show servicestate view=requestq` prints of these queues: name, processes, address.
pub(crate) fn requestq(queues: &[(&str, &[u32], &str)]) -> String {
    let mut text = "\nSnapshot of HTTP service state (Request Queue View):\n-----------------------------------------------------\n\n".to_owned();
    for (name, pids, address) in queues {
        let attached = pids.len();
        let pids = pids.iter().map(|pid| format!("        {pid}\n")).collect::<Vec<_>>().concat();
        text.push_str(&format!(
            "Request queue name: {name}\n    Version: 2.0\n    State: Active\n    Request queue 503 verbosity level: Basic\n    Max requests: 1000\n    \
             Number of active processes attached: {attached}\n    Process IDs:\n{pids}\n    URL groups:\n    URL group ID: FE00000040000001\n        \
             State: Active\n        Request queue name: {name}\n        Properties:\n            Max connections: inherited\n            \
             Number of registered URLs: 1\n            Registered URLs:\n                {address}\n\n"
        ));
    }
    text
}

impl Parts {
    /// A host on which everything is as the guides ask, collected whole.
    pub(crate) fn good() -> Self {
        let pools = ["LabTech", "LabTech WebCC", "CwaRestApi"].map(of_pool);
        let acl = format!(
            "LTShare\nD:PAI(A;OICI;FA;;;SY){}\n",
            pools.map(|sid| format!("(A;OICI;0x1301bf;;;{sid})")).concat()
        );
        let explorer = format!(r"{WINDOWS}\Explorer");
        let run = format!(r"{POLICIES}\Explorer");
        let hku = format!("HKEY_USERS\\{USER}\\Software");
        let new = Self { commands: BTreeMap::new(), facts: Vec::new(), done: true, hashes: true };
        new.fact("computer", "RMM01")
            .fact("architecture", "AMD64")
            .fact("wow64", "")
            .fact("version", "Microsoft Windows [Version 10.0.17763.1]")
            .text("system", "system.txt", "utc=2026-11-21T11:00:00Z\nboot=2026-11-20T03:00:00Z\nbuild=17763\ncaption=Windows Server 2019\npart_of_domain=False\nrole=2\nnetwork=Public\ncomplete=yes\n")
            .text("whoami", "whoami.txt", "\"Mandatory Label\\High Mandatory Level\",\"Label\",\"S-1-16-12288\",\"\"\n")
            .text("lsa", "lsa.txt", &listing(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Lsa", &["RestrictAnonymous    REG_DWORD    0x1"], &["Kerberos"]))
            .text("policies-microsoft", "policies-microsoft.txt", &listing(r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft", &[], &["Windows"]))
            .wide("policies-windows", "policies-windows.reg", &export(&[(WINDOWS, &[]), (&explorer, &["\"NoAutoplayfornonVolume\"=dword:00000001"])]))
            .wide("policies-explorer", "policies-explorer.reg", &export(&[(POLICIES, &[]), (&run, &["\"NoAutorun\"=dword:00000001", "\"NoDriveTypeAutoRun\"=dword:000000ff"])]))
            .wide("schannel", "schannel.reg", &schannel("TLS 1.0", "00000000"))
            .text("http", "http.txt", &listing(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\HTTP\Parameters", &["DisableServerHeader    REG_DWORD    0x2"], &[]))
            .wide("secedit-local", "secedit-local.inf", &policy(&[]))
            .wide("secedit-merged", "secedit-merged.inf", &policy(&[]))
            .text("hku", "hku.txt", &listing("HKEY_USERS", &[], &[USER, &format!("{USER}_Classes")]))
            .text(&format!("user-{USER}"), &format!("user-{USER}.txt"), &listing(&hku, &[], &["Microsoft"]))
            .failing(&format!("user-policies-{USER}"), &format!("user-policies-{USER}.reg"), 1)
            .text("profiles", "profiles.txt", &listing(r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList", &[], &["S-1-5-18", USER]))
            .text("services", "services.txt", &listing(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services", &[], &["HTTP", "W3SVC", "wuauserv"]))
            .failing("wmsvc", "wmsvc.txt", 1)
            .text("w3svc", "w3svc.txt", &listing(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\W3SVC", &["Start    REG_DWORD    0x2"], &[]))
            .text("accounts", "accounts.txt", "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\backup\n    ObjectName    REG_SZ    .\\svc-backup\n\nEnd of search: 1 match(es) found.\n")
            .text("sc", "sc.txt", &sc(4))
            .text("netstat", "netstat.txt", &netstat(""))
            .text("tasklist", "tasklist.txt", "\"System\",\"4\",\"N/A\"\n\"ScreenConnect.Service.exe\",\"2000\",\"ScreenConnect Session Manager\"\n\"ScreenConnect.Service.exe\",\"2004\",\"ScreenConnect Web Server\"\n\"ScreenConnect.Service.exe\",\"2008\",\"ScreenConnect Relay\"\n\"ScreenConnect.ClientService.exe\",\"2012\",\"ScreenConnect Client (0011223344556677)\"\n\"svchost.exe\",\"900\",\"RpcEptMapper,RpcSs\"\n\"mysqld.exe\",\"2212\",\"MySQL\"\n\"LTSvc.exe\",\"1200\",\"LTService\"\n")
            .text("sslcert", "sslcert.txt", "\nSSL Certificate bindings:\n\n    IP:port                      : 0.0.0.0:443\n")
            .text("requestq", "requestq.txt", &requestq(&[("DefaultAppPool", &[], "HTTPS://*:443:/"), ("Request queue is unnamed.", &[2004], "HTTPS://+:8040/")]))
            .wide("firewall", "firewall.reg", &firewall(&[WEB_RULE]))
            .failing("firewall-policy", "firewall-policy.reg", 1)
            .text("iis", "applicationHost.xml", IIS)
            .text("web-configs", "web-configs.txt", WEB_CONFIG)
            .text("shares", "shares.txt", "ADMIN$|C:\\Windows|D:(A;;GA;;;BA)\nIPC$||D:(A;;GA;;;BA)\nLTShare|D:\\LTShare|O:SYG:SYD:(A;;FA;;;BA)\ncomplete=yes\n")
            .wide("ltshare", "ltshare.acl", &acl)
            .wide("ltshare-beneath", "ltshare-beneath.acl", "Transfer\nD:AI(A;OICIID;FA;;;SY)\n")
            .arguments("ltshare", "icacls.exe \"D:\\LTShare\" /save ltshare.acl")
            .arguments("ltshare-beneath", "icacls.exe \"D:\\LTShare\\*\" /save ltshare-beneath.acl")
            .text("mysql", "mysql.txt", MYSQL)
            .text("ltshare-below", "ltshare-below.txt", BELOW)
            .text("screenconnect", "screenconnect.xml", "<configuration><appSettings><add key=\"WebServerListenUri\" value=\"https://+:8040/\" /><add key=\"RelayListenUri\" value=\"relay://+:8041/\" /></appSettings><system.serviceModel><client><endpoint address=\"net.pipe://localhost/SessionManager\" /></client></system.serviceModel></configuration>\n")
    }

    pub(crate) fn fact(mut self, key: &str, value: &str) -> Self {
        self.facts.retain(|(known, _)| known != key);
        self.facts.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bytes(mut self, id: &str, file: &str, content: &[u8]) -> Self {
        let known = self.commands.get(id).filter(|part| part.content.is_some()).map(|part| part.arguments.clone());
        let arguments = known.unwrap_or_else(|| asked(id, file));
        let part = Part { exit: 0, file: file.to_owned(), content: Some(content.to_vec()), arguments };
        self.commands.insert(id.to_owned(), part);
        self
    }

    /// A file as commands print it.
    pub(crate) fn text(self, id: &str, file: &str, text: &str) -> Self {
        self.bytes(id, file, crlf(text).as_bytes())
    }

    /// A file in UTF-16LE with its mark, as `reg export`, `secedit` and `icacls` write it.
    pub(crate) fn wide(self, id: &str, file: &str, text: &str) -> Self {
        self.bytes(id, file, &utf16(&crlf(text)))
    }

    pub(crate) fn failing(mut self, id: &str, file: &str, exit: i32) -> Self {
        let part = Part { exit, file: file.to_owned(), content: None, arguments: "reg.exe /reg:64".to_owned() };
        self.commands.insert(id.to_owned(), part);
        self
    }

    /// The command ended well and wrote nothing.
    pub(crate) fn silent(self, id: &str) -> Self {
        let file = self.commands[id].file.clone();
        self.failing(id, &file, 0)
    }

    /// New content in the same file, however it was encoded, by the same command.
    pub(crate) fn with(self, id: &str, text: &str) -> Self {
        let part = self.commands[id].clone();
        let with = match part.content {
            Some(content) if content.starts_with(&[0xff, 0xfe]) => self.wide(id, &part.file, text),
            _ => self.text(id, &part.file, text),
        };
        with.arguments(id, &part.arguments)
    }

    pub(crate) fn change(mut self, id: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let part = self.commands.get_mut(id).unwrap();
        change(part.content.as_mut().unwrap());
        self
    }

    pub(crate) fn without(mut self, id: &str) -> Self {
        self.commands.remove(id).unwrap();
        self
    }

    pub(crate) fn arguments(mut self, id: &str, arguments: &str) -> Self {
        arguments.clone_into(&mut self.commands.get_mut(id).unwrap().arguments);
        self
    }

    pub(crate) fn not_done(mut self) -> Self {
        self.done = false;
        self
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.commands.keys().cloned().collect()
    }

    /// The files of the bundle, the manifest among them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut manifest = "portreeve-evidence;1\r\n".to_owned();
        let mut files = BTreeMap::new();
        for (key, value) in &self.facts {
            manifest.push_str(&format!("fact;{key};{value}\r\n"));
        }
        for (id, part) in &self.commands {
            let Part { exit, file, content, arguments } = part;
            let (size, hash) = content.as_ref().map_or(("-".to_owned(), "-".to_owned()), |content| {
                (content.len().to_string(), if self.hashes { hex(&Sha256::digest(content)) } else { "-".to_owned() })
            });
            manifest.push_str(&format!(
                "run;{id};{exit};21.11.2026 12:00:00,01;21.11.2026 12:00:00,09;{file};{size};{hash};{arguments}\r\n"
            ));
            files.extend(content.clone().map(|content| (file.clone(), content)));
        }
        if self.done {
            manifest.push_str(&format!("done;{}\r\n", self.commands.len()));
        }
        files.insert("manifest.txt".to_owned(), manifest.into_bytes());
        files
    }

    pub(crate) fn bundle(&self) -> Result<Bundle, Refused> {
        Bundle::of_files("bundle", self.files())
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence::of_bundle(&self.bundle().unwrap(), NOW.parse().unwrap())
    }

    pub(crate) fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for (name, content) in self.files() {
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
}
