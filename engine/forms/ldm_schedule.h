/* ldm_schedule: the noise schedule of Stable Diffusion and ModelScope, which their files do not
 * hold. */
#ifndef ZOE_ENGINE_FORMS_LDM_SCHEDULE_H
#define ZOE_ENGINE_FORMS_LDM_SCHEDULE_H

#include <jansson.h>

/* A scheduler_config.json; new reference. */
json_t *ldm_schedule(int train_steps);

#endif
