//! Everything that is wrong with a module graph, in one error.

use std::error::Error;
use std::fmt;

/// Why an application could not be built: every problem, each with its place and, where there is one, its cure.
///
/// ```
/// use std::sync::Arc;
/// use nestrs_core::{BootOptions, ModuleDef, Provider, boot};
///
/// struct AppModule;
/// struct Pool;
///
/// # futures_util::FutureExt::now_or_never(async {
/// let needs_pool = Provider::factory(|_pool: Arc<Pool>| 8_u32);
/// let error = boot(ModuleDef::new::<AppModule>().provide(needs_pool), BootOptions::default()).await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the application cannot start: `u32` needs `Arc<Pool>` for the factory, which no imported module exports \
///      (AppModule); add it to `providers` of `AppModule`, or import a module that exports it",
/// );
/// assert_eq!(error.problems()[0].path(), "AppModule");
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootError {
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    what: String,
    path: String,
    cure: Option<String>,
}

impl Problem {
    pub(crate) fn new(what: String, path: &str, cure: Option<String>) -> Self {
        Self { what, path: path.to_owned(), cure }
    }

    /// What is wrong, naming the culprit.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The modules from the root to where it is wrong, as `AppModule → OrdersModule`; empty when it is in no one place.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What to write to make it right, if that can be said.
    #[must_use]
    pub fn cure(&self) -> Option<&str> {
        self.cure.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A provider's error may go over several lines; its place belongs to the first, before the list it announces.
        let (what, list) = self.what.split_once('\n').unwrap_or((&self.what, ""));
        let (what, colon) = what.strip_suffix(':').filter(|_| !list.is_empty()).map_or((what, ""), |what| (what, ":"));
        f.write_str(what)?;
        if !self.path.is_empty() {
            write!(f, " ({})", self.path)?;
        }
        if let Some(cure) = &self.cure {
            write!(f, "; {cure}")?;
        }
        f.write_str(colon)?;
        list.lines().try_for_each(|line| write!(f, "\n     {line}"))
    }
}

impl BootError {
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        let mut seen = Vec::new();
        problems.retain(|problem| {
            let new = !seen.contains(problem);
            seen.push(problem.clone());
            new
        });
        Self { problems }
    }

    /// Every problem: those of imports, of exports, of providers and of handlers, each in module order.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.problems {
            [problem] => write!(f, "the application cannot start: {problem}"),
            problems => {
                write!(f, "the application cannot start, for {} reasons:", problems.len())?;
                for (index, problem) in problems.iter().enumerate() {
                    write!(f, "\n  {}. {problem}", index + 1)?;
                }
                Ok(())
            }
        }
    }
}

impl Error for BootError {}
