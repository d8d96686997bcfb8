//! The users and groups of this machine, by name: as the C library finds them, in files or where
//! else its name service switch says. One that is linked statically, or not glibc, may know no more
//! than `/etc/passwd` and `/etc/group`.

use std::ffi::CString;

use crate::sys;

/// The accounts of this machine under the name of a domain.
#[derive(Clone, Debug)]
pub struct Accounts {
    domain: Option<String>,
}

impl Accounts {
    /// Those of `name@domain` with this domain; none are known without.
    pub const fn new(domain: Option<String>) -> Self {
        Self { domain }
    }

    /// With the domain of this machine: what its name has after the first dot.
    pub fn of_this_machine() -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self::new(domain_of(&name).map(str::to_owned))
    }

    /// The number of a user. May block.
    pub fn user(&self, who: &str) -> Option<u32> {
        sys::user_id(&self.name(who)?)
    }

    /// The number of a group. May block.
    pub fn group(&self, who: &str) -> Option<u32> {
        sys::group_id(&self.name(who)?)
    }

    /// The name without our domain.
    fn name(&self, who: &str) -> Option<CString> {
        let (name, domain) = who.rsplit_once('@')?;
        let is_ours = self.domain.as_ref()?.eq_ignore_ascii_case(domain);
        if is_ours && !name.is_empty() { CString::new(name).ok() } else { None }
    }
}

fn domain_of(machine: &str) -> Option<&str> {
    machine.split_once('.').map(|(_, domain)| domain).filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_our_domain_have_the_numbers_of_this_machine() {
        let ours = Accounts::new(Some("example.org".to_owned()));
        assert_eq!(ours.user("root@example.org"), Some(0));
        assert_eq!(ours.user("root@EXAMPLE.org"), Some(0));
        assert_eq!(ours.group("root@example.org"), Some(0));
        for nobody in ["root", "root@", "root@example.com", "@example.org", "root@x@example.org"] {
            assert_eq!((ours.user(nobody), ours.group(nobody)), (None, None), "{nobody}");
        }
        for nobody in ["no such user@example.org", "ro\0ot@example.org"] {
            assert_eq!((ours.user(nobody), ours.group(nobody)), (None, None), "{nobody}");
        }
        assert_eq!(Accounts::new(None).user("root@"), None);
    }

    #[test]
    fn the_domain_is_what_follows_the_machines_own_name() {
        assert_eq!(domain_of("host.example.org"), Some("example.org"));
        assert_eq!(domain_of("host"), None);
        assert_eq!(domain_of("host."), None);
    }
}
