/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/stack.h"

#include "ctl/lines.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 8

struct reading {
    const char *type;
    stack_each *each;
    void *arg;
    unsigned depth;
    bool enough;
};

static void read_file(const char *service, struct reading *reading);

static bool take_line(void *arg, char *line)
{
    struct reading *reading = arg;
    char *at = line, *type = lines_word(&at), *control, *module;

    if (type == NULL)
        return true;
    type += type[0] == '-';
    control = lines_word(&at);
    if (control != NULL && strcmp(type, "@include") == 0) {
        read_file(control, reading);
    } else if (control != NULL && strcmp(type, reading->type) == 0 &&
               (module = lines_word(&at)) != NULL) {
        if (strcmp(control, "include") == 0 || strcmp(control, "substack") == 0)
            read_file(module, reading);
        else
            reading->enough = !reading->each(reading->arg, control, module);
    }
    return !reading->enough;
}

static void read_file(const char *service, struct reading *reading)
{
    char path[256];

    if (reading->depth >= DEPTH_MAX || strchr(service, '/') != NULL)
        return;
    reading->depth++;
    snprintf(path, sizeof path, "/etc/pam.d/%.200s", service);
    (void)lines_read(path, true, take_line, reading);
    reading->depth--;
}

const char *stack_module(const char *module)
{
    const char *slash = strrchr(module, '/');

    return slash == NULL ? module : slash + 1;
}

void stack_read(const char *service, const char *type, stack_each *each, void *arg)
{
    struct reading reading = {.type = type, .each = each, .arg = arg};

    read_file(service, &reading);
}
