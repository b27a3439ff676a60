//! Who this side is to a NATS server.

use async_nats::{Auth, AuthError};
use nestrs_core::TransportError;

use crate::net::Secret;

/// Who this side is. `Debug` shows what is no secret.
#[derive(Clone, Debug, Default)]
pub(super) enum Credentials {
    #[default]
    None,
    Token(Secret),
    User(String, Secret),
    /// The seed of an NKey.
    NKey(Secret),
}

impl Credentials {
    /// Whether a seed is one, before it is needed.
    pub(super) fn check(&self) -> Result<(), TransportError> {
        match self {
            // What the parser says quotes nothing, and says nothing either.
            Self::NKey(seed) => match nkeys::KeyPair::from_seed(seed.expose()) {
                Ok(_) => Ok(()),
                Err(_) => {
                    Err(TransportError::internal("the NKey is no seed: it begins with `SU` and has 58 characters"))
                }
            },
            _ => Ok(()),
        }
    }

    /// What a server is told that has said `nonce`.
    pub(super) fn answer(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::new();
        match self {
            Self::None => {}
            Self::Token(token) => auth.token = Some(token.expose().to_owned()),
            Self::User(user, password) => {
                auth.username = Some(user.clone());
                auth.password = Some(password.expose().to_owned());
            }
            Self::NKey(seed) => {
                let unusable = |_| AuthError::new("the NKey cannot sign");
                let key = nkeys::KeyPair::from_seed(seed.expose()).map_err(unusable)?;
                auth.nkey = Some(key.public_key());
                auth.signature = Some(key.sign(nonce).map_err(unusable)?);
            }
        }
        Ok(auth)
    }
}
