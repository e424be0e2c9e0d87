//! Seeds that broke a promise once. The dice may fall otherwise since then; what each was about stands here, and a
//! test that does not depend on dice stands in the crate whose fault it was, where there was one.

use orchestrate_simulation::again;

fn holds(seeds: &[u64]) {
    for seed in seeds {
        let night = again(*seed, None);
        assert!(night.violations.is_empty(), "{}", night.story());
    }
}

#[test]
fn a_service_that_somebody_started_again_is_drained_before_patch_and_restart() {
    holds(&[11, 59, 279, 999]);
}

#[test]
fn a_start_that_was_killed_after_the_snapshot_goes_on() {
    holds(&[12237, 106_818, 107_725]);
}

#[test]
fn a_server_that_was_restarted_is_not_restarted_again_when_the_run_is_taken_up() {
    holds(&[29, 234, 846, 887, 918]);
}

#[test]
fn shared_budgets_count_servers_that_are_down_in_the_other_pool() {
    holds(&[8, 440]);
}

#[test]
fn a_guard_is_asked_again_when_the_acts_before_the_block_took_long() {
    holds(&[3063]);
}

#[test]
fn a_server_that_was_resumed_as_a_whole_is_blocked_only_by_a_new_decision() {
    holds(&[24157, 37620]);
}

#[test]
fn start_types_are_restored_even_when_a_service_beside_them_does_not_run() {
    holds(&[58]);
}

#[test]
fn infrastructure_that_depends_on_a_service_is_not_touched() {
    holds(&[128, 147, 480, 563]);
}

#[test]
fn the_last_look_covers_servers_of_earlier_starts() {
    holds(&[451, 611, 648, 751]);
}

#[test]
fn what_is_recorded_is_not_the_moment_after_a_boot() {
    holds(&[2295]);
}

#[test]
fn waits_say_their_true_end() {
    holds(&[69, 211, 235, 256, 4833, 7882]);
}

#[test]
fn a_long_act_or_a_late_answer_is_a_wait_too() {
    holds(&[67, 300, 849]);
}

#[test]
fn what_was_recorded_before_the_first_change_is_looked_at_again_right_before_it() {
    holds(&[3_003_546, 3_018_033]);
}

#[test]
fn a_boot_before_the_installer_ended_is_not_the_restart_that_it_began() {
    holds(&[274, 382]);
}

#[test]
fn nobody_is_let_in_while_an_installer_runs() {
    holds(&[170]);
}

#[test]
fn a_boot_from_before_the_installer_is_not_the_restart_that_it_began() {
    holds(&[2229]);
}

#[test]
fn nobody_can_guard_against_a_start_between_the_last_look_and_the_installer() {
    holds(&[2865]);
}

#[test]
fn a_restart_from_before_an_installer_is_not_the_one_that_it_asks_for() {
    holds(&[2578]);
}

#[test]
fn what_the_product_says_is_unknown_about_a_blocked_server_that_does_not_answer() {
    holds(&[1513]);
}

#[test]
fn a_server_that_serves_again_is_not_taken_out_of_the_balancer_while_another_one_is_out() {
    holds(&[5240, 13_900]);
}

#[test]
fn a_balancer_that_does_not_answer_at_the_end_is_not_one_that_serves() {
    holds(&[2494, 10_699]);
}
