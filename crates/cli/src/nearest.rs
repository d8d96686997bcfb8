//! The word that was perhaps meant.

use std::fmt;

use strsim::damerau_levenshtein;

/// What to say of a word that is none of the right ones: the nearest of them, or all.
pub(crate) struct Hint<'a> {
    word: &'a str,
    right: &'a [&'a str],
}

/// What to say of `word`, which is not among the `right` ones.
pub(crate) const fn hint<'a>(word: &'a str, right: &'a [&'a str]) -> Hint<'a> {
    Hint { word, right }
}

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nearest(self.word, self.right) {
            Some(word) => write!(f, "did you mean `{word}`?"),
            None => write!(f, "there are {}", list(self.right)),
        }
    }
}

/// Words as a sentence has them: `a`, `b` and `c`.
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

/// The right word that takes the fewest changes, if these are few for its length.
fn nearest<'a>(word: &str, right: &[&'a str]) -> Option<&'a str> {
    // No right word is as long, and the work is the product of the lengths.
    let word: String = word.to_lowercase().chars().take(64).collect();
    let near = right.iter().map(|it| (damerau_levenshtein(&word, it), *it));
    let near = near.filter(|(changes, it)| *changes <= 1.max(it.len() / 3));
    near.min_by_key(|(changes, _)| *changes).map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named() {
        let right = ["name", "path", "read-only", "squash", "anonuid", "anongid"];
        let said = |word| hint(word, &right).to_string();
        for (word, meant) in [
            ("nmae", "name"),
            ("Path", "path"),
            ("read_only", "read-only"),
            ("readonly", "read-only"),
            ("squahs", "squash"),
            ("anonuuid", "anonuid"),
        ] {
            assert_eq!(said(word), format!("did you mean `{meant}`?"));
        }
        let all = "there are `name`, `path`, `read-only`, `squash`, `anonuid` and `anongid`";
        for far in ["", "fsid", "no_root_squash", &"x".repeat(100_000)] {
            assert_eq!(said(far), all);
        }
    }

    #[test]
    fn a_list_reads_as_a_sentence() {
        assert_eq!(list(&[]), "");
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b"]), "`a` and `b`");
    }
}
