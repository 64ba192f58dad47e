/* status.c: the message of each rc_status; the caller puts the name of the argument in front. */
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
