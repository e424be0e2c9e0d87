//! What the plan says about the installer that makes it fail on every server, whatever is found there: asked before
//! anybody is drained for it.

use super::{Context, refusal, warning};
use crate::codes;
use crate::plan::Finding;
use orchestrate_model::change::{Patch, RestartPoint, RestartPolicy, Scope};
use orchestrate_model::secret;
use orchestrate_model::text;

/// The packages that are opened by a program of Windows, each with the switches that keep it from asking anybody.
const PACKAGES: [(&str, &str, &[&str]); 3] = [
    (".msi", "/qn", &["/qn", "/q", "/quiet", "/passive", "/qb", "/qr"]),
    (".msp", "/qn", &["/qn", "/q", "/quiet", "/passive", "/qb", "/qr"]),
    (".msu", "/quiet", &["/quiet"]),
];

pub(super) fn change(context: &Context<'_>, found: &mut Vec<Finding>) {
    for patch in &context.change.maintenance.installers {
        found.extend(path(patch));
        found.extend(quiet(patch));
        found.extend(arguments(patch));
        found.extend(restarts(context, patch));
    }
}

/// A restart before an installer, or between two of them, ends the sessions of every service of a server.
fn restarts(context: &Context<'_>, patch: &Patch) -> Option<Finding> {
    let asked = match (patch.restarts_first(), patch.restart) {
        (true, _) => "pending_restart: restart-first",
        (false, RestartPoint::After) => "restart: after for an installer",
        (false, RestartPoint::AtEnd) => return None,
    };
    let maintenance = &context.change.maintenance;
    let why = match (&maintenance.scope, maintenance.restart) {
        (Scope::Services(_), _) => "it blocks chosen services only, and the others go on serving people",
        (Scope::AllServices, RestartPolicy::Never) => "it also says restart: never",
        (Scope::AllServices, RestartPolicy::WhenNeeded | RestartPolicy::Always) => return None,
    };
    let text = format!("the plan says {asked}, and {why}");
    Some(refusal(codes::RESTARTS_FIRST_NOT, text).advise(
        "Have the whole server taken out and restarted when needed, or restart the servers in a maintenance of their own \
         first.",
    ))
}

/// A path that the system account of a server can open, whatever its current folder: a drive of its own.
fn path(patch: &Patch) -> Option<Finding> {
    let path = patch.installer.as_str();
    let is_local = matches!(path.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic());
    if is_local {
        let why = no_file(&path[3..]).or_else(|| no_program(path))?;
        let text = format!("the installer {} {why}", patch.shown_installer());
        return Some(refusal(codes::INSTALLER_PATH, text).advise(
            "Give the path of a program (.exe, .com, .bat, .cmd) or a package (.msi, .msp, .msu) as it lies on each \
             server, such as C:\\CU\\Update.exe.",
        ));
    }
    let why = if path.starts_with(r"\\") || path.starts_with("//") {
        "is on a share: neither a remote session nor the system account of a server can go on to it as you can"
    } else if path.contains('%') {
        "names a variable, which is not resolved"
    } else {
        "does not begin with a drive: where it is would depend on the folder that a service of the server runs in"
    };
    Some(
        refusal(codes::INSTALLER_PATH, format!("the installer {} {why}", patch.shown_installer()))
            .advise("Copy it to a disk of each server, and give the whole path there, such as C:\\CU\\Update.exe."),
    )
}

/// The names that Windows keeps for devices in every folder, with any extension.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Longest path that programs of Windows open without having asked for longer ones (`MAX_PATH`, with the end mark).
const LONGEST_PATH: usize = 259;

