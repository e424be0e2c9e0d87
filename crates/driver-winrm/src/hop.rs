//! What a cmdlet says when the account has no name on a second machine. A network logon has none there as a rule: the
//! server cannot prove to the configuration store, to SQL or to the directory whose question it passes on.

use orchestrate_model::pool::{Cmdlets, TaskAccount};
use serde::Deserialize;

/// One error of a chain: what it is called, and what is wrapped in it comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Problem {
    /// The type of .NET.
    #[serde(default)]
    kind: String,
    /// The HRESULT.
    #[serde(default)]
    code: i64,
    /// The number of an error of SQL.
    #[serde(default)]
    number: Option<i64>,
    #[serde(default)]
    text: String,
}

impl Problem {
    /// Returns the HRESULT.
    pub(crate) fn code(&self) -> i64 {
        self.code
    }

    /// Whether the HRESULT is one of these, which are written without a sign.
    pub(crate) fn is_one_of(&self, codes: &[i64]) -> bool {
        codes.contains(&(self.code & 0xFFFF_FFFF))
    }
}

/// Where the question was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    /// Active Directory.
    Directory,
    /// SQL, where the configuration store is.
    Sql,
    /// Somewhere.
    Somewhere,
}

impl Second {
    fn words(self) -> &'static str {
        match self {
            Self::Directory => "the directory",
            Self::Sql => "SQL, where the configuration store is",
            Self::Somewhere => "a second machine",
        }
    }
}

/// `ERROR_DS_OPERATIONS_ERROR`: what the directory says to a question without a name.
const OPERATIONS_ERROR: i64 = 0x8007_2020;
/// Errors of the directory that say that the question had no name, or one without rights.
const DIRECTORY: [i64; 5] = [
    OPERATIONS_ERROR,
    // Access denied, insufficient rights, logon failure, inappropriate authentication.
    0x8007_0005,
    0x8007_2098,
    0x8007_052E,
    0x8007_2029,
];
/// Errors of the security packages: no credentials, logon denied.
const NO_NAME: [i64; 2] = [0x8009_030E, 0x8009_030C];
/// What stands for an error of the directory in the text of the product, whatever the language.
const IN_TEXT: [&str; 3] = ["-2147016672", "80072020", "-2147016552"];

/// Returns where a question was not let in, if that is what an error says.
pub(crate) fn recognise(text: &str, problems: &[Problem]) -> Option<Second> {
    let by_kind = problems.iter().find_map(|problem| {
        let code = problem.code & 0xffff_ffff;
        let has = |part: &str| problem.kind.contains(part);
        // The type has been moved between name spaces.
        let is_sql = problem.kind.rsplit('.').next() == Some("SqlException");
        let of_directory = has("DirectoryServices") || has(".ADConnect.") || has("ActiveDirectory");
        if is_sql && is_login(problem.number) {
            Some(Second::Sql)
        } else if code == OPERATIONS_ERROR || (of_directory && DIRECTORY.contains(&code)) {
            Some(Second::Directory)
        } else if NO_NAME.contains(&code) {
            Some(Second::Somewhere)
        } else {
            None
        }
    });
    by_kind.or_else(|| {
        let texts = std::iter::once(text).chain(problems.iter().map(|problem| problem.text.as_str()));
        texts.map(str::to_lowercase).find_map(|text| by_words(&text))
    })
}

/// Whether an error of SQL is about the login or the way there. Without a number it is about the way there.
fn is_login(number: Option<i64>) -> bool {
    // Login failed, untrusted domain, database cannot be opened, default database; then what a client says that cannot
    // connect, by named pipes and by TCP.
    let numbers = [18456, 18452, 4060, 4064, 0, -1, 2, 5, 17, 40, 53, 233, 1326, 10054, 10060, 10061, 11001];
    number.is_none_or(|number| numbers.contains(&number))
}

fn by_words(text: &str) -> Option<Second> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let to_sql = has(&["sql"]) && has(&["connect", "login failed", "network-related"]);
    if has(&["login failed for user", "cannot open database"]) || to_sql {
        return Some(Second::Sql);
    }
    let denied = has(&["access is denied", "access denied", "insufficient access rights"]);
    if has(&["an operations error occurred"]) || has(&IN_TEXT) || (denied && has(&["directory", "ldap"])) {
        return Some(Second::Directory);
    }
    has(&["anonymous logon", "nt authority\\anonymous"]).then_some(Second::Somewhere)
}

