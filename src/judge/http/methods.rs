//! Rules about HTTP methods.

use super::{SETTLE_AGAIN, WebPort, answering, on_web_ports, turns_away};
use crate::catalog::rule::Method;
use crate::judge::part::Part;
use crate::judge::view::{Answer, View};
use crate::model::http::{Request, WebPath};
use crate::model::service::Product;
use crate::model::verdict::Confidence;

pub(in crate::judge) fn method_denied(view: &View<'_>, method: Method, skipped: &[Product]) -> Vec<Part> {
    on_web_ports(view, skipped, |web| {
        vec![match method {
            Method::Options => options_denied(web),
            Method::Trace => trace_denied(web),
        }]
    })
}

fn options_denied(web: &WebPort<'_, '_>) -> Part {
    let request = Request::Options(WebPath::Root);
    let (options, id) = match web.address.http(web.port, request) {
        Answer::Got(answer, id) => (answer, id),
        Answer::None(why, id) => return web.unanswered(request, &why, id),
        Answer::NotAsked => {
            return Part::inconclusive("OPTIONS was not asked").settle("Scan again.").seen(web.place.clone());
        }
    };
    let get_request = Request::Get(WebPath::Root);
    let (get, get_id) = match web.address.http(web.port, get_request) {
        Answer::Got(answer, id) => (Some(answer), Some(id)),
        Answer::None(_, id) => (None, Some(id)),
        Answer::NotAsked => (None, None),
    };
    let allow = options.first("Allow").or_else(|| options.first("Public"));
    let allow = allow.map_or_else(String::new, |allow| format!(", Allow: {allow}"));
    let get_said = get.map_or_else(|| "no answer".to_owned(), |get| get.status.to_string());
    let seen = format!(
        "{}: OPTIONS / answers {}{allow}; GET / answers {get_said}; answered by {}",
        web.place,
        options.status,
        answering(options)
    );
    let part = match (options.status, get.map(|get| get.status)) {
        (200..=299, _) => Part::fail("OPTIONS is answered"),
        (_, None) => Part::inconclusive("OPTIONS is refused, but GET of the same path got no answer to compare with")
            .settle(SETTLE_AGAIN),
        (400 | 403 | 404 | 405 | 501, Some(200..=399)) => {
            Part::pass("OPTIONS is refused where GET of the same path is not")
        }
        (404 | 405 | 501, Some(get @ (401 | 403))) if get != options.status => {
            Part::pass("OPTIONS is refused in another way than GET of the same path, which wants a sign-in")
                .at_most(Confidence::Medium)
        }
        (_, Some(get)) if get == options.status => Part::inconclusive(
            "OPTIONS is answered like GET, so it is not told whether the method is denied",
        )
        .settle("Check Request Filtering in IIS Manager, tab HTTP Verbs: OPTIONS must be listed as not allowed."),
        _ => Part::inconclusive("the answer to OPTIONS is neither an acceptance nor a refusal of the method")
            .settle("Check Request Filtering in IIS Manager, tab HTTP Verbs: OPTIONS must be listed as not allowed."),
    };
    part.seen(seen).on([id]).on(get_id)
}

fn trace_denied(web: &WebPort<'_, '_>) -> Part {
    let request = Request::Trace(WebPath::Root);
    let listed = match web.address.http(web.port, Request::Options(WebPath::Root)) {
        Answer::Got(answer, _)
            if answer.first("Allow").is_some_and(|allow| allow.as_str().to_ascii_uppercase().contains("TRACE")) =>
        {
            "; OPTIONS lists it"
        }
        _ => "",
    };
    let (get_status, get_id) = match web.address.http(web.port, Request::Get(WebPath::Root)) {
        Answer::Got(get, id) => (Some(get.status), Some(id)),
        Answer::None(..) | Answer::NotAsked => (None, None),
    };
    match web.address.http(web.port, request) {
        Answer::Got(answer, id) => {
            let seen =
                format!("{}: TRACE / answers {}{listed}; answered by {}", web.place, answer.status, answering(answer));
            let echo = answer.body_start.as_str().contains("TRACE / HTTP/");
            let part = match answer.status {
                200..=299 if echo => Part::fail("TRACE is answered with the request itself"),
                200..=299 => Part::inconclusive("TRACE is answered, but not with the request itself")
                    .settle("Compare with the page that GET / shows; deny TRACE under Request Filtering to be sure."),
                300..=399 => Part::inconclusive("TRACE is redirected like any other method")
                    .settle("Deny TRACE under Request Filtering to be sure."),
                405 | 501 => Part::pass("TRACE is refused"),
                status if turns_away(status) && get_status == Some(status) => {
                    Part::inconclusive("TRACE is turned away like GET, so it is not told whether the method is denied")
                        .settle("Ask as a user who is let in, or deny TRACE under Request Filtering to be sure.")
                }
                400 | 403 | 404 if matches!(get_status, Some(200..=399)) => {
                    Part::pass("TRACE is refused where GET of the same path is not")
                }
                _ => Part::inconclusive("the answer to TRACE is neither an acceptance nor a refusal of the method")
                    .settle("Deny TRACE under Request Filtering to be sure."),
            };
            part.seen(seen).on([id]).on(get_id)
        }
        Answer::None(why, id) => web.unanswered(request, &why, id),
        Answer::NotAsked => Part::inconclusive("TRACE was not asked").settle("Scan again.").seen(web.place.clone()),
    }
}
