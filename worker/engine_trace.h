/* engine_trace: `zoe-engine trace`, one recipe rendered without a farm, everything on the way kept:
 * for tests, bug reports and comparisons. The output is a safetensors file:
 *
 *     tokens           I64 [2, 77]           negative prompt, prompt; the prompt alone with
 * guidance at most 1 text             F32 [2, 77, C]        their embeddings timesteps        F32
 * [N]               what the network saw latents.0 .. N   F32 [1, 4, F, h, w]   0 = start noise, i
 * = after step i frames           F32 [F, 3, H, W]      the decoder's output, nominal [-1, 1], not
 * clamped eps.0 .. N-1     F32 [1, 4, F, h, w]   with --full: noise predicted in each step, after
 * guidance
 *
 * Families without text or predictions leave those out. */
#ifndef ZOE_WORKER_ENGINE_TRACE_H
#define ZOE_WORKER_ENGINE_TRACE_H

int engine_trace_main(int argc, char **argv); /* exit code */

#endif
