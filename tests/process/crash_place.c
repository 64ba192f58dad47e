/* For allocations.py: a crash inside CPython, with no function of this package's extensions on the stack,
 * ends the process with exit code CRASH_OUTSIDE; any other crash ends it by its signal. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CRASH_OUTSIDE = 86, MOST_FRAMES = 128 };

static int within_an_extension(void) {
    void *frames[MOST_FRAMES];
    const int count = backtrace(frames, MOST_FRAMES);
    for (int i = 0; i < count; i++) {
        Dl_info found;
        if (!dladdr(frames[i], &found) || !found.dli_fname) continue;
        if (strstr(found.dli_fname, "/_kernels.") || strstr(found.dli_fname, "/_encoder.")) return 1;
    }
    return 0;
}

static void on_crash(int number) {
    if (!within_an_extension()) _exit(CRASH_OUTSIDE);
    signal(number, SIG_DFL);
    raise(number);
}

void tell_crashes(void) {
    void *frame;
    (void)backtrace(&frame, 1); /* loads what it needs before memory is short */
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    signal(SIGABRT, on_crash);
}
