//! Helper attributes behind `#[cfg_attr(…)]`, which nobody would read.
//!
//! The compiler decides the conditions on an item before its attribute macros run, and those inside of it only after
//! them. So a block never sees what is conditional on its methods: a guard there would guard nothing.

use syn::{Attribute, FnArg, Meta, Signature};

use crate::attrs;
use crate::diag::Errors;
use crate::limits::LIMITS;
use crate::paths::at_commas;

/// Reports what is conditional on a method, and on its arguments.
pub(crate) fn report_on_method(
    reader: &str,
    attributes: &mut Vec<Attribute>,
    signature: &mut Signature,
    errors: &mut Errors,
) {
    let message = message(reader, "method");
    report(attributes, &[attrs::HANDLERS, attrs::VERBS, attrs::STAGES, LIMITS], &message, errors);
    for argument in &mut signature.inputs {
        if let FnArg::Typed(argument) = argument {
            report(&mut argument.attrs, &[attrs::SOURCES, &[attrs::PIPE]], &message, errors);
        }
    }
}

/// Reports what is conditional on a field of a provider.
pub(crate) fn report_on_field(attributes: &mut Vec<Attribute>, errors: &mut Errors) {
    report(attributes, &[&["inject"]], &message("injectable", "field"), errors);
}

fn message(reader: &str, what: &str) -> String {
    format!(
        "`#[{reader}]` is done before the compiler decides `#[cfg_attr]`, and would not see this: write a {what} for \
         each case, under `#[cfg]`"
    )
}

/// One error for each helper. They are read as if there were no condition, so that no other error follows from these.
fn report(attributes: &mut Vec<Attribute>, helpers: &[&[&str]], message: &str, errors: &mut Errors) {
    let is_helper = |added: &Attribute| helpers.iter().any(|names| attrs::is_one_of(added, names));
    let (conditional, others): (Vec<_>, Vec<_>) =
        attributes.drain(..).partition(|attribute| added_by(attribute).iter().any(is_helper));
    *attributes = others;
    for helper in conditional.iter().flat_map(added_by).filter(is_helper) {
        errors.on(&helper.meta, message);
        // A second of its name is most likely for the other case.
        if !attributes.iter().any(|other| attrs::name(other) == attrs::name(&helper)) {
            attributes.push(helper);
        }
    }
}

/// What a `cfg_attr` adds, be it conditional in turn; nothing, if it is none.
fn added_by(attribute: &Attribute) -> Vec<Attribute> {
    let tokens = match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => list.tokens.clone(),
        _ => return Vec::new(),
    };
    // What does not read is an error of the compiler's.
    let added = at_commas(tokens).into_iter().skip(1).filter_map(|added| syn::parse2(added).ok());
    let added = added.map(|meta| Attribute { meta, ..attribute.clone() });
    added.flat_map(|added| if added.path().is_ident("cfg_attr") { added_by(&added) } else { vec![added] }).collect()
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_str};

    use super::*;
    use crate::diag::assert_errors;

    /// Reads a method; `left` is what its attributes are afterwards.
    #[track_caller]
    fn check(method: &str, culprits: &[&str], left: &[&str]) {
        let mut method: ItemFn = parse_str(method).unwrap();
        let mut errors = Errors::default();
        report_on_method("controller", &mut method.attrs, &mut method.sig, &mut errors);
        let expected: Vec<_> = culprits.iter().map(|culprit| (*culprit, "`#[controller]` is done before")).collect();
        assert_errors(errors, &expected);
        assert_eq!(method.attrs.iter().map(attrs::name).collect::<Vec<_>>(), left);
    }

    #[test]
    fn a_helper_behind_a_condition_is_an_error_on_itself() {
        check("#[cfg_attr(all(), use_guards(A, B))] fn f() {}", &["use_guards(A, B)"], &["use_guards"]);
        check("#[cfg_attr(any(a, b), nestrs::get)] fn f() {}", &["nestrs::get"], &["get"]);
        check("#[cfg_attr(true, use_guards = A)] fn f() {}", &["use_guards = A"], &["use_guards"]);
        check("fn f(&self, #[cfg_attr(a, pipe(P), ctx)] a: A) {}", &["pipe(P)", "ctx"], &[]);
    }

    #[test]
    fn every_helper_in_a_condition_is_found_and_what_is_not_ours_stays() {
        check(
            "#[inline] #[cfg_attr(a, cold, use_pipes(A), cfg_attr(b, get(\"/\"),),)] #[cfg_attr(a, cold)] fn f() {}",
            &["use_pipes(A)", "get(\"/\")"],
            &["inline", "cfg_attr", "use_pipes", "get"],
        );
        check("#[cfg_attr(a, doc = \"use_guards\", allow(use_guards))] fn f() {}", &[], &["cfg_attr"]);
        check("#[cfg_attr(a)] #[cfg_attr()] #[cfg(all())] fn f() {}", &[], &["cfg_attr", "cfg_attr", "cfg"]);
    }

    #[test]
    fn two_cases_of_one_attribute_are_not_said_to_be_given_twice() {
        check(
            "#[cfg_attr(a, handler_timeout(\"1s\"))] #[cfg_attr(not(a), handler_timeout(\"2s\"))] fn f() {}",
            &["handler_timeout(\"1s\")", "handler_timeout(\"2s\")"],
            &["handler_timeout"],
        );
    }
}
