//! Rows about the machine: PowerShell, the installer file, free space, pending restarts and quotas.

use super::{Expected, green, is_without_scripts, length, red, size, some, yellow};
use orchestrate_model::Answer;
use orchestrate_model::change::{Patch, PendingRestart};
use orchestrate_model::observe::FileFacts;
use orchestrate_model::probe::{
    Disk, FileRights, Light, Machine, PendingFound, PendingSign, Probe, Quotas, Row, Topic,
};
use std::collections::BTreeSet;

/// Free space below which an installer of the product is likely to fail: its largest update unpacks to about this much.
const LEAST_FREE: u64 = 2 << 30;
/// Free space below which a Windows drive is worth a look: servicing keeps copies of what it replaces.
const LITTLE_FREE: u64 = 10 << 30;
/// Shells at a time that are needed: one for looking, one for an act, and one of a run that died.
const SHELLS: u64 = 3;
/// The largest message that is asked for, in the units of the quota.
const ENVELOPE_KB: u64 = 150;
/// Memory of one shell that loads the modules of the product.
const MEMORY_MB: u64 = 512;

pub(super) fn powershell(probe: &Probe) -> Row {
    match &probe.machine {
        Answer::Known(machine) => {
            green(Topic::PowerShell, format!("{}, in a remote shell, with the full language", machine.powershell))
        }
        Answer::Unknown(why) => red(
            Topic::PowerShell,
            why,
            "versions, cmdlets, activity levels and installers need scripts in a remote shell of the account",
        ),
    }
}

pub(super) fn rows(probe: &Probe, expected: &Expected<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let is_silent = is_without_scripts(probe) && matches!(probe.seen.file, Answer::Unknown(_));
    let installers = expected.installers.iter().enumerate().filter(|_| !is_silent);
    rows.extend(installers.map(|(number, patch)| match number {
        0 => installer(probe, patch),
        _ => another(probe, expected.installers, patch),
    }));
    rows.push(disk(probe, expected));
    if let Answer::Known(machine) = &probe.machine {
        rows.push(pending(probe, machine, expected));
    }
    rows.push(quotas(probe));
    rows
}

const COPY: &str = "copy it to a disk of the server beforehand: a remote session cannot go on to a share";

/// Says what is wrong with the file at the path of an installer, if anything is.
fn file(found: Option<&Answer<FileFacts>>, patch: &Patch) -> Option<Row> {
    let path = patch.shown_installer();
    let found = match found {
        None => return Some(red(Topic::Installer, format!("{path} was not asked about"), "look at the rows above")),
        Some(Answer::Unknown(why)) => {
            return Some(red(Topic::Installer, format!("{path}: {why}"), "look at the rows above"));
        }
        Some(Answer::Known(FileFacts::Missing)) => {
            return Some(red(Topic::Installer, format!("{path} is not there"), COPY));
        }
        Some(Answer::Known(FileFacts::Found { sha256 })) => sha256,
    };
    (*found != patch.sha256).then(|| {
        red(
            Topic::Installer,
            format!("{path} is another file: its SHA-256 is {found}, the plan says {}", patch.sha256),
            "copy the right one to the server, or correct `sha256` in the plan after a look at both",
        )
    })
}

/// The file of an installer that is not the first one: who may read it is asked of the first alone.
fn another(probe: &Probe, installers: &[Patch], patch: &Patch) -> Row {
    file(probe.seen.file_of(installers, &patch.installer), patch)
        .unwrap_or_else(|| green(Topic::Installer, format!("{}: the hash of the plan", patch.installer)))
}

