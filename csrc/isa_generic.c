/* isa_generic.c: any CPU, 128-bit vectors without FMA. 8 accumulators of 16 registers: SSE2 has no
 * three-operand form, so copies need some too. */
#include "vec_generic.h"

#define ISA_NAME "generic"
#define MR 4
#define NR 8
#define ATTENTION_MR 4
#define ATTENTION_NR 8
#include "kernels.inc"

const rc_kernels *rc_isa_generic(void) { return &kernels; }
