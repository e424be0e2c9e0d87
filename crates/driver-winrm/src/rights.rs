//! What a token may do with an object, worked out from the texts that Windows has for both: the lines of `whoami` and a
//! security descriptor in the form that `sc sdshow` prints. Nothing is tried out to know it.

use orchestrate_model::Answer;
use orchestrate_model::probe::{ServiceRight, Standing, Token};
use orchestrate_wsman::plain;
use std::collections::BTreeSet;

/// The administrators of a machine.
const ADMINISTRATORS: &str = "S-1-5-32-544";
/// The integrity level of a token that may do what its groups say; that of a filtered one is lower.
const HIGH: u64 = 12_288;
/// Reading what is in a file.
const READ_DATA: u32 = 0x1;
/// Everything.
const ALL: u32 = 0x1000_0000;
/// Reading, in general.
const READ: u32 = 0x8000_0000;

/// Who an account is, as `whoami /all /fo csv /nh` says. Only names that are the same in every language are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    /// The account.
    pub(crate) account: String,
    /// The groups that count.
    sids: BTreeSet<String>,
    pub(crate) token: Token,
}

impl Who {
    /// Reads what `whoami` has printed.
    pub(crate) fn parse(said: &str) -> Result<Self, String> {
        let fields = |line: &str| -> Vec<String> {
            line.trim().split("\",\"").map(|field| field.trim_matches('"').to_owned()).collect()
        };
        let lines: Vec<Vec<String>> = said.lines().map(fields).collect();
        let is_sid = |field: &&String| field.starts_with("S-1-");
        let mut sids: BTreeSet<String> = lines.iter().flatten().filter(is_sid).cloned().collect();
        let first = lines.iter().find(|line| line.iter().any(|field| field.starts_with("S-1-")));
        let account = first.and_then(|line| line.first()).ok_or("whoami names no account")?;
        let level = sids.iter().filter_map(|sid| sid.strip_prefix("S-1-16-")?.parse::<u64>().ok()).max();
        let standing = match (sids.contains(ADMINISTRATORS), level) {
            (true, Some(level)) if level >= HIGH => Standing::Administrator,
            (true, Some(_)) => Standing::Filtered,
            // Without a level nothing says whether the group counts.
            (true, None) => return Err("whoami names no integrity level".to_owned()),
            (false, _) => Standing::Other,
        };
        if standing == Standing::Filtered {
            sids.remove(ADMINISTRATORS);
        }
        let privileges: BTreeSet<&str> = lines
            .iter()
            .filter_map(|line| line.first())
            .map(String::as_str)
            .filter(|name| name.starts_with("Se"))
            .collect();
        let may_restart = if privileges.is_empty() {
            Answer::unknown("whoami names no privilege")
        } else {
            Answer::Known(
                ["SeShutdownPrivilege", "SeRemoteShutdownPrivilege"].iter().any(|one| privileges.contains(one)),
            )
        };
        Ok(Self { account: plain(account), sids, token: Token { standing, may_restart } })
    }

    /// Returns what it may do with the service of this security descriptor.
    pub(crate) fn on_service(&self, sddl: &str) -> Result<BTreeSet<ServiceRight>, String> {
        let rights = [
            (ServiceRight::Configure, 0x2),
            (ServiceRight::Start, 0x10),
            (ServiceRight::Stop, 0x20),
            (ServiceRight::PauseContinue, 0x40),
        ];
        let rules = rules(sddl)?;
        Ok(rights.into_iter().filter(|(_, mask)| allows(&rules, &self.sids, *mask)).map(|(right, _)| right).collect())
    }
}

/// Returns whether SYSTEM may read the file of this security descriptor.
pub(crate) fn system_reads(sddl: &str) -> Result<bool, String> {
    let system =
        ["S-1-5-18", ADMINISTRATORS, "S-1-1-0", "S-1-5-11", "S-1-2-0"].map(str::to_owned).into_iter().collect();
    Ok(allows(&rules(sddl)?, &system, READ_DATA))
}