fn installer(probe: &Probe, patch: &Patch) -> Row {
    let (path, copy) = (&patch.installer, COPY);
    if let Some(row) = file(Some(&probe.seen.file), patch) {
        return row;
    }
    let rights = probe.machine.known().and_then(|machine| machine.file.as_ref());
    let Some(Answer::Known(FileRights { readable_by_system, is_local, .. })) = rights else {
        let why = rights.and_then(Answer::why_unknown).unwrap_or("not asked");
        return yellow(
            Topic::Installer,
            format!("{path} is there, with the hash of the plan; whether SYSTEM may read it is not known: {why}"),
            "look at `icacls` of the file on the server: SYSTEM needs to read it",
        );
    };
    match (is_local, readable_by_system) {
        (Answer::Known(false), _) => {
            red(Topic::Installer, format!("{path} is on no disk of the server, and SYSTEM cannot reach it"), copy)
        }
        (_, Answer::Known(false)) => red(
            Topic::Installer,
            format!("{path} is there, and SYSTEM, as which it would run, may not read it"),
            format!("on the server: `icacls \"{path}\" /grant *S-1-5-18:RX`; decrypt it first where it is encrypted"),
        ),
        (Answer::Unknown(why), _) => yellow(
            Topic::Installer,
            format!(
                "{path} is there, with the hash of the plan; whether it is on a disk of the server is not known: {why}"
            ),
            "look at the drive in the path: SYSTEM reaches no drive that is mapped from elsewhere",
        ),
        (_, Answer::Unknown(why)) => yellow(
            Topic::Installer,
            format!("{path} is there, with the hash of the plan; whether SYSTEM may read it is not known: {why}"),
            "look at `icacls` of the file on the server: SYSTEM needs to read it",
        ),
        (Answer::Known(true), Answer::Known(true)) => green(
            Topic::Installer,
            format!("{path}: the hash of the plan, on a disk of the server, readable by SYSTEM"),
        ),
    }
}

/// Returns the drives that an installer needs room on: that of Windows, and that of SYSTEM's temporary files.
fn drives(machine: &Answer<Machine>) -> BTreeSet<String> {
    let said = machine.known();
    let windows = said.and_then(|machine| machine.windows_drive.known()).map_or("C:", String::as_str);
    let letter = |path: &String| path.get(..2).filter(|drive| drive.ends_with(':')).map(str::to_ascii_uppercase);
    let temp = said.and_then(|machine| machine.temp.known()).and_then(letter);
    [Some(windows.to_ascii_uppercase()), temp].into_iter().flatten().collect()
}

fn disk(probe: &Probe, expected: &Expected<'_>) -> Row {
    let disks = match &probe.disks {
        Answer::Known(disks) => disks,
        Answer::Unknown(why) => return yellow(Topic::Disk, why, "look at the free space on the server"),
    };
    let of = |drive: &String| disks.iter().find(|(name, _)| name.eq_ignore_ascii_case(drive));
    let wanted = drives(&probe.machine);
    let found: Vec<(&String, &Disk)> = wanted.iter().filter_map(of).collect();
    let lost: Vec<String> = wanted.iter().filter(|drive| of(drive).is_none()).cloned().collect();
    let said =
        found.iter().map(|(name, disk)| format!("{name} {} free of {}", size(disk.free_bytes), size(disk.size_bytes)));
    let said = said.collect::<Vec<_>>().join(", ");
    if !lost.is_empty() {
        return yellow(Topic::Disk, format!("{said}; {} is no local disk", some(&lost)), "look at it on the server");
    }
    let least = found.iter().map(|(_, disk)| disk.free_bytes).min().unwrap_or_default();
    let todo = "make room: clean up old updates (`Dism /Online /Cleanup-Image /StartComponentCleanup`), logs and \
                temporary files";
    // What the plan says is what its runs ask for.
    let stated = expected.installers.iter().filter_map(|patch| patch.needs_free).reduce(u64::saturating_add);
    let needed = stated.unwrap_or(LEAST_FREE);
    if least < needed {
        let whose = if stated.is_some() { "the plan says that its installer" } else { "an installer" };
        red(Topic::Disk, format!("{said}: {whose} needs {} at least", size(needed)), todo)
    } else if least < LITTLE_FREE {
        yellow(Topic::Disk, format!("{said}: less than {}", size(LITTLE_FREE)), todo)
    } else {
        green(Topic::Disk, said)
    }
}

