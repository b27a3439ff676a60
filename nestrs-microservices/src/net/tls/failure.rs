//! Why a handshake failed, in words for operators. Nothing a peer sent is quoted.

use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// What is said of a handshake that `error` has ended, by the side that talks to `peer`: "server" or "client".
pub(super) fn reason(error: &io::Error, peer: &str) -> String {
    let other = if peer == "server" { "client" } else { "server" };
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("the {peer} closed the connection during the handshake"),
            _ => format!("the connection was lost during the handshake: {error}"),
        };
    };
    match cause {
        Error::InvalidCertificate(why) => format!("the {peer}'s certificate {}", certificate(why)),
        Error::NoCertificatesPresented => format!("the {peer} has presented no certificate"),
        Error::AlertReceived(alert) => match refused(*alert) {
            Some("") => format!("the {peer} wants a certificate, and this {other} has presented none"),
            Some(why) => format!("the {peer} has refused this {other}'s certificate: {why}"),
            None => match alert {
                AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => {
                    NOTHING_IN_COMMON.to_owned()
                }
                alert => format!("the {peer} has ended the handshake: alert {}", u8::from(*alert)),
            },
        },
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::MessageTooLarge) => {
            format!("the {peer} does not speak TLS")
        }
        Error::PeerIncompatible(_) => NOTHING_IN_COMMON.to_owned(),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            format!("the {peer} breaks the rules of TLS")
        }
        Error::PeerMisbehaved(_) | Error::DecryptError => format!("the {peer} breaks the rules of TLS"),
        _ => "the handshake has failed".to_owned(),
    }
}

const NOTHING_IN_COMMON: &str = "the two sides have no version or cipher of TLS in common";

fn certificate(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::UnknownIssuer => "is signed by no authority among the roots",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "is for another name",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "is not for this purpose",
        CertificateError::BadSignature => "has a wrong signature",
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::Revoked => "is revoked",
        CertificateError::UnhandledCriticalExtension => "has a critical extension that is not known",
        _ => "is not acceptable",
    }
}

/// What a peer's alert says against this side's certificate; empty where it misses one.
fn refused(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired => "",
        AlertDescription::UnknownCA => "signed by no authority it believes",
        AlertDescription::CertificateExpired => "expired or not valid yet",
        AlertDescription::CertificateRevoked => "revoked",
        AlertDescription::BadCertificate | AlertDescription::NoCertificate => "not acceptable, or for another name",
        AlertDescription::UnsupportedCertificate => "not for this purpose",
        AlertDescription::CertificateUnknown | AlertDescription::AccessDenied => "not acceptable",
        _ => return None,
    })
}
