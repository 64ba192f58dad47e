/* For allocations.py: malloc, calloc, realloc and aligned allocation, of which those from the `first`-th to
   before the `last`-th fail. Counting begins with fail_allocations(); only its thread's allocations count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

static __thread long until_first = -1, until_last = -1;

void fail_allocations(int first, int last) {
    until_first = first;
    until_last = last;
}

void end_failures(void) { until_first = until_last = -1; }

static int fails(void) {
    if (until_last < 0) return 0;
    const int failing = until_first <= 1 && until_last > 1;
    until_first--;
    until_last--;
    if (failing) errno = ENOMEM;
    return failing;
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **place, size_t alignment, size_t size) {
    if (fails()) return ENOMEM;
    *place = __libc_memalign(alignment, size);
    return *place ? 0 : ENOMEM;
}
