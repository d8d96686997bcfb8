//! One table of the file: its values by key, and what is wrong with them.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::error::Problem;
use crate::nearest::hint;

type Value<'t> = Spanned<DeValue<'t>>;
type Key<'t> = Spanned<DeString<'t>>;

/// A table. What is wrong with a value is noted, and the value is taken as absent.
pub(super) struct Section<'t, 'p> {
    table: &'t DeTable<'t>,
    problems: &'p mut Vec<Problem>,
}

impl<'t, 'p> Section<'t, 'p> {
    pub(super) const fn new(table: &'t DeTable<'t>, problems: &'p mut Vec<Problem>) -> Self {
        Self { table, problems }
    }

    /// A table inside of this one.
    pub(super) const fn below<'q>(&'q mut self, table: &'t DeTable<'t>) -> Section<'t, 'q> {
        Section { table, problems: self.problems }
    }

    pub(super) fn value(&self, key: &str) -> Option<&'t Value<'t>> {
        self.table.get(key)
    }

    pub(super) fn tell(&mut self, span: Range<usize>, what: String) {
        self.problems.push(Problem { span, what });
    }

    /// A value has the wrong type.
    pub(super) fn tell_type(&mut self, key: &str, value: &Value<'_>, wanted: &str) {
        let what = format!("`{key}` takes {wanted}, not {}", kind(value.get_ref()));
        self.tell(value.span(), what);
    }

    /// The keys that are not among the right ones.
    pub(super) fn unknown(&self, right: &[&str]) -> Vec<&'t Key<'t>> {
        self.table.keys().filter(|key| !right.contains(&key.get_ref().as_ref())).collect()
    }

    /// A key is unknown `here`. Perhaps it is one of the `other` keys, which belong elsewhere.
    pub(super) fn tell_unknown(
        &mut self,
        key: &Key<'_>,
        here: &str,
        right: &[&str],
        other: &[&str],
        elsewhere: &str,
    ) {
        let word: &str = key.get_ref();
        let what = if other.contains(&word) {
            format!("`{word}` belongs {elsewhere}")
        } else {
            format!("there is no key `{word}` {here}: {}", hint(word, right))
        };
        self.tell(key.span(), what);
    }

    pub(super) fn string(&mut self, key: &str) -> Option<(&'t str, Range<usize>)> {
        let value = self.value(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.tell_type(key, value, "a string");
            return None;
        };
        Some((text, value.span()))
    }

    /// A path that begins at `folder` if it is relative.
    pub(super) fn path(&mut self, key: &str, folder: &Path) -> Option<(PathBuf, Range<usize>)> {
        let (text, span) = self.string(key)?;
        if text.is_empty() || text.contains('\0') {
            self.tell(span, format!("`{key}` takes a path, not {text:?}"));
            return None;
        }
        Some((folder.join(text), span))
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let DeValue::Boolean(flag) = value.get_ref() else {
            self.tell_type(key, value, "true or false");
            return None;
        };
        Some(*flag)
    }

    /// A number within a range.
    pub(super) fn number(&mut self, key: &str, range: &RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let (least, most) = (range.start(), range.end());
        let DeValue::Integer(number) = value.get_ref() else {
            self.tell_type(key, value, &format!("a number, {least} to {most}"));
            return None;
        };
        let legal = natural(number).filter(|number| range.contains(number));
        if legal.is_none() {
            self.tell(value.span(), format!("`{key}` takes {least} to {most}, not {number}"));
        }
        legal
    }

    /// One of several words.
    pub(super) fn word<T: ValueEnum>(&mut self, key: &str) -> Option<T> {
        let (text, span) = self.string(key)?;
        let word = T::from_str(text, false).ok();
        if word.is_none() {
            let names: Vec<_> =
                T::value_variants().iter().filter_map(T::to_possible_value).collect();
            let names: Vec<_> = names.iter().map(|name| name.get_name()).collect();
            self.tell(span, format!("`{key}` does not take {text:?}: {}", hint(text, &names)));
        }
        word
    }
}

fn natural(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
