/* float_state.h: the calling thread's floating-point state while kernels run: round to nearest, subnormal
 * numbers kept.  Some host programs flush subnormal numbers to zero, in their own thread only; without this
 * the same text would give other bits in another thread.  (VDPBF16PS and TDPBF16PS treat them as 0 in every
 * state.)  threads.c enters the state in every thread of a team. */
#ifndef RC_FLOAT_STATE_H
#define RC_FLOAT_STATE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
static inline uint64_t rc_float_state_enter(void) {
    const uint64_t before = _mm_getcsr();
    _mm_setcsr(0x1f80); /* the power-on value: all exceptions masked, nothing flushed */
    return before;
}
static inline void rc_float_state_leave(uint64_t before) { _mm_setcsr((unsigned)before); }
#elif defined(__aarch64__)
static inline uint64_t rc_float_state_enter(void) {
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return before;
}
static inline void rc_float_state_leave(uint64_t before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#else
static inline uint64_t rc_float_state_enter(void) { return 0; }
static inline void rc_float_state_leave(uint64_t before) { (void)before; }
#endif

#endif
