//! What HTTP.SYS, the part of Windows in front of IIS and `ScreenConnect`, answers on its own.

use super::message::{Malformed, Response};

/// The answer to a malformed request. No setting of the web server behind has a say in it.
pub(super) fn bad_request(why: Malformed, server_header: bool) -> Response {
    let (title, detail) = match why {
        Malformed::Verb => ("Invalid Verb", "The request verb is invalid."),
        Malformed::Url => ("Invalid URL", "The request URL is invalid."),
        Malformed::Header => ("Invalid Header", "The request has an invalid header name."),
        Malformed::Hostname => ("Invalid Hostname", "The request hostname is invalid."),
        Malformed::Version => ("Bad Request", "The request is badly formed."),
    };
    let body = format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n\
         <HTML><HEAD><TITLE>Bad Request</TITLE>\r\n\
         <META HTTP-EQUIV=\"Content-Type\" Content=\"text/html; charset=us-ascii\"></HEAD>\r\n\
         <BODY><h2>Bad Request - {title}</h2>\r\n\
         <hr><p>HTTP Error 400. {detail}</p>\r\n\
         </BODY></HTML>\r\n"
    );
    let mut response = Response::new(400).body("text/html; charset=us-ascii", body).header_if(
        server_header,
        "Server",
        "Microsoft-HTTPAPI/2.0",
    );
    response.close = true;
    response
}
