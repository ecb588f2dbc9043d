//! The data of errors: JSON from which the values can be read back unchanged.
//!
//! When an error is made, nobody can be told that its data cannot be written. When it is read, each of its
//! fields is expected. So values without a JSON form are written as strings: integers of more than 64 bits as
//! their digits, and NaN and the infinities as their JavaScript names. Bytes are arrays of numbers.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::date;
use super::de::De;
use super::json_ext::{self, JsonExt};
use super::ser::Ser;
use super::token::{Fault, Format, Mark, digits};
use super::{DecodeError, MAX_DEPTH, Shown};

/// A value in the form that the data of an error has.
///
/// # Errors
/// Says why it cannot be written, for example a map whose keys are not strings.
pub(crate) fn to_error_data<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    let mut out = BytesMut::with_capacity(64);
    value.serialize(Ser { out: &mut out, format: ErrorData }).map_err(|why| why.to_string())?;
    serde_json::from_slice(&out).map_err(|why| why.to_string())
}

/// Reads what [`to_error_data`] or another node has written.
pub(crate) fn from_error_data<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(value).or_else(|_| {
        let text = value.to_string();
        let whole = |why: &str| DecodeError { path: String::new(), message: why.to_owned() };
        let reader = JsonExt.checked(text.as_bytes(), MAX_DEPTH).map_err(|Fault(why)| whole(why))?;
        let shown = Shown::default();
        super::read(|| De::new(reader.clone().plain(), MAX_DEPTH).with_texts().shown(&shown), &shown)
    })
}

/// JSON in which every value has a form.
#[derive(Debug, Clone, Copy)]
struct ErrorData;

impl Format for ErrorData {
    type Reader<'a> = json_ext::Reader<'a>;

    fn reader(self, bytes: &[u8]) -> Self::Reader<'_> {
        JsonExt.reader(bytes).plain()
    }

    fn null(self, out: &mut BytesMut) {
        JsonExt.null(out);
    }

    fn bool(self, out: &mut BytesMut, value: bool) {
        JsonExt.bool(out, value);
    }

    fn unsigned(self, out: &mut BytesMut, value: u64) {
        JsonExt.unsigned(out, value);
    }

    fn negative(self, out: &mut BytesMut, value: i64) {
        JsonExt.negative(out, value);
    }

    fn float(self, out: &mut BytesMut, value: f64) {
        match value {
            _ if value.is_finite() => JsonExt.float(out, value),
            _ if value.is_nan() => self.text(out, "NaN"),
            _ => self.text(out, if value > 0.0 { "Infinity" } else { "-Infinity" }),
        }
    }

    fn text(self, out: &mut BytesMut, value: &str) {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(out.writer(), value);
    }

    fn bytes(self, out: &mut BytesMut, value: &[u8]) {
        let _ = serde_json::to_writer(out.writer(), value);
    }

    fn date(self, out: &mut BytesMut, milliseconds: f64) {
        match date::print(milliseconds) {
            Some(text) => self.text(out, &text),
            None => self.null(out),
        }
    }

    fn wide(self, out: &mut BytesMut, negative: bool, value: u128) -> Result<(), Fault> {
        self.text(out, &digits(negative, value));
        Ok(())
    }

    fn array_header(self, out: &mut BytesMut, length: usize) {
        JsonExt.array_header(out, length);
    }

    fn map_header(self, out: &mut BytesMut, length: usize) {
        JsonExt.map_header(out, length);
    }

    fn close_array(self, out: &mut BytesMut, mark: Mark, length: usize) {
        JsonExt.close_array(out, mark, length);
    }

    fn close_map(self, out: &mut BytesMut, mark: Mark, length: usize) {
        JsonExt.close_map(out, mark, length);
    }

    fn element(self, out: &mut BytesMut, first: bool) {
        JsonExt.element(out, first);
    }

    fn key(self, out: &mut BytesMut, first: bool, key: &str) {
        JsonExt.key(out, first, key);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::BTreeMap;

    use super::super::Date;
    use super::*;

    #[test]
    fn what_json_has_no_form_for_comes_back_as_it_was() {
        fn there_and_back<T: Serialize + DeserializeOwned>(value: &T, written: &Value) -> T {
            let data = to_error_data(value).unwrap();
            assert_eq!(data, *written);
            from_error_data(&data).unwrap()
        }
        let digits = json!("340282366920938463463374607431768211455");
        assert_eq!(there_and_back(&u128::MAX, &digits), u128::MAX);
        assert_eq!(there_and_back(&Some(u128::MAX), &digits), Some(u128::MAX));
        assert_eq!(there_and_back(&7_u128, &json!(7)), 7);
        assert_eq!(there_and_back(&u64::MAX, &json!(u64::MAX)), u64::MAX);
        let digits = json!("-170141183460469231731687303715884105728");
        assert_eq!(there_and_back(&i128::MIN, &digits), i128::MIN);
        assert!(there_and_back(&f64::NAN, &json!("NaN")).is_nan());
        assert_eq!(there_and_back(&[f32::INFINITY], &json!(["Infinity"])), [f32::INFINITY]);
        assert_eq!(there_and_back(&f64::NEG_INFINITY, &json!("-Infinity")), f64::NEG_INFINITY);
        let keys = BTreeMap::from([(u128::MAX, 1.5)]);
        let written = json!({ "340282366920938463463374607431768211455": 1.5 });
        assert_eq!(there_and_back(&keys, &written), keys);
        let date = Date::from_millis(1);
        assert_eq!(there_and_back(&date, &json!("1970-01-01T00:00:00.001Z")), date);
        assert_eq!(there_and_back(&"[[BI]]5".to_owned(), &json!("[[BI]]5")), "[[BI]]5");
    }

    #[test]
    fn what_another_node_wrote_as_numbers_is_read_too() {
        assert_eq!(from_error_data::<u128>(&json!(5.0)), Ok(5));
        assert_eq!(from_error_data::<u64>(&json!(5.0)), Ok(5));
        from_error_data::<u64>(&json!("5")).unwrap_err();
        from_error_data::<u128>(&json!("five")).unwrap_err();
    }

    #[test]
    fn what_has_no_form_at_all_is_named() {
        #[derive(Serialize, Deserialize)]
        struct Of {
            v: BTreeMap<(u8, u8), u8>,
        }
        let error = to_error_data(&Of { v: BTreeMap::from([((1, 2), 3)]) }).unwrap_err();
        assert_eq!(error, "key must be a string");
        assert_eq!(to_error_data(&Of { v: BTreeMap::new() }), Ok(json!({ "v": {} })));
    }
}
