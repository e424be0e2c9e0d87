//! The command line as it is written.

mod decide;
mod document;
pub(crate) mod printed;
mod probe;
mod saved;
mod serve;

pub(crate) use decide::{Choice, DecideArgs};
pub(crate) use document::Document;
pub(crate) use probe::{AuthWord, HostArgs, ProbeArgs, TransportWord};
pub(crate) use saved::{ApplyArgs, DiffArgs};
pub(crate) use serve::{ApproveArgs, ProcessArgs, ServeArgs};

use crate::exit::Exit;
use crate::home::quoted;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use orchestrate_lab::FASTEST;
use orchestrate_model::Change;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

/// Takes a pool of servers through maintenance, one server at a time, without its users noticing.
#[derive(Debug, Parser)]
#[command(
    name = "orchestrate",
    version,
    max_term_width = 100,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    subcommand_value_name = "COMMAND",
    override_usage = "orchestrate [OPTIONS] PLAN\n       orchestrate COMMAND ...",
    after_help = "A plan file that is called like a command is given as a path: orchestrate ./check",
    after_long_help = Exit::help()
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The commands that change nothing, neither on servers nor about runs.
const READS: [&str; 15] = [
    "diff",
    "check",
    "explain",
    "schema",
    "status",
    "watch",
    "report",
    "windows",
    "simulate",
    "approve",
    "completions",
    "man",
    "help",
    "verify",
    "probe",
];

impl Cli {
    /// Returns the command that a word was probably meant for, when there is none of that name. Only commands that change
    /// nothing are named: what somebody copies from a message at night must do no harm.
    pub(crate) fn nearest(word: &str) -> Option<String> {
        let command = Self::command();
        let names = command.get_subcommands().map(clap::Command::get_name).filter(|name| READS.contains(name));
        let (name, distance) =
            names.map(|name| (name, strsim::damerau_levenshtein(name, word))).min_by_key(|(_, distance)| *distance)?;
        // As many slips as a hand makes in a word of this length.
        (distance <= name.len().div_ceil(3).min(2)).then(|| name.to_owned())
    }
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    // As text of clap, which shows it without the back quotes that a comment would need.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Everywhere",
        help = "Where runs are kept [env: ORCHESTRATE_STATE_DIR] [default: the platform's state folder]"
    )]
    pub(crate) state_dir: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        help_heading = "Everywhere",
        help = "What is traced to stderr, such as `debug` or `orchestrate_driver_winrm=trace` [env: ORCHESTRATE_LOG]"
    )]
    pub(crate) log: Option<String>,
}

impl Common {
    /// The variable in which a state folder may be named.
    pub(crate) const STATE_DIR: &str = "ORCHESTRATE_STATE_DIR";

    /// Returns the same, with what was not typed taken from the environment. The parser could do it, but then takes the
    /// options for typed, and tells in its mistakes that commands need them.
    pub(crate) fn with_environment(self) -> Self {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let log = || named("ORCHESTRATE_LOG").map(|filter| filter.to_string_lossy().into_owned());
        Self {
            state_dir: self.state_dir.or_else(|| named(Self::STATE_DIR).map(PathBuf::from)),
            log: self.log.or_else(log),
        }
    }
}

/// What `orchestrate PLAN` takes.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct RunArgs {
    /// The plan file
    #[arg(value_name = "PLAN", required = true)]
    pub(crate) plan: Option<PathBuf>,
    /// Asks the servers every read-only question, shows what a run would do, and changes nothing
    #[arg(long, conflicts_with = "approve")]
    pub(crate) dry_run: bool,
    /// With --dry-run: the preview without asking the servers anything
    #[arg(long, requires = "dry_run")]
    pub(crate) offline: bool,
    /// With --dry-run: only what has to be read before saying yes, as a start shows it
    #[arg(long, requires = "dry_run")]
    pub(crate) brief: bool,
    /// With --dry-run: writes the plan that is shown, with what it was made from, for `orchestrate apply FILE`
    #[arg(long, value_name = "FILE", requires = "dry_run", conflicts_with = "offline")]
    pub(crate) out: Option<PathBuf>,
    /// Works on these servers alone, by short or full names, with commas or given again; the others are judged and left out
    #[arg(long, value_name = "SERVER", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Ends a dry run that found changes to make with exit code 2
    #[arg(long, requires = "dry_run")]
    pub(crate) detailed_exitcode: bool,
    /// How output looks; json gives one event per line during a run
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) approval: ApprovalArgs,
    #[command(flatten)]
    pub(crate) lab: LabArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    /// Whether `plan` is a saved plan that is to be run exactly.
    #[arg(skip)]
    pub(crate) saved: bool,
}

