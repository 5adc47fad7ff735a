//! nginx and Apache, each with a configuration of its own.

use super::issuer::Identity;
use super::rig::{Daemon, Rig};
use std::fmt::Write as _;
use std::fs::File;
use std::time::{Duration, SystemTime};

/// What makes nginx speak TLS; `versions` as `ssl_protocols` takes them.
pub(crate) fn nginx_tls(identity: &Identity, versions: &str) -> String {
    format!(
        "ssl_certificate {};\nssl_certificate_key {};\nssl_protocols {versions};\nssl_ciphers ALL:@SECLEVEL=0;\n",
        identity.certificate.display(),
        identity.key.display()
    )
}

/// nginx with one server; `listen` is `ssl` or nothing, `server` stands in its block.
pub(crate) fn nginx(rig: &Rig, listen: &str, server: &str) -> Daemon {
    rig.start("nginx", |socket| {
        let folder = rig.folder(&format!("nginx-{}", socket.port()));
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display()))
            .concat();
        let configuration = format!(
            "daemon off;\npid {}/pid;\nerror_log stderr;\nworker_processes 1;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {socket} {listen};\n{server}\n}}\n}}\n",
            folder.display()
        );
        let file = rig.write(&format!("nginx-{}/nginx.conf", socket.port()), &configuration);
        let mut command = rig.command("nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(file).args(["-e", "stderr"]);
        command
    })
}

/// Apache with one server; `modules` beside those that it cannot do without.
pub(crate) fn apache(rig: &Rig, modules: &[&str], server: &str) -> Daemon {
    rig.start("apache2", |socket| {
        let folder = rig.folder(&format!("apache-{}", socket.port()));
        let page = rig.write(&format!("apache-{}/pages/index.html", socket.port()), "<title>A page</title>\n");
        // The ETag of a page that was written just now is another one a second later.
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(&page).unwrap().set_modified(long_ago).unwrap();
        let pages = page.parent().unwrap().display();
        let mut loaded = String::new();
        for module in ["mpm_event", "authz_core", "dir", "mime"].iter().chain(modules) {
            let _ = writeln!(loaded, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so");
        }
        let configuration = format!(
            "{loaded}ServerRoot {0}\nDefaultRuntimeDir {0}\nPidFile {0}/pid\nMutex file:{0}\nListen {socket}\n\
             ServerName {1}\nErrorLog {0}/error.log\nTypesConfig /dev/null\nStartServers 1\nDocumentRoot {pages}\n\
             DirectoryIndex index.html\n{2}\n<Directory {pages}>\nRequire all granted\n</Directory>\n{server}\n",
            folder.display(),
            socket.ip(),
            unprivileged(rig),
        );
        let file = rig.write(&format!("apache-{}/apache.conf", socket.port()), &configuration);
        let mut command = rig.command("apache2");
        command.arg("-DFOREGROUND").arg("-f").arg(file);
        command
    })
}

/// Apache serves nothing as root.
fn unprivileged(rig: &Rig) -> &'static str {
    if is_root(rig) { "User www-data\nGroup www-data" } else { "" }
}

/// Whether the test has the rights of root, which some daemons want to be told.
pub(crate) fn is_root(rig: &Rig) -> bool {
    rig.run("id", &["-u"]).trim() == "0"
}
