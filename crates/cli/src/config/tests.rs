use super::*;
use crate::log::Level;
use crate::settings::{Durability, Squash, Squashing};

/// What is wrong with a text, as the operator reads it.
fn wrong(text: &str) -> String {
    let problems = parse(text, Path::new("/")).expect_err(text);
    let (path, text) = ("h.toml".into(), text.to_owned());
    ConfigError::Wrong { path, text, problems }.to_string()
}

/// The first line of each problem.
fn problems(text: &str) -> Vec<String> {
    let said = wrong(text);
    said.lines().filter_map(|line| line.strip_prefix("h.toml:")).map(str::to_owned).collect()
}

#[test]
fn everything_can_be_said() {
    let text = r#"
        listen = ["10.0.0.1", ":2050"]
        state-dir = "state"
        ephemeral = false
        lease = 0x14
        squash = "none"
        anonuid = 1_000
        anongid = 4294967294
        noxdev = false
        loops = 2
        threads = 8192
        log = "warn"
        [[export]]
        name = "/a/b"
        path = "usr"
        read-only = true
        durability = "async"
        noxdev = true
        squash = "all"
        anonuid = 0
        anongid = 100
        local-locks = false
        [[export]]
        name = "/c"
        path = "/"
    "#;
    let squash = |whom, uid, gid| Squashing { whom: Some(whom), uid: Some(uid), gid: Some(gid) };
    let want = Given {
        exports: vec![
            Directory {
                read_only: true,
                durability: Durability::Async,
                noxdev: Some(true),
                squash: squash(Squash::All, 0, 100),
                local_locks: false,
                ..Directory::new("/a/b", "/usr")
            },
            Directory::new("/c", "/"),
        ],
        listen: Some(vec![([10, 0, 0, 1], 2049).into(), ([0, 0, 0, 0], 2050).into()]),
        keep: Some(Keep::In("/state".into())),
        lease: Some(Duration::from_secs(20)),
        squash: squash(Squash::None, 1000, u32::MAX - 1),
        noxdev: Some(false),
        loops: Some(2),
        threads: Some(8192),
        log: Some(Level::Warn),
    };
    assert_eq!(parse(text, Path::new("/")), Ok(want));
}

#[test]
fn nothing_need_be_said() {
    assert_eq!(parse("# nothing\n", Path::new("/")), Ok(Given::default()));
    let one = parse("listen = \"::1\"\nephemeral = true", Path::new("/"));
    let want = Given {
        listen: Some(vec!["[::1]:2049".parse().expect("an address")]),
        keep: Some(Keep::Nothing),
        ..Given::default()
    };
    assert_eq!(one, Ok(want));
}

#[test]
fn every_key_has_one_meaning_and_is_read() {
    // A key of the lists that nobody reads would be silently ignored: a wrong type shows it.
    for key in TOP {
        let said = problems(&format!("{key} = 2026-11-21"));
        assert_eq!(said.len(), 1, "{key}: {said:?}");
    }
    for key in EXPORT {
        let others = ["name = \"/a\"", "path = \"/\""];
        let others: Vec<_> = others.iter().filter(|line| !line.starts_with(key)).collect();
        let others: Vec<_> = others.into_iter().copied().collect();
        let said = problems(&format!("[[export]]\n{}\n{key} = 1979-05-27", others.join("\n")));
        assert_eq!(said.len(), 1, "{key}: {said:?}");
    }
}

