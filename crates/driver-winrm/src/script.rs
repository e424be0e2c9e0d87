//! The scripts that run on a server: what they are called, how they are put together, and how their answer is read.
//!
//! A script gets its values as data, base64 of JSON, and never as script text. It prints ASCII only: one marked line
//! with base64 of JSON. Noise around that line does not matter.

use crate::hop::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use orchestrate_model::observe::ObstacleKind;
use orchestrate_wsman::{Cause, Error, FaultClass, Limits, Outcome, Output, Unresolved, clixml, plain};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::io::Read as _;
use zeroize::Zeroizing;

/// Scripts that only look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The rows of services and of the operating system, as WMI has them.
    State,
    /// The delayed flag and the dependents of services.
    ServiceDetails,
    /// The WMI classes of counter sets.
    CounterClasses,
    /// The values of counters, of many classes at once.
    Counters,
    /// What services say they are doing.
    Activity,
    /// What is installed.
    Versions,
    /// Whether the pool may lose a server.
    Readiness,
    /// Whether the configuration has reached everybody.
    Replication,
    /// The fabric state of the pool, as text.
    Fabric,
    /// Which central management is active.
    CentralManagement,
    /// What became of an installer.
    InstallerState,
    /// Which file is at a path.
    File,
    /// Whose the server is.
    Lease,
    /// What another of these says in a scheduled task of its own, which is made for it and removed again.
    ByTask,
    /// What a maintenance needs to know of a server and of the account on it.
    Probe,
    /// What would make an installer fail.
    Fitness,
    /// Every counter set of the product.
    CounterSets,
}

/// Scripts that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lever {
    /// Sets or clears the delayed flag of an automatic service.
    Delayed,
    /// Asks for changes of several services.
    Acts,
    /// Starts an installer, at most once per token.
    InstallerStart,
    /// Takes or renews the lease of the server.
    LeaseHold,
    /// Gives the lease of the server back.
    LeaseRelease,
}

/// A script: its name on the wire and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    body: &'static str,
}

/// How long the answer to a question takes a server that is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Takes {
    /// It is put in one line with others.
    AMoment,
    /// The same, at the end of that line: it asks the product, and what it says belongs to what the others say.
    Seconds,
    /// It has a line of its own: the product may take minutes over it, or it reads a large file, or lists all classes.
    Long,
}

/// The version of the contract with a script, in its first line.
const VERSION: u32 = 1;
/// Ends every script: decodes the request, answers, and sets the exit code.
const CLOSE: &str = include_str!("scripts/close.ps1");

/// The text of a script that asks a cmdlet of the product, with the function that finds it before it.
macro_rules! with_product {
    ($file:literal) => {
        concat!(include_str!("scripts/product.ps1"), include_str!($file))
    };
}

/// The same for a script that hands an answer over as it is, with the function that does so.
macro_rules! with_expand {
    ($file:literal) => {
        concat!(include_str!("scripts/expand.ps1"), include_str!("scripts/product.ps1"), include_str!($file))
    };
}

/// The text of a script that keeps things in our folder on the server.
macro_rules! with_folder {
    ($($file:literal),+) => {
        concat!(include_str!("scripts/folder.ps1"), $(include_str!($file)),+)
    };
}

