//! Writes a plan of many pools, for trying what a large run costs:
//!
//! ```text
//! cargo run -p orchestrate-lab --example many_pools -- 200 5 > many.yaml
//! orchestrate many.yaml --lab --lab-speed 12 --unattended --yes
//! ```
//!
//! The arguments are the number of pools and the servers of each; a third one is a budget that all pools share.
#![expect(clippy::print_stdout, reason = "the plan is what it is for")]

use std::fmt::Write as _;

fn main() {
    let number =
        |at: usize, otherwise: usize| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    print!("{}", plan(number(1, 200), number(2, 5), number(3, 0)));
}

/// Returns a plan with so many front end pools of so many servers, restarted one by one.
fn plan(pools: usize, servers: usize, budget: usize) -> String {
    let mut text = String::from(
        "version: 1\nname: many pools\nreason: load\n\ndns:\n  resolvers: [\"192.0.2.53:53\"]\n\npools:\n",
    );
    for pool in 0..pools {
        let (high, low) = (pool / 250, pool % 250);
        write!(
            text,
            "  pool{pool}.contoso.example:\n    product: sfb2019\n    role: front-end\n    load_balancing:\n      sip: dns\n      \
             web: web.pool{pool}.contoso.example\n      \
             balancer: {{haproxy: {{address: \"10.{high}.{low}.250:9999\", backend: pool{pool}-web}}}}\n    \
             labels: {{fleet: all}}\n    access:\n      winrm: {{transport: https, auth: basic, credentials: {{env: X}}}}\n    \
             servers:\n"
        )
        .unwrap_or_default();
        for server in 1..=servers {
            writeln!(
                text,
                "      fe{server}.pool{pool}.contoso.example: {{address: 10.{high}.{low}.{server}, upgrade_domain: UD{server}}}"
            )
            .unwrap_or_default();
        }
    }
    if budget > 0 {
        write!(text, "\nbudgets:\n  - {{label: fleet=all, at_once: {budget}}}\n").unwrap_or_default();
    }
    text.push_str(
        "\nmaintenance:\n  scope: all-services\n  at_once: 1\n  drain: {deadline: 2h, at_deadline: hold}\n  restart: always\n  \
         soak: 1m\n",
    );
    text
}