/// One entry of an access list.
#[derive(Debug)]
struct Rule {
    is_allowed: bool,
    mask: u32,
    /// A SID, or the end of one that begins with that of a domain.
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    Sid(String),
    OfDomain(&'static str),
    /// A name that stands for nobody whom we know.
    Other,
}

impl Whose {
    fn is_in(&self, sids: &BTreeSet<String>) -> bool {
        match self {
            Self::Sid(sid) => sids.contains(sid),
            Self::OfDomain(end) => sids.iter().any(|sid| sid.starts_with("S-1-5-21-") && sid.ends_with(end)),
            Self::Other => false,
        }
    }
}

/// Whether entries let a token do this: the first that speaks of it decides. `None`: there is no list, and everything is
/// allowed.
fn allows(rules: &Option<Vec<Rule>>, sids: &BTreeSet<String>, wanted: u32) -> bool {
    let Some(rules) = rules else { return true };
    let general = if wanted == READ_DATA { ALL | READ } else { ALL };
    let speaks = |rule: &&Rule| rule.mask & (wanted | general) != 0 && rule.whose.is_in(sids);
    rules.iter().find(speaks).is_some_and(|rule| rule.is_allowed)
}

/// Reads the access list of a security descriptor. `None`: it has none.
fn rules(sddl: &str) -> Result<Option<Vec<Rule>>, String> {
    let sddl = sddl.trim();
    let odd = || format!("{} is no security descriptor", orchestrate_model::text::quoted(sddl));
    let Some(at) = sddl.find("D:") else { return if sddl.starts_with("O:") { Ok(None) } else { Err(odd()) } };
    let list = &sddl[at + 2..];
    if list.starts_with("NO_ACCESS_CONTROL") {
        return Ok(None);
    }
    let list = list.split_once("S:(").map_or(list, |(list, _audit)| list);
    let entries = list.split('(').skip(1).map(|entry| entry.split(')').next().unwrap_or_default());
    let mut rules = Vec::new();
    for entry in entries {
        let fields: Vec<&str> = entry.split(';').collect();
        let [kind, flags, rights, _object, _inherited, whose, ..] = fields.as_slice() else { return Err(odd()) };
        // An entry that is only for what is inside a folder says nothing of the folder itself.
        if flags.contains("IO") {
            continue;
        }
        let is_allowed = match *kind {
            "A" | "OA" => true,
            "D" | "OD" => false,
            other => {
                return Err(format!(
                    "entries of the kind {} are not understood",
                    orchestrate_model::text::quoted(other)
                ));
            }
        };
        rules.push(Rule { is_allowed, mask: mask(rights).ok_or_else(odd)?, whose: self::whose(whose) });
    }
    Ok(Some(rules))
}

fn mask(rights: &str) -> Option<u32> {
    if let Some(hex) = rights.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).ok();
    }
    if !rights.is_ascii() || !rights.len().is_multiple_of(2) {
        return None;
    }
    (0..rights.len()).step_by(2).map(|at| right(&rights[at..at + 2])).try_fold(0, |all, one| Some(all | one?))
}

/// The letters of rights (SDDL), in the meaning that they have as numbers.
fn right(letters: &str) -> Option<u32> {
    let bits = match letters {
        "CC" => 0x1,
        "DC" => 0x2,
        "LC" => 0x4,
        "SW" => 0x8,
        "RP" => 0x10,
        "WP" => 0x20,
        "DT" => 0x40,
        "LO" => 0x80,
        "CR" => 0x100,
        "SD" => 0x1_0000,
        "RC" => 0x2_0000,
        "WD" => 0x4_0000,
        "WO" => 0x8_0000,
        "GA" => ALL,
        "GR" => READ,
        "GW" => 0x4000_0000,
        "GX" => 0x2000_0000,
        "FA" => 0x1f_01ff,
        "FR" => 0x12_0089,
        "FW" => 0x12_0116,
        "FX" => 0x12_00a0,
        _ => return None,
    };
    Some(bits)
}

