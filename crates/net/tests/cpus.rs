//! Which threads stay on a CPU. This program has one test, because it looks at all threads of the
//! process.

mod common;

use common::{Peer, memory, null, with};
use holdfast_net::{Runtime, RuntimeConfig};

/// The CPUs on which the threads whose names begin so may run, sorted.
fn allowed(name: &str) -> Vec<String> {
    let mut all = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
        if field("Name:").is_some_and(|line| line.trim().starts_with(name)) {
            all.push(field("Cpus_allowed_list:").unwrap().trim().to_owned());
        }
    }
    all.sort();
    all
}

#[test]
fn loops_stay_on_their_cpus_and_nothing_else_does() {
    let (_, serve) = with(|_, _| {});
    let loops = RuntimeConfig::default().loops;
    for loops in [loops, loops + 1] {
        let own = allowed("loops_stay").swap_remove(0);
        let runtime = Runtime::start(RuntimeConfig { loops, ..RuntimeConfig::default() }).unwrap();
        let service =
            runtime.serve(serve.clone(), |server| server.root(memory(runtime.world()))).unwrap();
        let mut peer = Peer::connect(&service);
        peer.send(&null(1));
        peer.expect_null(1);
        // Started from a loop.
        assert_eq!(service.resize(5), Ok(5));
        assert_eq!(allowed("holdfast-pool"), vec![own.clone(); 6]);
        let mut seen = allowed("holdfast-loop");
        if loops == 1 || loops > RuntimeConfig::default().loops {
            assert_eq!(seen, vec![own.clone(); loops]);
        } else {
            seen.dedup();
            assert_eq!(seen.len(), loops, "one CPU each");
            assert!(seen.iter().all(|cpus| cpus.parse::<usize>().is_ok()), "{seen:?}");
        }
        assert_eq!(allowed("loops_stay"), [own], "the thread that starts them stays free");
    }
}
