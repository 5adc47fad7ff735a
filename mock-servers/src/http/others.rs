//! The web servers other than IIS.

use super::message::{Malformed, Request, Response};
use super::{Connection, http_sys};
use crate::settings::{EndpointCentral, Plain, ScreenConnect};

/// `ScreenConnect` runs on HTTP.SYS, without IIS.
pub(super) fn screenconnect(settings: &ScreenConnect, request: Result<&Request, &Malformed>) -> Response {
    let request = match request {
        Ok(request) => request,
        Err(why) => return http_sys::bad_request(*why, settings.http_sys_header),
    };
    let version = &settings.version;
    let mut server = if settings.hide_version {
        "ScreenConnect".to_owned()
    } else {
        format!("ScreenConnect/{version}-{}", settings.build)
    };
    if settings.httpapi_suffix {
        server.push_str(" Microsoft-HTTPAPI/2.0");
    }
    let path = request.path.to_ascii_lowercase();
    let response = match (request.method.as_str(), path.as_str()) {
        ("GET" | "HEAD", "/" | "/login") => Response::new(200)
            .header("Cache-Control", "private")
            .body("text/html; charset=utf-8", "<!DOCTYPE html><html><head><title>ScreenConnect</title></head></html>"),
        ("GET" | "HEAD", "/script.ashx") => Response::new(200).header("Cache-Control", "private").body(
            "text/javascript; charset=utf-8",
            format!("SC.context = {{\"instanceID\":\"0123456789abcdef\",\"productVersion\":\"{version}\"}};\n"),
        ),
        ("GET" | "HEAD", _) => Response::new(404).body("text/html; charset=utf-8", "Not Found"),
        _ => Response::new(405).body("text/html; charset=utf-8", "Method Not Allowed"),
    };
    response.header("Server", &server).header("P3P", "CP=\"NON CUR OUR STP STA PRE\"")
}

/// `ManageEngine` Endpoint Central has a web server of its own.
pub(super) fn endpoint_central(
    settings: &EndpointCentral,
    request: Result<&Request, &Malformed>,
    connection: Connection,
) -> Response {
    let Ok(request) = request else {
        return closing(400);
    };
    let cookie = if connection.tls { "; Secure" } else { "" };
    let cookie = format!("DCJSESSIONID=0123456789ABCDEF0123456789ABCDEF; Path=/{cookie}; HttpOnly");
    let response = match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/") => {
            let scheme = if connection.tls { "https" } else { "http" };
            let fallback = connection.local.to_string();
            let host = request.header("host").unwrap_or(&fallback);
            Response::new(302).header("Location", &format!("{scheme}://{host}/configurations.do")).html("")
        }
        ("GET" | "HEAD", "/configurations.do") => Response::new(200).body(
            "text/html;charset=UTF-8",
            format!(
                "<!DOCTYPE html>\n<html>\n<head>\n<title>{}</title>\n</head>\n<body>\n\
                 <input id=\"buildNum\" value=\"{}\">\n\
                 </body>\n</html>\n",
                settings.title, settings.build
            ),
        ),
        ("GET" | "HEAD", _) => Response::new(404).html("<html><head><title>404</title></head></html>"),
        _ => Response::new(405).html(""),
    };
    response.header("Set-Cookie", &cookie)
}

/// A server of no known make.
pub(super) fn plain(settings: &Plain, request: Result<&Request, &Malformed>) -> Response {
    if request.is_err() {
        return closing(400);
    }
    Response::new(settings.status).html(&settings.body)
}

fn closing(status: u16) -> Response {
    let mut response = Response::new(status).html("<html><head><title>400 Bad Request</title></head></html>\n");
    response.close = true;
    response
}
