//! HTTPS, with the feature `tls`, on the processors that graviola knows.

#[cfg(all(feature = "tls", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod with {
    use hadal::{Error, Result};
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::path::Path;
    use std::sync::Arc;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::server::TlsStream;

    /// A certificate and its key.
    #[derive(Clone)]
    pub struct Tls(TlsAcceptor);

    impl Tls {
        /// Reads PEM files: a chain of certificates, the server's own first, and its private key. `protocol` is what is
        /// spoken, by its name for ALPN.
        pub fn read(chain: &Path, key: &Path, protocol: &str) -> Result<Tls> {
            let certificates = CertificateDer::pem_file_iter(chain)
                .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                .map_err(|e| Error::file(chain, format!("holds no PEM certificates: {e}")))?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| Error::file(key, format!("holds no PEM private key: {e}")))?;
            let provider = Arc::new(rustls_graviola::default_provider());
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, secret))
                .map_err(|e| Error::file(chain, format!("does not serve for HTTPS with {}: {e}", key.display())))?;
            config.alpn_protocols = vec![protocol.into()];
            Ok(Tls(TlsAcceptor::from(Arc::new(config))))
        }

        /// A stream after its handshake.
        pub async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
            self.0.accept(stream).await
        }
    }
}

#[cfg(not(all(feature = "tls", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod without {
    use hadal::{Error, Result};
    use std::convert::Infallible;
    use std::path::Path;
    use tokio::net::TcpStream;

    /// There is none of this type.
    #[derive(Clone)]
    pub struct Tls(Infallible);

    impl Tls {
        /// Refuses.
        pub fn read(_: &Path, _: &Path, _: &str) -> Result<Tls> {
            Err(Error::invalid(
                "this hadal was built without HTTPS: build it with --features tls, or put a proxy before it",
            ))
        }

        /// Never called.
        pub async fn accept(&self, _: TcpStream) -> std::io::Result<TcpStream> {
            match self.0 {}
        }
    }
}

#[cfg(all(feature = "tls", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use with::Tls;
#[cfg(not(all(feature = "tls", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub use without::Tls;
