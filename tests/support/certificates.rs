//! Authorities and certificates for tests, made on the spot.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};

/// An authority with its certificate in a file.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its certificate, PEM.
    pub file: PathBuf,
}

/// A certificate and its key, both PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
    /// The certificate, DER.
    pub der: Vec<u8>,
}

impl Authority {
    /// A new authority whose files lie in `folder` and begin with `name`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are sound");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.self_signed(&key).expect("sound parameters");
        let file = write(folder, &format!("{name}-ca.pem"), &certificate.pem());
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned(), file }
    }

    /// A certificate for these DNS names and addresses.
    pub fn issue(&self, file: &str, names: &[&str]) -> Identity {
        self.sign(file, params(names))
    }

    /// A certificate that was good until 2020.
    pub fn issue_expired(&self, file: &str, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(file, params)
    }

    /// A certificate for a SIP URI (RFC 5922 §7.1) beside DNS names.
    pub fn issue_uri(&self, file: &str, names: &[&str], uri: &str) -> Identity {
        let mut params = params(names);
        params.subject_alt_names.push(SanType::URI(uri.try_into().expect("ASCII")));
        self.sign(file, params)
    }

    fn sign(&self, file: &str, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("sound parameters");
        Identity {
            certificate: write(&self.folder, &format!("{file}.pem"), &certificate.pem()),
            key: write(&self.folder, &format!("{file}.key"), &key.serialize_pem()),
            der: certificate.der().to_vec(),
        }
    }
}

/// A certificate that only it itself vouches for.
pub fn self_signed(folder: &Path, file: &str, names: &[&str]) -> Identity {
    let key = KeyPair::generate().expect("keys can be made");
    let certificate = params(names).self_signed(&key).expect("sound parameters");
    Identity {
        certificate: write(folder, &format!("{file}.pem"), &certificate.pem()),
        key: write(folder, &format!("{file}.key"), &key.serialize_pem()),
        der: certificate.der().to_vec(),
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    CertificateParams::new(names).expect("sound names")
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the test's folder is writable");
    path
}