impl RunArgs {
    /// Returns whether anything of this was given, which makes no sense before a command.
    pub(crate) fn is_given(&self) -> bool {
        let Self { plan, dry_run, offline, brief, only, detailed_exitcode, out, output, approval, lab, process, saved } =
            self;
        let ApprovalArgs { yes, unattended, now, emergency, approve } = approval;
        let ProcessArgs { detach, apart, served } = process;
        let shown = [*dry_run, *offline, *brief, *detailed_exitcode, *saved, out.is_some()];
        let begun = [*detach, *apart, *yes, *unattended, *now, lab.lab, lab.lab_notify];
        let flags = [shown.as_slice(), begun.as_slice()].concat();
        plan.is_some()
            || served.is_some()
            || !only.is_empty()
            || flags.contains(&true)
            || *output != Format::Text
            || approve.is_some()
            || emergency.is_some()
            || lab.lab_speed.is_some()
            || lab.lab_scenario.is_some()
            || lab.lab_at.is_some()
    }
}

/// Who says yes.
#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct ApprovalArgs {
    /// Does not ask
    #[arg(short, long, group = "consent", help_heading = "Approval")]
    pub(crate) yes: bool,
    /// Does not ask, waits for the windows of the plan, one after the other, and holds take the choice that the plan names
    #[arg(long, help_heading = "Approval")]
    pub(crate) unattended: bool,
    /// With --unattended: does not wait for a window
    #[arg(long, requires = "unattended", help_heading = "Approval")]
    pub(crate) now: bool,
    /// Works at any time, outside windows and in freezes, for this reason, which the run keeps
    #[arg(long, value_name = "REASON", value_parser = emergency, help_heading = "Approval")]
    pub(crate) emergency: Option<String>,
    /// Runs only the plan with this fingerprint, as `orchestrate approve` prints it or as the preview shows it
    #[arg(long, value_name = "HASH", group = "consent", value_parser = fingerprint, help_heading = "Approval")]
    pub(crate) approve: Option<String>,
}

impl ApprovalArgs {
    /// Returns whether a window that is not open is waited for.
    pub(crate) fn waits(&self) -> bool {
        self.unattended && !self.now
    }

    /// Returns whether the plan with a fingerprint is one that was approved.
    pub(crate) fn covers(&self, found: &str) -> bool {
        self.approve.as_ref().is_none_or(|approved| found.to_ascii_lowercase().starts_with(approved.as_str()))
    }
}

/// Longest reason of an emergency: it stands in one line of reports and messages.
const LONGEST_REASON: usize = 300;

/// Reads why an emergency is one.
fn emergency(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || orchestrate_display::clean(text) != text {
        Err("say in words why this cannot wait: the reason is kept with the run".to_owned())
    } else if text.chars().count() > LONGEST_REASON {
        Err(format!("a reason has at most {LONGEST_REASON} characters"))
    } else {
        Ok(text.to_owned())
    }
}

/// Digits of a fingerprint that the preview shows. Fewer could be those of another plan.
const SHORT_FINGERPRINT: usize = 12;

/// Reads a fingerprint in full or in short.
fn fingerprint(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    if text.len() >= SHORT_FINGERPRINT && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err(format!(
            "it is the {SHORT_FINGERPRINT} hexadecimal digits that the preview shows, or all 64 of `orchestrate approve`"
        ))
    }
}

