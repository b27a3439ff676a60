//! Golden expansions: each `golden/*.in.rs` against its `*.out.rs`, formatted.
//!
//! `UPDATE_GOLDEN=1 cargo test -p nestrs-macros golden` writes the outputs anew; the diff is then what to review.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Item, Meta};

use crate::routes::Family;
use crate::{attrs, contract, controller, event, injectable, module, routes};

/// The attributes that expand, each its function.
const BLOCKS: &[&str] = &["injectable", "module", "micro_routes", "event_routes", "controller", "contract", "event"];

#[test]
fn expansions_are_as_reviewed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/golden");
    let mut inputs: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.retain(|path| path.to_string_lossy().ends_with(".in.rs"));
    inputs.sort();
    assert!(!inputs.is_empty());
    let differing: Vec<_> = inputs.iter().filter_map(|input| difference(input)).collect();
    assert!(differing.is_empty(), "{}\nif this is meant, set UPDATE_GOLDEN=1", differing.join("\n"));
}

/// What differs from the reviewed output, if anything does.
fn difference(input: &Path) -> Option<String> {
    let found = expand_file(&fs::read_to_string(input).unwrap());
    let output = input.to_string_lossy().replace(".in.rs", ".out.rs");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&output, &found).unwrap();
        return None;
    }
    let reviewed = fs::read_to_string(&output).unwrap_or_default();
    let first = reviewed.lines().chain([""]).zip(found.lines().chain([""])).position(|(old, new)| old != new);
    (reviewed != found).then(|| {
        let line = first.unwrap_or_default();
        let at = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
        format!("{output}:{}\n  reviewed: {}\n  found:    {}", line + 1, at(&reviewed), at(&found))
    })
}

fn expand_file(text: &str) -> String {
    let file = syn::parse_file(text).unwrap();
    let output: TokenStream = file.items.into_iter().map(expand_item).collect();
    prettyplease::unparse(&syn::parse2(output).unwrap())
}

/// Expands an item's outermost block attribute, and then those below it, as the compiler would.
fn expand_item(mut item: Item) -> TokenStream {
    let attributes: &mut Vec<Attribute> = match &mut item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        _ => return item.into_token_stream(),
    };
    let Some(position) = attributes.iter().position(|attribute| attrs::is_one_of(attribute, BLOCKS)) else {
        return item.into_token_stream();
    };
    let attribute = attributes.remove(position);
    let args = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let item = item.into_token_stream();
    let (mut output, errors) = match attrs::name(&attribute).as_str() {
        "injectable" => injectable::injectable(args, item),
        "module" => module::module(args, item),
        "micro_routes" => routes::routes(Family::Micro, args, item),
        "contract" => contract::contract(args, item),
        "event_routes" => routes::routes(Family::Bus, args, item),
        "event" => event::event(args, item),
        _ => controller::controller(args, item),
    };
    output.extend(errors.into_items());
    syn::parse2::<syn::File>(output).unwrap().items.into_iter().map(expand_item).collect()
}
