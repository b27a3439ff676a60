//! The struct as data: one way to fill each field.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Field, Fields, GenericParam, Generics, Ident, Item, LitStr, Meta, Token, Type};

use crate::attrs;
use crate::conditional;
use crate::diag::Errors;
use crate::paths::{self, Nest};
use crate::types;

pub(crate) struct Provided {
    pub(crate) nest: Nest,
    /// The `ProviderScope` that was asked for.
    pub(crate) scope: Option<Ident>,
    /// What others find it by.
    pub(crate) metadata: Vec<Expr>,
    /// The user's item, without the attributes that were read.
    pub(crate) item: Item,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) shape: Shape,
    pub(crate) fields: Vec<Filled>,
}

/// How the struct is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Unit,
    Tuple,
    Named,
}

pub(crate) struct Filled {
    /// `None` in a tuple struct.
    pub(crate) ident: Option<Ident>,
    /// As boot names it: the field's name, or its number.
    pub(crate) label: String,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) filling: Filling,
}

/// Where a field's first value comes from.
pub(crate) enum Filling {
    /// `Arc<T>`, or `Option<Arc<T>>`, from the container.
    Shared { ty: Type, name: Option<LitStr>, optional: bool },
    /// A clone of the `T` that the container has under this name.
    Cloned { ty: Type, name: LitStr },
    /// The type's `Default`.
    Default(Type),
    /// Whatever the user says.
    Value(Expr),
}

/// The argument of `#[inject(…)]`.
enum Inject {
    Name(LitStr),
    Default,
    Value(Box<Expr>),
}

impl Provided {
    /// Reads an item. What has a name is always returned, with or without errors.
    pub(crate) fn parse(args: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let (nest, others) = paths::arguments(args, errors);
        let (scope, metadata) = read_arguments(others, errors);
        let mut item = errors.keep(syn::parse2::<Item>(item))?;
        let (ident, generics, attributes) = match &item {
            Item::Struct(item) => (&item.ident, &item.generics, &item.attrs),
            Item::Enum(item) => {
                errors.on(item.enum_token, WHICH_VARIANT);
                (&item.ident, &item.generics, &item.attrs)
            }
            Item::Union(item) => {
                errors.on(item.union_token, "`#[injectable]` stands on a struct");
                (&item.ident, &item.generics, &item.attrs)
            }
            other => {
                errors.on(other, "`#[injectable]` stands on a struct");
                return None;
            }
        };
        for parameter in &generics.params {
            if let GenericParam::Lifetime(lifetime) = parameter {
                errors
                    .on(lifetime, "a provider lives as long as the application, so it borrows nothing: hold an `Arc`");
            }
        }
        let (ident, generics) = (ident.clone(), generics.clone());
        let cfgs = attrs::cfgs(attributes).into_iter().cloned().collect();
        let (shape, fields) = match &mut item {
            Item::Struct(item) => read_fields(&mut item.fields, errors),
            _ => (Shape::Unit, Vec::new()),
        };
        Some(Self { nest, scope, metadata, item, ident, generics, cfgs, shape, fields })
    }

    /// Whether an implementation makes sense at all: of a type that borrows there can be none.
    pub(crate) fn is_static(&self) -> bool {
        self.generics.lifetimes().next().is_none()
    }
}

const WHICH_VARIANT: &str = "`#[injectable]` stands on a struct: the container could not know which variant of an enum to build; provide it with \
     `Provider::value` or `Provider::factory`";

/// `scope = …`, at most once, and `metadata = …`, as often as one likes.
fn read_arguments(arguments: Vec<TokenStream>, errors: &mut Errors) -> (Option<Ident>, Vec<Expr>) {
    const ARGUMENTS: &str = "`#[injectable]` takes `scope = …`, `metadata = …` and `crate = path::to::nestrs`";
    let mut scope = None;
    let mut metadata = Vec::new();
    for argument in arguments {
        let named = |input: ParseStream<'_>| -> syn::Result<(Ident, TokenStream)> {
            let name = input.call(Ident::parse_any)?;
            input.parse::<Option<Token![=]>>()?;
            Ok((name, input.parse()?))
        };
        match named.parse2(argument.clone()) {
            Ok((name, value)) if name == "scope" => {
                if scope.is_some() {
                    errors.on(&name, "`scope` is given twice");
                }
                scope = read_scope(&name, value, errors).or(scope);
            }
            Ok((name, value)) if name == "metadata" => {
                if value.is_empty() {
                    errors.on(name, "expected `metadata = expression`");
                } else {
                    metadata.extend(errors.keep(syn::parse2::<Expr>(value)));
                }
            }
            Ok((name, _)) => errors.on(name, ARGUMENTS),
            Err(_) => errors.on(argument, ARGUMENTS),
        }
    }
    (scope, metadata)
}