impl Look {
    /// Returns the script.
    pub(crate) fn script(self) -> Script {
        let (name, body) = match self {
            Self::State => ("state", include_str!("scripts/state.ps1")),
            Self::ServiceDetails => ("service-details", include_str!("scripts/service-details.ps1")),
            Self::CounterClasses => ("counter-classes", include_str!("scripts/counter-classes.ps1")),
            Self::Counters => ("counters", include_str!("scripts/counters.ps1")),
            Self::Activity => ("activity", with_product!("scripts/activity.ps1")),
            Self::Versions => ("versions", include_str!("scripts/versions.ps1")),
            Self::Readiness => ("readiness", with_expand!("scripts/readiness.ps1")),
            Self::Replication => ("replication", with_product!("scripts/replication.ps1")),
            Self::Fabric => ("fabric", with_product!("scripts/fabric.ps1")),
            Self::CentralManagement => ("central-management", with_expand!("scripts/central-management.ps1")),
            Self::InstallerState => ("installer-state", include_str!("scripts/installer-state.ps1")),
            Self::File => ("file", include_str!("scripts/file.ps1")),
            Self::Probe => ("probe", concat!(include_str!("scripts/pending.ps1"), include_str!("scripts/probe.ps1"))),
            Self::Fitness => {
                ("fitness", concat!(include_str!("scripts/pending.ps1"), include_str!("scripts/fitness.ps1")))
            }
            Self::CounterSets => ("counter-sets", include_str!("scripts/counter-sets.ps1")),
            Self::Lease => {
                ("lease", concat!(include_str!("scripts/lease-file.ps1"), include_str!("scripts/lease.ps1")))
            }
            Self::ByTask => ("by-task", with_folder!("scripts/by-task.ps1")),
        };
        Script { name, body }
    }

    /// Returns whether it asks a cmdlet of the product that may have to ask a second machine. What is installed is said
    /// by the server alone.
    pub(crate) fn asks_the_product(self) -> bool {
        match self {
            Self::Activity | Self::Readiness | Self::Replication | Self::Fabric | Self::CentralManagement => true,
            Self::State
            | Self::ServiceDetails
            | Self::CounterClasses
            | Self::Counters
            | Self::Versions
            | Self::InstallerState
            | Self::File
            | Self::Lease
            | Self::Probe
            | Self::Fitness
            | Self::CounterSets
            | Self::ByTask => false,
        }
    }
}

impl Look {
    /// Returns how long its answer takes a server that is well.
    pub(crate) fn takes(self) -> Takes {
        match self {
            Self::State
            | Self::ServiceDetails
            | Self::Counters
            | Self::Versions
            | Self::InstallerState
            | Self::Lease
            | Self::Fitness => Takes::AMoment,
            Self::Activity => Takes::Seconds,
            Self::CounterClasses
            | Self::Readiness
            | Self::Replication
            | Self::Fabric
            | Self::CentralManagement
            | Self::File
            | Self::ByTask
            | Self::Probe
            | Self::CounterSets => Takes::Long,
        }
    }
}

impl Lever {
    /// Returns the script.
    pub(crate) fn script(self) -> Script {
        let (name, body) = match self {
            Self::Delayed => ("delayed", include_str!("scripts/delayed.ps1")),
            Self::Acts => ("acts", include_str!("scripts/acts.ps1")),
            Self::InstallerStart => ("installer-start", with_folder!("scripts/installer-start.ps1")),
            Self::LeaseHold => ("lease-hold", with_folder!("scripts/lease-file.ps1", "scripts/lease-hold.ps1")),
            Self::LeaseRelease => (
                "lease-release",
                concat!(include_str!("scripts/lease-file.ps1"), include_str!("scripts/lease-release.ps1")),
            ),
        };
        Script { name, body }
    }
}

/// The program that runs scripts. The full path: what stands first in a path variable is not ours to trust.
pub(crate) const POWERSHELL: &str = r"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe";
/// What every call of it is given.
const FIXED: [&str; 4] = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass"];
/// Says why nothing else will work here: a constrained session refuses the calls that every script makes, and what is
/// older than 3.0 knows no JSON. It uses nothing that such a session or version lacks, and stays on one line.
const ABLE: &str = "if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage' -or \
    $PSVersionTable.PSVersion.Major -lt 3) { \"ORCHESTRATE-UNABLE:$($ExecutionContext.SessionState.LanguageMode) \
    $($PSVersionTable.PSVersion)\"; exit 3 }";
/// Longest command line that goes through the command shell, with some room: the limit is 8,191 characters.
const LONGEST_LINE: usize = 8_000;

/// Reads the rest of a script, another script and a secret from three lines of the input, so that the secret is in no
/// text that PowerShell may write to a log of scripts. Since 3.0; a text that named the automatic variable for input
/// would lose it to PowerShell itself.
const FROM_INPUT: &str = "$lines = [Console]::In\n$text = $lines.ReadLine()\n$inner = $lines.ReadLine()\n\
    $secret = $lines.ReadLine()\n\
    & ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($text))))\n";

