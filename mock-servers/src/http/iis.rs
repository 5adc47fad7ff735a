//! IIS 10, with `ConnectWise` Automate on it where a version is given.

use super::message::{Malformed, Request, Response};
use super::{Connection, http_sys};
use crate::settings::{HttpOptions, Iis, Trace};

const VERBS: &str = "OPTIONS, TRACE, GET, HEAD, POST";
const DAV_ALLOW: &str = "OPTIONS, TRACE, GET, HEAD, POST, COPY, PROPFIND, DELETE, MOVE, PROPPATCH, MKCOL, LOCK, UNLOCK";
const DAV_PUBLIC: &str =
    "OPTIONS, TRACE, GET, HEAD, POST, PROPFIND, PROPPATCH, MKCOL, PUT, DELETE, COPY, MOVE, LOCK, UNLOCK";
const DEFAULT_PAGE: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
    \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\r\n<html xmlns=\"http://www.w3.org/1999/xhtml\">\r\n<head>\r\n\
    <title>IIS Windows Server</title>\r\n</head>\r\n<body>\r\n<a href=\"http://go.microsoft.com/fwlink/\
    ?linkid=66138&amp;clcid=0x409\"><img src=\"iisstart.png\" alt=\"IIS\" /></a>\r\n</body>\r\n</html>";

/// Where an answer comes from, which decides on its headers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The native part of IIS.
    Native,
    /// ASP.NET.
    Managed,
}

pub(super) fn answer(iis: &Iis, request: Result<&Request, &Malformed>, connection: Connection) -> Response {
    let request = match request {
        Ok(request) => request,
        Err(why) => return http_sys::bad_request(*why, iis.http_sys_header),
    };
    if let Some(host) = request.header("host") {
        let bound = |name: &String| host.split(':').next().is_some_and(|host| host.eq_ignore_ascii_case(name));
        if !iis.host_bindings.is_empty() && !iis.host_bindings.iter().any(bound) {
            return http_sys::bad_request(Malformed::Hostname, iis.http_sys_header);
        }
    }
    match request.method.as_str() {
        "GET" | "HEAD" | "POST" => page(iis, request, connection),
        "OPTIONS" => options(iis),
        "TRACE" => trace(iis, request),
        "PROPFIND" if iis.webdav => stamp(iis, Origin::Native, Response::new(401)),
        _ => {
            let refused = error(405, "405 - HTTP verb used to access this page is not allowed.");
            stamp(iis, Origin::Native, refused.header("Allow", "GET, HEAD, OPTIONS, TRACE"))
        }
    }
}

/// Adds what IIS adds to every answer of its own.
fn stamp(iis: &Iis, origin: Origin, response: Response) -> Response {
    response
        .header_if(!iis.remove_server_header, "Server", "Microsoft-IIS/10.0")
        .header_if(iis.aspnet_version && origin == Origin::Managed, "X-AspNet-Version", "4.0.30319")
        .header_if(iis.powered_by, "X-Powered-By", "ASP.NET")
}

fn error(status: u16, title: &str) -> Response {
    Response::new(status).html(&format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
         \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\r\n<html xmlns=\"http://www.w3.org/1999/xhtml\">\r\n\
         <head>\r\n<title>{title}</title>\r\n</head>\r\n<body>\r\n<div id=\"header\"><h1>Server Error</h1></div>\r\n\
         <h2>{title}</h2>\r\n</body>\r\n</html>\r\n"
    ))
}

fn not_found(iis: &Iis) -> Response {
    stamp(iis, Origin::Native, error(404, "404 - File or directory not found."))
}

/// The order of the headers is that of a real answer.
fn options(iis: &Iis) -> Response {
    if iis.options == HttpOptions::Denied {
        return not_found(iis);
    }
    let (allow, public) = if iis.webdav { (DAV_ALLOW, DAV_PUBLIC) } else { (VERBS, VERBS) };
    Response::new(200)
        .header("Allow", allow)
        .header_if(!iis.remove_server_header, "Server", "Microsoft-IIS/10.0")
        .header("Public", public)
        .header_if(iis.webdav, "DAV", "1,2,3")
        .header_if(iis.webdav, "MS-Author-Via", "DAV")
        .header_if(iis.powered_by, "X-Powered-By", "ASP.NET")
}

