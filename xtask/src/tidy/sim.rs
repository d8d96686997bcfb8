//! The rule of the simulator: it looks for bugs without knowing which there are.

use super::Problem;
use super::repository::Repository;
use super::rust;

/// Where the known bugs are, each with its name.
const BUGS: &str = "crates/engine/src/bugs.rs";

/// What must not know them, and the one file that switches them on.
const SIMULATOR: &str = "crates/sim/src/";
const SWITCH: &str = "crates/sim/src/main.rs";

/// No checker and no workload is made to find one known bug: none mentions them.
pub(super) fn known_bugs(repository: &Repository, problems: &mut Vec<Problem>) {
    let Some(bugs) = repository.file(BUGS) else {
        return problems.push(Problem::new(BUGS, 0, "the known bugs are elsewhere"));
    };
    let words = names(&bugs.text);
    if words.len() == 1 {
        problems.push(Problem::new(BUGS, 0, "no known bug was found here"));
    }
    let simulator = repository.ending(".rs").filter(|file| file.path.starts_with(SIMULATOR));
    for file in simulator.filter(|file| file.path != SWITCH) {
        for (index, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| rust::has_word(line, word)) {
                let text = format!("`{word}`: the simulator does not know which bugs there are");
                problems.push(Problem::new(&file.path, index + 1, text));
            }
        }
    }
}

/// The module, and each bug as a variant and as a name on a command line: the arms of `name`.
fn names(text: &str) -> Vec<String> {
    let mut words = vec!["bugs".to_owned()];
    for line in text.lines() {
        let Some((variant, name)) = line.trim().split_once(" => ") else { continue };
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix("\","));
        if let (Some(variant), Some(name)) = (variant.strip_prefix("Self::"), name) {
            words.extend([variant.to_owned(), name.to_owned(), name.replace('-', "_")]);
        }
    }
    words
}