/// A command that runs a script.
#[derive(PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) arguments: Vec<String>,
    /// May hold a secret.
    pub(crate) input: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let input = self.input.as_ref().map(|input| input.len());
        f.debug_struct("Command").field("arguments", &self.arguments).field("input", &input).finish()
    }
}

impl Script {
    /// Returns the command that runs the script with this request: on the command line where it fits, otherwise on
    /// standard input.
    pub(crate) fn command(self, request: &Value) -> Command {
        let command = self.on_the_line(request);
        let length: usize = POWERSHELL.len() + command.arguments.iter().map(|part| part.len() + 1).sum::<usize>();
        if length <= LONGEST_LINE { command } else { self.by_input(request) }
    }

    /// The command with the whole script in it.
    pub(crate) fn on_the_line(self, request: &Value) -> Command {
        Command { arguments: encoded(&self.text(request)), input: None }
    }

    /// The script as one text.
    pub(crate) fn text(self, request: &Value) -> String {
        format!("{}{}", self.head(request), self.tail())
    }

    /// The command that gets another script besides its request, and perhaps a secret, by its input.
    pub(crate) fn with_input(self, request: &Value, inner: &str, secret: Option<&Zeroizing<String>>) -> Command {
        let mut input = Zeroizing::new(String::new());
        // Room for all of it, so that no part of the secret stays behind where the text was before it grew.
        let tail = self.tail();
        input.reserve(2 * (tail.len() + inner.len() + secret.map_or(0, |secret| secret.len())) + 16);
        for line in [tail.as_str(), inner, secret.map_or("", |secret| secret.as_str())] {
            STANDARD.encode_string(line, &mut input);
            input.push('\n');
        }
        let arguments = encoded(&format!("{}{FROM_INPUT}", self.head(request)));
        Command { arguments, input: Some(Zeroizing::new(std::mem::take(&mut *input).into_bytes())) }
    }

    /// The command that starts a process which stays, and answers line by line.
    pub(crate) fn worker() -> Command {
        let worker = Self { name: "worker", body: include_str!("scripts/worker.ps1") };
        let text = format!("{}{}", worker.head(&Value::Null), bare(worker.body.lines()));
        Command { arguments: encoded(&text), input: None }
    }

    /// The line that has such a process answer a request, and the line that it ends its answer with.
    pub(crate) fn line(self, request: &Value, number: u64) -> (String, String) {
        // The process stays: nothing may end it.
        let rest = bare(self.body.lines().chain(CLOSE.lines().filter(|line| !line.trim().starts_with("exit "))));
        let text = STANDARD.encode(format!("{}{rest}", self.lead(request)));
        (format!("{number} {text}"), format!("ORCHESTRATE-DONE:{number}."))
    }

    /// The command that reads the script from its input.
    pub(crate) fn by_input(self, request: &Value) -> Command {
        // Read from standard input, PowerShell takes the text line by line as if it were typed, and a block that spans
        // lines may end early. So everything after the head is one line that decodes and runs the rest.
        let rest = STANDARD.encode(self.tail());
        let run = format!(
            "& ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{rest}'))))\n"
        );
        let mut arguments = FIXED.map(str::to_owned).to_vec();
        arguments.extend(["-Command".to_owned(), "-".to_owned()]);
        Command { arguments, input: Some(Zeroizing::new(format!("{}{run}", self.head(request)).into_bytes())) }
    }

    /// The first lines: what the script is, its request, and what it says where it cannot run.
    fn head(self, request: &Value) -> String {
        format!("{}{ABLE}\n", self.lead(request))
    }

    /// What the script is, and its request.
    fn lead(self, request: &Value) -> String {
        let request = STANDARD.encode(request.to_string());
        format!("# orchestrate script {} {VERSION}\n$request = '{request}'\n", self.name)
    }

    /// The rest.
    fn tail(self) -> String {
        bare(self.body.lines().chain(CLOSE.lines()))
    }
}

/// Returns lines without comments and indentation, which would only make the command line longer.
fn bare<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let kept: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    kept.join("\n") + "\n"
}

