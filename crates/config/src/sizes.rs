//! Sizes: a whole number with its unit.

use crate::codes;
use crate::reader::{Reader, Written};
use crate::scalars::parsed;
use crate::yaml::Node;
use schemars::{Schema, SchemaGenerator, json_schema};

/// The units, in bytes.
const UNITS: [(&str, u64); 3] = [("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
/// Largest size. More is free on no drive of a server.
const LARGEST: u64 = 1 << 50;

/// A size in bytes, at least one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub(crate) u64);

fn size(text: &str) -> Result<u64, String> {
    let way_out = || "write it like `500MiB` or `10GiB`".to_owned();
    let (unit, bytes) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(|| {
        let decimal = ["MB", "GB", "TB"].iter().any(|unit| text.to_ascii_uppercase().ends_with(unit));
        if decimal { format!("units are those of 1,024: {}", way_out()) } else { way_out() }
    })?;
    let number = text[..text.len() - unit.len()].trim_end_matches(' ');
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(way_out());
    }
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes)).filter(|size| *size <= LARGEST);
    match size {
        Some(0) => Err("zero makes no sense here; leave the key out".to_owned()),
        Some(size) => Ok(size),
        None => Err("no drive has that much".to_owned()),
    }
}

impl Written for Size {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::OUT_OF_RANGE, "a size", |text| size(text).map(Self))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ ?(MiB|GiB|TiB)$",
            "examples": ["500MiB", "10GiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_with_a_unit_of_1024() {
        assert_eq!([size("10GiB"), size("500 MiB")], [Ok(10 << 30), Ok(500 << 20)]);
        for bad in ["", "10", "GiB", "1.5GiB", "-1GiB", "10gib", "0GiB", "99999999999999TiB", "10 000GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert!(size("10GB").unwrap_err().starts_with("units are those of 1,024"));
    }
}