#[test]
fn the_line_is_shown_with_what_is_wrong_marked() {
    let text = "lease = 90\n[[export]]\nname = \"/ä\"\npath = \"/\"\t\nraed-only = true\n";
    let want = "h.toml:5:1: there is no key `raed-only` in an export: did you mean `read-only`?\n\
                \u{20}   5 | raed-only = true\n\
                \u{20}     | ^^^^^^^^^";
    assert_eq!(wrong(text), want);
    let text = "[[export]]\nname = \"/ä\" # \tä\nname = \"ä\"\n";
    assert!(wrong(text).starts_with("h.toml:3:1: duplicate key\n"), "{}", wrong(text));
    let text = "log = \"ä\" \t# ä";
    let want = "h.toml:1:7: `log` does not take \"ä\": there are `error`, `warn`, `info` and \
                `debug`\n\
                \u{20}   1 | log = \"ä\"  # ä\n\
                \u{20}     |       ^^^";
    assert_eq!(wrong(text), want);
    // A value of several lines is marked in its first, and the end of the text can be marked.
    assert!(
        wrong("listen = \"\"\"a\nb\"\"\"").ends_with("| listen = \"\"\"a\n      |          ^^^^")
    );
    assert!(
        wrong("lease = [1,\n2").contains(":2:2: unclosed array"),
        "{}",
        wrong("lease = [1,\n2")
    );
}

#[test]
fn all_problems_are_told_in_the_order_of_their_lines() {
    let text = "lease = 1\nlog = 1\n[[export]]\npath = 1\nname = \"a\"\n[[export]]\nsquash = 1\n";
    let lines: Vec<_> =
        problems(text).iter().map(|it| it.split(':').next().map(str::to_owned)).collect();
    let want = ["1", "2", "4", "6", "6", "7"].map(|line| Some(line.to_owned()));
    assert_eq!(lines, want);
    let many = "[[export]]\nname = \"/a\"\npath = \"/\"\nloops = 1\n".repeat(30);
    let said = wrong(&many);
    assert_eq!(said.lines().count(), 20 * 3 + 1);
    assert!(said.ends_with("and 11 more like these"), "{said}");
}

#[test]
fn what_is_no_toml_is_told() {
    for (text, why) in [
        ("lease 90", "1:7: "),
        ("lease = ", "1:9: "),
        ("log = info", "1:7: `info` is no number, nor true or false: a string takes quotes"),
        ("listen = [10.0.0.1, :1]", "1:15: invalid float"),
        (
            "listen = [\"::1\", :1]",
            "1:18: `:1` is no number, nor true or false: a string takes quotes",
        ),
        (
            "[[export]]\npath = /srv # x",
            "2:8: `/srv` is no number, nor true or false: a string takes quotes",
        ),
        ("ephemeral = yes", "1:13: `yes` is no number, nor true or false: a string takes quotes"),
        ("lease = 90\nlease = 90", "2:1: duplicate key"),
        ("[[export]\nname = \"/a\"", "1:10: unclosed array table, expected `]`"),
    ] {
        let said = problems(text);
        assert!(said.len() == 1 && said[0].starts_with(why), "{text}: {said:?}");
    }
    let deep = problems(&format!("lease = {}", "[".repeat(100_000)));
    assert!(deep.len() == 1 && deep[0].contains("max recursion depth"), "{deep:?}");
}

