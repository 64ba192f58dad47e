# The one way to open a team of threads. Included by _kernels.pyx.

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    /* Asked inside the region: OpenMP may grant fewer threads than num_threads, and a barrier that
       waits for threads that never came would wait for ever. */
    #define rc_team_size() ((size_t)omp_get_num_threads())
    #define RC_HAS_OPENMP 1
    #else
    #define rc_team_size() ((size_t)1)
    #define RC_HAS_OPENMP 0
    #endif
    """
    size_t rc_team_size() noexcept nogil
    const bint RC_HAS_OPENMP

HAS_OPENMP = bool(RC_HAS_OPENMP)

# What one thread of a team does: its share, ith of nth, of `work`.
ctypedef void (*share_function)(void *work, rc_team *team, size_t ith, size_t nth) noexcept nogil


cdef int run_team(share_function share, void *work, int count) except -1:
    """Runs `share` on up to `count` threads, a number from checked_thread_count; returns when all have finished."""
    cdef rc_team team
    rc_team_init(&team)
    with nogil, parallel(num_threads=count):
        run_share(share, work, &team)
    return 0


cdef void run_share(share_function share, void *work, rc_team *team) noexcept nogil:
    """This thread's share, in our own floating-point state (float_state.h).

    The region ends with a barrier of our own, which yields. OpenMP's spins for milliseconds: where another process
    uses a core, the thread that is waited for may be the one that cannot run.
    """
    cdef uint64_t state = rc_float_state_enter()
    share(work, team, threadid(), rc_team_size())
    rc_float_state_leave(state)
    rc_team_wait(team, rc_team_size())


# ---- how many threads ----------------------------------------------------------------------------------

cdef bint team_opened = False
cdef bint child_of_team = False


def _after_fork_in_child() -> None:
    # libgomp's pool does not survive fork: a region in the child would wait for threads that are gone.
    global child_of_team
    child_of_team = team_opened


os.register_at_fork(after_in_child=_after_fork_in_child)


_largest_team = threading.local()  # OpenMP keeps a team for each calling thread


def _try_threads(int count) -> None:
    """Starts and ends `count` threads. Where libgomp cannot start one, it ends the whole process; this raises
    ResourceError instead."""
    release, started = threading.Event(), []
    try:
        for _ in range(count):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        found = f"room for {len(started) + 1} threads"
        expected = f"{count + 1}; a limit of this process or its container"
        raise ResourceError(mismatch("num_threads", found, expected)) from None
    finally:
        release.set()
        for thread in started:
            thread.join()


cdef int checked_thread_count(object num_threads) except -1:
    """The number of threads to open: num_threads; 1 without OpenMP, or in a process forked after its parent opened a
    team.

    InputError unless num_threads is 1 to MAX_THREADS.
    """
    global team_opened
    if (isinstance(num_threads, bool) or not isinstance(num_threads, int)
            or not 1 <= num_threads <= threads.MAX_THREADS):
        raise InputError(mismatch("num_threads", shown(num_threads), f"1 to {threads.MAX_THREADS}"))
    if not RC_HAS_OPENMP or child_of_team:
        return 1
    if num_threads > 1:
        team_opened = True
        if num_threads > getattr(_largest_team, "size", 1):
            _try_threads(num_threads - 1)
            _largest_team.size = num_threads
    return num_threads
