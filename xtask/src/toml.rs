//! As much of TOML as the repository's own files use: tables, arrays of tables, and one `key =
//! value` a line, where a list of strings may go over several.

/// A table, or one element of an array of tables.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// The name in the brackets; empty for what stands before the first of them.
    pub(crate) name: String,
    /// The line of its header.
    pub(crate) line: usize,
    /// Keys and values, in their order.
    pub(crate) entries: Vec<(String, Value)>,
}

/// A value.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    /// A string.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
    /// Anything else, as it is written.
    Other(String),
}

impl Table {
    /// The value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The string of a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            Some(Value::List(_) | Value::Other(_)) | None => None,
        }
    }

    /// The strings of a key; none if it is not there.
    pub(crate) fn list(&self, key: &str) -> &[String] {
        match self.value(key) {
            Some(Value::List(list)) => list,
            Some(Value::Text(_) | Value::Other(_)) | None => &[],
        }
    }

    /// Whether a key is `true`.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.value(key) == Some(&Value::Other("true".to_owned()))
    }
}

/// Reads a file's tables.
pub(crate) fn parse(text: &str) -> Result<Vec<Table>, String> {
    let mut tables = vec![Table::default()];
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = without_comment(line);
        if line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']).trim().to_owned();
            tables.push(Table { name, line: index + 1, entries: Vec::new() });
            continue;
        }
        let pair = line.split_once('=').ok_or_else(|| format!("line {}: no `=`", index + 1))?;
        let mut value = pair.1.trim().to_owned();
        while value.starts_with('[') && !value.ends_with(']') {
            let more = lines.next().ok_or_else(|| format!("line {}: no `]`", index + 1))?.1;
            value += without_comment(more);
        }
        let key = pair.0.trim().trim_matches('"').to_owned();
        let table = tables.last_mut().ok_or("no table")?;
        table.entries.push((key, parse_value(&value)));
    }
    Ok(tables)
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let comment = line.char_indices().find(|(_, symbol)| {
        quoted ^= *symbol == '"';
        *symbol == '#' && !quoted
    });
    line[..comment.map_or(line.len(), |(at, _)| at)].trim()
}

fn parse_value(value: &str) -> Value {
    if let Some(text) = string(value) {
        return Value::Text(text);
    }
    let inside = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    let list = inside.and_then(|inside| {
        inside.split(',').map(str::trim).filter(|item| !item.is_empty()).map(string).collect()
    });
    list.map_or_else(|| Value::Other(value.to_owned()), Value::List)
}

fn string(value: &str) -> Option<String> {
    Some(value.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_values_are_read() {
        let text = "a = 1 # one\n[x.y]\nb = \"t # t\"\nc = [\n  \"p\", # first\n  \"q\",\n]\n\
                    [[z]]\nd.workspace = true\n[[z]]\n";
        let tables = parse(text).expect("is legal");
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["", "x.y", "z", "z"]);
        assert_eq!(tables[0].value("a"), Some(&Value::Other("1".to_owned())));
        assert_eq!(tables[1].text("b"), Some("t # t"));
        assert_eq!(tables[1].list("c"), ["p", "q"]);
        assert_eq!(tables[1].line, 2);
        assert!(tables[2].is_true("d.workspace"));
        assert!(parse("no value").is_err());
    }
}