#[test]
fn what_is_wrong_at_the_top_is_told() {
    let no_key = "there is no key";
    let ids = "0 to 4294967294";
    let keys = "there are `export`, `listen`, `state-dir`, `ephemeral`, `lease`, `squash`, \
                `anonuid`, `anongid`, `noxdev`, `loops`, `threads` and `log`";
    for (text, why) in [
        (
            "leese = 9",
            format!("1:1: {no_key} `leese` at the top of the file: did you mean `lease`?"),
        ),
        (
            "[[exports]]",
            format!("1:3: {no_key} `exports` at the top of the file: did you mean `export`?"),
        ),
        (
            "state_dir = \"\"",
            format!("1:1: {no_key} `state_dir` at the top of the file: did you mean `state-dir`?"),
        ),
        ("fsid = 0", format!("1:1: {no_key} `fsid` at the top of the file: {keys}")),
        ("read-only = true", "1:1: `read-only` belongs to an [[export]]".to_owned()),
        ("lease = 9", "1:9: `lease` takes 10 to 3600, not 9".to_owned()),
        ("lease = 3601", "1:9: `lease` takes 10 to 3600, not 3601".to_owned()),
        ("lease = -90", "1:9: `lease` takes 10 to 3600, not -90".to_owned()),
        (
            "lease = 99999999999999999999",
            "1:9: `lease` takes 10 to 3600, not 99999999999999999999".to_owned(),
        ),
        (
            "lease = 90.0",
            "1:9: `lease` takes a number, 10 to 3600, not a number with a fraction".to_owned(),
        ),
        ("lease = \"90\"", "1:9: `lease` takes a number, 10 to 3600, not a string".to_owned()),
        ("loops = 0", "1:9: `loops` takes 1 to 1024, not 0".to_owned()),
        ("threads = 8193", "1:11: `threads` takes 1 to 8192, not 8193".to_owned()),
        ("anonuid = 4294967295", format!("1:11: `anonuid` takes {ids}, not 4294967295")),
        ("anongid = -1", format!("1:11: `anongid` takes {ids}, not -1")),
        ("squash = \"al\"", "1:10: `squash` does not take \"al\": did you mean `all`?".to_owned()),
        ("squash = false", "1:10: `squash` takes a string, not true or false".to_owned()),
        (
            "log = \"loud\"",
            "1:7: `log` does not take \"loud\": there are `error`, `warn`, `info` and `debug`"
                .to_owned(),
        ),
        ("ephemeral = \"yes\"", "1:13: `ephemeral` takes true or false, not a string".to_owned()),
        ("state-dir = []", "1:13: `state-dir` takes a string, not a list".to_owned()),
        ("state-dir = \"\"", "1:13: `state-dir` takes a path, not \"\"".to_owned()),
        (
            "ephemeral = true\nstate-dir = \"/s\"",
            "2:13: `state-dir` and `ephemeral = true` contradict each other".to_owned(),
        ),
    ] {
        assert_eq!(problems(text), [why], "{text}");
    }
}

#[test]
fn what_is_wrong_with_addresses_and_the_list_of_exports_is_told() {
    for (text, why) in [
        (
            "listen = 2049",
            "1:10: `listen` takes a string, or a list of them, not a number".to_owned(),
        ),
        ("listen = []", "1:10: `listen` is an empty list: leave it out, or fill it".to_owned()),
        (
            "listen = [\"::1\", 1]",
            "1:18: `listen` takes a string, or a list of them, not a number".to_owned(),
        ),
        ("listen = [\"::1\", \"here\"]", format!("1:18: \"here\" is no address: {}", listen::FORM)),
        ("listen = [\"::1\", \"[::1]:2049\"]", "1:18: [::1]:2049 is listened on twice".to_owned()),
        (
            "[export]\nname = \"/\"",
            "1:1: every export begins with a line [[export]], in two brackets".to_owned(),
        ),
        (
            "export = \"/srv\"",
            "1:10: every export begins with a line [[export]], in two brackets".to_owned(),
        ),
        (
            "export = [1]",
            "1:11: `export` takes tables, each under a line [[export]], not a number".to_owned(),
        ),
    ] {
        assert_eq!(problems(text), [why], "{text}");
    }
}

