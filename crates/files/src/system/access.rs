//! Who may do what with a file, by the access list that Windows keeps for it. Nothing here asks the system.

use std::io;
use std::path::Path;

/// The local system account, as which services run.
const SYSTEM: &str = "S-1-5-18";

/// The group of the administrators, who can do everything in any case.
const ADMINISTRATORS: &str = "S-1-5-32-544";

/// Stands for whoever creates something, in entries that are only handed down.
const CREATOR: &str = "S-1-3-0";

/// Stands for the owner, whose account is checked by itself.
const OWNER_RIGHTS: &str = "S-1-3-4";

/// The group of what was started as a service, whatever its account is.
const SERVICES: &str = "S-1-5-6";

/// Returns whether a process is a service, by its account and the groups that it is a member of: what the system starts as
/// itself is in no group of services.
pub(super) fn is_service(account: &str, is_member: impl FnOnce(&str) -> io::Result<bool>) -> io::Result<bool> {
    Ok(account == SYSTEM || is_member(SERVICES)?)
}

/// The rights by which something is read: `FILE_READ_DATA`, `GENERIC_READ`, `GENERIC_ALL`.
const READS: u32 = 0x0000_0001 | 0x8000_0000 | 0x1000_0000;

/// The rights by which something is changed, or by which one may come to change it: `FILE_WRITE_DATA`,
/// `FILE_APPEND_DATA`, `FILE_WRITE_EA`, `FILE_DELETE_CHILD`, `FILE_WRITE_ATTRIBUTES`, `DELETE`, `WRITE_DAC`,
/// `WRITE_OWNER`, `GENERIC_WRITE`, `GENERIC_ALL`.
const WRITES: u32 = 0x0000_0002
    | 0x0000_0004
    | 0x0000_0010
    | 0x0000_0040
    | 0x0000_0100
    | 0x0001_0000
    | 0x0004_0000
    | 0x0008_0000
    | 0x4000_0000
    | 0x1000_0000;

/// What is asked of an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Who can read it.
    Reads,
    /// Who can write into it.
    Writes,
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thing {
    File,
    Folder,
}

/// An entry of an access list that allows something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    /// The security identifier of an account or a group, as `S-1-...`; of an entry of a kind that is not known, what it is.
    pub(super) who: String,
    /// The rights. Of an entry of a kind that is not known these are all: what is not known is not safe.
    pub(super) rights: u32,
}

/// The owner and the access list of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) owner: String,
    /// The entries that allow something; none at all where there is no list, which allows everything to everyone.
    pub(super) allowed: Option<Vec<Allowed>>,
}

impl Access {
    /// Says what is wrong, and the command that mends it. `us` is our own account, and `name` gives the name of one.
    pub(super) fn wrong(
        &self,
        asked: Asked,
        thing: (&Path, Thing),
        us: &str,
        name: impl Fn(&str) -> Option<String>,
    ) -> Option<super::Wrong> {
        let shown = |who: &str| name(who).map_or_else(|| who.to_owned(), |name| format!("{name} ({who})"));
        let (path, kind) = thing;
        if ![us, SYSTEM, ADMINISTRATORS].contains(&self.owner.as_str()) {
            let why = format!("belongs to {}, not to our account {}", shown(&self.owner), shown(us));
            let below = if kind == Thing::Folder { " /T" } else { "" };
            return Some((why, format!("icacls {} /setowner \"*{us}\"{below}", quoted(path))));
        }
        let can = match asked {
            Asked::Reads => "can be read",
            Asked::Writes => "can be written",
        };
        let Some(allowed) = &self.allowed else {
            return Some((format!("{can} by everyone (it has no access list)"), mend(path, kind, us, &[])));
        };
        let others = others(allowed, asked, us);
        if others.is_empty() {
            return None;
        }
        let names: Vec<String> = others.iter().map(|who| shown(who)).collect();
        // Whoever is named in an entry of its own keeps it when what is handed down is cut off.
        Some((format!("{can} by {}", names.join(", ")), mend(path, kind, us, &others)))
    }
}

/// Returns who else has such rights, each once.
fn others<'a>(allowed: &'a [Allowed], asked: Asked, us: &str) -> Vec<&'a str> {
    let rights = match asked {
        Asked::Reads => READS | WRITES,
        Asked::Writes => WRITES,
    };
    let mut others = Vec::new();
    for Allowed { who, rights: has } in allowed {
        let ours = [us, SYSTEM, ADMINISTRATORS, CREATOR, OWNER_RIGHTS].contains(&who.as_str());
        if !ours && has & rights != 0 && !others.contains(&who.as_str()) {
            others.push(who.as_str());
        }
    }
    others
}

/// Returns the command that leaves the owner, the administrators and the system. It is the same in cmd and in PowerShell,
/// and identifiers are the same in every language of Windows.
///
/// An entry without an account cannot be taken out by itself: then the command takes all of them out. What is handed down
/// instead is asked about again, and has a command of its own.
fn mend(path: &Path, kind: Thing, us: &str, others: &[&str]) -> String {
    let (down, below) = match kind {
        Thing::Folder => ("(OI)(CI)", " /T"),
        Thing::File => ("", ""),
    };
    if others.iter().any(|who| !is_identifier(who)) {
        return format!("icacls {} /reset{below}", quoted(path));
    }
    let mut command = format!("icacls {} /inheritance:r", quoted(path));
    for who in [us, ADMINISTRATORS, SYSTEM] {
        command.push_str(&format_args!(" /grant:r \"*{who}:{down}F\"").to_string());
    }
    for who in others {
        command.push_str(&format_args!(" /remove:g \"*{who}\"").to_string());
    }
    command + below
}