/// Returns an error that says by which way the question was asked, and which there are.
pub(crate) fn explain(text: &str, second: Second, way: &Cmdlets) -> String {
    let to = second.words();
    match way {
        Cmdlets::Session => format!(
            "the cmdlet was not let in at {to}, as happens where a network logon cannot go on to a second machine. \
             It said: {text}. Ways out, under `access.winrm` of the plan: `cmdlets: {{task: {{as: 'DOMAIN\\name$'}}}}` \
             (a group-managed service account), `{{task: {{as: system}}}}` (the computer's own account), or `{{task: \
             {{as: self}}}}` (this account with its password); `session` is right where the logon can go on, or the \
             account only lacks a right"
        ),
        Cmdlets::Task(account) => {
            let whose = match account {
                TaskAccount::System => "the account of the computer".to_owned(),
                TaskAccount::Caller | TaskAccount::Managed(_) => account.to_string(),
            };
            format!(
                "the cmdlet was not let in at {to} in a task as {account}. It said: {text}. Give {whose} the product's \
                 right to read there (RTCUniversalReadOnlyAdmins), or choose another account in `cmdlets: {{task: \
                 {{as: ...}}}}` under `access.winrm` of the plan"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str, code: i64, number: Option<i64>) -> Problem {
        Problem { kind: kind.to_owned(), code, number, text: "Ein Fehler ist aufgetreten.".to_owned() }
    }

    #[test]
    fn a_double_hop_is_recognised_by_kinds_and_numbers_in_every_language() {
        let table = [
            ("System.DirectoryServices.DirectoryServicesCOMException", -2_147_016_672, None, Some(Second::Directory)),
            ("System.Runtime.InteropServices.COMException", -2_147_016_672, None, Some(Second::Directory)),
            (
                "System.DirectoryServices.ActiveDirectory.ActiveDirectoryOperationException",
                -2_147_024_891,
                None,
                Some(Second::Directory),
            ),
            ("System.Data.SqlClient.SqlException", -2_146_232_060, Some(18456), Some(Second::Sql)),
            ("System.Data.SqlClient.SqlException", -2_146_232_060, Some(53), Some(Second::Sql)),
            ("Microsoft.Data.SqlClient.SqlException", -2_146_232_060, None, Some(Second::Sql)),
            ("System.ComponentModel.Win32Exception", -2_146_893_042, None, Some(Second::Somewhere)),
            // A statement that is wrong, a file that is closed, a cmdlet that is not there: none of these.
            ("System.Data.SqlClient.SqlException", -2_146_232_060, Some(208), None),
            ("System.UnauthorizedAccessException", -2_147_024_891, None, None),
            ("System.Management.Automation.RuntimeException", -2_146_233_087, Some(0), None),
        ];
        for (kind, code, number, expected) in table {
            let outer = problem("System.Management.Automation.CmdletInvocationException", -2_146_233_087, None);
            for problems in [vec![problem(kind, code, number)], vec![outer, problem(kind, code, number)]] {
                assert_eq!(recognise("Ein Fehler ist aufgetreten.", &problems), expected, "{kind} {code} {number:?}");
            }
        }
    }

    #[test]
    fn a_double_hop_is_recognised_by_its_english_words_as_well() {
        let table = [
            ("Login failed for user 'NT AUTHORITY\\ANONYMOUS LOGON'.", Some(Second::Sql)),
            ("Cannot open database \"xds\" requested by the login.", Some(Second::Sql)),
            ("Could not connect to SQL server : network path not found", Some(Second::Sql)),
            ("An operations error occurred.", Some(Second::Directory)),
            ("Active Directory-Fehler \"-2147016672\" bei der Suche nach Domänencontrollern", Some(Second::Directory)),
            ("Access is denied by the directory.", Some(Second::Directory)),
            ("Access is denied.", None),
            ("Pool Manager failed to connect to Fabric Pool Manager.", None),
            ("The SQL statement is wrong.", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(recognise(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn an_explanation_names_the_ways_out_of_the_way_that_was_taken() {
        let session = explain("x", Second::Sql, &Cmdlets::Session);
        for word in ["name$", "as: system", "as: self", "`session`", "It said: x."] {
            assert!(session.contains(word), "{word}: {session}");
        }
        let task = explain("x", Second::Directory, &Cmdlets::Task(TaskAccount::System));
        assert!(task.contains("the account of the computer") && task.contains("RTCUniversalReadOnlyAdmins"), "{task}");
    }
}
