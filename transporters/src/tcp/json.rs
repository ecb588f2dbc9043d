//! The part of JSON that a list of peers needs: an array of strings, or an object of strings.
//!
//! This crate has no JSON serializer, and a file with a few addresses is not worth adding one.

use std::iter::Peekable;
use std::str::Chars;

/// The content of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

/// Reads a document.
///
/// # Errors
/// A sentence that says what was expected, and where.
pub(crate) fn parse(text: &str) -> Result<Texts, String> {
    let mut reader = Reader { chars: text.chars().peekable(), at: 0 };
    let texts = match reader.token()? {
        '[' => Texts::List(reader.items(']', Reader::string)?),
        '{' => Texts::Map(reader.items('}', |reader| {
            let key = reader.string()?;
            reader.expect(':')?;
            Ok((key, reader.string()?))
        })?),
        _ => return Err(reader.error("a list or an object")),
    };
    match reader.token() {
        Err(_) => Ok(texts),
        Ok(_) => Err(reader.error("the end")),
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    /// The number of characters that have been read.
    at: usize,
}

impl Reader<'_> {
    fn error(&self, expected: &str) -> String {
        format!("this is no JSON that lists peers: expected {expected} at character {}", self.at)
    }

    fn any(&mut self) -> Result<char, String> {
        self.at += 1;
        self.chars.next().ok_or_else(|| self.error("more"))
    }

    fn skip_space(&mut self) {
        while self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\r' | '\n')).is_some() {
            self.at += 1;
        }
    }

    /// The next character that is not white space.
    fn token(&mut self) -> Result<char, String> {
        self.skip_space();
        self.any()
    }

    fn expect(&mut self, expected: char) -> Result<(), String> {
        match self.token()? {
            found if found == expected => Ok(()),
            _ => Err(self.error(&format!("`{expected}`"))),
        }
    }

    fn items<T>(
        &mut self,
        end: char,
        item: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        self.skip_space();
        if self.chars.next_if_eq(&end).is_some() {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            match self.token()? {
                ',' => {}
                found if found == end => return Ok(items),
                _ => return Err(self.error(&format!("`,` or `{end}`"))),
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if self.token()? != '"' {
            return Err(self.error("a text in quotes"));
        }
        let mut text = String::new();
        loop {
            match self.any()? {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c if c.is_control() => return Err(self.error("no control character")),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        Ok(match self.any()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.any()?.to_digit(16).ok_or_else(|| self.error("four hex digits"))?;
                    code = code * 16 + digit;
                }
                // Half of a surrogate pair is not a character. No host name and no node id needs one.
                char::from_u32(code).ok_or_else(|| self.error("a character of its own"))?
            }
            _ => return Err(self.error("an escape that exists")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_and_objects_of_texts_are_read() {
        let list = |texts: &[&str]| Ok(Texts::List(texts.iter().map(|text| (*text).to_owned()).collect()));
        assert_eq!(parse("[]"), list(&[]));
        assert_eq!(parse(" [ \"a\" , \"b\\\"\\u00e9\\n\" ] "), list(&["a", "b\"é\n"]));
        let map = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(parse("{\"a\": \"1\",\n\"b\":\"\"}"), Ok(Texts::Map(map)));
        assert_eq!(parse("{}"), Ok(Texts::Map(vec![])));
    }

    #[test]
    fn anything_else_is_refused_with_the_place() {
        for bad in [
            "",
            "1",
            "[",
            "[1]",
            "[\"a\"",
            "[\"a\",]",
            "[\"a\"] x",
            "{\"a\"}",
            "{\"a\":1}",
            "[\"\\x\"]",
            "[\"\\ud800\"]",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains("at character"), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:\\\\u0-9a \n]{0,40}") {
            let _ = parse(&text);
        }
    }
}