/// Returns the arguments that have a text run.
fn encoded(text: &str) -> Vec<String> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut arguments = FIXED.map(str::to_owned).to_vec();
    arguments.extend(["-EncodedCommand".to_owned(), STANDARD.encode(units)]);
    arguments
}

/// The question that a process which stays is asked first: nothing, which shows that questions and answers arrive.
pub(crate) const HELLO: &str = "0 IA==";
/// Its answer.
pub(crate) const HELLO_MARK: &str = "ORCHESTRATE-DONE:0.";

/// Returns whether a PowerShell has said that it cannot run scripts of ours.
pub(crate) fn is_unable(output: &Output) -> bool {
    last_after(&output.stdout, UNABLE).is_some()
}

/// Why a script gave no answer, and what that means for what it was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) outcome: Outcome,
    pub(crate) text: String,
    /// Whether asking again may help.
    pub(crate) passing: bool,
    /// The fault that the server answered with, if it did.
    pub(crate) fault: Option<FaultClass>,
    /// Whether it was running and took longer than anybody waits.
    pub(crate) slow: bool,
    /// The chain of errors that the script itself came to.
    pub(crate) problems: Vec<Problem>,
    /// Why no script would have run, whichever it was, with how that is told.
    pub(crate) obstacle: Option<(ObstacleKind, String)>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Trouble {
    /// Returns trouble of which nobody knows what happened.
    pub(crate) fn unknown(text: impl Into<String>) -> Self {
        let (outcome, text) = (Outcome::Unknown, text.into());
        Self { outcome, text, passing: false, fault: None, slow: false, problems: Vec::new(), obstacle: None }
    }

    /// Returns trouble that came before anything was sent.
    pub(crate) fn unsent(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotSent, ..Self::unknown(text) }
    }

    /// Returns trouble of which the server has said that what was asked for did not happen, and never will.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused, ..Self::unknown(text) }
    }

    /// Returns trouble of this script that every other script would have had as well.
    fn of_all(self, script: Script, kind: ObstacleKind) -> Self {
        let told = self.text.clone();
        Self { text: format!("script {}: {told}", script.name), obstacle: Some((kind, told)), ..self }
    }

    /// Returns the same trouble, where something was done before it came: nobody knows how much.
    pub(crate) fn halfway(self) -> Self {
        Self { outcome: Outcome::Unknown, ..self }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self {
            outcome: error.outcome(),
            passing: crate::outcome::is_passing(&error),
            fault: error.fault_class(),
            slow: matches!(&*error.cause, Cause::Unresolved(Unresolved::CommandTimeout(_))),
            text: error.to_string(),
            problems: Vec::new(),
            obstacle: obstacle(&error).map(|kind| (kind, without_host(&error))),
        }
    }
}

/// Returns what an error says about every script, if it does.
fn obstacle(error: &Error) -> Option<ObstacleKind> {
    match error.fault_class() {
        Some(FaultClass::Quota) => Some(ObstacleKind::Quota),
        Some(FaultClass::AccessDenied) => Some(ObstacleKind::AccessDenied),
        Some(FaultClass::FileNotFound) => Some(ObstacleKind::NoPowerShell),
        // A shell is the same whatever it is for.
        Some(FaultClass::NotFound | FaultClass::BadQuery | FaultClass::Malformed | FaultClass::Other)
            if error.operation == "Create" =>
        {
            Some(ObstacleKind::NoScript)
        }
        Some(_) | None => None,
    }
}

/// Returns an error without the name of the server, which stands beside it.
pub(crate) fn without_host(error: &Error) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}: ", error.host)).unwrap_or(&text).to_owned()
}

/// Stands before the answer. What else is printed may stand before it in the same line, when it has no line end.
const MARK: &str = "ORCHESTRATE:";
/// Stands behind it where the answer was made short.
const SHORT: char = '!';
/// Stands before the language mode and the version of a PowerShell that cannot run scripts of ours.
const UNABLE: &str = "ORCHESTRATE-UNABLE:";

