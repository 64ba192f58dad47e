/* team.c: the barrier at which the threads of a team meet between two stages, the count of work units, and
 * the end of a call before its time.
 *
 * The last thread to arrive at a barrier resets the count to 0, and tells all whether the call was
 * cancelled: so they leave together, and none waits for one that has left. */
#include "internal.h"

enum {
    /* In a balanced stage the last thread arrives within this time after the first. */
    AWAKE_AT_BARRIER_NS = 50 * 1000,
    NS_BETWEEN_POLLS = 50 * 1000 * 1000,
    /* A look at the clock at every unit was 0.6 % of RoBERTa-base's time for 8 tokens (AMD Zen 3,
     * 2026-11-29). */
    UNITS_PER_LOOK_AT_THE_CLOCK = 8,
};

void rc_team_init(rc_team *team, rc_poll *poll) {
    rc_event_init(&team->generation, 0);
    atomic_init(&team->arrived, 0);
    atomic_init(&team->next_unit, 0);
    atomic_init(&team->cancelled, 0);
    team->stopped = team->alone = 0;
    team->poll = poll;
    team->polled_ns = poll ? rc_nanoseconds() : 0;
    team->units_until_clock = UNITS_PER_LOOK_AT_THE_CLOCK;
}

void rc_team_wait(rc_team *team, size_t nth) {
    if (nth == 1 || team->alone) { /* nobody to wait for */
        atomic_store_explicit(&team->next_unit, 0, memory_order_relaxed);
        team->stopped = atomic_load_explicit(&team->cancelled, memory_order_relaxed);
        return;
    }
    const unsigned generation = atomic_load_explicit(&team->generation.value, memory_order_acquire);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 < nth) {
        rc_event_wait(&team->generation, generation, AWAKE_AT_BARRIER_NS);
        return;
    }
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&team->next_unit, 0, memory_order_relaxed);
    team->stopped = atomic_load_explicit(&team->cancelled, memory_order_relaxed);
    rc_event_set(&team->generation, generation + 1);
}

/* Thread 0 is the caller's own, the one in which its language handles signals.  A handler may have forked:
 * then the child is here without the other threads, and cannot finish what they had begun. */
static void poll_sometimes(rc_team *team, size_t nth) {
    if (--team->units_until_clock) return;
    team->units_until_clock = UNITS_PER_LOOK_AT_THE_CLOCK;
    const size_t forks = rc_forks();
    if (rc_nanoseconds() - team->polled_ns < NS_BETWEEN_POLLS) return;
    const int cancelled = team->poll();
    team->alone = nth > 1 && rc_forks() != forks;
    if (cancelled || team->alone) {
        atomic_store_explicit(&team->cancelled, 1, memory_order_relaxed);
        team->poll = NULL;
    }
    team->polled_ns = rc_nanoseconds();
}

size_t rc_next_unit(rc_team *team, size_t ith, size_t nth) {
    if (ith == 0 && team->poll) poll_sometimes(team, nth);
    if (atomic_load_explicit(&team->cancelled, memory_order_relaxed)) return RC_NO_UNIT;
    return atomic_fetch_add_explicit(&team->next_unit, 1, memory_order_relaxed);
}