#[test]
fn what_is_wrong_with_an_export_is_told() {
    let no_key = "there is no key";
    for (text, why) in [
        (
            "readonly = true",
            format!("4:1: {no_key} `readonly` in an export: did you mean `read-only`?"),
        ),
        (
            "listen = \":1\"",
            "4:1: `listen` belongs to the top of the file, before the first [[export]]".to_owned(),
        ),
        ("read-only = 1", "4:13: `read-only` takes true or false, not a number".to_owned()),
        (
            "squash = \"roots\"",
            "4:10: `squash` does not take \"roots\": did you mean `root`?".to_owned(),
        ),
        (
            "anonuid = \"nobody\"",
            "4:11: `anonuid` takes a number, 0 to 4294967294, not a string".to_owned(),
        ),
        ("path = \"/\"", "4:1: duplicate key".to_owned()),
    ] {
        let text = format!("[[export]]\nname = \"/a\"\npath = \"/\"\n{text}");
        assert_eq!(problems(&text), [why], "{text}");
    }
    for (text, why) in [
        ("name = \"/a\"", "1:1: this export has no `path`"),
        ("path = \"/\"", "1:1: this export has no `name`"),
        ("name = 1\npath = \"/\"", "2:8: `name` takes a string, not a number"),
        ("name = \"/a\"\npath = true", "3:8: `path` takes a string, not true or false"),
        ("name = \"/a\"\npath = \"\"", "3:8: `path` takes a path, not \"\""),
        (
            "name = \"/a\"\npath = \"no/where\"",
            "3:8: cannot export /no/where: no such file or directory",
        ),
        (
            "name = \"/a\"\npath = \"~/x\"",
            "3:8: cannot export /~/x: no such file or directory (~ means nothing here)",
        ),
        ("name = \"/a\"\npath = \"/dev/null\"", "3:8: cannot export /dev/null: not a directory"),
        ("name = \"a\"\npath = \"/\"", "2:8: export path \"a\" does not start with '/'"),
        ("name = \"/a/\"\npath = \"/\"", "2:8: export path \"/a/\" has an empty part"),
        ("name = \"/a/..\"\npath = \"/\"", "2:8: export path \"/a/..\" has '.' or '..' in it"),
    ] {
        assert_eq!(problems(&format!("[[export]]\n{text}")), [why], "{text}");
    }
}

#[test]
fn names_that_make_no_tree_are_told_where_they_stop_to() {
    let exports = |names: &[&str]| -> String {
        names.iter().map(|name| format!("[[export]]\nname = \"{name}\"\npath = \"/\"\n")).collect()
    };
    for (names, why) in [
        (&["/a", "/b", "/a", "/c"][..], "8:8: export path \"/a\" is given twice"),
        (
            &["/", "/a"],
            "5:8: export path \"/a\" lies below the export \"/\", whose files are there",
        ),
        (
            &["/a/b", "/c", "/d", "/a", "/e"],
            "11:8: export path \"/a/b\" lies below the export \"/a\", whose files are there",
        ),
        (
            &["/e422789", "/b", "/e639192"],
            "8:8: exports /e422789 and /e639192 have the same id: rename one",
        ),
    ] {
        assert_eq!(problems(&exports(names)), [why], "{names:?}");
    }
    for names in [&["/"][..], &["/a"], &["/a/b", "/a/c", "/b"]] {
        assert!(parse(&exports(names), Path::new("/")).is_ok(), "{names:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let folder = std::env::temp_dir().join(format!("holdfast-config-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder of this name is new");
    let said = |name: &str| match read(&folder.join(name)) {
        Ok(_) => panic!("{name} is read"),
        Err(why) => why.to_string().replace(&format!("{}/", folder.display()), ""),
    };
    let write =
        |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("it is written");
    write("latin", b"lease = 90\n# caf\xe9\n");
    write("large", &vec![b'#'; FILE_MAX as usize + 1]);
    assert_eq!(said("none"), "cannot read none: no such file or directory");
    assert_eq!(said("."), "cannot read .: it is a directory");
    assert_eq!(said("latin"), "latin:2: this line is not UTF-8");
    assert_eq!(said("large"), "large has more than 1024 KiB");
    write("good", b"[[export]]\nname = \"/a\"\npath = \"below\"\n");
    fs::create_dir(folder.join("below")).expect("a folder of this name is new");
    let good = read(&folder.join("good")).expect("it is good");
    assert_eq!(good.exports[0].path, folder.join("below"));
    fs::remove_dir_all(&folder).expect("it is removed");
}

#[test]
fn the_example_that_users_copy_is_good() {
    let readme = include_str!("../../../../README.md");
    let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    match parse(example.expect("README has one"), Path::new("/")) {
        Ok(given) => assert_eq!(given.exports.len(), 2),
        // Its directories need not be here.
        Err(problems) => {
            let absent = |it: &Problem| it.what.starts_with("cannot export");
            assert!(problems.iter().all(absent), "{problems:?}");
        }
    }
}
