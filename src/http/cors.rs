//! Cross-origin requests.

use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// Which pages of other origins may call, and how (NestJS's `CorsOptions`).
///
/// ```
/// use nestrs::CorsOptions;
///
/// let anyone = CorsOptions::permissive();
/// let our_pages = CorsOptions::origins(["https://app.example.org"]).allow_credentials(true);
/// # let _ = (anyone, our_pages);
/// ```
#[derive(Clone, Debug)]
pub struct CorsOptions {
    /// Empty means every origin.
    origins: Vec<HeaderValue>,
    credentials: bool,
}

impl CorsOptions {
    /// Any origin, any method, any header, no credentials.
    #[must_use]
    pub fn permissive() -> Self {
        Self { origins: Vec::new(), credentials: false }
    }

    /// These origins only, such as `https://app.example.org`.
    ///
    /// # Panics
    /// When there is none, or one holds characters that a header cannot.
    #[must_use]
    #[track_caller]
    pub fn origins<'a>(origins: impl IntoIterator<Item = &'a str>) -> Self {
        let parse = |origin: &str| match HeaderValue::from_str(origin) {
            Ok(origin) => origin,
            Err(_) => panic!("`{}` is not an origin", origin.escape_debug()),
        };
        let origins: Vec<_> = origins.into_iter().map(parse).collect();
        assert!(
            !origins.is_empty(),
            "a list of origins names at least one; for all, write `CorsOptions::permissive()`"
        );
        Self { origins, credentials: false }
    }

    /// Sets whether pages may send cookies and the like. Default false.
    ///
    /// # Panics
    /// With [`CorsOptions::permissive`]: browsers refuse credentials for every origin at once.
    #[must_use]
    #[track_caller]
    pub fn allow_credentials(mut self, credentials: bool) -> Self {
        assert!(
            !(credentials && self.origins.is_empty()),
            "credentials need a list of origins: `CorsOptions::origins`"
        );
        self.credentials = credentials;
        self
    }

    pub(super) fn layer(self) -> CorsLayer {
        if self.origins.is_empty() {
            return CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
        }
        const METHODS: [Method; 6] =
            [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::POST, Method::DELETE];
        let headers = ["accept", "authorization", "content-type", "x-requested-with"].map(HeaderName::from_static);
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.origins))
            .allow_methods(METHODS)
            .allow_headers(headers)
            .allow_credentials(self.credentials)
    }
}
