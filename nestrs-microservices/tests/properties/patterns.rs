//! Routes of patterns: bounded, and their own routes.

use nestrs_core::Pattern;
use serde_json::Value;

/// Looks up the route of `json`; a route that is found is no longer than the text allows, and that of an object or a
/// number leads to itself.
pub(crate) fn check(json: &str) {
    let route = Pattern::route_of(json);
    let Some(route) = route else { return };
    // An index of an array is the most that is added: `[]` becomes `"17":{}` with its comma.
    assert!(route.len() <= 8 * json.len() + 64, "{} bytes out of {}", route.len(), json.len());
    if !json.trim_start().starts_with('"') {
        let again = Value::from(&*route).to_string();
        assert_eq!(Pattern::route_of(&again).as_deref(), Some(&*route), "the route of {json}");
    }
    if let Ok(value) = serde_json::from_str::<Value>(json)
        && !value.is_string()
        && let Ok(pattern) = Pattern::from_value(&value)
    {
        assert_eq!(pattern.route(), route, "declared and received: {json}");
    }
}