/// Servers that are imitated.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct LabArgs {
    /// Works on imitated servers on this machine, never on real ones
    #[arg(long, help_heading = "Lab")]
    pub(crate) lab: bool,
    /// How many times as fast as real time the lab of a run goes [default: 120, less where a plan has more than four
    /// servers; a preview's goes in real time]
    #[arg(long, value_name = "N", requires = "lab", value_parser = speed, help_heading = "Lab")]
    pub(crate) lab_speed: Option<f64>,
    /// What the lab is told besides the plan [default: PLAN's name with `.lab.yaml`, if there is such a file]
    #[arg(long, value_name = "FILE", requires = "lab", help_heading = "Lab")]
    pub(crate) lab_scenario: Option<PathBuf>,
    /// Works on a lab that runs already, by its directory file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lab", "lab_scenario", "lab_speed"], help_heading = "Lab")]
    pub(crate) lab_at: Option<PathBuf>,
    /// Tells people what the plan's `notify` says of a run on a lab too, which they are not told otherwise
    #[arg(long, help_heading = "Lab")]
    pub(crate) lab_notify: bool,
    /// Whether a lab that has to be started goes in real time, whatever was asked for.
    #[arg(skip)]
    pub(crate) real_time: bool,
}

/// Most openings that are listed. More are years away.
const MOST_OPENINGS: usize = 1_000;

/// Reads how many openings are listed.
fn openings(text: &str) -> Result<NonZeroUsize, String> {
    let number: Option<NonZeroUsize> = text.parse().ok();
    number.filter(|number| number.get() <= MOST_OPENINGS).ok_or_else(|| format!("1 to {MOST_OPENINGS} can be listed"))
}

/// Reads a whole number in a range, and says which numbers there are when it is none of them.
pub(crate) fn whole(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("a whole number from {least} to {most} is needed"))
}

/// Reads a number of runs.
fn runs(text: &str) -> Result<NonZeroU32, String> {
    let number = whole(text, 1, u64::from(u32::MAX))?;
    u32::try_from(number).ok().and_then(NonZeroU32::new).ok_or_else(|| "it is none".to_owned())
}

/// Reads a seed.
fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0, u64::MAX)
}

/// Reads most sessions of a service.
fn sessions(text: &str) -> Result<u32, String> {
    u32::try_from(whole(text, 0, 100_000)?).map_err(|error| error.to_string())
}

/// Reads minutes, a week of them at most.
fn minutes(text: &str) -> Result<u32, String> {
    u32::try_from(whole(text, 1, 10_080)?).map_err(|error| error.to_string())
}

/// Reads the speed of a lab.
fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_not_one| "it is no number".to_owned())?;
    if orchestrate_lab::is_speed(speed) {
        Ok(speed)
    } else {
        Err(format!("a lab goes more than 0 and at most {FASTEST} times as fast as real time"))
    }
}

impl LabArgs {
    /// Why 120: an hour passes in half a minute, and a pool of three takes about 75 seconds. Evidence may be 30 s old,
    /// which is a quarter of a real second at this speed; a look at a pool takes up to 170 ms in a debug build, so
    /// that faster labs would call their own evidence stale.
    pub(crate) const SPEED: f64 = 120.0;

    /// Returns whether a lab is worked on, and not the servers of the plan.
    pub(crate) fn is_wanted(&self) -> bool {
        self.lab || self.lab_at.is_some()
    }

    /// Returns what was given of this as it is typed, with a blank before each option.
    pub(crate) fn typed(&self) -> String {
        let path = |option: &str, path: &Path| format!(" {option} {}", quoted(path));
        let given = [
            self.lab.then(|| " --lab".to_owned()),
            self.lab_speed.map(|speed| format!(" --lab-speed {speed}")),
            self.lab_scenario.as_deref().map(|file| path("--lab-scenario", file)),
            self.lab_at.as_deref().map(|file| path("--lab-at", file)),
        ];
        given.into_iter().flatten().collect()
    }

