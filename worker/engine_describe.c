#include "worker/engine_describe.h"

#include "engine/engine.h"
#include "worker/engine_report.h"

static const char usage[] = "usage: zoe-engine describe --model DIR\n"
                            "Prints what the model in DIR is and what it can render, as JSON.\n";

static int describe(const char *folder)
{
    struct error err = {0};
    return engine_report(engine_describe(folder, &err), &err);
}

int engine_describe_main(int argc, char **argv)
{
    return engine_report_main(argc, argv, usage, describe);
}
