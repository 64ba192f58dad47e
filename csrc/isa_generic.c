/* isa_generic.c: any CPU, 128-bit vectors without FMA.  8 accumulators of 16 registers: SSE2 instructions
 * overwrite an operand, so copies need registers too. */
#include "vec_generic.h"

#define ISA_NAME "generic"
#define MR 4
#define NR 8
#define ATTENTION_MR 4
#define ATTENTION_NR 8
#include "kernels.inc"

int rc_isa_generic(rc_kernels *kernels) { return fill_kernels(kernels); }
