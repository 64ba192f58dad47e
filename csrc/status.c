/* status.c: the end of each rc_status's message; the caller puts the argument in front. */
#include "internal.h"

const char *rc_status_message(rc_status status) {
    switch (status) {
    case RC_OK: return "ok";
    case RC_UNKNOWN_ISA: return "is not an instruction set this build knows";
    case RC_ISA_UNAVAILABLE: return "is not available on this CPU";
    case RC_TOO_LARGE: return "needs more memory than can be addressed";
    }
    return "unknown status";
}