/// Says why what comes after a drive can be no file (Microsoft, "Naming Files, Paths, and Namespaces").
fn no_file(path: &str) -> Option<String> {
    // The drive and its stroke belong to the path.
    if path.encode_utf16().count() + 3 > LONGEST_PATH {
        return Some(format!("is longer than the {LONGEST_PATH} characters that Windows opens"));
    }
    if path.is_empty() || path.ends_with(['\\', '/']) {
        return Some("is a folder".to_owned());
    }
    for name in path.split(['\\', '/']).filter(|name| !matches!(*name, "" | "." | "..")) {
        if let Some(found) = name.chars().find(|c| matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')) {
            return Some(format!("is the name of no file: Windows allows no {} in one", text::character(found)));
        }
        if name.ends_with(['.', ' ']) {
            return Some(format!(
                "has a part that ends with a dot or a blank ({}), which Windows leaves out",
                text::quoted(name)
            ));
        }
        let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
        let port = |kind: &str| {
            let mut digits = stem.strip_prefix(kind).unwrap_or_default().chars();
            matches!((digits.next(), digits.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
        };
        if DEVICES.contains(&stem.as_str()) || port("COM") || port("LPT") {
            return Some(format!("is no file: {} is a device of Windows in every folder", text::quoted(name)));
        }
    }
    None
}

/// Says why a file cannot be started, where its extension shows it. Others may be programs, whatever they are called.
fn no_program(path: &str) -> Option<String> {
    let own = extension(path);
    let how = match own.as_str() {
        "" => return Some("has no extension: Windows looks for a program with .exe behind that name".to_owned()),
        ".ps1" | ".psm1" => "is a script of PowerShell: call it from a .cmd file",
        ".vbs" | ".vbe" | ".js" | ".jse" | ".wsf" | ".hta" => "is a script: call it from a .cmd file",
        ".zip" | ".cab" | ".iso" | ".7z" | ".rar" => "is an archive: unpack it first",
        ".mst" => "is a transform: it goes with a package, as TRANSFORMS=",
        ".txt" | ".log" | ".pdf" | ".htm" | ".html" | ".xml" | ".ini" | ".reg" | ".lnk" | ".url" | ".dll" => {
            "is a file that Windows does not start by itself"
        }
        _ => return None,
    };
    Some(format!("is no program: {own} {how}"))
}

fn extension(path: &str) -> String {
    let name = path.rsplit(['\\', '/']).next().unwrap_or_default();
    name.rfind('.').map_or_else(String::new, |at| name[at..].to_ascii_lowercase())
}

/// A package that asks is asked by nobody: it waits for its deadline on a drained server.
fn quiet(patch: &Patch) -> Option<Finding> {
    let own = extension(&patch.installer);
    let (_, usual, switches) = PACKAGES.into_iter().find(|(extension, ..)| *extension == own)?;
    let words = patch.arguments.iter().flat_map(|argument| argument.split_whitespace());
    let is_quiet = |word: &str| {
        let word = word.to_ascii_lowercase().replace('-', "/");
        // `/qn!`, `/qb+` and the like are levels of the same switch.
        switches.contains(&word.trim_end_matches(['+', '-', '!']))
    };
    if words.into_iter().any(is_quiet) {
        return None;
    }
    let text = format!(
        "{} is opened without a switch that keeps it from asking: it would wait for an answer until its deadline of {}, in a \
         session that nobody sees",
        patch.shown_installer(),
        crate::words::time(patch.deadline)
    );
    Some(refusal(codes::INSTALLER_ASKS, text).advise(format!("Add {usual} to arguments, and /norestart beside it.")))
}

/// An argument with a blank is put in quotes: two switches in one are then one that the installer does not know.
fn arguments(patch: &Patch) -> Vec<Finding> {
    let is_switch = |word: &str| word.len() > 1 && word.starts_with(['/', '-']);
    // A property of Windows Installer, such as REBOOT=Suppress.
    let is_upper = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let is_two = |argument: &str| {
        let mut words = argument.split_whitespace();
        let is_property = |word: &str| word.split_once('=').is_some_and(|(name, _)| is_upper(name));
        !argument.contains('"')
            && words.next().is_some_and(is_switch)
            && words.any(|word| is_switch(word) || is_property(word))
    };
    let (shown, has_secret) = secret::shown_arguments(&patch.arguments);
    let two = patch.arguments.iter().zip(&shown).filter(|(argument, _)| is_two(argument)).map(|(_, argument)| {
        let each: Vec<&str> = argument.split_whitespace().collect();
        refusal(
            codes::ARGUMENT_OF_TWO,
            format!(
                "the argument {} is two: with its blanks it is put in quotes, and the installer gets one that it does not know",
                text::quoted(argument)
            ),
        )
        .advise(format!("Write them one by one: arguments: [{}].", each.join(", ")))
    });
    let two: Vec<Finding> = two.collect();
    let secret = has_secret.then(|| {
        let text = format!(
            "an argument of the installer looks like a secret ({}): it is masked in all that is shown and recorded, and is seen \
             by whoever reads the plan, its copy in the run's folder, or the scheduled tasks and processes of a server",
            shown.join(" ")
        );
        warning(codes::SECRET_ARGUMENT, text).advise(
            "If it is one, leave it out: the installer runs as SYSTEM and needs no account; what else it has to know can lie in a \
             file on each server that only SYSTEM can read. If it is none, go on.",
        )
    });
    two.into_iter().chain(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use std::collections::BTreeMap;

    fn patch(installer: &str, arguments: &[&str]) -> Patch {
        Patch {
            installer: installer.to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            sha256: "0".repeat(64),
            deadline: SignedDuration::from_mins(45),
            level: None,
            exit_codes: BTreeMap::new(),
            needs_free: None,
            pending_restart: orchestrate_model::change::PendingRestart::Refuse,
            restart: RestartPoint::AtEnd,
        }
    }

    #[test]
    fn an_installer_is_on_a_drive_of_the_server() {
        for good in [r"C:\CU\x.exe", "d:/x.msi", r"D:\Program Files\x.exe"] {
            assert!(path(&patch(good, &[])).is_none(), "{good}");
        }
        for good in
            [r"C:\CU\..\CU\x.exe", r"C:\Kumulatives Update (KB1)\größe.exe", r"C:\console\com.exe", r"C:\com10.exe"]
        {
            assert!(path(&patch(good, &[])).is_none(), "{good}");
        }
        let long = format!(r"C:\{}.exe", "x".repeat(260));
        for (bad, why) in [
            (r"C:\CU\*", "allows no '*'"),
            (r"C:\CU\a|b.exe", "allows no '|'"),
            (r"C:\CU\x.exe:stream", "allows no ':'"),
            (r"C:\C:\x.exe", "allows no ':'"),
            (r"C:\CU\", "is a folder"),
            (r"C:\", "is a folder"),
            (r"C:\CU\con.exe", "is a device"),
            (r"C:\nul\x.exe", "is a device"),
            (r"C:\CU\Com1.msi", "is a device"),
            (r"C:\CU\lpt².exe", "is a device"),
            (r"C:\CU\x.exe.", "ends with a dot"),
            (r"C:\CU \x.exe", "ends with a dot or a blank"),
            (r"C:\CU\setup", "has no extension"),
            (r"C:\CU\setup.ps1", "is no program"),
            (r"C:\CU\update.ZIP", "is an archive"),
            (&long, "is longer than"),
            (r"\\files\cu\x.exe", "is on a share"),
            ("x.exe", "does not begin with a drive"),
            (r"C:x.exe", "does not begin with a drive"),
            (r"\CU\x.exe", "does not begin with a drive"),
            (r"%TEMP%\x.exe", "names a variable"),
        ] {
            let found = path(&patch(bad, &[])).unwrap();
            assert!(found.message.contains(why), "{}", found.message);
        }
    }

    #[test]
    fn a_package_needs_a_switch_that_keeps_it_from_asking() {
        for (installer, arguments) in [
            (r"C:\x.msi", &["/qn", "/norestart"][..]),
            (r"C:\x.MSP", &["/QUIET"]),
            (r"C:\x.msi", &["-qb!"]),
            (r"C:\x.msi", &["/passive"]),
            (r"C:\x.msu", &["/quiet", "/norestart"]),
            (r"C:\x.exe", &[]),
            (r"C:\folder.msi\x.exe", &[]),
        ] {
            assert!(quiet(&patch(installer, arguments)).is_none(), "{installer} {arguments:?}");
        }
        for (installer, arguments) in [
            (r"C:\x.msi", &[][..]),
            (r"C:\x.msu", &["/norestart"]),
            (r"C:\x.msu", &["/qn"]),
            (r"C:\x.msp", &["/log", "q"]),
        ] {
            let found = quiet(&patch(installer, arguments)).unwrap();
            assert!(found.message.contains("would wait for an answer until its deadline"), "{}", found.message);
        }
    }

    #[test]
    fn an_argument_that_is_two_is_told_apart_from_one_with_blanks() {
        for good in
            ["/silentmode", "/log C:\\my logs\\x.log", "/v\"/qn REBOOT=ReallySuppress\"", "a /b", "-", "/dir - x"]
        {
            assert!(arguments(&patch(r"C:\x.exe", &[good])).is_empty(), "{good}");
        }
        for two in ["/quiet /norestart", "-s -f1", "/silentmode  /forcerestart"] {
            assert_eq!(arguments(&patch(r"C:\x.exe", &[two])).len(), 1, "{two}");
        }
    }

    #[test]
    fn an_argument_that_looks_like_a_secret_is_told_of_without_it() {
        let found = arguments(&patch(r"C:\x.exe", &["/quiet", "SVCPASSWORD=geheim", "/token", "abc"]));
        assert!(
            matches!(&found[..], [found] if found.message.contains("/quiet SVCPASSWORD=*** /token ***")),
            "{found:?}"
        );
        let two = arguments(&patch(r"C:\x.exe", &["/quiet /password:geheim"]));
        assert_eq!(two.len(), 2, "{two:?}");
        assert!(two.iter().all(|found| !format!("{found:?}").contains("geheim")), "{two:?}");
    }
}
