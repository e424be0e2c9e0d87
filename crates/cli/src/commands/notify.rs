//! `orchestrate notify`: tries every way by which a plan tells people.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::{people, plan_file};
use std::path::Path;

pub(crate) async fn run(plan: &Path) -> Result<Exit, Failure> {
    people::tried(&plan_file::read(plan)?.change).await
}