/// The variant of `ProviderScope`, where the user wrote it.
fn read_scope(name: &Ident, value: TokenStream, errors: &mut Errors) -> Option<Ident> {
    const SCOPES: &str = "expected `scope = singleton`, `scope = transient` or `scope = request`";
    let variant = match value.to_string().as_str() {
        "singleton" => "Singleton",
        "transient" => "Transient",
        "request" => "Request",
        "" => {
            errors.on(name, SCOPES);
            return None;
        }
        _ => {
            errors.on(value, SCOPES);
            return None;
        }
    };
    Some(Ident::new(variant, value.span()))
}

fn read_fields(fields: &mut Fields, errors: &mut Errors) -> (Shape, Vec<Filled>) {
    let shape = match fields {
        Fields::Named(_) => Shape::Named,
        Fields::Unnamed(_) => Shape::Tuple,
        Fields::Unit => Shape::Unit,
    };
    let read = |(index, field): (usize, &mut Field)| Filled {
        label: field.ident.as_ref().map_or_else(|| index.to_string(), |ident| ident.unraw().to_string()),
        filling: filling(field, errors),
        cfgs: attrs::cfgs(&field.attrs).into_iter().cloned().collect(),
        ident: field.ident.clone(),
    };
    (shape, fields.iter_mut().enumerate().map(read).collect())
}

fn filling(field: &mut Field, errors: &mut Errors) -> Filling {
    conditional::report_on_field(&mut field.attrs, errors);
    let attributes = attrs::take(&mut field.attrs, &["inject"]);
    for second in attributes.iter().skip(1) {
        errors.on(second, "`#[inject]` is given twice: a field has one value");
    }
    let inject = attributes.first().and_then(|attribute| read_inject(attribute, errors));
    let shared = |ty: &Type, name, optional| Filling::Shared { ty: ty.clone(), name, optional };
    match inject {
        Some(Inject::Value(value)) => Filling::Value(*value),
        Some(Inject::Default) => Filling::Default(field.ty.clone()),
        other => {
            let name = if let Some(Inject::Name(name)) = other { Some(name) } else { None };
            let optional = types::only_argument(&field.ty, "Option").and_then(|ty| types::only_argument(ty, "Arc"));
            match (types::only_argument(&field.ty, "Arc"), optional, name) {
                (Some(ty), _, name) => shared(ty, name, false),
                (None, Some(ty), name) => shared(ty, name, true),
                (None, None, Some(name)) => Filling::Cloned { ty: field.ty.clone(), name },
                (None, None, None) => Filling::Default(field.ty.clone()),
            }
        }
    }
}

fn read_inject(attribute: &Attribute, errors: &mut Errors) -> Option<Inject> {
    const EXPECTED: &str = "expected `#[inject(\"NAME\")]`, `#[inject(default)]` or `#[inject(value = expression)]`";
    let Meta::List(list) = &attribute.meta else {
        errors.on(&attribute.meta, EXPECTED);
        return None;
    };
    let inject = |input: ParseStream<'_>| -> syn::Result<Inject> {
        if input.is_empty() {
            return Err(syn::Error::new_spanned(list, EXPECTED));
        }
        let inject = if input.peek(LitStr) {
            let name: LitStr = input.parse()?;
            if name.value().is_empty() {
                return Err(syn::Error::new_spanned(name, "a name cannot be empty"));
            }
            Inject::Name(name)
        } else {
            let argument: Ident = input.parse().map_err(|error| syn::Error::new(error.span(), EXPECTED))?;
            if argument == "default" && !input.peek(Token![=]) {
                Inject::Default
            } else if argument == "value" && input.peek(Token![=]) {
                input.parse::<Token![=]>()?;
                Inject::Value(input.parse()?)
            } else {
                return Err(syn::Error::new_spanned(argument, EXPECTED));
            }
        };
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            return Err(input.error("`#[inject]` takes one argument: a field has one value"));
        }
        Ok(inject)
    };
    errors.keep(inject.parse2(list.tokens.clone()))
}