/// Returns what a script answered.
pub(crate) fn answer<A: DeserializeOwned>(script: Script, output: &Output) -> Result<A, Trouble> {
    let name = script.name;
    let shape = |text: &str| Trouble::unknown(format!("script {name}: {text}"));
    let Some(marked) = last_after(&output.stdout, MARK) else {
        if let Some(unable) = last_after(&output.stdout, UNABLE) {
            // Nothing of the script has run.
            let (kind, why) = why_unable(unable);
            return Err(Trouble::refused(why).of_all(script, kind));
        }
        let said = clixml::said(&output.stderr);
        let said = if said.is_empty() { "it said nothing".to_owned() } else { said };
        let text = format!("no answer, exit code {}: {said}", output.exit_code);
        return Err(Trouble::unknown(text).of_all(script, ObstacleKind::NoScript));
    };
    let (is_short, marked) = marked.strip_prefix(SHORT).map_or((false, marked), |rest| (true, rest));
    let bytes = STANDARD.decode(marked).map_err(|_damaged| shape("the answer is not base64"))?;
    let bytes = if is_short { unfolded(&bytes).map_err(|why| shape(&why))? } else { bytes };
    let value: Value = serde_json::from_slice(&bytes).map_err(|_damaged| shape("the answer is not JSON"))?;
    // It ran, came to an error, and says so: what it was to do is refused.
    if let Some(error) = value.get("error").and_then(Value::as_str) {
        let problems = value.get("causes").cloned().map(serde_json::from_value).and_then(Result::ok);
        let problems = problems.unwrap_or_default();
        return Err(Trouble { problems, ..Trouble::refused(format!("script {name}: {}", plain(error))) });
    }
    if output.exit_code != 0 {
        return Err(shape(&format!("it answered and then ended with {}", output.exit_code)));
    }
    serde_json::from_value(value).map_err(|error| shape(&format!("unexpected answer: {}", plain(&error.to_string()))))
}

/// Returns what an answer was before it was made short.
fn unfolded(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let most = Limits::default().output_bytes;
    let mut whole = Vec::new();
    // One more than may be, to tell that there is more.
    let mut reader = DeflateDecoder::new(bytes).take(most as u64 + 1);
    reader.read_to_end(&mut whole).map_err(|_damaged| "the answer was made short, and is damaged".to_owned())?;
    if whole.len() > most { Err(format!("the answer is longer than {most} bytes")) } else { Ok(whole) }
}

/// Returns the rest of the line after the last mark: what a module printed earlier is never taken for the answer.
fn last_after<'a>(stdout: &'a str, mark: &str) -> Option<&'a str> {
    stdout.lines().rev().find_map(|line| line.rsplit_once(mark)).map(|(_noise, rest)| rest.trim())
}

/// Returns what a PowerShell that cannot run our scripts lacks, and the ways out.
fn why_unable(said: &str) -> (ObstacleKind, String) {
    let (mode, version) = said.split_once(' ').unwrap_or((said, "unknown"));
    let (mode, version) = (plain(mode), plain(version));
    if mode == "FullLanguage" {
        let why =
            format!("PowerShell 3.0 or later is needed, found {version}: install Windows Management Framework 3.0");
        return (ObstacleKind::OldPowerShell, why);
    }
    let why = format!(
        "PowerShell {version} runs in {mode} here, expected FullLanguage: a policy of this server (AppLocker or Windows \
         Defender Application Control) restricts scripts of this account. Allow them for the account of the maintenance \
         (AppLocker: a rule for all scripts; Application Control: without script enforcement), or use an account \
         that the policy does not restrict"
    );
    (ObstacleKind::Restricted, why)
}