fn pending(probe: &Probe, machine: &Machine, expected: &Expected<'_>) -> Row {
    let booted = probe.seen.host.known().map(|host| host.booted);
    let mut light = Light::Green;
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (sign, answer) in &machine.pending {
        match answer {
            Answer::Known(None) => {}
            Answer::Known(Some(pending)) => {
                light = light.max(weight(*sign, expected));
                found.push(format!("{}: {}", sign.title(), when(pending, booted, probe)));
            }
            Answer::Unknown(why) => unknown.push(format!("{}: {why}", sign.title())),
        }
    }
    let boot = booted.map_or_else(String::new, |booted| {
        format!("; last started {} ago", length(probe.asked.duration_since(booted)))
    });
    if !found.is_empty() {
        let todo = "restart the server in a maintenance of its own first: many installers refuse, or leave it half done, \
                    while a restart is due. Or say `pending_restart: restart-first` under `patch`, and it is restarted once it \
                    is drained. Where it keeps nothing from being installed, the plan can say so: `maintenance: {patch: {pending_restart: ignore}}`";
        return Row {
            topic: Topic::PendingRestart,
            light,
            found: format!("{}{boot}", found.join("; ")),
            todo: Some(todo.to_owned()),
            code: None,
        };
    }
    if !unknown.is_empty() {
        return yellow(
            Topic::PendingRestart,
            format!("no sign, but not all could be read: {}", unknown.join("; ")),
            "the registry has to be readable for the account",
        );
    }
    let signs = PendingSign::ALL.map(PendingSign::title).join(", ");
    green(Topic::PendingRestart, format!("no sign of one ({signs}){boot}"))
}

/// How much a sign asks of a person. Files that wait to be renamed are common, and most of them keep nothing from being
/// installed.
fn weight(sign: PendingSign, expected: &Expected<'_>) -> Light {
    match sign {
        PendingSign::FileRenames => Light::Yellow,
        PendingSign::Servicing | PendingSign::WindowsUpdate | PendingSign::ComputerRename => {
            let refuses = |patch: &Patch| patch.pending_restart == PendingRestart::Refuse;
            if expected.installers.first().is_some_and(refuses) { Light::Red } else { Light::Yellow }
        }
    }
}

fn when(pending: &PendingFound, booted: Option<jiff::Timestamp>, probe: &Probe) -> String {
    let Some(since) = pending.since else { return pending.what.clone() };
    let ago = length(probe.asked.duration_since(since));
    match booted {
        Some(booted) if since < booted => {
            format!("{}, since {ago} ago, before the last start, which has not cleared it", pending.what)
        }
        Some(_) | None => format!("{}, since {ago} ago", pending.what),
    }
}

fn quotas(probe: &Probe) -> Row {
    let quotas = match &probe.quotas {
        Answer::Known(quotas) => quotas,
        Answer::Unknown(why) => {
            return yellow(
                Topic::Quotas,
                format!("not told: {why}"),
                "on the server, as an administrator: `winrm get winrm/config`",
            );
        }
    };
    let Quotas { envelope_kb, shells_per_user, processes_per_shell, memory_per_shell_mb } = quotas;
    let limits: [(&str, Option<u64>, u64, &str); 4] = [
        ("KB in a message", *envelope_kb, ENVELOPE_KB, "MaxEnvelopeSizekb"),
        ("shells for a user", *shells_per_user, SHELLS, "winrs/MaxShellsPerUser"),
        ("processes in a shell", *processes_per_shell, SHELLS, "winrs/MaxProcessesPerShell"),
        ("MB of memory for a shell", *memory_per_shell_mb, MEMORY_MB, "winrs/MaxMemoryPerShellMB"),
    ];
    let told = limits.iter().filter_map(|(what, value, ..)| Some(format!("{} {what}", (*value)?)));
    let said = told.collect::<Vec<_>>().join(", ");
    let said = if said.is_empty() { said } else { format!("at most {said}") };
    let low = limits.iter().find(|(_, value, least, _)| value.is_some_and(|value| value < *least && value != 0));
    match low {
        Some((what, _, least, key)) => yellow(
            Topic::Quotas,
            format!("{said}: fewer than {least} {what}"),
            format!("raise {key} on the server to {least} at least (`winrm set winrm/config/...`)"),
        ),
        None => green(Topic::Quotas, if said.is_empty() { "told, without numbers".to_owned() } else { said }),
    }
}
