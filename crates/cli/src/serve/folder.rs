//! The folder of plans: which files there are, and what is in one that has been left alone.

use super::approval;
use crate::failure::Failure;
use crate::plan_file::{self, digest};
use crate::signed;
use orchestrate_model::Change;
use orchestrate_planner::windows::Calendar;
use orchestrate_serve::{Good, PlanFile, Share, Stamp};
use std::collections::BTreeMap;
use std::path::Path;

/// Most plans of a folder. Each is looked at every two seconds; more than this is a folder of something else.
pub(crate) const MOST_PLANS: usize = 2_000;

/// Most files that are looked at: the plans, and approvals of several people each.
const MOST_FILES: usize = MOST_PLANS * 10;

/// Returns whether a file of this name is a plan.
fn is_plan(name: &str) -> bool {
    name.ends_with(".yaml") && !name.ends_with(".lab.yaml") && !name.starts_with('.')
}

/// Returns the plan that a file of this name is an approval of, or belongs to one.
pub(crate) fn approved(name: &str) -> Option<&str> {
    let plain = name.strip_suffix(approval::ENDING);
    let text = || name.strip_suffix(signed::SIGNATURE).unwrap_or(name).strip_suffix(signed::ENDING);
    let of_signed = || text().and_then(|text| text.find(".yaml.").map(|at| &name[..at + ".yaml".len()]));
    plain.or_else(of_signed).filter(|plan| is_plan(plan))
}

/// Looks at the folder: plans and approvals, by their names.
pub(crate) fn look(folder: &Path) -> std::io::Result<BTreeMap<String, Stamp>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let Ok(entry) = entry else { continue };
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_plan(&name) && approved(&name).is_none() {
            continue;
        }
        if found.len() > MOST_FILES {
            continue;
        }
        let file = match std::fs::metadata(entry.path()) {
            Ok(file) if file.is_file() => file,
            // A link that leads nowhere, a loop of links or a pipe may be a plan whose disk is not there: it is told as one that
            // cannot be read, and not passed over.
            Ok(_) | Err(_) if is_plan(&name) && entry.path().symlink_metadata().is_ok() => {
                found.insert(name, Stamp { size: 0, changed_ns: 0 });
                continue;
            }
            // It has gone meanwhile, or is no approval.
            Ok(_) | Err(_) => continue,
        };
        let changed = file.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let changed_ns = changed.and_then(|passed| i128::try_from(passed.as_nanos()).ok()).unwrap_or_default();
        found.insert(name, Stamp { size: file.len(), changed_ns });
    }
    Ok(found)
}

/// Reads a plan.
pub(crate) fn read(path: &Path) -> (PlanFile, Option<Change>) {
    let read = plan_file::read_in_silence(path);
    let good = read.and_then(|change| {
        let good = Good {
            title: change.name.clone(),
            digest: digest(&change),
            calendar: Calendar::new(&change.windows, &change.freezes)?,
            share: Share::of(&change),
        };
        Ok((good, change))
    });
    match good {
        Ok((good, change)) => (PlanFile::Good(Box::new(good)), Some(change)),
        Err(failure) => (PlanFile::Broken(broken(&failure)), None),
    }
}

/// Says in one line what is wrong with a plan: how many mistakes, and the first of them.
fn broken(failure: &Failure) -> String {
    let said = failure.in_one_line();
    let Failure::BadPlan { rendered, path, .. } = failure else { return said };
    let plain = anstream::adapter::strip_str(rendered).to_string();
    let mut lines = plain.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    let place = lines.find_map(|line| line.strip_prefix("╭▸ ").or_else(|| line.strip_prefix("--> ")));
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    format!("{said}: {first}{place}; `orchestrate check {}` lists all", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_and_approvals_are_found_and_nothing_else() {
        let folder = tempfile::TempDir::new().unwrap();
        let names = [
            "a.yaml",
            "a.yaml.approved",
            "a.yaml.ann.approval",
            "a.yaml.ann.approval.sig",
            "a.yaml.ann.approval.plan",
            "ann.approval",
            "a.lab.yaml",
            ".b.yaml",
            "b.yaml~",
            "b.yml",
            "notes.approved",
            "c.yaml.swp",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("d.yaml")).unwrap();
        let found: Vec<String> = look(folder.path()).unwrap().into_keys().collect();
        let approvals = ["a.yaml.ann.approval", "a.yaml.ann.approval.sig", "a.yaml.approved"];
        assert_eq!(found, [&["a.yaml"][..], &approvals, &["d.yaml"]].concat());
        // What is called a plan and is none is told: the disk of a link may not be there.
        assert!(matches!(read(&folder.path().join("d.yaml")), (PlanFile::Broken(_), None)));
        assert!(found[1..4].iter().all(|name| approved(name) == Some("a.yaml")));
    }

    #[test]
    fn a_comment_is_no_other_plan_and_a_mistake_is_told_in_one_line_with_its_place() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.yaml");
        let text = include_str!("../../../../plans/contoso-front-end.yaml");
        let digest = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let (PlanFile::Good(good), Some(_)) = read(&path) else { panic!("it is a good plan") };
            good.digest
        };
        assert_eq!(digest(text), digest(&format!("{text}# a comment\n")));
        assert_ne!(digest(text), digest(&text.replace("soak: 20m", "soak: 21m")));
        std::fs::write(&path, text.replace("soak: 20m", "sok: 20m")).unwrap();
        let (PlanFile::Broken(why), None) = read(&path) else { panic!("it has a mistake") };
        assert!(!why.contains('\n') && why.contains("O1") && why.contains("a.yaml:4"), "{why}");
    }
}
