//! TLS for SIP (RFC 3261 §26.3.1, RFC 5922): our certificate, whom we believe, and whom a certificate names.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::pinned::PinnedCertificate;

/// A PEM file larger than this holds no certificates.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What TLS is made of. Without any file we speak TLS to others, believing the platform's authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our chain and its key, both PEM; needed to listen, and shown to servers that ask for it.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Authorities of client certificates (PEM). Without it clients are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// Authorities of servers we connect to (PEM); without it the platform's.
    pub ca: Option<PathBuf>,
    /// Servers that are known by their very certificate.
    pub pins: Vec<Pin>,
}

/// A server that is believed by its certificate alone: no authority, no name, no date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Where the server is.
    pub networks: Vec<IpNet>,
    /// SHA-256 of its certificate (DER).
    pub sha256: [u8; 32],
}

/// Why TLS cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has no certificate, or no key.
    #[error("{0} holds no {1} in PEM")]
    Empty(PathBuf, &'static str),
    /// The content is not usable: key and certificate differ, an authority is malformed.
    #[error("{path}: {why}")]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// What the TLS library says of it.
        why: String,
    },
}

/// Certificates and keys, read and checked.
pub struct Tls {
    acceptor: Option<TlsAcceptor>,
    connector: TlsConnector,
    pinned: Vec<(Vec<IpNet>, TlsConnector)>,
    asks_clients: bool,
}

impl Tls {
    /// Reads every file. TLS 1.2 and 1.3 are spoken and nothing older (N83).
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let identity = match &files.certificate {
            Some((chain, key)) => Some(Identity::read(chain, key)?),
            None => None,
        };
        let acceptor = match &identity {
            Some(identity) => Some(TlsAcceptor::from(Arc::new(server(files, identity, &provider)?))),
            None => None,
        };
        let roots = match &files.ca {
            Some(path) => authorities(path)?,
            None => platform_roots(),
        };
        let verifier = Verifier::Authorities(roots);
        let connector = connector(&provider, identity.as_ref(), verifier)?;
        let mut pinned = Vec::new();
        for pin in &files.pins {
            let verifier = Verifier::Pin(PinnedCertificate::new(pin.sha256, &provider));
            pinned.push((pin.networks.clone(), self::connector(&provider, identity.as_ref(), verifier)?));
        }
        Ok(Self { acceptor, connector, pinned, asks_clients: files.client_ca.is_some() })
    }

    /// For connections from outside; absent without a certificate of our own.
    pub(super) fn acceptor(&self) -> Option<&TlsAcceptor> {
        self.acceptor.as_ref()
    }

    /// Whether a client can show who it is.
    pub(super) fn asks_clients(&self) -> bool {
        self.asks_clients
    }

    /// For a connection to this address.
    pub(super) fn connector(&self, remote: IpAddr) -> &TlsConnector {
        let remote = remote.to_canonical();
        let pinned =
            self.pinned.iter().find(|(networks, _)| networks.iter().any(|net| net.contains(&remote)));
        pinned.map_or(&self.connector, |(_, connector)| connector)
    }
}

/// The name a server's certificate must carry: the host that was asked for, before any look-up (RFC 5922
/// §4), or the address itself.
pub(super) fn server_name(asked: Option<&str>, remote: IpAddr) -> Option<ServerName<'static>> {
    match asked {
        Some(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        None => Some(ServerName::IpAddress(remote.to_canonical().into())),
    }
}

/// The domains that a verified certificate stands for, in lower case (RFC 5922 §7.1): those of its SIP URIs,
/// or without such its DNS names. A wildcard stands for nobody (§7.2).
pub(super) fn names_of(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    let uris: Vec<String> = certificate.valid_uri_names().filter_map(domain_of).collect();
    if !uris.is_empty() {
        return uris;
    }
    certificate
        .valid_dns_names()
        .filter(|name| !name.contains('*'))
        .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
        .collect()
}

/// The domain of a SIP URI without a user.
fn domain_of(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_sip = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    let host = rest.split([';', '?', ':']).next().unwrap_or_default();
    (is_sip && !rest.contains('@') && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

struct Identity {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn read(chain_path: &Path, key_path: &Path) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(&read(key_path)?)
            .map_err(|_| TlsError::Empty(key_path.to_owned(), "private key"))?;
        Ok(Self { path: chain_path.to_owned(), chain: certificates(chain_path)?, key })
    }
}

enum Verifier {
    Authorities(RootCertStore),
    Pin(PinnedCertificate),
}

fn server(
    files: &TlsFiles,
    identity: &Identity,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&identity.path, &error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            // A client without a certificate may come; one with a certificate nobody vouches for may not.
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
                .allow_unauthenticated()
                .build()
                .map_err(|error| unusable(path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(|error| unusable(&identity.path, &error))
}

fn connector(
    provider: &Arc<CryptoProvider>,
    identity: Option<&Identity>,
    verifier: Verifier,
) -> Result<TlsConnector, TlsError> {
    let path = identity.map_or(Path::new(""), |identity| identity.path.as_path());
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(path, &error))?;
    let builder = match verifier {
        Verifier::Authorities(roots) => builder.with_root_certificates(roots),
        Verifier::Pin(pin) => builder.dangerous().with_custom_certificate_verifier(Arc::new(pin)),
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|error| unusable(path, &error))?,
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable(path, &error))?;
    }
    Ok(roots)
}

/// What the platform believes. Nothing there means that no server can be believed.
fn platform_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (_, malformed) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() || malformed > 0 {
        tracing::debug!(believed = roots.len(), malformed, "the platform's authorities were read");
    }
    roots
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let octets = read(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let certificates = read.map_err(|error| unusable(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(path.to_owned(), "certificate"));
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES {
        return Err(TlsError::Empty(path.to_owned(), "certificate"));
    }
    fs::read(path).map_err(unreadable)
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), why: error.to_string() }
}
