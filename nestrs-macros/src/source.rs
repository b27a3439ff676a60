//! Tokens as a person writes them, for messages and for handler names.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// `Result<Vec<u8>, Error>` rather than `Result < Vec < u8 > , Error >`.
pub(crate) fn source(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(&mut text, tokens.into_token_stream());
    text
}

fn write(text: &mut String, tokens: TokenStream) {
    let mut after_colon = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                if open == "[" && text.ends_with(char::is_alphanumeric) {
                    text.push(' ');
                }
                text.push_str(open);
                write(text, group.stream());
                text.push_str(close);
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                // Two words need a space between them: `dyn Repository`, `&'a str`.
                if text.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | '"' | '>')) {
                    text.push(' ');
                }
                text.push_str(&token.to_string());
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' => {
                    text.push(punct.as_char());
                    text.push(' ');
                }
                ':' if punct.spacing() == Spacing::Alone && !after_colon => text.push_str(": "),
                sign @ ('=' | '+') => {
                    text.push(' ');
                    text.push(sign);
                    text.push(' ');
                }
                '-' if punct.spacing() == Spacing::Joint => text.push_str(" -"),
                '>' if text.ends_with(" -") => text.push_str("> "),
                sign => {
                    if sign == '\'' && text.ends_with(char::is_alphanumeric) {
                        text.push(' ');
                    }
                    text.push(sign);
                }
            },
        }
        after_colon = text.ends_with(':');
    }
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn types_and_signatures_read_as_they_were_written() {
        let check = |text: &str| assert_eq!(source(text.parse::<proc_macro2::TokenStream>().unwrap()), text);
        check("Result<Vec<u8>, crate::Error>");
        check("Arc<dyn Repository + Send>");
        check("&'a mut [u8; 4]");
        check("async fn add(&self, payload: Value) -> Result<Value, TransportError>");
        check("impl Stream<Item = u64> + use<'_>");
        check("Option<&'static str>");
        check("(A, B)");
    }
}
