//! Arguments that were copied from printed text: `–yes` with a dash is no option, and would be read as the name of a plan.

use orchestrate_model::look_alike;
use std::env::ArgsOs;

/// Says which of the arguments begins with a dash or a quotation mark of printed text, and how it was probably typed.
pub(crate) fn found(arguments: ArgsOs) -> Option<String> {
    arguments.skip(1).filter_map(|argument| argument.into_string().ok()).find_map(|argument| slip(&argument))
}

fn slip(argument: &str) -> Option<String> {
    let meant = look_alike::typed(argument)?;
    // A sentence that quotes something is its author's; words that the shell took apart at their blanks have no blank.
    let begins = argument.chars().next().is_some_and(|c| !c.is_ascii());
    if !begins || argument.contains(' ') {
        return None;
    }
    // The shell takes typed quotation marks away.
    let meant = meant.replace(['"', '\''], "");
    Some(format!(
        "`{argument}` begins with a dash or a quotation mark of printed text, as word processors and pages make them: type it as \
         `{meant}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_printed_text_are_told_as_they_are_typed() {
        for (argument, meant) in
            [("–yes", "`-yes`"), ("——yes", "`--yes`"), ("—lab", "`--lab`"), ("“plan.yaml”", "`plan.yaml`")]
        {
            assert!(slip(argument).is_some_and(|text| text.contains(meant)), "{argument}: {:?}", slip(argument));
        }
        for good in ["--yes", "plan.yaml", "“Sev 1” since noon", "O’Brien.yaml", "plan–2.yaml", ""] {
            assert_eq!(slip(good), None, "{good}");
        }
    }
}