fn whose(text: &str) -> Whose {
    let known = match text {
        "BA" => ADMINISTRATORS,
        "BU" => "S-1-5-32-545",
        "BG" => "S-1-5-32-546",
        "PU" => "S-1-5-32-547",
        "SO" => "S-1-5-32-549",
        "WD" => "S-1-1-0",
        "AN" => "S-1-5-7",
        "AU" => "S-1-5-11",
        "IU" => "S-1-5-4",
        "NU" => "S-1-5-2",
        "SU" => "S-1-5-6",
        "SY" => "S-1-5-18",
        "LS" => "S-1-5-19",
        "NS" => "S-1-5-20",
        "DA" => return Whose::OfDomain("-512"),
        "DU" => return Whose::OfDomain("-513"),
        "EA" => return Whose::OfDomain("-519"),
        "LA" => return Whose::OfDomain("-500"),
        sid if sid.starts_with("S-1-") => sid,
        _ => return Whose::Other,
    };
    Whose::Sid(known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Windows Server prints it, in German.
    const ADMINISTRATOR: &str = "\"contoso\\svc-größe\",\"S-1-5-21-1-2-3-1104\"\r\n\r\n\
        \"Jeder\",\"Bekannte Gruppe\",\"S-1-1-0\",\"Verbindliche Gruppe, Standardmäßig aktiviert, Aktivierte Gruppe\"\r\n\
        \"VORDEFINIERT\\Administratoren\",\"Alias\",\"S-1-5-32-544\",\"Verbindliche Gruppe, Aktivierte Gruppe, Gruppenbesitzer\"\r\n\
        \"Verbindliche Beschriftung\\Hohe Verbindlichkeitsstufe\",\"Bezeichnung\",\"S-1-16-12288\",\"\"\r\n\r\n\
        \"SeShutdownPrivilege\",\"Herunterfahren des Systems\",\"Aktiviert\"\r\n";
    const SERVICE: &str = "D:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)(A;;CCLCSWLOCRRC;;;IU)\
        (A;;CCLCSWLOCRRC;;;SU)S:(AU;FA;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;WD)";

    fn filtered() -> String {
        ADMINISTRATOR.replace("S-1-16-12288", "S-1-16-8192").replace("SeShutdownPrivilege", "SeChangeNotifyPrivilege")
    }

    #[test]
    fn an_administrator_in_effect_may_control_services_in_every_language() {
        let who = Who::parse(ADMINISTRATOR).unwrap();
        assert_eq!((who.account.as_str(), who.token.standing), ("contoso\\svc-größe", Standing::Administrator));
        assert_eq!(who.token.may_restart, Answer::Known(true));
        assert_eq!(who.on_service(&format!("\r\n{SERVICE}\r\n")).unwrap().len(), 4);
    }

    #[test]
    fn a_filtered_token_is_no_administrator() {
        let who = Who::parse(&filtered()).unwrap();
        assert_eq!(who.token, Token { standing: Standing::Filtered, may_restart: Answer::Known(false) });
        assert!(who.on_service(SERVICE).unwrap().is_empty());
    }

    #[test]
    fn an_entry_of_its_own_lets_an_account_pause_and_no_more() {
        let who = Who::parse(&filtered()).unwrap();
        let own = format!("D:(A;;LCDT;;;S-1-5-21-1-2-3-1104){}", SERVICE.strip_prefix("D:").unwrap());
        assert_eq!(who.on_service(&own).unwrap(), BTreeSet::from([ServiceRight::PauseContinue]));
        let denied = own.replace("D:(A;", "D:(D;;DT;;;WD)(A;");
        assert!(who.on_service(&denied).unwrap().is_empty(), "the first entry decides");
    }

    #[test]
    fn p3_what_is_not_understood_is_no_right() {
        let who = Who::parse(ADMINISTRATOR).unwrap();
        for odd in ["", "Access is denied.", "D:(A;;QQ;;;BA)", "D:(XA;;CC;;;BA;(x))", "D:(A;CC)"] {
            assert!(who.on_service(odd).is_err(), "{odd}");
        }
        for odd in ["", "ERROR: access", "\"x\",\"S-1-5-32-544\""] {
            assert!(Who::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn system_reads_what_it_or_everybody_may_read() {
        assert_eq!(system_reads("O:BAG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)"), Ok(true));
        assert_eq!(system_reads("O:S-1-5-21-1-2-3-500G:SYD:P(A;;FA;;;S-1-5-21-1-2-3-500)"), Ok(false));
        assert_eq!(system_reads("O:BAG:SYD:(D;;FR;;;SY)(A;;FA;;;WD)"), Ok(false));
        assert_eq!(system_reads("O:BAG:SYD:(A;OICIIO;FA;;;SY)"), Ok(false));
        assert_eq!(system_reads("O:BAG:SYD:NO_ACCESS_CONTROL"), Ok(true));
    }
}
