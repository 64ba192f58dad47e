/* threads.c: the process's threads that compute.  A call computes on its own thread and on workers, which
 * are started when they are first needed and wait between calls.
 *
 * Calls from several threads share the workers: a call gets its share of as many threads as it asks for, the
 * others' counted, and always at least its own thread.  Where a thread cannot be started, the call computes
 * on fewer.  A forked child has none of its parent's threads, and starts its own.
 *
 * POSIX threads, not OpenMP: GCC's OpenMP library ends the whole process where it cannot start a thread, its
 * threads do not survive a fork, and every calling thread gets a team of its own. */
#define _GNU_SOURCE
#include "float_state.h"
#include "internal.h"

#if defined(RC_NO_THREADS)

size_t rc_stack_left(void) { return SIZE_MAX; }

rc_team_run rc_run_team(rc_share *share, void *work, size_t nth, rc_poll *poll) {
    rc_team team;
    (void)nth;
    rc_team_init(&team, poll);
    const uint64_t state = rc_float_state_enter();
    share(work, &team, 0, 1);
    rc_float_state_leave(state);
    return (rc_team_run){1, 0, atomic_load_explicit(&team.cancelled, memory_order_relaxed)};
}

#else
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

enum {
    MOST_WORKERS = RC_MOST_THREADS - 1,
    /* Kernels need less than RC_STACK; the rest is for what the C library keeps on a thread's stack. */
    WORKER_STACK = 1 << 20,
    /* A worker stays awake from one call to the next if no more than tokenizing a short text lies between. */
    AWAKE_BETWEEN_CALLS_NS = 200 * 1000,
    AWAKE_AT_END_NS = 50 * 1000,
};

enum { RESTING, WORKING };

typedef struct worker worker;
struct worker {
    rc_event state;
    /* What to do, while WORKING. */
    rc_share *share;
    void *work;
    rc_team *team;
    size_t ith, nth;
    worker *next; /* of those resting, or of those of the same team */
};

/* Everything below is behind the lock, but for the workers themselves, which belong to whoever took them. */
static struct {
    pthread_mutex_t lock;
    worker *resting;
    size_t started;   /* workers */
    size_t calls;     /* that are running */
    size_t computing; /* threads, callers' included */
    int forks_handled;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};
static worker workers[MOST_WORKERS];

static void *work_for_ever(void *given) {
    worker *self = given;
    (void)rc_float_state_enter();
    for (;;) {
        rc_event_wait(&self->state, RESTING, AWAKE_BETWEEN_CALLS_NS);
        self->share(self->work, self->team, self->ith, self->nth);
        rc_event_set(&self->state, RESTING); /* the team may be gone after this */
    }
    return NULL;
}

/* In the child of a fork the parent's workers do not exist. */
static void forget_workers(void) {
    const int forks_handled = pool.forks_handled;
    memset(&pool, 0, sizeof pool);
    pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pool.forks_handled = forks_handled;
    rc_events_after_fork();
}

/* One more resting worker: 0, or an error number. */
static int start_worker(void) {
    worker *one = &workers[pool.started];
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    rc_event_init(&one->state, RESTING);
    if (pthread_attr_init(&attributes)) return ENOMEM;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, WORKER_STACK);
    /* Signals are for the program's own threads; a new thread begins with its maker's mask. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&thread, &attributes, work_for_ever, one);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) return error;
    pool.started++;
    one->next = pool.resting;
    pool.resting = one;
    return 0;
}

/* Up to nth - 1 workers, linked by `next`, for a call whose threads are counted in run->nth. */
static worker *take_workers(size_t nth, rc_team_run *run) {
    worker *taken = NULL;
    pthread_mutex_lock(&pool.lock);
    if (!pool.forks_handled) pool.forks_handled = pthread_atfork(NULL, NULL, forget_workers) == 0;
    pool.calls++;
    const size_t others = pool.computing, free_threads = nth > others ? nth - others : 1;
    const size_t share = nth / pool.calls, wanted = share < free_threads ? share : free_threads;
    while (run->nth < wanted) {
        if (!pool.resting && (pool.started == MOST_WORKERS || (run->error = start_worker()))) break;
        worker *one = pool.resting;
        pool.resting = one->next;
        one->next = taken;
        taken = one;
        run->nth++;
    }
    pool.computing += run->nth;
    pthread_mutex_unlock(&pool.lock);
    return taken;
}

static void return_workers(worker *taken, size_t nth) {
    pthread_mutex_lock(&pool.lock);
    while (taken) {
        worker *one = taken;
        taken = one->next;
        one->next = pool.resting;
        pool.resting = one;
    }
    pool.calls--;
    pool.computing -= nth;
    pthread_mutex_unlock(&pool.lock);
}

/* The lowest address of the calling thread's stack; 0 where the system does not tell. */
static uintptr_t lowest_of_stack(void) {
#if defined(__linux__)
    pthread_attr_t attributes;
    void *lowest = NULL;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes)) return 0;
    if (pthread_attr_getstack(&attributes, &lowest, &size)) lowest = NULL;
    pthread_attr_destroy(&attributes);
    return (uintptr_t)lowest;
#elif defined(__APPLE__)
    const pthread_t self = pthread_self();
    return (uintptr_t)pthread_get_stackaddr_np(self) - pthread_get_stacksize_np(self);
#else
    return 0;
#endif
}

size_t rc_stack_left(void) {
    static _Thread_local uintptr_t lowest;
    static _Thread_local int known;
    if (!known) lowest = lowest_of_stack(), known = 1;
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return lowest && here > lowest ? here - lowest : SIZE_MAX;
}

rc_team_run rc_run_team(rc_share *share, void *work, size_t nth, rc_poll *poll) {
    rc_team_run run = {.nth = 1};
    worker *taken = take_workers(nth, &run);
    rc_team team;
    rc_team_init(&team, poll);
    size_t ith = 1;
    for (worker *one = taken; one; one = one->next) {
        one->share = share, one->work = work, one->team = &team;
        one->ith = ith++, one->nth = run.nth;
        rc_event_set(&one->state, WORKING);
    }
    const uint64_t state = rc_float_state_enter();
    share(work, &team, 0, run.nth);
    rc_float_state_leave(state);
    for (worker *one = taken; one; one = one->next) rc_event_wait(&one->state, WORKING, AWAKE_AT_END_NS);
    return_workers(taken, run.nth);
    run.cancelled = atomic_load_explicit(&team.cancelled, memory_order_relaxed);
    return run;
}
#endif