/// Returns a request as data.
pub(crate) fn request<R: Serialize>(request: &R) -> Result<Value, Trouble> {
    serde_json::to_value(request).map_err(|error| Trouble::unsent(format!("the request cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write as _;

    const LOOKS: [Look; 17] = [
        Look::State,
        Look::ServiceDetails,
        Look::CounterClasses,
        Look::Counters,
        Look::Activity,
        Look::Versions,
        Look::Readiness,
        Look::Replication,
        Look::Fabric,
        Look::CentralManagement,
        Look::InstallerState,
        Look::File,
        Look::Lease,
        Look::ByTask,
        Look::Probe,
        Look::Fitness,
        Look::CounterSets,
    ];

    fn text(command: &Command) -> String {
        if let Some(input) = &command.input {
            return String::from_utf8(input.to_vec()).unwrap();
        }
        let bytes = STANDARD.decode(command.arguments.last().unwrap()).unwrap();
        let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).unwrap()
    }

    fn every_script() -> Vec<Script> {
        let levers = [Lever::Delayed, Lever::Acts, Lever::InstallerStart, Lever::LeaseHold, Lever::LeaseRelease];
        LOOKS.map(Look::script).into_iter().chain(levers.map(Lever::script)).collect()
    }

    #[test]
    fn every_script_begins_with_its_name_and_its_request() {
        let request = json!({"services": ["it's; $(here)"]});
        for script in every_script() {
            let command = script.command(&request);
            let text = text(&command);
            let mut lines = text.lines();
            assert_eq!(lines.next().unwrap(), format!("# orchestrate script {} 1", script.name));
            let data = lines.next().unwrap().strip_prefix("$request = '").unwrap().strip_suffix('\'').unwrap();
            assert_eq!(lines.next().unwrap(), ABLE);
            let decoded: Value = serde_json::from_slice(&STANDARD.decode(data).unwrap()).unwrap();
            assert_eq!(decoded, request);
            assert!(!text.contains("it's"), "a value is in the script text: {}", script.name);
            assert!(text.is_ascii(), "{}", script.name);
            assert!(script.body.contains("function Get-Answer($ask) {"), "{}", script.name);
        }
    }

    #[test]
    fn a_script_that_is_too_long_for_the_command_line_goes_by_standard_input() {
        let names: Vec<String> = (0..200).map(|n| format!("SERVICE-{n}")).collect();
        let short = Look::InstallerState.script().command(&json!({"token": "t"}));
        let long = Look::Activity.script().command(&json!({"services": names}));
        assert!(short.input.is_none());
        assert_eq!(
            &short.arguments[..5],
            &["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand"]
        );
        assert_eq!(&long.arguments[4..], &["-Command", "-"]);
        let text = text(&long);
        assert_eq!(text.lines().count(), 4, "nothing that spans lines: {text}");
        let rest = text.lines().nth(3).unwrap().split('\'').nth(1).unwrap();
        let rest = String::from_utf8(STANDARD.decode(rest).unwrap()).unwrap();
        assert!(rest.contains("Get-CsWindowsService") && rest.contains("exit 0"));
        assert!(Lever::InstallerStart.script().command(&json!({})).input.is_some());
    }

    #[test]
    fn comments_are_left_out_and_strings_that_span_lines_stay() {
        let tail = Lever::InstallerStart.script().tail();
        assert!(tail.lines().all(|line| !line.starts_with('#')));
        assert!(tail.contains("\n'@\n"));
    }

    /// Returns the first place that the grammar of PowerShell does not know.
    fn wrong_place(text: &str) -> Option<String> {
        let mut parser = tree_sitter::Parser::new();
        parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
        let tree = parser.parse(text, None).unwrap();
        let mut open = vec![tree.root_node()];
        while let Some(node) = open.pop() {
            if node.is_error() || node.is_missing() {
                let line = node.start_position().row;
                return Some(format!("line {}: {}", line + 1, text.lines().nth(line).unwrap_or_default()));
            }
            open.extend((0..node.child_count()).filter_map(|at| node.child(at)));
        }
        None
    }

    #[test]
    fn every_script_is_powershell_by_its_grammar() {
        assert!(wrong_place("function f { 'open").is_some(), "the check finds what is wrong");
        for script in every_script() {
            let whole = format!("{}{}", script.head(&json!({})), script.tail());
            assert_eq!(wrong_place(&whole), None, "{}", script.name);
        }
        assert_eq!(wrong_place(include_str!("scripts/worker.ps1")), None, "worker");
        let start = Lever::InstallerStart.script().body;
        let runner = start.split_once("@'\n").unwrap().1.split_once("\n'@").unwrap().0;
        assert_eq!(wrong_place(runner), None, "the script that the scheduled task runs");
    }

    #[test]
    fn p6_the_runner_takes_its_turn_before_anything_else_and_leaves_no_task_behind() {
        let start = Lever::InstallerStart.script().tail();
        let runner: Vec<&str> = start.split_once("@'\n").unwrap().1.split_once("\n'@").unwrap().0.lines().collect();
        assert!(runner[1].contains(r#"\running", 'CreateNew'"#) && runner[1].contains("exit 0"), "{}", runner[1]);
        assert!(runner.last().unwrap().contains("DeleteTask"));
        // A policy that wants signed scripts refuses files, whatever the command line says.
        assert!(!start.contains("-File "));
    }

    #[test]
    fn a_question_is_one_line_that_ends_nothing() {
        for look in LOOKS.into_iter().filter(|look| *look != Look::ByTask) {
            let script = look.script();
            let (line, mark) = script.line(&json!({"services": ["it's"]}), 12);
            assert_eq!((line.lines().count(), mark.as_str()), (1, "ORCHESTRATE-DONE:12."));
            let encoded = line.strip_prefix("12 ").unwrap();
            let text = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
            assert!(text.starts_with(&format!("# orchestrate script {} 1\n$request = '", script.name)), "{text}");
            assert!(!text.lines().any(|line| line.trim().starts_with("exit")), "{text}");
            assert!(text.contains("Write-Answer (Get-Answer") && text.contains("Write-Answer @{ error"), "{text}");
        }
    }

    fn output(stdout: &str, exit_code: i64) -> Output {
        Output { stdout: stdout.to_owned(), stderr: String::new(), exit_code }
    }

    #[test]
    fn only_a_marked_answer_with_exit_code_0_is_an_answer() {
        let script = Look::Versions.script();
        let line = format!("noise\r\n{MARK}{}\r\nmore", STANDARD.encode(r#"{"a":1}"#));
        assert_eq!(answer::<Value>(script, &output(&line, 0)).unwrap(), json!({"a": 1}));
        let noisy = format!("{MARK}e30=\nloading... {MARK}{}\n", STANDARD.encode(r#"{"a":1}"#));
        assert_eq!(answer::<Value>(script, &output(&noisy, 0)).unwrap(), json!({"a": 1}));
        let failed = format!("{MARK}{}", STANDARD.encode(r#"{"error":"no such\u0007 cmdlet"}"#));
        let trouble = answer::<Value>(script, &output(&failed, 1)).unwrap_err();
        assert_eq!(trouble.text, "script versions: no such cmdlet");
        for bad in ["", "ORCHESTRATE:", "ORCHESTRATE:%%%", "ORCHESTRATE:e30", "ORCHESTRATE:e30= x"] {
            assert!(answer::<Value>(script, &output(bad, 0)).is_err(), "{bad}");
        }
        assert!(answer::<Value>(script, &output(&line, 1)).is_err());
    }

    fn folded(bytes: &[u8]) -> String {
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        deflate.write_all(bytes).unwrap();
        STANDARD.encode(deflate.finish().unwrap())
    }

    #[test]
    fn p3_an_answer_that_was_made_short_is_read_whole_or_not_at_all() {
        let script = Look::Versions.script();
        let said = |text: &str| answer::<Value>(script, &output(&format!("noise {MARK}{SHORT}{text}\r\n"), 0));
        let whole = folded(format!(r#"{{"a":"{}"}}"#, "x".repeat(5_000)).as_bytes());
        assert_eq!(said(&whole).unwrap()["a"].as_str().map(str::len), Some(5_000));
        assert!(said(&whole[..whole.len() / 8 * 4]).unwrap_err().text.contains("is damaged"));
        assert!(said("e30=").unwrap_err().text.contains("is damaged"));
        // Some kilobytes that would be far more than is ever read.
        let bomb = folded(&vec![b' '; 64 << 20]);
        assert!(said(&bomb).unwrap_err().text.contains("longer than 4194304 bytes"));
    }
}
