//! As much of Rust as the rules need: what is code and what is a comment or a literal.

/// The code of a file: comments and what is inside literals are blanked, lines stay lines.
pub(super) fn code(text: &str) -> String {
    let symbols: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < symbols.len() {
        let end = at + foreign_len(&symbols, at);
        if end == at {
            code.push(symbols[at]);
            at += 1;
        } else {
            code.extend(symbols[at..end].iter().map(|s| if *s == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// How long the comment or literal is that starts here.
fn foreign_len(symbols: &[char], at: usize) -> usize {
    let rest = &symbols[at..];
    let after_word = at > 0 && is_word(symbols[at - 1]);
    match rest {
        ['/', '/', ..] => rest.iter().position(|s| *s == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment_len(rest),
        ['"', ..] => string_len(rest),
        ['r', '"' | '#', ..] if !after_word => raw_string_len(rest),
        ['b' | 'c', 'r', '"' | '#', ..] if !after_word => match raw_string_len(&rest[1..]) {
            0 => 0,
            len => len + 1,
        },
        ['\'', '\\', ..] => 2 + rest.iter().skip(3).position(|s| *s == '\'').map_or(0, |p| p + 2),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment_len(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_len(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string_len(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|s| **s == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0; // A raw identifier.
    }
    let begin = hashes + 2;
    let mut at = begin;
    while at < rest.len() {
        let closing = &rest[(at + 1).min(rest.len())..];
        if rest[at] == '"' && closing.iter().take_while(|s| **s == '#').count() >= hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    rest.len()
}

/// Where in a line a word stands by itself.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(symbol: char) -> bool {
    symbol.is_alphanumeric() || symbol == '_'
}

/// Whether a file holds nothing but tests.
pub(super) fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}
