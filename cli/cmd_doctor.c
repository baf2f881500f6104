/* zoe doctor: looks at everything a farm stands on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/embedded.h"
#include "cli/output.h"

static void (*const CHECKS[])(struct doctor *d) = {
    doctor_disk,   doctor_clock, doctor_machine, doctor_programs,
    doctor_models, doctor_keys,  doctor_state,   doctor_farm,
};

/* --state may name what `zoe farm up` made, a coordinator's folder or a worker's. */
static void find_folders(struct doctor *d)
{
    char *inside = path_join(d->folder, "coordinator");
    char *first = path_join(d->folder, "workers/1");
    if (path_is_folder(inside))
        d->coordinator = xstrdup(inside);
    else if (embedded_is_coordinator(d->folder))
        d->coordinator = xstrdup(d->folder);
    if (embedded_is_worker(d->folder))
        d->worker = xstrdup(d->folder);
    else if (path_is_folder(first))
        d->worker = xstrdup(first);
    free(inside);
    free(first);
}

static void print_all(struct call *call, struct doctor *d)
{
    const struct findings *f = &d->findings;
    const size_t warned = f->counts[FINDING_WARN], failed = f->counts[FINDING_FAIL];
    if (call->json) {
        json_t *o =
            json_pack("{sbsIsIsI}", "well", failed == 0, "ok", (json_int_t)f->counts[FINDING_OK],
                      "warnings", (json_int_t)warned, "failures", (json_int_t)failed);
        json_object_set_new(o, "findings", findings_json(f));
        output_print(o, "zoe.doctor.v1");
        return;
    }
    findings_print(f, stdout, !call->quiet, *output_colour(1, COLOUR_RED) != '\0');
    if (failed + warned == 0)
        puts("\nAll is well.");
    else
        printf("\n%zu to mend, %zu to know of.\n", failed, warned);
}

static int run_doctor(struct call *call)
{
    struct doctor d = {.call = call};
    d.folder = embedded_folder(call, NULL);
    d.bin = path_own_folder();
    if (d.folder != NULL) find_folders(&d);
    for (size_t i = 0; i < sizeof CHECKS / sizeof *CHECKS; i++)
        CHECKS[i](&d);
    print_all(call, &d);
    const int code = d.findings.counts[FINDING_FAIL] > 0 ? error_exit_code(ERROR_FAILED) : 0;
    findings_finish(&d.findings);
    free(d.folder);
    free(d.coordinator);
    free(d.worker);
    free(d.bin);
    return code;
}

const struct command command_doctor = {
    "doctor",
    NULL,
    "",
    0,
    0,
    "look at what a farm stands on, and say what to mend",
    "Disks and whether their syncs are honest, free space, clock, memory, limits, the programs and "
    "what they link, models, keys, the state folder, and the farm that can be reached. Works with "
    "and without a farm; --state DIR may be a coordinator's folder, whose farm is asked when it "
    "runs, or a worker's: then no farm is. Exit 1 when something is to mend. With -q only what is "
    "not well.",
    NULL,
    run_doctor,
    false};
