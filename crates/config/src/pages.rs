//! The pages about diagnostics, built into the program.
//!
//! Every file in `docs/diagnostics` stands in one line of [`PAGES`], whichever crate its code belongs to: `O1…` plan
//! files, `O2…` plans and safety, `O3…` runs. A test compares the table with the folder.

/// A page about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code, such as `O1011`.
    pub code: &'static str,
    /// The whole page, Markdown. The first line is `# CODE: title`.
    pub text: &'static str,
}

impl Page {
    /// Returns the title in the first line.
    #[must_use]
    pub fn title(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.split_once(": ").map_or(first, |(_, title)| title)
    }
}

macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(Page { code: $code, text: include_str!(concat!("../../../docs/diagnostics/", $code, ".md")) }),*]
    };
}

/// Every page, in the order of the codes. To add one, write the file and add its code here.
#[rustfmt::skip]
pub const PAGES: &[Page] = pages![
    "O1001",
    "O1002",
    "O1003",
    "O1004",
    "O1005",
    "O1006",
    "O1007",
    "O1010",
    "O1011",
    "O1012",
    "O1013",
    "O1014",
    "O1015",
    "O1016",
    "O1017",
    "O1018",
    "O1020",
    "O1021",
    "O1022",
    "O1023",
    "O1024",
    "O1025",
    "O1026",
    "O1027",
    "O1030",
    "O1031",
    "O1032",
    "O1033",
    "O1034",
    "O1035",
    "O1036",
    "O1037",
    "O1038",
    "O1039",
    "O1040",
    "O1041",
    "O1042",
    "O1043",
    "O1044",
    "O1045",
    "O1046",
    "O1047",
    "O1050",
    "O1051",
    "O1052",
    "O1053",
    "O1054",
    "O1055",
    "O1056",
    "O1057",
    "O1058",
    "O1059",
    "O1060",
    "O1061",
    "O1062",
    "O1063",
    "O1064",
    "O1065",
    "O1066",
    "O1070",
    "O1071",
    "O1080",
    "O1090",
    "O1091",
    "O1092",
    "O1096",
    "O1097",
    "O1100",
    "O1101",
    "O1102",
    "O1107",
    "O1109",
    "O1130",
    "O1131",
    "O1132",
    "O1133",
    "O2001",
    "O2002",
    "O2003",
    "O2004",
    "O2005",
    "O2006",
    "O2007",
    "O2008",
    "O2009",
    "O2010",
    "O2011",
    "O2012",
    "O2013",
    "O2014",
    "O2015",
    "O2016",
    "O2017",
    "O2018",
    "O2019",
    "O2020",
    "O2021",
    "O2022",
    "O2023",
    "O2024",
    "O2025",
    "O2026",
    "O2027",
    "O2028",
    "O2029",
    "O2030",
    "O2031",
    "O2032",
    "O2033",
    "O2034",
    "O2035",
    "O2036",
    "O2037",
    "O2038",
    "O2039",
    "O2040",
    "O2041",
    "O2042",
    "O2043",
    "O2044",
    "O2045",
    "O2046",
    "O2047",
    "O2048",
    "O2049",
    "O2050",
    "O2051",
    "O2052",
    "O2053",
    "O2054",
    "O2055",
    "O2056",
    "O2057",
    "O2058",
    "O2065",
    "O2066",
    "O2067",
    "O2068",
    "O2070",
    "O2071",
    "O2072",
    "O2073",
    "O2074",
    "O2075",
    "O2080",
    "O2081",
    "O2082",
    "O2096",
    "O2097",
];

/// Returns the page about a code, written in any case.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|page| page.code.eq_ignore_ascii_case(code.trim())).map(|page| page.text)
}
