/* file_server: pieces of files for whoever may have them: a model's files for workers, a batch's
 * published files for clients. Nothing outside those two is ever opened. */
#ifndef ZOE_COORDINATOR_FILE_SERVER_H
#define ZOE_COORDINATOR_FILE_SERVER_H

#include "coordinator/dispatch.h"

void file_server_model(struct dispatch *d, const ProtobufCBinaryData *digest);
void file_server_model_part(struct dispatch *d, const Farm__FileWanted *m);
void file_server_batch_part(struct dispatch *d, const Farm__FileWanted *m);

#endif
