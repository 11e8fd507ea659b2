//! Which web pages may talk to the server.
//!
//! A browser lets any page send simple requests to any server, this machine's loopback included. So a request that comes
//! from a page (it has an `Origin`) must come from the server's own page. And where the server listens on loopback, it must be
//! addressed as `localhost` or by a number: a name that somebody's DNS points to 127.0.0.1 is how pages of others would
//! pass for its own.

use crate::refusal::Refusal;
use hyper::StatusCode;
use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use std::net::IpAddr;

/// Refuses with 403 what must not be answered.
///
/// # Errors
/// When the request comes from the page of another server, or `on_loopback` is addressed by a foreign name.
pub fn check(head: &Parts, on_loopback: bool) -> Result<(), Refusal> {
    let text = |name| head.headers.get(&name).map(|value| value.to_str().unwrap_or("?"));
    // HTTP/2 names the host in front of the path.
    let Some(host) = text(HOST).or(head.uri.authority().map(Authority::as_str)) else { return Ok(()) };
    let refuse = |message: String| Err(Refusal::new(StatusCode::FORBIDDEN, message));
    if let Some(origin) = text(ORIGIN)
        && origin.split_once("://").is_none_or(|(_, origin)| !origin.eq_ignore_ascii_case(host))
    {
        return refuse("requests from the pages of other servers are refused".to_owned());
    }
    if on_loopback && !is_local(host) {
        let host = host.chars().take(100).collect::<String>();
        return refuse(format!("this server listens on loopback only, and is called localhost, not {host:?}"));
    }
    Ok(())
}

/// `localhost` or an address, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_names() {
        let head = |uri: &str, host: Option<&str>, origin: Option<&str>| {
            let mut request = hyper::Request::get(uri);
            for (name, value) in [(HOST, host), (ORIGIN, origin)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            request.body(()).unwrap().into_parts().0
        };
        let allowed = |host, origin| check(&head("/", Some(host), origin), true).is_ok();
        for host in ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "localhost", "192.168.0.7"] {
            assert!(allowed(host, None), "{host}");
        }
        assert!(!allowed("evil.example:8000", None));
        assert!(allowed("localhost:8000", Some("http://localhost:8000")));
        assert!(!allowed("localhost:8000", Some("http://evil.example")));
        assert!(!allowed("localhost:8000", Some("null")));
        assert!(check(&head("/", Some("models.example"), None), false).is_ok());
        assert!(check(&head("http://evil.example/", None, None), true).is_err());
        assert!(check(&head("http://localhost:8001/", None, None), true).is_ok());
    }
}
