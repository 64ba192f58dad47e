# The one way to open a team of threads. Included by _kernels.pyx.

cdef extern from *:
    """
    #ifdef RC_NO_THREADS
    #define RC_HAS_THREADS 0
    #else
    #define RC_HAS_THREADS 1
    #endif
    /* Lets Python handle the signals that have arrived. Nonzero if a handler raised, as Ctrl-C's does; the exception
       stays this thread's, and raise_pending passes it on. */
    static int handle_signals(void) {
        PyGILState_STATE state = PyGILState_Ensure();
        const int raised = PyErr_CheckSignals();
        PyGILState_Release(state);
        return raised;
    }
    static int raise_pending(void) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_RuntimeError, "this process was forked by a signal handler during a call on "
                                                "several threads, which its parent alone can finish");
        return -1;
    }
    """
    const bint RC_HAS_THREADS
    int handle_signals() noexcept nogil
    int raise_pending() except -1

HAS_THREADS = bool(RC_HAS_THREADS)

cdef bint told_of_fewer_threads = False


cdef int run_team(rc_share *share, void *work, int count) except -1:
    """Runs `share` on up to `count` threads, a number from checked_thread_count; returns when all have finished.

    In the main thread signals are handled meanwhile: if a handler raises, the threads stop and its exception is
    raised. ResourceError where the calling thread's stack is too small; RuntimeError in a child that a handler forked.
    """
    global told_of_fewer_threads
    cdef size_t stack = rc_stack_left()
    if stack < RC_STACK:
        found, expected = f"{stack // 1024} KiB left", f"{RC_STACK // 1024}: see threading.stack_size"
        raise ResourceError(mismatch("stack of this thread", found, expected))
    cdef rc_poll *poll = NULL
    if threading.get_ident() == threading.main_thread().ident:
        poll = handle_signals
    cdef rc_team_run run
    with nogil:
        run = rc_run_team(share, work, count, poll)
    if run.cancelled:
        raise_pending()
    if run.error and not told_of_fewer_threads:
        told_of_fewer_threads = True
        logger.warning("num_threads: found room for %d, expected %d (%s): a limit of this process or its container; "
                       "computing on fewer threads", <int>run.nth, count, os.strerror(run.error))
    return 0


cdef int checked_thread_count(object num_threads) except -1:
    """The number of threads to ask for: num_threads, or 1 in a build without threads. InputError unless num_threads is
    1 to MAX_THREADS."""
    if (isinstance(num_threads, bool) or not isinstance(num_threads, int)
            or not 1 <= num_threads <= threads.MAX_THREADS):
        raise InputError(mismatch("num_threads", shown(num_threads), f"1 to {threads.MAX_THREADS}"))
    return num_threads if RC_HAS_THREADS else 1
