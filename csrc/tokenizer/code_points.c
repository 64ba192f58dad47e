/* code_points.c: the properties of code points, in blocks of 256 of which most are alike. */
#include "tokenizer.h"

#include "code_points.inc"

uint8_t rc_code_point(uint32_t code_point) {
    return code_point > 0x10FFFF ? RC_JOIN_UNSURE + RC_KIND_UNSURE
                                 : PROPERTIES[BLOCK_OF[code_point >> 8]][code_point & 255];
}
