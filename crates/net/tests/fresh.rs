//! What a local process changes below an export, the next GETATTR shows: no attribute is
//! remembered by the server.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::client::Client;
use holdfast_localfs::{LocalFs, Options};
use holdfast_net::Service;
use holdfast_proto::nfs4::{AttrValue, Bitmap, GetAttrArgs, LookupArgs, Op, OpBody, OpNum, attr};

const CHANGES: u32 = 500;

fn serve(dir: &std::path::Path) -> Service {
    common::serve(common::config(), |world| {
        Arc::new(LocalFs::open(dir, world, Options::new([3; 16])).expect("it can be exported"))
    })
}

/// Mode and size, as a client sees them.
fn look(client: &mut Client) -> (u32, u64) {
    let want = Bitmap::of(&[attr::SIZE, attr::MODE]);
    let to = Op::Lookup(LookupArgs { objname: b"file" });
    let get = Op::GetAttr(GetAttrArgs { attr_request: want });
    let reply = client.insist(&[Op::PutRootFh, to, get]).expect("the connection lives");
    reply.find(OpNum::GETATTR, |body| {
        let OpBody::GetAttr(ok) = body else { return None };
        let values: Vec<_> = ok.obj_attributes.iter().map(|value| value.unwrap().1).collect();
        let [AttrValue::Size(size), AttrValue::Mode(mode)] = values.as_slice() else {
            return None;
        };
        Some((*mode, *size))
    })
}

#[test]
fn every_getattr_shows_what_a_local_process_changed() {
    let dir = std::env::temp_dir().join(format!("holdfast-fresh-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let file = File::create(dir.join("file")).unwrap();
    let service = serve(&dir);
    let address = service.local_addrs()[0];
    let busy = Arc::new(AtomicBool::new(true));
    let others: Vec<_> = (0..2)
        .map(|number| {
            let busy = busy.clone();
            thread::spawn(move || {
                let mut client = Client::new(address, &format!("other{number}"), 2);
                while busy.load(Ordering::Acquire) {
                    look(&mut client);
                }
            })
        })
        .collect();
    let mut client = Client::new(address, "looks", 2);
    for change in 0..CHANGES {
        let (mode, size) = (0o600 | change & 0o77, u64::from(change) * 3);
        file.set_permissions(fs::Permissions::from_mode(mode)).unwrap();
        file.set_len(size).unwrap();
        assert_eq!(look(&mut client), (mode, size));
    }
    busy.store(false, Ordering::Release);
    others.into_iter().for_each(|other| other.join().unwrap());
    assert!(service.stop().is_clean());
    fs::remove_dir_all(&dir).unwrap();
}