    /// Returns the same with absolute paths, which mean the same in every folder.
    pub(crate) fn absolute(&self) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_none| path.clone());
        Self {
            lab_scenario: self.lab_scenario.as_ref().map(absolute),
            lab_at: self.lab_at.as_ref().map(absolute),
            ..self.clone()
        }
    }

    /// Returns how fast the lab for a plan goes. A look takes longer where there are more servers to be asked, and the
    /// evidence of a fast lab would be stale before it is judged.
    pub(crate) fn speed(&self, change: &Change) -> f64 {
        let servers: usize = change.pools.iter().map(|pool| pool.servers.len()).sum();
        let servers = f64::from(u32::try_from(servers).unwrap_or(u32::MAX));
        // Whole numbers, as people write them: a lab that is joined later is asked for at the same speed.
        let usual = (Self::SPEED * 4.0 / servers.max(4.0)).floor().max(1.0);
        if self.real_time { 1.0 } else { self.lab_speed.unwrap_or(usual) }
    }
}

/// How output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs, versioned
    Json,
    /// One page for a change board that needs nothing else; previews only
    Html,
    /// The timeline alone, as a picture; previews only
    Svg,
    /// The graph of the steps for Graphviz; previews only
    Dot,
    /// The graph of the steps for Mermaid; previews only
    Mermaid,
    /// The timeline for Mermaid, as a Gantt chart; previews only
    Gantt,
}

impl Format {
    /// Returns whether only a preview is to be had in this form.
    pub(crate) fn previews_only(self) -> bool {
        match self {
            Self::Text | Self::Json => false,
            Self::Html | Self::Svg | Self::Dot | Self::Mermaid | Self::Gantt => true,
        }
    }
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// For people
    Text,
    /// For programs, versioned
    Json,
}

/// In which form a run is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For programs: everything, versioned (docs/json.md)
    Json,
    /// For tickets and wikis
    Markdown,
    /// One page that needs nothing else
    Html,
    /// A line per server, for spreadsheets
    Csv,
}

/// In which form openings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpeningsFormat {
    /// For people
    Text,
    /// For programs, versioned
    Json,
    /// For calendars (iCalendar), with the freezes
    Ics,
}

