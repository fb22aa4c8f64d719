/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
                const char *remedy, const char *format, ...)
{
    static const char *const words[] = {"ok", "BAD", "unknown", "note"};
    char detail[1024];
    va_list more;

    va_start(more, format);
    vsnprintf(detail, sizeof detail, format, more);
    va_end(more);
    doctor->bad |= result == DOCTOR_BAD;
    doctor->unknown |= result == DOCTOR_UNKNOWN;
    OUT_ROW(doctor->out, check, words[result], detail, remedy);
    if (remedy[0] == '\0' || doctor->faults == sizeof doctor->fault / sizeof *doctor->fault)
        return;
    struct doctor_fault *fault = &doctor->fault[doctor->faults++];
    fault->result = result;
    snprintf(fault->finding, sizeof fault->finding, "%s: %.490s", check, detail);
    snprintf(fault->remedy, sizeof fault->remedy, "%s", remedy);
}

/* Whether an earlier fault has the same remedy. */
static bool is_shown(const struct doctor *doctor, size_t i)
{
    for (size_t before = 0; before < i; before++)
        if (strcmp(doctor->fault[before].remedy, doctor->fault[i].remedy) == 0)
            return true;
    return false;
}

void doctor_show_remedies(const struct doctor *doctor)
{
    if (doctor->faults == 0)
        return;
    out_line(doctor->out, "");
    out_line(doctor->out, "Remedies (each command can be pasted as it stands):");
    for (size_t i = 0; i < 2 * doctor->faults; i++) {
        const struct doctor_fault *fault = &doctor->fault[i % doctor->faults];
        bool last = fault->result == DOCTOR_NOTE;
        if (last == (i >= doctor->faults) && !is_shown(doctor, i % doctor->faults))
            remedy_show(doctor->out, fault->finding, fault->remedy);
    }
}
