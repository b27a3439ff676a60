//! Looking at types as far as their syntax goes.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Type, TypeParamBound};

use crate::paths::located;

/// The type without the parentheses and invisible groups around it.
pub(crate) fn peel(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// The last segment of a path type: `Arc<T>` of `std::sync::Arc<T>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match peel(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// Where to point at when the compiler finds fault with a type: spans that cover several tokens cannot be made, and the
/// `Value` of `serde_json::Value` says more than the `serde_json`.
pub(crate) fn spot(ty: &Type) -> Span {
    let span = match (peel(ty), last_segment(ty)) {
        (_, Some(segment)) => segment.ident.span(),
        (Type::Reference(reference), None) => return spot(&reference.elem),
        (other, None) => other.span(),
    };
    located(span)
}

/// The `T` of `Name<T>`, if that is its only argument.
pub(crate) fn only_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    if !is_named(ty, name) {
        return None;
    }
    match type_arguments(ty).as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// The types between the angle brackets of a path type.
pub(crate) fn type_arguments(ty: &Type) -> Vec<&Type> {
    let Some(PathArguments::AngleBracketed(arguments)) = last_segment(ty).map(|segment| &segment.arguments) else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// `Self` written out, for what is repeated outside the block it comes from.
pub(crate) fn without_self(tokens: impl ToTokens, service: &Type) -> TokenStream {
    let mut output = TokenStream::new();
    let mut tokens = tokens.into_token_stream().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            // In `Self::SUM` the brackets let a service with type arguments of its own stand before the colons.
            TokenTree::Ident(ident) if ident == "Self" => match tokens.peek() {
                Some(TokenTree::Punct(next)) if next.as_char() == ':' => output.extend(quote!(<#service>)),
                _ => service.to_tokens(&mut output),
            },
            TokenTree::Group(group) => {
                let mut replaced = Group::new(group.delimiter(), without_self(group.stream(), service));
                replaced.set_span(group.span());
                output.extend([TokenTree::Group(replaced)]);
            }
            other => output.extend([other]),
        }
    }
    output
}

/// What a declared return type says about the value behind it.
pub(crate) struct Returned<'a> {
    /// The type, or what stands for `T` in a `Result<T, E>`; `None` for `()` left unwritten.
    pub(crate) value: Option<&'a Type>,
    /// What stands for `E`: the type itself where an alias hides it. `None` when it is no `Result`.
    pub(crate) error: Option<&'a Type>,
    /// The value is a stream, and may borrow from the service.
    pub(crate) is_stream: bool,
}

impl<'a> Returned<'a> {
    pub(crate) fn of(output: &'a ReturnType) -> Self {
        let ReturnType::Type(_, ty) = output else { return Self { value: None, error: None, is_stream: false } };
        let (value, error) = if is_named(ty, "Result") {
            let arguments = type_arguments(ty);
            (arguments.first().copied().unwrap_or(ty), Some(arguments.get(1).copied().unwrap_or(ty)))
        } else {
            (&**ty, None)
        };
        Self { value: Some(value), error, is_stream: is_stream(value) }
    }
}

/// Types that say by their syntax that they are streams: `impl Stream`, `BoxStream<'_, T>`, `Pin<Box<dyn Stream>>`.
///
/// Others are recognised by their traits, later; those must not borrow, which these may.
fn is_stream(ty: &Type) -> bool {
    match peel(ty) {
        Type::ImplTrait(opaque) => has_bound(&opaque.bounds, "Stream"),
        Type::TraitObject(object) => has_bound(&object.bounds, "Stream"),
        ty if is_named(ty, "BoxStream") => true,
        ty => ["Pin", "Box"].iter().any(|pointer| only_argument(ty, pointer).is_some_and(is_stream)),
    }
}

/// The `T` of `impl Stream<Item = T>` and the other ways to write a stream.
pub(crate) fn stream_item(ty: &Type) -> Option<&Type> {
    match peel(ty) {
        Type::ImplTrait(opaque) => item_bound(&opaque.bounds),
        Type::TraitObject(object) => item_bound(&object.bounds),
        ty if is_named(ty, "BoxStream") => type_arguments(ty).first().copied(),
        ty => type_arguments(ty).first().copied().and_then(stream_item),
    }
}

fn item_bound<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Option<&'a Type> {
    bounds.into_iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(item) if item.ident == "Item" => Some(&item.ty),
            _ => None,
        })
    })
}

/// Whether `Self` stands anywhere in it.
pub(crate) fn mentions_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => mentions_self(group.stream()),
        _ => false,
    })
}

pub(crate) fn has_bound<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>, name: &str) -> bool {
    bounds.into_iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|segment| segment.ident == name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_str;

    use super::*;
    use crate::source::source;

    #[test]
    fn a_return_type_is_told_by_its_last_segment() {
        let check = |output: &str, value: &str, error: &str, is_stream: bool| {
            let output: ReturnType = parse_str(output).unwrap();
            let returned = Returned::of(&output);
            assert_eq!(returned.value.map(source).unwrap_or_default(), value);
            assert_eq!(returned.error.map(source).unwrap_or_default(), error);
            assert_eq!(returned.is_stream, is_stream, "{value}");
        };
        check("", "", "", false);
        check("-> Value", "Value", "", false);
        check("-> Result<Value, TransportError>", "Value", "TransportError", false);
        check("-> std::io::Result<u8>", "u8", "std::io::Result<u8>", false);
        check("-> MyResult<u8>", "MyResult<u8>", "", false);
        check("-> impl Stream<Item = u8>", "impl Stream<Item = u8>", "", true);
        check(
            "-> Result<impl futures::Stream<Item = u8> + use<'_>, E>",
            "impl futures::Stream<Item = u8> + use<'_>",
            "E",
            true,
        );
        check("-> BoxStream<'_, u8>", "BoxStream<'_, u8>", "", true);
        check(
            "-> Pin<Box<dyn Stream<Item = u8> + Send + '_>>",
            "Pin<Box<dyn Stream<Item = u8> + Send + '_>>",
            "",
            true,
        );
        check("-> impl Serialize", "impl Serialize", "", false);
    }

    #[test]
    fn the_items_of_a_stream_are_found_however_it_is_written() {
        let check = |ty: &str, item: Option<&str>| {
            assert_eq!(stream_item(&parse_str(ty).unwrap()).map(source).as_deref(), item, "{ty}");
        };
        check("impl Send + futures::Stream<Item = Result<u8, E>> + use<'_>", Some("Result<u8, E>"));
        check("BoxStream<'static, u8>", Some("u8"));
        check("Pin<Box<dyn Stream<Item = u8> + Send>>", Some("u8"));
        check("impl Stream", None);
        check("impl Stream<Error = u8>", None);
    }

    #[test]
    fn self_is_written_out_wherever_it_stands() {
        let service: Type = parse_str("crate::Math").unwrap();
        let check = |ty: &str, expected: &str| {
            let replaced = without_self(ty.parse::<TokenStream>().unwrap(), &service);
            assert_eq!(source(replaced), expected);
        };
        check("Self", "crate::Math");
        check("Vec<(Self, [Self::Item; 2])>", "Vec<(crate::Math, [<crate::Math>::Item; 2])>");
        check("<Self as Named>::Name", "<crate::Math as Named>::Name");
        check("SelfMade", "SelfMade");
    }
}
