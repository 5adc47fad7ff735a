//! What Windows servers should keep inside, served by Samba and xrdp.

use super::issuer::self_signed;
use super::oracle::agree_on_versions;
use super::report::{probe, scan};
use super::rig::{Daemon, Rig};

fn samba(rig: &Rig, least: &str) -> Daemon {
    rig.start("smbd", |socket| {
        let name = format!("samba-{}", socket.port());
        let folders: String = ["private", "lock", "state", "cache", "pid", "ncalrpc"]
            .map(|kind| {
                let option = if kind == "private" || kind == "ncalrpc" { "dir" } else { "directory" };
                format!("{kind} {option} = {}\n", rig.folder(&format!("{name}/{kind}")).display())
            })
            .concat();
        let configuration = format!(
            "[global]\nserver role = standalone server\nnetbios name = RIG\nworkgroup = RIG\n{folders}\
             interfaces = {}/8\nbind interfaces only = yes\nsmb ports = {}\nserver min protocol = {least}\n\
             usershare path =\nload printers = no\nprinting = bsd\nprintcap name = /dev/null\ndisable spoolss = yes\n",
            socket.ip(),
            socket.port()
        );
        let file = rig.write(&format!("{name}/smb.conf"), &configuration);
        let mut command = rig.command("smbd");
        command.args(["--foreground", "--no-process-group", "--debug-stdout", "--configfile"]).arg(file);
        command
    })
}

#[test]
fn a_samba_with_smb_1_fails_for_that_and_for_being_reachable() {
    let Some(rig) = Rig::with(&["smbd"]) else { return };
    let server = samba(&rig, "NT1");
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(445)]);
    let place = format!("tcp/445 (here tcp/{})", server.port());
    report.says("AUT-NET-15", "fail", &[&place, "SMB, dialect 0x03"]);
    report.says("BEY-SMB-01", "fail", &[&place, "SMB 1 is answered"]);
}

#[test]
fn a_samba_without_smb_1_fails_only_for_being_reachable() {
    let Some(rig) = Rig::with(&["smbd"]) else { return };
    let server = samba(&rig, "SMB2");
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(445)]);
    report.says("AUT-NET-15", "fail", &["SMB, dialect 0x03"]);
    report.says("BEY-SMB-01", "pass", &["an SMB 1 client is turned away"]);
    // The number is no hint here: what speaks is told by its answer.
    let directly = probe(&["service", &server.socket.to_string()]);
    assert_eq!(directly.protocol(server.port()), "smb");
}

fn xrdp(rig: &Rig, security: &str, versions: &str) -> Daemon {
    let identity = self_signed(rig);
    rig.start("xrdp", |socket| {
        let configuration = format!(
            "[Globals]\nini_version=1\nfork=true\nport=tcp://{socket}\nuse_vsock=false\nsecurity_layer={security}\n\
             crypt_level=high\ncertificate={}\nkey_file={}\nssl_protocols={versions}\ntls_ciphers=ALL:@SECLEVEL=0\n\
             [Logging]\nLogFile={}\nLogLevel=INFO\nEnableSyslog=false\n[Channels]\n\
             [Xvnc]\nname=Xvnc\nlib=libvnc.so\nusername=ask\npassword=ask\nip=127.0.0.1\nport=-1\n",
            identity.certificate.display(),
            identity.key.display(),
            rig.path("xrdp.log").display(),
        );
        let file = rig.write("xrdp.ini", &configuration);
        let mut command = rig.command("xrdp");
        command.arg("--nodaemon").arg("--config").arg(file);
        command
    })
}

#[test]
fn an_xrdp_with_tls_fails_for_being_reachable_for_lacking_nla_and_for_its_tls() {
    let Some(rig) = Rig::with(&["xrdp", "sslscan"]) else { return };
    for security in ["tls", "negotiate"] {
        let server = xrdp(&rig, security, "TLSv1, TLSv1.1, TLSv1.2");
        let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(3389)]);
        let place = format!("tcp/3389 (here tcp/{})", server.port());
        report.says("AUT-NET-11", "fail", &[&place, "Remote Desktop (RDP)"]);
        report.says("BEY-RDP-01", "fail", &[&place, "without network level authentication is let in"]);
        report.says("AUT-TLS-01", "fail", &[&place, "accepts TLS 1.0"]);
        report.says("AUT-TLS-02", "fail", &[&place, "accepts TLS 1.1"]);
        agree_on_versions(&rig, &report, &server, &["--rdp"], &["TLS 1.0", "TLS 1.1", "TLS 1.2"]);
    }
}

#[test]
fn the_tls_of_a_hardened_xrdp_passes_with_a_control() {
    let Some(rig) = Rig::with(&["xrdp", "sslscan"]) else { return };
    let server = xrdp(&rig, "tls", "TLSv1.2, TLSv1.3");
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(3389)]);
    report.says("AUT-TLS-01", "pass", &["refuses TLS 1.0", "accepts TLS 1.3"]);
    report.says("AUT-TLS-02", "pass", &["refuses TLS 1.1", "accepts TLS 1.3"]);
    agree_on_versions(&rig, &report, &server, &["--rdp"], &["TLS 1.2", "TLS 1.3"]);
    let directly = probe(&["tls", &server.socket.to_string()]);
    agree_on_versions(&rig, &directly, &server, &["--rdp"], &["TLS 1.2", "TLS 1.3"]);
    assert!(directly.answer("certificate", server.port())["self_signed"] == true);
}

#[test]
fn an_xrdp_without_tls_is_known_and_no_tls_is_claimed_of_it() {
    let Some(rig) = Rig::with(&["xrdp"]) else { return };
    let server = xrdp(&rig, "rdp", "TLSv1.2");
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(3389)]);
    report.says("AUT-NET-11", "fail", &["Remote Desktop (RDP)"]);
    report.says("BEY-RDP-01", "fail", &["without network level authentication is let in"]);
    report.says("AUT-TLS-01", "not-applicable", &["none speaks TLS"]);
    let directly = probe(&["service", &server.socket.to_string()]);
    assert_eq!(directly.protocol(server.port()), "rdp");
}
