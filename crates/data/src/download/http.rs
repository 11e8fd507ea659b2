//! The HTTP client: timeouts, redirects, and TLS without C.

use std::sync::OnceLock;
use std::time::Duration;

use super::Answer;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Asks for a file from byte `from` on. Any status is an answer, not an error.
pub(super) fn get(url: &str, from: u64) -> Result<Answer, String> {
    if url.starts_with("https:") && !tls::available() {
        return Err("this build or this processor cannot do TLS (https)".into());
    }
    let mut request = agent().get(url);
    if from > 0 {
        request = request.header("Range", format!("bytes={from}-"));
    }
    let response = request.call().map_err(|error| error.to_string())?;
    Ok(Answer {
        status: response.status().as_u16(),
        start: range_start(&response),
        length: response.body().content_length(),
        body: Box::new(response.into_body().into_reader()),
    })
}

/// Where the bytes of a partial answer begin: `Content-Range: bytes START-END/SIZE` (RFC 9110, section 14.4).
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let patience = Some(Duration::from_secs(30));
        let config = Agent::config_builder()
            .user_agent(concat!("hadal/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .timeout_connect(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience);
        tls::configure(config).build().new_agent()
    })
}

#[cfg(all(feature = "https", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tls {
    use std::sync::Arc;

    use ureq::config::ConfigBuilder;
    use ureq::tls::{TlsConfig, TlsProvider};
    use ureq::typestate::AgentScope;

    /// Whether the processor has what graviola's assembly needs (any x86 since 2013, any ARM server or desktop).
    pub fn available() -> bool {
        #[cfg(target_arch = "x86_64")]
        return is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("adx")
            && is_x86_feature_detected!("avx2");
        #[cfg(target_arch = "aarch64")]
        return std::arch::is_aarch64_feature_detected!("aes")
            && std::arch::is_aarch64_feature_detected!("pmull")
            && std::arch::is_aarch64_feature_detected!("sha2");
    }

    pub fn configure(config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
        if !available() {
            return config;
        }
        let provider = Arc::new(rustls_graviola::default_provider());
        let tls = TlsConfig::builder().provider(TlsProvider::Rustls).unversioned_rustls_crypto_provider(provider);
        config.tls_config(tls.build())
    }
}

#[cfg(not(all(feature = "https", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod tls {
    use ureq::config::ConfigBuilder;
    use ureq::typestate::AgentScope;

    pub fn available() -> bool {
        false
    }

    pub fn configure(config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
        config
    }
}

#[cfg(all(test, feature = "https"))]
mod tests {
    /// TLS is spoken: a server that is none gives a TLS error, not a panic for want of a provider.
    #[test]
    fn https_reaches_the_handshake() {
        use std::io::Write;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/file", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = socket.write_all(b"this is no TLS record\r\n");
        });
        let error = super::get(&url, 0).err().expect("no TLS");
        server.join().unwrap();
        assert!(error.contains("InvalidContentType") || error.contains("corrupt message"), "{error}");
    }
}
