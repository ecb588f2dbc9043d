//! The grammar inside the attributes: `"positional", key, key = value, key(…)`.
//!
//! The whole list is read before the keys are looked up, so that all unknown ones are reported together.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token, Visibility};

use crate::errors::Errors;
use crate::suggest;

/// Everything between an attribute's parentheses.
#[derive(Default)]
pub(crate) struct Entries {
    /// A string at the beginning, without a key, as in `#[event("user.created")]`.
    pub(crate) positional: Option<LitStr>,
    pub(crate) entries: Vec<Entry>,
}

/// One option.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    value: Value,
}

enum Value {
    Flag,
    Expr(Box<Expr>),
    Vis(Visibility),
    List(TokenStream),
}

impl Entries {
    /// Reads `#[name]` or `#[name(…)]`. If the list cannot be read, the error is kept, and the list counts as
    /// empty.
    pub(crate) fn of(attr: &Attribute, errors: &mut Errors) -> Self {
        let parsed = match &attr.meta {
            Meta::Path(_) => return Self::default(),
            Meta::List(list) => list.parse_args_with(Self::parse),
            Meta::NameValue(pair) => Err(syn::Error::new_spanned(pair, "write the options in parentheses")),
        };
        errors.check(parsed).unwrap_or_default()
    }

    /// Reports each key that is given twice.
    pub(crate) fn check_unique(&self, errors: &mut Errors) {
        for (index, entry) in self.entries.iter().enumerate() {
            if self.entries[..index].iter().any(|earlier| earlier.key == entry.key) {
                errors.at_span(entry.span, format!("`{}` is given twice", entry.key));
            }
        }
    }
}

impl Parse for Entries {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut this = Self::default();
        while !input.is_empty() {
            if this.positional.is_none() && this.entries.is_empty() && is_lone_string(input) {
                this.positional = Some(input.parse()?);
            } else {
                this.entries.push(input.parse()?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(this)
    }
}

/// A string without a key. `rename("a" = "b")` begins with a string, too.
fn is_lone_string(input: ParseStream<'_>) -> bool {
    input.peek(LitStr) && !input.peek2(Token![=])
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (key, span) = if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            (text.value(), text.span())
        } else {
            let ident = Ident::parse_any(input)?;
            (ident.unraw().to_string(), ident.span())
        };
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if input.peek(Token![pub]) { Value::Vis(input.parse()?) } else { Value::Expr(value(input)?) }
        } else if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            Value::List(content.parse()?)
        } else {
            Value::Flag
        };
        Ok(Self { key, span, value })
    }
}

/// An expression without the invisible group that `macro_rules!` puts around its arguments.
fn value(input: ParseStream<'_>) -> syn::Result<Box<Expr>> {
    let mut expr: Box<Expr> = input.parse()?;
    while let Expr::Group(group) = *expr {
        expr = group.expr;
    }
    Ok(expr)
}

impl Entry {
    /// An error at the position of this option.
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> syn::Error {
        syn::Error::new(self.span, message)
    }

    /// The error for an unknown key.
    pub(crate) fn unknown(&self, known: &[&str]) -> syn::Error {
        self.error(suggest::unknown("option", &self.key, known))
    }

    pub(crate) fn flag(&self) -> syn::Result<()> {
        match self.value {
            Value::Flag => Ok(()),
            _ => Err(self.error(format!("`{0}` stands alone: write `{0}` without a value", self.key))),
        }
    }

    pub(crate) fn expr(&self) -> syn::Result<Expr> {
        match &self.value {
            Value::Expr(expr) => Ok((**expr).clone()),
            _ => Err(self.error(format!("`{0}` needs a value: `{0} = …`", self.key))),
        }
    }

    fn lit(&self) -> Option<Lit> {
        match &self.value {
            Value::Expr(expr) => match &**expr {
                Expr::Lit(ExprLit { lit, .. }) => Some(lit.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// `example` is a valid value.
    pub(crate) fn string(&self, example: &str) -> syn::Result<LitStr> {
        match self.lit() {
            Some(Lit::Str(text)) => Ok(text),
            _ => Err(self.error(format!("`{0}` takes a string, as in `{0} = \"{example}\"`", self.key))),
        }
    }

    /// A number in the range of `N`. `example` is a valid value.
    pub(crate) fn int<N>(&self, example: &str) -> syn::Result<N>
    where
        N: std::str::FromStr,
        N::Err: std::fmt::Display,
    {
        match self.lit() {
            Some(Lit::Int(number)) => number.base10_parse(),
            _ => Err(self.error(format!("`{0}` takes a whole number, as in `{0} = {example}`", self.key))),
        }
    }

    /// A string or an integer.
    pub(crate) fn string_or_int(&self, example: &str) -> syn::Result<Lit> {
        match self.lit() {
            Some(lit @ (Lit::Str(_) | Lit::Int(_))) => Ok(lit),
            _ => {
                Err(self
                    .error(format!("`{0}` takes a string or a number, as in `{0} = {example}`", self.key)))
            }
        }
    }

    /// `Some(false)` for `key = false`, and `None` if the value is not a boolean.
    pub(crate) fn bool(&self) -> Option<bool> {
        match self.lit() {
            Some(Lit::Bool(lit)) => Some(lit.value),
            _ => None,
        }
    }

    /// `key` or `key = true`, or `key = false`.
    pub(crate) fn switch(&self) -> syn::Result<bool> {
        match (&self.value, self.bool()) {
            (Value::Flag, _) => Ok(true),
            (_, Some(on)) => Ok(on),
            _ => {
                Err(self.error(format!("`{0}` stands alone, or is `{0} = true` or `{0} = false`", self.key)))
            }
        }
    }

    pub(crate) fn path(&self, example: &str) -> syn::Result<Path> {
        match &self.value {
            Value::Expr(expr) => match &**expr {
                Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
                _ => Err(self.error(format!("`{0}` takes a path, as in `{0} = {example}`", self.key))),
            },
            _ => Err(self.error(format!("`{0}` takes a path, as in `{0} = {example}`", self.key))),
        }
    }

    /// `pub(crate)`, or nothing for a private item.
    pub(crate) fn vis(&self) -> syn::Result<Visibility> {
        match &self.value {
            Value::Vis(vis) => Ok(vis.clone()),
            _ => Err(self.error("`vis` takes a visibility, as in `vis = pub` or `vis = pub(super)`")),
        }
    }

    /// The options in this option's parentheses.
    pub(crate) fn list(&self, example: &str) -> syn::Result<Entries> {
        match &self.value {
            Value::List(tokens) => Entries::parse.parse2(tokens.clone()),
            _ => Err(self.error(format!("`{}` takes a list, as in `{example}`", self.key))),
        }
    }
}
