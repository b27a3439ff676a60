//! Paths as axum reads them: segments, `{name}` for one that varies, `{*name}` for the rest.

/// Why `path` is none; the text is an error message.
pub(crate) fn mistake(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let cured = cured(path);
    if cured != path {
        let reason = if path.starts_with('/') {
            "`{name}` stands for a segment that varies, `{*name}` for the rest"
        } else {
            "a path begins with a slash"
        };
        return Some(format!("write `{cured}`: {reason}"));
    }
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Doubled braces stand for themselves.
        let plain = segment.replace("{{", "").replace("}}", "");
        let (opened, closed) = (plain.matches('{').count(), plain.matches('}').count());
        if opened != closed || plain.contains("{}") || plain.contains("{*}") {
            return Some(format!("`{segment}` is no path segment: write `{{name}}` for one that varies"));
        }
        if plain.contains("{*") && segments.peek().is_some() {
            return Some(format!("`{segment}` takes the whole rest of a path, so nothing can come after it"));
        }
    }
    None
}

/// The path as it would be if other frameworks' ways of writing it were axum's.
fn cured(path: &str) -> String {
    let segments = path.strip_prefix('/').unwrap_or(path).split('/').map(|segment| {
        if let Some(name) = segment.strip_prefix(':') {
            format!("{{{name}}}")
        } else if let Some(name) = segment.strip_prefix('*') {
            format!("{{*{}}}", if name.is_empty() { "rest" } else { name })
        } else {
            segment.to_owned()
        }
    });
    format!("/{}", segments.collect::<Vec<_>>().join("/"))
}

/// What tells routes apart: the segments, without the names of those that vary. `/{id}` and `/{name}/` are one route.
pub(crate) fn shape(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut in_braces = false;
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    for character in segments.flat_map(|segment| ["/", segment]).flat_map(str::chars) {
        match character {
            '{' => in_braces = true,
            '}' => in_braces = false,
            // A single variable segment and the rest of a path stay two things.
            character if in_braces && character != '*' => continue,
            _ => {}
        }
        shape.push(character);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_path_says_how_to_write_it() {
        let check = |path: &str, expected: &str| {
            let found = mistake(path).unwrap_or_default();
            assert!(if expected.is_empty() { found.is_empty() } else { found.contains(expected) }, "{path}: {found}");
        };
        check("", "");
        check("/", "");
        check("/math/sum", "");
        check("/math/{id}/{*rest}", "");
        check("/files/{name}.txt", "");
        check("/{{literally}}", "");
        check("math", "write `/math`");
        check("/:id", "write `/{id}`");
        check("orders/:id/lines", "write `/orders/{id}/lines`");
        check("/files/*", "write `/files/{*rest}`");
        check("/files/*path", "write `/files/{*path}`");
        check("/{id", "`{name}`");
        check("/{}", "`{name}`");
        check("/{*rest}/more", "nothing can come after");
    }

    #[test]
    fn names_of_segments_do_not_tell_routes_apart() {
        assert_eq!(shape("/a/{id}"), shape("/a/{name}"));
        assert_ne!(shape("/a/{id}"), shape("/a/{*id}"));
        assert_ne!(shape("/a/{id}"), shape("/b/{id}"));
        assert_eq!(shape("/a/"), shape("/a"));
        assert_eq!(shape("/"), shape(""));
    }
}