fn trace(iis: &Iis, request: &Request) -> Response {
    match iis.trace {
        Trace::Denied => not_found(iis),
        Trace::NotImplemented => {
            let title = "501 - Header values specify a method that is not implemented.";
            stamp(iis, Origin::Native, error(501, title))
        }
        Trace::Echo => {
            let mut echo = format!("{}\r\n", request.line);
            for (name, value) in &request.headers {
                echo.extend([name, ": ", value, "\r\n"]);
            }
            stamp(iis, Origin::Native, Response::new(200).body("message/http", echo + "\r\n"))
        }
    }
}

fn page(iis: &Iis, request: &Request, connection: Connection) -> Response {
    let path = request.path.to_ascii_lowercase();
    let is_directory = |name: &str| {
        iis.directories.iter().any(|directory| directory.eq_ignore_ascii_case(name))
            || iis.agent_version.is_some() && name == "labtech"
    };
    if path == "/" {
        return stamp(iis, Origin::Native, Response::new(200).html(DEFAULT_PAGE));
    }
    let name = path.trim_matches('/');
    if is_directory(name) {
        if path.ends_with('/') {
            return stamp(iis, Origin::Native, error(403, "403 - Forbidden: Access is denied."));
        }
        return stamp(iis, Origin::Native, to_directory(iis, request, connection));
    }
    if let Some(version) = &iis.agent_version
        && let Some(response) = automate(iis, version, name)
    {
        return stamp(iis, Origin::Managed, response);
    }
    if has_extension(name, "aspx") {
        let missing = "<html>\r\n<head><title>The resource cannot be found.</title></head>\r\n</html>\r\n";
        return stamp(
            iis,
            Origin::Managed,
            Response::new(404).header("Cache-Control", "private").body("text/html; charset=utf-8", missing),
        );
    }
    not_found(iis)
}

fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, other)| other == extension)
}

/// Redirects to the same path with a slash. Without a Host header IIS has to name itself, and names what it should
/// not, unless it was given another name to use.
fn to_directory(iis: &Iis, request: &Request, connection: Connection) -> Response {
    let host = match (&iis.alternate_host_name, request.header("host"), &iis.internal_address) {
        (_, Some(host), _) if !host.is_empty() => host.to_owned(),
        (Some(name), ..) => name.clone(),
        (None, _, Some(address)) => address.clone(),
        (None, _, None) => connection.local.to_string(),
    };
    let scheme = if connection.tls { "https" } else { "http" };
    let location = format!("{scheme}://{host}{}/", request.path);
    let body = format!(
        "<head><title>Document Moved</title></head>\n<body><h1>Object Moved</h1>This document may be found \
         <a HREF=\"{location}\">here</a></body>"
    );
    Response::new(301).body("text/html; charset=UTF-8", body).header("Location", &location)
}

/// The pages of Automate that need no login. The name is in lower case, as IIS does not tell cases apart.
fn automate(iis: &Iis, version: &str, name: &str) -> Option<Response> {
    let page = |title: &str| {
        let body = format!("<!DOCTYPE html><html><head><title>{title}</title></head><body></body></html>");
        Response::new(200).header("Cache-Control", "private").body("text/html; charset=utf-8", body)
    };
    match name {
        "labtech/agent.aspx" => Some(
            Response::new(200)
                .header("Cache-Control", "private")
                .body("text/html; charset=utf-8", format!("||||||{version}")),
        ),
        "automate" if iis.automate_status == 200 => Some(page("ConnectWise Automate")),
        "automate" => Some(error(iis.automate_status, "403 - Forbidden: Access is denied.")),
        "wcc2" => Some(page("Web Control Center")),
        "cwa/api/v1" => Some(Response::new(401).body("application/json; charset=utf-8", "{}")),
        _ => None,
    }
}