fn is_identifier(who: &str) -> bool {
    who.starts_with("S-1-")
}

/// Returns a path as cmd and PowerShell take it. A backslash before the closing quote would take it along.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let bare = text.trim_end_matches(['\\', '/']);
    // Without its backslash a drive is the folder that one is in on it.
    if bare.is_empty() || bare.ends_with(':') { format!("\"{bare}\\\\\"") } else { format!("\"{bare}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "S-1-5-21-1-2-3-1001";
    const EVERYONE: &str = "S-1-1-0";
    const USERS: &str = "S-1-5-32-545";
    const ALL: u32 = 0x001f_01ff;
    const READ_AND_RUN: u32 = 0x0012_00a9;

    fn name(who: &str) -> Option<String> {
        (who == EVERYONE).then(|| "Everyone".to_owned())
    }

    fn access(owner: &str, allowed: &[(&str, u32)]) -> Access {
        let allowed = allowed.iter().map(|&(who, rights)| Allowed { who: who.to_owned(), rights });
        Access { owner: owner.to_owned(), allowed: Some(allowed.collect()) }
    }

    fn wrong(access: &Access, asked: Asked, kind: Thing) -> Option<crate::system::Wrong> {
        access.wrong(asked, (Path::new(r"C:\state folder"), kind), US, name)
    }

    #[test]
    fn the_owner_the_administrators_and_the_system_may_do_everything() {
        let usual = [(US, ALL), (SYSTEM, ALL), (ADMINISTRATORS, ALL), (CREATOR, 0x1000_0000), (OWNER_RIGHTS, ALL)];
        for owner in [US, SYSTEM, ADMINISTRATORS] {
            for asked in [Asked::Reads, Asked::Writes] {
                assert_eq!(wrong(&access(owner, &usual), asked, Thing::Folder), None, "{owner} {asked:?}");
            }
        }
        assert_eq!(wrong(&access(US, &[]), Asked::Reads, Thing::File), None, "an empty list allows nothing");
    }

    #[test]
    fn a_service_is_known_by_its_group_and_the_system_by_its_account() {
        let of = |groups: &'static [&str]| move |group: &str| Ok(groups.contains(&group));
        assert!(!is_service(US, of(&[ADMINISTRATORS])).unwrap());
        assert!(is_service(US, of(&["S-1-5-6"])).unwrap());
        assert!(is_service("S-1-5-18", of(&[])).unwrap());
        is_service(US, |_group| Err(io::ErrorKind::Other.into())).unwrap_err();
    }

    #[test]
    fn others_who_can_read_matter_for_a_secret_and_those_who_can_write_for_both() {
        let read = access(US, &[(US, ALL), (USERS, READ_AND_RUN)]);
        assert_eq!(wrong(&read, Asked::Writes, Thing::Folder), None);
        let (why, mend) = wrong(&read, Asked::Reads, Thing::File).unwrap();
        assert_eq!(why, "can be read by S-1-5-32-545");
        assert_eq!(
            mend,
            r#"icacls "C:\state folder" /inheritance:r /grant:r "*S-1-5-21-1-2-3-1001:F" /grant:r "*S-1-5-32-544:F" /grant:r "*S-1-5-18:F" /remove:g "*S-1-5-32-545""#
        );
        for right in [0x2, 0x4, 0x40, 0x0001_0000, 0x0004_0000, 0x0008_0000, 0x1000_0000, 0x4000_0000] {
            let write = access(US, &[(US, ALL), (EVERYONE, right), (EVERYONE, READ_AND_RUN)]);
            let (why, mend) = wrong(&write, Asked::Writes, Thing::Folder).unwrap();
            assert_eq!(why, "can be written by Everyone (S-1-1-0)", "{right:x}");
            assert!(mend.ends_with(r#":(OI)(CI)F" /remove:g "*S-1-1-0" /T"#), "{mend}");
            assert!(wrong(&write, Asked::Reads, Thing::File).is_some(), "who can write can have it read");
        }
    }

    #[test]
    fn an_entry_without_an_account_is_taken_out_with_all_others() {
        let odd = access(US, &[(US, ALL), (EVERYONE, ALL), ("an entry of kind 9", u32::MAX)]);
        let (why, mend) = wrong(&odd, Asked::Writes, Thing::Folder).unwrap();
        assert_eq!(why, "can be written by Everyone (S-1-1-0), an entry of kind 9");
        assert_eq!(mend, r#"icacls "C:\state folder" /reset /T"#);
    }

    #[test]
    fn a_backslash_at_the_end_does_not_take_the_closing_quote_along() {
        for (path, word) in [
            (r"C:\ops\state", r#""C:\ops\state""#),
            (r"C:\ops\state\", r#""C:\ops\state""#),
            (r"\\server\share\state\", r#""\\server\share\state""#),
            (r"D:\", r#""D:\\""#),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }

    #[test]
    fn a_foreign_owner_and_a_missing_list_are_refused() {
        let foreign = access("S-1-5-21-1-2-3-1002", &[(US, ALL)]);
        let (why, mend) = wrong(&foreign, Asked::Writes, Thing::Folder).unwrap();
        assert_eq!(why, format!("belongs to S-1-5-21-1-2-3-1002, not to our account {US}"));
        assert_eq!(mend, format!(r#"icacls "C:\state folder" /setowner "*{US}" /T"#));
        let open = Access { owner: US.to_owned(), allowed: None };
        let (why, mend) = wrong(&open, Asked::Writes, Thing::Folder).unwrap();
        assert!(why.contains("by everyone") && mend.contains("/inheritance:r"), "{why}: {mend}");
    }
}
