/* event.c: waiting until a number that another thread sets is no longer what it was.  A waiting thread stays
 * awake for a moment, since most waits are shorter than falling asleep and being woken; then it sleeps, so
 * that its CPU is free: beside another busy process, the thread that is waited for may need that very CPU. */
#define _GNU_SOURCE
#include "internal.h"

#include <limits.h>
#include <time.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__x86_64__) || defined(__i386__)
#define SPIN_HINT() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SPIN_HINT() __asm__ volatile("isb") /* yield does nothing on most CPUs */
#else
#define SPIN_HINT() ((void)0)
#endif

enum { SPINS_PER_LOOK_AT_THE_CLOCK = 32 };

#if defined(SYS_futex) && !defined(RC_NO_FUTEX)
enum { FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 }; /* <linux/futex.h>, which musl does not bring */
_Static_assert(sizeof(atomic_uint) == 4, "a futex is 32 bits");

/* Sleeps while the event has this value; may wake for no reason. */
static void sleep_while(rc_event *event, unsigned value) {
    syscall(SYS_futex, &event->value, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_sleepers(rc_event *event) {
    syscall(SYS_futex, &event->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void rc_events_after_fork(void) {}

#elif defined(RC_NO_THREADS)

static void sleep_while(rc_event *event, unsigned value) { (void)event, (void)value; }
static void wake_sleepers(rc_event *event) { (void)event; }
void rc_events_after_fork(void) {}

#else
#include <pthread.h>

/* One for all events: whoever is woken looks at its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void sleep_while(rc_event *event, unsigned value) {
    pthread_mutex_lock(&lock);
    if (atomic_load(&event->value) == value) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void wake_sleepers(rc_event *event) {
    (void)event;
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void rc_events_after_fork(void) {
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}
#endif

int64_t rc_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void rc_event_init(rc_event *event, unsigned value) {
    atomic_init(&event->value, value);
    atomic_init(&event->sleepers, 0);
}

/* The value is stored before sleepers are counted; rc_event_wait counts itself before it looks at the value.
 * In that order, which sequentially consistent operations keep, one of the two sees the other. */
void rc_event_set(rc_event *event, unsigned value) {
    atomic_store(&event->value, value);
    if (atomic_load(&event->sleepers) > 0) wake_sleepers(event);
}

void rc_event_wait(rc_event *event, unsigned value, int64_t awake_ns) {
    int64_t until = 0;
    for (unsigned spins = 1;; spins++) {
        if (atomic_load_explicit(&event->value, memory_order_acquire) != value) return;
        SPIN_HINT();
        if (spins % SPINS_PER_LOOK_AT_THE_CLOCK > 0) continue;
        const int64_t now = rc_nanoseconds();
        if (until == 0)
            until = now + awake_ns;
        else if (now >= until)
            break;
    }
    atomic_fetch_add(&event->sleepers, 1);
    while (atomic_load(&event->value) == value) sleep_while(event, value);
    atomic_fetch_sub(&event->sleepers, 1);
}
