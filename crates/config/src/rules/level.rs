//! What a level has to be to say anything: a goal that every server of the product has reached from the beginning is none.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span};
use crate::reader::{At, Reader};
use crate::written::{LevelChoice, Plan};
use orchestrate_model::{Product, Version};

/// The parts of a version that an update has: the last one tells one update from the next.
const PARTS: usize = 4;

/// Most components of a level. A server of the product has about thirty.
const MOST_COMPONENTS: usize = 500;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let pools = plan.pools.iter().flat_map(|pools| pools.value.good());
    let products: Vec<Product> =
        pools.filter_map(|(_, pool)| pool.value.product.as_ref()).map(|product| product.value).collect();
    for level in plan.installers().filter_map(|patch| patch.level.as_ref()) {
        of_installer(reader, &products, level);
    }
}

fn of_installer(reader: &mut Reader, products: &[Product], At { value: level, span }: &At<LevelChoice>) {
    match level {
        LevelChoice::Highest(version) => one(reader, products, version, *span),
        LevelChoice::Components(components) => {
            if components.0.len() > MOST_COMPONENTS {
                let text = format!("{} components are more than a product has", components.0.len());
                reader.report(
                    Diagnostic::error(codes::OUT_OF_RANGE, *span, text)
                        .label(format!("expected at most {MOST_COMPONENTS}")),
                );
                return;
            }
            for (_, version) in components.good() {
                one(reader, products, &version.value, version.span);
            }
        }
    }
}

fn one(reader: &mut Reader, products: &[Product], version: &Version, span: Span) {
    let help = "write the version that servers report after the update, which its page lists by component";
    let base = products.iter().find_map(|product| {
        let base = product.base_build().filter(|base| base.is_of_line_of(version) && version <= base)?;
        Some((product, base))
    });
    if let Some((product, base)) = base {
        let text =
            format!("{version} is no update: every server of {} is at {base} before the first one", product.title());
        let found = Diagnostic::error(codes::LEVEL_IS_BASE, span, text).label("nothing would be installed to reach it");
        reader.report(found.help(help));
    } else if version.parts() < PARTS && products.iter().any(|product| *product != Product::Generic) {
        let text =
            format!("{version} has {} of the {PARTS} numbers that the version of an update has", version.parts());
        let found = Diagnostic::error(codes::LEVEL_TOO_SHORT, span, text);
        reader.report(found.label("the numbers that are missing would count as 0").help(help));
    }
}
