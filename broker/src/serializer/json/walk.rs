//! Visits objects and arrays whose members are not known in advance.

use std::borrow::Cow;

use super::fields::{Key, Slot, members, span};
use super::reader::{Judged, Reader};
use super::scan::{Fault, Kind, Scanner};
use super::text::unescape_lossy;

impl<'a> Reader<'a> {
    /// Skips one value. Returns its kind and its position.
    pub(super) fn skip(&self, scanner: &mut Scanner<'_>) -> Judged<Slot> {
        let start = scanner.at();
        let kind = scanner
            .value(self.bounds(), self.limits.max_depth())
            .map_err(|fault| scanner.problem(fault, self.limits))?;
        Ok(Slot { span: span(start, scanner.at()), kind })
    }

    /// Finds `keys` in the object at the scanner, and moves to its end. Finds nothing in any other value.
    #[inline]
    pub(super) fn members<const N: usize>(
        &self,
        scanner: &mut Scanner<'_>,
        keys: &[Key; N],
    ) -> Judged<(Slot, [Slot; N])> {
        let mut slots = [Slot::default(); N];
        if scanner.peek() != Some(b'{') {
            return Ok((self.skip(scanner)?, slots));
        }
        let start = scanner.at();
        members(scanner, keys, self.bounds(), self.limits.max_depth(), &mut slots)
            .map_err(|fault| scanner.problem(fault, self.limits))?;
        Ok((Slot { span: span(start, scanner.at()), kind: Kind::Object }, slots))
    }

    /// Calls `member` with each key of the object at the scanner. The scanner is then at the value, and
    /// `member` has to move it to the end of the value. Afterwards it is at the end of the object. Any other
    /// value is skipped without a call.
    pub(super) fn each_member(
        &self,
        scanner: &mut Scanner<'a>,
        mut member: impl FnMut(&mut Scanner<'a>, Cow<'a, str>) -> Judged<()>,
    ) -> Judged<()> {
        if scanner.peek() != Some(b'{') {
            return self.skip(scanner).map(drop);
        }
        self.each(scanner, b'}', |scanner| {
            let (name, escaped) =
                scanner.key(self.bounds()).map_err(|fault| scanner.problem(fault, self.limits))?;
            let name = if escaped {
                unescape_lossy(name.as_bytes()).map(Cow::Owned)
            } else {
                Some(Cow::Borrowed(name))
            };
            member(scanner, name.unwrap_or_default())
        })
    }

    /// Calls `element` with the scanner at each element of an array. `element` has to move it to the end of
    /// the element. Afterwards it is at the end of the array. Any other value is skipped without a call.
    pub(super) fn each_element(
        &self,
        scanner: &mut Scanner<'a>,
        element: impl FnMut(&mut Scanner<'a>) -> Judged<()>,
    ) -> Judged<()> {
        if scanner.peek() != Some(b'[') {
            return self.skip(scanner).map(drop);
        }
        self.each(scanner, b']', element)
    }

    fn each(
        &self,
        scanner: &mut Scanner<'a>,
        close: u8,
        mut item: impl FnMut(&mut Scanner<'a>) -> Judged<()>,
    ) -> Judged<()> {
        scanner.skip(1);
        scanner.blank();
        if scanner.take(close) {
            return Ok(());
        }
        for _ in 0..self.limits.entries {
            item(scanner)?;
            if scanner.ended(close).map_err(|fault| scanner.problem(fault, self.limits))? {
                return Ok(());
            }
        }
        Err(scanner.problem(Fault::Entries, self.limits))
    }
}