/// The commands besides running a plan.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says what is wrong with a plan file; no network
    Check {
        /// The plan file
        plan: PathBuf,
        /// How output looks
        #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
        output: TextOrJson,
    },
    /// Prints the page about a diagnostic
    Explain {
        /// The code, such as O1004; without it, all codes are listed
        code: Option<String>,
        /// How output looks
        #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
        output: TextOrJson,
    },
    /// Says what a maintenance would lack on servers, and what to do; changes nothing
    #[command(after_help = "Ends with 0 when nothing fails, 9 when something does, 69 when no server could be asked.")]
    Probe(ProbeArgs),
    /// Tries every way by which a plan tells people, with a test message; nothing else is done
    Notify {
        /// The plan file
        #[arg(value_name = "PLAN")]
        plan: PathBuf,
    },
    /// Prints the JSON Schema of plan files, for editors, or of what programs are told
    Schema {
        /// The document
        #[arg(value_enum, value_name = "NAME", default_value_t = Document::Plan)]
        document: Document,
        /// Lists the documents
        #[arg(long, conflicts_with = "document")]
        list: bool,
    },
    /// Says what is out, and what waits for what, since when
    Status {
        /// The run; without it, all runs are listed
        run: Option<String>,
        /// How output looks
        #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
        output: TextOrJson,
    },
    /// Goes on with a run that was interrupted
    Resume(ResumeArgs),
    /// Only brings back what a run has touched, as it was recorded
    Recover(ResumeArgs),
    /// Asks a run to stop: finishes or undoes what is in hand, returns the server, stops
    Stop {
        /// The run
        run: String,
    },
    /// Asks a run to hold a server where it is
    Hold {
        /// The run
        run: String,
        /// The server; without it, every server in work
        server: Option<String>,
    },
    /// Decides about a held server
    Decide(DecideArgs),
    /// Shows a run as it goes on; leaving does not stop it
    Watch {
        /// The run
        run: String,
        /// How output looks; json gives one event per line
        #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
        output: TextOrJson,
    },
    /// Prints what the records of a run say: for programs, or as a page for a change ticket
    Report {
        /// The run
        run: String,
        /// The form
        #[arg(short, long, value_enum, default_value_t = ReportFormat::Json)]
        output: ReportFormat,
    },
    /// Prints when the plan's windows open next
    Windows {
        /// The plan file
        plan: PathBuf,
        /// How many openings
        #[arg(long, value_name = "N", default_value = "5", value_parser = openings)]
        next: NonZeroUsize,
        /// The form
        #[arg(short, long, value_enum, default_value_t = OpeningsFormat::Text)]
        output: OpeningsFormat,
    },
    /// Runs the plan many times on servers in memory: how long it takes, whether it fits, what each fault does to it
    Simulate(SimulateArgs),
    /// Runs exactly a plan that was saved by `--dry-run --out`, or refuses with what has become different
    #[command(after_help = "Ends with 8, and nothing changed, when the servers need another plan by now.")]
    Apply(ApplyArgs),
    /// Says in what two plans differ, plan files or saved plans, for those who approve; no network
    #[command(after_help = "Ends with 0 when nothing that matters differs, 1 when something does.")]
    Diff(DiffArgs),
    /// Prints the fingerprint that `--approve` takes. The servers are asked, as for a dry run, which needs their credentials
    Approve(ApproveArgs),
    /// Runs the approved plans of a folder in their windows, each in a process of its own, until it is ended
    Serve(ServeArgs),
    /// Runs the lab alone, in the foreground, for other clients
    Lab {
        /// The plan file
        plan: Option<PathBuf>,
        /// How many times as fast as real time the lab runs
        #[arg(long, value_name = "N", default_value_t = LabArgs::SPEED, value_parser = speed)]
        lab_speed: f64,
        /// What the lab is told besides the plan [default: PLAN's name with `.lab.yaml`, if there is such a file]
        #[arg(long, value_name = "FILE")]
        lab_scenario: Option<PathBuf>,
        /// Stops the labs of the plan that run already, whatever their state folders, and prints their reports; without a
        /// plan, all labs of this account
        #[arg(long, conflicts_with = "list")]
        stop: bool,
        /// Lists every lab of this account that runs, whatever its state folder
        #[arg(long, conflicts_with = "plan")]
        list: bool,
    },
    /// Prints the manual page, or that of a command, for `man -l -`
    Man {
        /// The command
        command: Option<String>,
    },
    /// Prints completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Runs the lab of one run, detached
    #[command(hide = true, name = "lab-process")]
    LabProcess {
        /// The plan file
        plan: PathBuf,
        /// Where the directory file goes
        #[arg(long)]
        directory: PathBuf,
        /// How many times as fast as real time the lab runs
        #[arg(long, value_parser = speed)]
        speed: f64,
        /// What the lab is told besides the plan
        #[arg(long)]
        scenario: Option<PathBuf>,
        /// What the lab's clock shows first
        #[arg(long)]
        origin: jiff::Timestamp,
        /// After how many seconds without a question it ends by itself; half a day, so that a run that was killed in the
        /// evening can be taken up in the morning
        #[arg(long, default_value_t = 43_200)]
        idle_end: u64,
    },
}

/// What `simulate` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimulateArgs {
    /// The plan file
    pub(crate) plan: PathBuf,
    /// Works on these servers alone, by short or full names, with commas or given again; the others are judged and left out
    #[arg(long, value_name = "SERVER", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// How many runs [default: 300, or one with `--seed`]
    #[arg(long, value_name = "N", value_parser = runs)]
    pub(crate) runs: Option<NonZeroU32>,
    /// The seed of the first run; without `--runs` that one run is told as a timeline
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Faults to try one by one, by commas; `all` tries every one
    #[arg(long, value_name = "FAULTS", value_delimiter = ',')]
    pub(crate) faults: Vec<String>,
    /// Most sessions of one service of a server when it is blocked
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = sessions)]
    pub(crate) sessions: u32,
    /// How long sessions last on average, at most, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = minutes)]
    pub(crate) session_mean_min: u32,
    /// How output looks
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
}

