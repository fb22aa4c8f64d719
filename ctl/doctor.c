/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>

void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
                const char *remedy, const char *format, ...)
{
    static const char *const words[] = {"ok", "BAD", "unknown", "note", "fixed"};
    char detail[1024];
    va_list more;

    va_start(more, format);
    vsnprintf(detail, sizeof detail, format, more);
    va_end(more);
    doctor->bad |= result == DOCTOR_BAD;
    doctor->unknown |= result == DOCTOR_UNKNOWN;
    const char *cells[] = {check, words[result], detail, remedy};
    out_row(doctor->out, cells);
}
