/* threads.c: the process's threads that compute.  A call computes on its own thread and on workers, which
 * are started when they are first needed and wait between calls.
 *
 * Calls from several threads share the workers.  A call that asks for nth threads gets
 *   min(nth / calls of several threads that run, nth - threads that compute), at least 1.
 * Where a thread cannot be started, the call computes on fewer.  A forked child has none of its parent's
 * threads, and starts its own.
 *
 * POSIX threads, not OpenMP: GCC's OpenMP library ends the whole process where it cannot start a thread, its
 * threads do not survive a fork, and every calling thread gets a team of its own. */
#define _GNU_SOURCE
#include "float_state.h"
#include "internal.h"

#if defined(RC_NO_THREADS)

size_t rc_stack_left(void) { return SIZE_MAX; }

size_t rc_forks(void) { return 0; }

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
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

enum {
    MOST_WORKERS = RC_MOST_THREADS - 1,
    /* Kernels need less than RC_STACK; the rest is for what the C library keeps on a thread's stack. */
    WORKER_STACK = 1 << 20,
    /* How long a worker waits awake for the next call: 200 µs where other processes want the CPUs, 2 ms where
     * none does, since a sleeping CPU is slow to wake.  8 tokens of a small model
     * take 18 % longer beside a busy process with 1 ms in both cases, and 15 to 36 % longer alone with 200 µs
     * in both (AMD Zen 3, 2 CPUs, 2026-11-29). */
    AWAKE_BETWEEN_CALLS_NS = 200 * 1000,
    AWAKE_WHILE_CALM_NS = 2 * 1000 * 1000,
    MS_BETWEEN_COUNTS = 50,
    MOST_PREEMPTIONS = 200, /* a second */
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

/* pool is guarded by its lock; a worker belongs to the call that took it. */
static struct {
    pthread_mutex_t lock;
    worker *resting;
    size_t started_workers;
    size_t running_calls;     /* of several threads */
    size_t computing_threads; /* callers' own included */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};
static worker workers[MOST_WORKERS];

/* How many forks lie between this process and the one that loaded the library. */
static size_t forks;

size_t rc_forks(void) { return forks; }

/* Whether other processes want the CPUs: when last counted, threads of this process were preempted more than
 * MOST_PREEMPTIONS times a second.  Alone they were 24 to 42 times a second, beside one busy process 740 to
 * 1,975 times (2 CPUs, Linux 6.18, 2026-11-29). */
static int cpus_are_wanted(void) {
    static atomic_uint counted_ms;
    static atomic_long preemptions;
    static atomic_int wanted;
    const unsigned now = (unsigned)(rc_nanoseconds() / 1000000);
    unsigned before = atomic_load(&counted_ms);
    struct rusage usage;
    /* One worker counts for all. */
    if (now - before >= MS_BETWEEN_COUNTS && atomic_compare_exchange_strong(&counted_ms, &before, now)) {
        if (getrusage(RUSAGE_SELF, &usage)) return 1;
        const double since = (double)(usage.ru_nivcsw - atomic_exchange(&preemptions, usage.ru_nivcsw));
        atomic_store(&wanted, since * 1000 > MOST_PREEMPTIONS * (double)(now - before));
    }
    return atomic_load(&wanted);
}

static void *run_worker(void *argument) {
    worker *self = argument;
    (void)rc_float_state_enter();
    for (;;) {
        rc_event_wait(&self->state, RESTING,
                      cpus_are_wanted() ? AWAKE_BETWEEN_CALLS_NS : AWAKE_WHILE_CALM_NS);
        self->share(self->work, self->team, self->ith, self->nth);
        rc_event_set(&self->state, RESTING); /* the team may be gone after this */
    }
    return NULL;
}

/* In the child of a fork the parent's workers do not exist. */
static void forget_workers(void) {
    memset(&pool, 0, sizeof pool);
    pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    forks++;
    rc_events_after_fork();
}

static void handle_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }

/* Signals are for the program's own threads, but for those that a fault raises in the thread itself. */
static void block_signals(sigset_t *before) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

/* One more resting worker: 0, or an error number. */
static int start_worker(void) {
    worker *w = &workers[pool.started_workers];
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t before;
    rc_event_init(&w->state, RESTING);
    if (pthread_attr_init(&attributes)) return ENOMEM;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, WORKER_STACK);
#if defined(__GLIBC__)
    /* All callers share the workers: they run where the process may, not where this caller is pinned to. */
    cpu_set_t cpus;
    if (sched_getaffinity(getpid(), sizeof cpus, &cpus) == 0)
        pthread_attr_setaffinity_np(&attributes, sizeof cpus, &cpus);
#endif
    block_signals(&before); /* a new thread begins with its maker's mask */
    const int error = pthread_create(&thread, &attributes, run_worker, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error) return error;
    pool.started_workers++;
    w->next = pool.resting;
    pool.resting = w;
    return 0;
}

/* The number of threads for a call that asks for nth > 1. */
static size_t share_of_threads(size_t nth) {
    const size_t computing = pool.computing_threads, free_threads = nth > computing ? nth - computing : 1;
    const size_t share = nth / pool.running_calls;
    return share < free_threads ? share : free_threads;
}

/* Workers, linked by `next`, for a call that asks for nth threads; run->nth becomes the number of its
 * threads. */
static worker *take_workers(size_t nth, rc_team_run *run) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    worker *taken = NULL;
    pthread_once(&once, handle_forks);
    pthread_mutex_lock(&pool.lock);
    if (nth > 1) {
        pool.running_calls++;
        const size_t wanted = share_of_threads(nth);
        while (run->nth < wanted) {
            if (!pool.resting && (pool.started_workers == MOST_WORKERS || (run->error = start_worker())))
                break;
            worker *w = pool.resting;
            pool.resting = w->next;
            w->next = taken;
            taken = w;
            run->nth++;
        }
    }
    pool.computing_threads += run->nth;
    pthread_mutex_unlock(&pool.lock);
    return taken;
}

static void return_workers(worker *taken, size_t nth, size_t threads) {
    pthread_mutex_lock(&pool.lock);
    while (taken) {
        worker *w = taken;
        taken = w->next;
        w->next = pool.resting;
        pool.resting = w;
    }
    if (nth > 1) pool.running_calls--;
    pool.computing_threads -= threads;
    pthread_mutex_unlock(&pool.lock);
}

/* The lowest address of the calling thread's stack; 0 where the system does not tell. */
static uintptr_t lowest_of_stack(void) {
#if defined(__linux__)
    pthread_attr_t attributes;
    void *lowest = NULL;
    size_t size;
#if !defined(__GLIBC__)
    if (syscall(SYS_gettid) == getpid()) return 0; /* musl gives what is mapped now, not what may be */
#endif
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
    const size_t forks_before = forks;
    worker *taken = take_workers(nth, &run);
    rc_team team;
    rc_team_init(&team, poll);
    size_t ith = 1;
    for (worker *w = taken; w; w = w->next) {
        w->share = share, w->work = work, w->team = &team;
        w->ith = ith++, w->nth = run.nth;
        rc_event_set(&w->state, WORKING);
    }
    const uint64_t state = rc_float_state_enter();
    share(work, &team, 0, run.nth);
    rc_float_state_leave(state);
    if (forks == forks_before) { /* in a child that was forked meanwhile, the pool has forgotten this call */
        for (worker *w = taken; w; w = w->next) rc_event_wait(&w->state, WORKING, AWAKE_AT_END_NS);
        return_workers(taken, nth, run.nth);
    }
    run.cancelled = atomic_load_explicit(&team.cancelled, memory_order_relaxed);
    return run;
}
#endif