/// What `resume` and `recover` take.
#[derive(Debug, Clone, Args)]
pub(crate) struct ResumeArgs {
    /// The run
    pub(crate) run: String,
    /// How output looks
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub(crate) output: TextOrJson,
    /// Holds take the choice that the plan names
    #[arg(long)]
    pub(crate) unattended: bool,
    /// Works on a lab that runs already, by its directory file
    #[arg(long, value_name = "FILE")]
    pub(crate) lab_at: Option<PathBuf>,
    /// Reaches servers and balancers as this plan file says: access, addresses and pins, and nothing else of it
    #[arg(long, value_name = "PLAN")]
    pub(crate) access_from: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_plan_is_approved_by_its_fingerprint_in_full_or_as_the_preview_shows_it() {
        let whole = "3e40708f7473".repeat(5) + "abcd";
        let covers = |given: &str| {
            let approve = Some(fingerprint(given).unwrap());
            ApprovalArgs { yes: false, unattended: false, now: false, emergency: None, approve }.covers(&whole)
        };
        assert!(covers(&whole) && covers(&whole[..12]) && covers(&whole[..20].to_uppercase()));
        assert!(!covers("3e40708f7474"));
        for bad in ["", "3e40708f747", "plan 3e40708f7473", "3e40708f747g", &"a".repeat(65)] {
            assert!(fingerprint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_dry_run_takes_no_approval_that_it_would_pass_over() {
        let plan = ["orchestrate", "plan.yaml", "--dry-run"];
        assert!(Cli::try_parse_from([&plan[..], &["--approve", "3e40708f7473"]].concat()).is_err());
        assert!(Cli::try_parse_from(plan).is_ok());
    }

    #[test]
    fn a_word_that_is_no_command_is_never_taken_for_one_that_changes_something() {
        for word in ["resum", "recove", "sto", "stop1", "hol", "helo", "decid", "la", "lab1"] {
            let near = Cli::nearest(word);
            assert!(near.as_deref().is_none_or(|near| READS.contains(&near)), "{word}: {near:?}");
        }
        assert_eq!(Cli::nearest("statu").as_deref(), Some("status"));
        // A new command is sorted into one of the two kinds; one that has people told is no reading one.
        let command = Cli::command();
        let changing =
            ["apply", "resume", "recover", "stop", "hold", "decide", "lab", "lab-process", "notify", "serve"];
        for name in command.get_subcommands().map(clap::Command::get_name) {
            assert!(READS.contains(&name) || changing.contains(&name), "{name}");
        }
    }

    #[test]
    fn the_speed_of_a_lab_is_a_number_that_a_lab_can_go_at() {
        for text in ["0", "-1", "nan", "inf", "1e9", "10001", "fast", ""] {
            assert!(speed(text).is_err(), "{text}");
        }
        assert_eq!((speed("0.5"), speed("10000")), (Ok(0.5), Ok(10_000.0)));
    }

    #[test]
    fn the_speed_of_a_lab_without_a_lab_is_a_mistake() {
        for more in [&["--lab-speed", "60"][..], &["--lab-speed", "60", "--lab-at", "x.json"]] {
            let arguments = [&["orchestrate", "plan.yaml"], more].concat();
            assert!(Cli::try_parse_from(arguments).is_err(), "{more:?}");
        }
    }

    #[test]
    fn a_plan_needs_no_command_and_a_command_no_plan() {
        let cli = Cli::try_parse_from(["orchestrate", "plan.yaml", "--dry-run"]).unwrap();
        assert!(cli.command.is_none() && cli.run.dry_run);
        let cli = Cli::try_parse_from(["orchestrate", "--state-dir", "x", "status"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Status { .. })) && cli.run.plan.is_none());
        let cli = Cli::try_parse_from(["orchestrate", "./check"]).unwrap();
        assert_eq!(cli.run.plan, Some(PathBuf::from("./check")));
    }
}
