//! Which lines are written: `RUST_LOG`'s syntax, with NestJS's names for levels.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::level::LogLevel;

/// Reads `debug`, `warn,my_app=debug` or `my_app::orders`. What no part names is logged at the level that stands alone,
/// or else at `log`; the NATS driver, which tells of each connection what our own lines tell too, at `warn` then. Later parts
/// win over earlier ones.
///
/// # Errors
/// The part that cannot be read, and why.
pub(super) fn parse(text: &str) -> Result<Targets, String> {
    let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let mut targets = Targets::new().with_default(LogLevel::Log.filter());
    if !parts().any(|part| level_of(part).is_ok()) {
        targets = targets.with_target("async_nats", LogLevel::Warn.filter());
    }
    for part in parts() {
        if part.contains(['[', '{', '/']) {
            return Err(format!("`{}`: spans, fields and texts cannot be filtered by", part.escape_debug()));
        }
        targets = match part.split_once('=') {
            Some((target, level)) => {
                let level = level_of(level.trim()).map_err(|error| format!("`{}`: {error}", part.escape_debug()))?;
                targets.with_target(target.trim(), level)
            }
            None => match level_of(part) {
                Ok(level) => targets.with_default(level),
                Err(_) => targets.with_target(part, LevelFilter::TRACE),
            },
        };
    }
    Ok(targets)
}

fn level_of(name: &str) -> Result<LevelFilter, String> {
    if name.eq_ignore_ascii_case("off") {
        return Ok(LevelFilter::OFF);
    }
    name.parse::<LogLevel>().map(LogLevel::filter).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn check(text: &str, target: &str, most: Option<Level>) {
        let filter = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        let found = levels.into_iter().find(|level| filter.would_enable(target, level));
        assert_eq!(found, most, "{target} by `{text}`");
    }

    #[test]
    fn a_filter_has_a_level_for_everything_and_levels_for_targets() {
        check("", "app", Some(Level::INFO));
        check("verbose", "app", Some(Level::TRACE));
        check("warn, app=debug", "app::orders", Some(Level::DEBUG));
        check("warn, app=debug", "other", Some(Level::WARN));
        check("off,app=fatal", "app", Some(Level::ERROR));
        check("off,app=fatal", "other", None);
        check("app::orders", "app::orders", Some(Level::TRACE));
        check("debug,hyper=off", "hyper::proto", None);
    }

    #[test]
    fn to_hear_more_of_one_target_is_not_to_hear_less_of_the_others() {
        check("nestrs::call=debug", "nestrs::call", Some(Level::DEBUG));
        check("nestrs::call=debug", "app", Some(Level::INFO));
        // A misspelt level must not silence a program.
        check("inof", "app", Some(Level::INFO));
    }

    #[test]
    fn the_driver_of_nats_is_heard_when_it_is_asked_for() {
        check("", "async_nats::connector", Some(Level::WARN));
        check("nestrs=debug", "async_nats", Some(Level::WARN));
        check("log", "async_nats", Some(Level::INFO));
        check("async_nats=debug", "async_nats", Some(Level::DEBUG));
    }

    #[test]
    fn a_part_that_cannot_be_read_is_named() {
        assert!(parse("log,app=loud").unwrap_err().starts_with("`app=loud`: `loud` is no log level"));
        assert!(parse("[call{id=1}]=debug").is_err());
    }
}
