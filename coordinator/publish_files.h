/* publish_files: where the files of a clip stand while it is published: what the publish_*.c files
 * share. Pure; paths are the caller's to free. */
#ifndef ZOE_COORDINATOR_PUBLISH_FILES_H
#define ZOE_COORDINATOR_PUBLISH_FILES_H

#include "coordinator/publish.h"

#define PUBLISH_TEMPORARY ".tmp-" /* what the name of every temporary begins with */

/* The folder that the clip's files stand in: the batch's, or a sub-folder of it. */
char *publish_files_folder(const struct publish_target *t);
/* FOLDER/.tmp-INDEX.EXTENSION */
char *publish_files_temporary(const struct publish_target *t, const char *extension);

#endif
