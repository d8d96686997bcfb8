//! What all users do in one directory. No exact model: each step has an outcome that at most one
//! of them can have.

use holdfast_proto::nfs4::{
    AttrValue, CreateHow, LookupArgs, Op, OpBody, OpNum, OpenClaim, OpenHow, ReadArgs, RenameArgs,
    StableHow, Status, WriteArgs,
};

use super::Actor;
use super::names::{Attrs, handle_of, put};
use crate::checkers::shares::Share;
use crate::client::Done;
use crate::client::held::{Held, SharedHeld, open_op};
use crate::sync::lock;

/// The shared directory.
pub const SHARED_DIR: &str = "shared";

/// The shared file.
pub const RECORDS: &str = "records";

/// Bytes of one user's place in it.
const PLACE: usize = 16;

impl Actor {
    pub(super) fn token_name(&mut self) -> String {
        self.tokens += 1;
        format!("k-{}-{}", self.name, self.tokens)
    }

    /// Opens, and makes, a file of the shared directory. `None`: it was refused.
    pub(super) async fn open_shared(
        &mut self,
        name: &str,
        guarded: bool,
        share: Share,
    ) -> Result<SharedHeld, Status> {
        let owner = self.owner();
        let attrs = Attrs::new(&[AttrValue::Mode(0o666)]);
        let fattr = attrs.fattr();
        let how = if guarded { CreateHow::Guarded(fattr) } else { CreateHow::Unchecked(fattr) };
        let claim = OpenClaim::Null(name.as_bytes());
        let open = open_op(&owner, share, OpenHow::Create(how), claim);
        let dir = self.shared_dir.clone();
        let (done, status, in_doubt) =
            self.change_request(&[put(&dir), open, Op::GetFh], OpNum::OPEN).await;
        if status != Status::OK {
            if in_doubt {
                self.sim.checkers.shared.maybe_made(&self.client.host.name, name);
                self.settle(&dir, name, owner).await;
            }
            return Err(status);
        }
        self.granted(&done, owner, share).ok_or(Status::BADXDR)
    }

    fn granted(&self, done: &Done, owner: Vec<u8>, share: Share) -> Option<SharedHeld> {
        let stateid = done.reply.find(OpNum::OPEN, |body| {
            if let OpBody::Open(ok) = body { Some(ok.stateid) } else { None }
        })?;
        let handle = handle_of(&done.reply)?;
        let (generation, epoch) = (done.reply.generation, done.epoch);
        self.sim.checkers.generations.stateid_made(&stateid, generation);
        let holder = (self.client.id, epoch, owner.clone());
        let now = self.sim.now().as_ns();
        if epoch == self.client.epoch() {
            self.sim.checkers.shares.granted((generation, &handle), holder, share, now);
        }
        Some(self.client.hold(Held {
            handle,
            owner,
            share,
            stateid,
            epoch,
            generation,
            is_lost: false,
            locks: Vec::new(),
        }))
    }

    pub(super) async fn close_shared(&self, open: &SharedHeld) {
        let held = lock(open).clone();
        let holder = (self.client.id, held.epoch, held.owner.clone());
        self.sim.checkers.shares.closing(held.generation, &held.handle, &holder);
        self.close_held(open).await;
    }

    /// Makes a name that only one user can make.
    pub(super) async fn ticket(&mut self, n: u64) {
        let name = format!("t{n}");
        let share = Share { access: 2, deny: 0 };
        match self.open_shared(&name, true, share).await {
            Ok(open) => {
                self.sim.checkers.shared.made(&self.client.host.name, &name, &self.name);
                self.close_shared(&open).await;
            }
            Err(status) if self.refused(status) => {}
            Err(status) => {
                self.expect("ticket", status, &[Status::EXIST]);
            }
        }
    }

    /// Moves a name that somebody made.
    pub(super) async fn token(&mut self) {
        let server = self.client.host.name.clone();
        let tokens = self.sim.checkers.shared.tokens(&server);
        if tokens.is_empty() {
            return;
        }
        let (old, new) = (self.rng.pick(&tokens).clone(), self.token_name());
        let dir = self.shared_dir.clone();
        let rename = Op::Rename(RenameArgs { oldname: old.as_bytes(), newname: new.as_bytes() });
        let ops = [put(&dir), Op::SaveFh, rename];
        let (_, status, in_doubt) = self.change_request(&ops, OpNum::RENAME).await;
        if self.refused(status) || !self.expect("token", status, &[Status::OK, Status::NOENT]) {
            return;
        }
        let moved = status == Status::OK || (in_doubt && self.exists(&new).await);
        if moved {
            self.sim.checkers.shared.moved(&server, &old, &self.name);
            self.sim.checkers.shared.token(&server, Some(&old), &new);
        }
    }

    async fn exists(&self, name: &str) -> bool {
        let lookup = Op::Lookup(LookupArgs { objname: name.as_bytes() });
        let (_, status) = self.ask(&[put(&self.shared_dir), lookup], OpNum::LOOKUP).await;
        status == Status::OK
    }

    /// Writes this user's place in the shared file and reads it again.
    pub(super) async fn record(&mut self, deny: u32) {
        let share = Share { access: 3, deny };
        let open = match self.open_shared(RECORDS, false, share).await {
            Ok(open) => open,
            Err(Status::SHARE_DENIED) => {
                self.sim.journal.count("client", "share denied");
                return;
            }
            Err(status) => {
                if !self.refused(status) {
                    self.expect("OPEN of the shared file", status, &[Status::OK]);
                }
                return;
            }
        };
        let offset = u64::from(self.client.id * 16 + self.number) * PLACE as u64;
        let mut data = [0; PLACE];
        self.rng.fill(&mut data);
        let held = lock(&open).clone();
        let stateid = held.stateid;
        let stable = StableHow::FILE_SYNC;
        let write = Op::Write(WriteArgs { stateid, offset, stable, data: &data });
        let (_, status, _) = self.change_request(&[put(&held.handle), write], OpNum::WRITE).await;
        if status == Status::OK {
            let read = Op::Read(ReadArgs { stateid, offset, count: PLACE as u32 });
            let (done, status) = self.ask(&[put(&held.handle), read], OpNum::READ).await;
            if status == Status::OK {
                let read = done.reply.find(OpNum::READ, |body| {
                    if let OpBody::Read(ok) = body { Some(ok.data.to_vec()) } else { None }
                });
                self.sim.checkers.shared.read(&self.name, &data, &read.unwrap_or_default());
            }
        }
        self.close_shared(&open).await;
    }
}
