/* team.c: the barrier at which the threads of a team meet between two stages, and the count of work units.
 * The last thread to arrive resets the count to 0 and starts the next generation.  The others spin briefly,
 * which suffices where a stage is balanced, then yield: on a busy machine the missing thread may need this
 * very core. */
#include "internal.h"

#include <sched.h>

#if defined(__x86_64__) || defined(__i386__)
#define SPIN_HINT() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SPIN_HINT() __asm__ volatile("yield")
#else
#define SPIN_HINT() ((void)0)
#endif

enum { SPINS_BEFORE_YIELD = 4096 };

void rc_team_init(rc_team *team) {
    atomic_init(&team->generation, 0);
    atomic_init(&team->arrived, 0);
    atomic_init(&team->next_unit, 0);
}

void rc_team_wait(rc_team *team, size_t nth) {
    const size_t generation = atomic_load_explicit(&team->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == nth) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->next_unit, 0, memory_order_relaxed);
        atomic_store_explicit(&team->generation, generation + 1, memory_order_release);
        return;
    }
    for (size_t spins = 0; atomic_load_explicit(&team->generation, memory_order_acquire) == generation;
         spins++) {
        if (spins < SPINS_BEFORE_YIELD)
            SPIN_HINT();
        else
            sched_yield();
    }
}

size_t rc_next_unit(rc_team *team) {
    return atomic_fetch_add_explicit(&team->next_unit, 1, memory_order_relaxed);
}
