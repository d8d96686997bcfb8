use super::*;

impl Folder {
    /// Writes a configuration file.
    fn config(&self, text: &str) -> String {
        let path = self.path("holdfast.toml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Runs `check`: its status, what it prints and what it complains of.
fn check(config: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.env_clear().env("HOME", "/nowhere");
    let output = command.args(["check", config]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const EXPORTS: &str = "
listen = '127.0.0.1:0'
state-dir = 'state'
log = 'info'
[[export]]
name = '/a'
path = 'a'
[[export]]
name = '/b/c'
path = 'b'
read-only = true
durability = 'async'
squash = 'all'
anonuid = 7
";

#[test]
fn what_the_file_says_is_served() {
    let folder = Folder::new();
    let (a, b) = (folder.dir("a"), folder.dir("b"));
    let config = folder.config(EXPORTS);
    let server = Server::spawn(&mut holdfast(&["--config", &config]));
    let said = |text: String| server.said(&text);
    assert!(said(format!("exporting {a} as /a: read-write; ")), "{:?}", server.lines);
    assert!(said(format!("exporting {b} as /b/c: read-only; ")), "{:?}", server.lines);
    server.ping();
    assert!(folder.path("state/key").exists());
}

#[test]
fn the_command_line_stands_before_the_file() {
    let folder = Folder::new();
    folder.dir("a");
    folder.dir("b");
    let config = folder.config(&EXPORTS.replace("127.0.0.1:0", "192.0.2.1:1"));
    let line = ["--config", &config, "--ephemeral", "--listen", "127.0.0.1:0", "--log", "error"];
    let (status, said) = Server::spawn(&mut holdfast(&line)).stop(Signal::TERM);
    assert_eq!((status, said.lines().count()), (Some(0), 1), "{said}");
    assert!(!folder.path("state").exists());
}

#[test]
fn exports_in_both_places_are_refused() {
    let folder = Folder::new();
    let a = folder.dir("a");
    folder.dir("b");
    let config = folder.config(EXPORTS);
    let why = format!(
        "{config} has exports, and so has the command line: leave DIR and --export out, or add an \
         [[export]] to the file"
    );
    assert_refused(&["--config", &config, &a], &why);
    assert_refused(&["--config", &config, "--export", &format!("/a={a}")], &why);
    let config = folder.config("log = 'warn'\nlisten = '127.0.0.1:0'\nephemeral = true\n");
    Server::spawn(&mut holdfast(&["--config", &config, &a])).ping();
}

#[test]
fn check_tells_what_would_be_served() {
    let folder = Folder::new();
    let (a, b) = (folder.dir("a"), folder.dir("b"));
    let config = folder.config(EXPORTS);
    let disk = "data is on disk after COMMIT, names and attributes";
    let want = format!(
        "exports {a} as /a: read-write; root squashed to 65534:65534; {disk} when answered\n\
         exports {b} as /b/c: read-only; everybody squashed to 7:65534; {disk} when the \
         kernel writes them: a crash may undo the last seconds\n\
         listens on 127.0.0.1:0\n\
         keeps its state in {}\n\
         ends what a client holds after 90 s of silence\n",
        folder.path("state").display()
    );
    assert_eq!(check(&config), (Some(0), want, String::new()));
    assert!(!folder.path("state").exists(), "nothing is made by a check");
    let config = folder.config("lease = 10\nanonuid = 0\n");
    let (status, said, why) = check(&config);
    let want = format!(
        "holdfast: {config} has no [[export]]: add one; files in memory are served without \
         --config only\n"
    );
    assert_eq!((status, said.as_str(), why), (Some(1), "", want));
    let config = folder.config(&format!("anonuid = 0\n[[export]]\nname = '/a'\npath = '{a}'\n"));
    let warning = "holdfast: in /a whoever is squashed acts as root, as anonuid is 0\n";
    assert!(check(&config).2.contains(warning));
    let config = folder.config(&format!("[[export]]\nname = '/'\npath = '{a}'\n"));
    let (status, said, _) = check(&config);
    let home = "\nkeeps its state in /nowhere/.local/state/holdfast/";
    assert!(status == Some(0) && said.contains(home), "{said}");
}

#[test]
fn a_file_that_is_wrong_is_neither_served_nor_passed() {
    let folder = Folder::new();
    let config = folder.config("lease = 5\n[[export]]\nname = '/a'\npath = 'nowhere'\n");
    let none = folder.path("nowhere");
    let want = format!(
        "holdfast: {config}:1:9: `lease` takes 10 to 3600, not 5\n\
         \u{20}   1 | lease = 5\n\
         \u{20}     |         ^\n\
         {config}:4:8: cannot export {}: no such file or directory\n\
         \u{20}   4 | path = 'nowhere'\n\
         \u{20}     |        ^^^^^^^^^\n",
        none.display()
    );
    assert_eq!(check(&config), (Some(1), String::new(), want.clone()));
    let output = run(&["--config", &config]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), want);
    let why = format!("cannot read {}: no such file or directory", none.display());
    assert_refused(&["--config", none.to_str().unwrap()], &why);
}
