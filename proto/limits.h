/* limits: every bound that both ends must agree on, and every default of docs/lifecycle.md's rules,
 * in one place. Each has a test at the limit and one past it. */
#ifndef ZOE_PROTO_LIMITS_H
#define ZOE_PROTO_LIMITS_H

#include "base/canary_recipe.h"
#include "base/clock.h"

/* Protocol numbers this build speaks. */
/* 2: Assign names LoRAs. 3: it names tasks of a plan and what they go on from: an older worker
 * would render the whole clip. 4: keys that join, roles, and canaries of models, which an older
 * worker would leave unanswered. The next one exists for tests of upgrades alone. */
#define PROTOCOL_MIN 4
#ifdef ZOE_PROTOCOL_NEXT
#define PROTOCOL_MAX 5
#else
#define PROTOCOL_MAX 4
#endif
#define PROTOCOL_LAST 65535 /* a number above it is nonsense */

/* Messages. */
#define LIMIT_ENVELOPE_BYTES (64 * 1024) /* control messages */
#define LIMIT_CHUNK_BYTES (256 * 1024)   /* payload of a Chunk or FileData */
#define LIMIT_FRAME_BYTES (1024 * 1024)  /* ZMQ_MAXMSGSIZE */
#define LIMIT_DECODE_BUDGET_BYTES (4 * 1024 * 1024)
#define LIMIT_REPLY_BYTES (512 * 1024) /* coordinator -> client envelopes with lists in them */
#define LIMIT_NAME_BYTES 128
#define LIMIT_KEY_BYTES 200   /* idempotency key */
#define LIMIT_TEXT_BYTES 1024 /* reasons, hosts, builds, fingerprints */
#define LIMIT_LOG_TAIL_BYTES (8 * 1024)
#define LIMIT_RECIPE_BYTES (32 * 1024)
#define LIMIT_OPTIONS_BYTES (32 * 1024)
#define LIMIT_PATH_BYTES 512
#define LIMIT_OUTPUTS 4
#define CHECKPOINT_OUTPUT                                                                          \
    LIMIT_OUTPUTS /* the number of a checkpoint among an attempt's outputs                         \
                   */
#define LIMIT_CLIP_PARTS 4096
#define LIMIT_TASK_INPUTS 9 /* PLAN_INPUTS_MAX and a checkpoint */
#define LIMIT_SLOTS 64
#define LIMIT_HELD 256
#define LIMIT_MODELS 256
#define LIMIT_LORAS 8 /* of one recipe */
#define LIMIT_MODEL_FILES 1024
/* The list of them: each has its path, a digest and a size. */
#define LIMIT_MODEL_LIST_BYTES (4096 + LIMIT_MODEL_FILES * (LIMIT_PATH_BYTES + 64))
#define LIMIT_PAGE 200 /* rows in one list answer */
#define LIMIT_INPUT_PROBLEMS 20
#define LIMIT_RUNNING 64
#define LIMIT_EVENT_WAIT_MS 60000
#define LIMIT_BACKEND_BYTES 32  /* short words: backends, states, roles, codes */
#define LIMIT_FOLDER_BYTES 4096 /* absolute paths, for people */
#define LIMIT_WARNINGS 20
#define LIMIT_REASONS 64
#define LIMIT_LOGS_SHOWN 8 /* log tails in one answer about a task */
#define LIMIT_TASKS_PER_CLIP 65536
#define LIMIT_STEPS 100000
#define LIMIT_FRAMES 100000
#define LIMIT_SIDE 16384    /* pixels */
#define LIMIT_PRIORITY 1000 /* either way */
#define LIMIT_GRACE_MS (INT64_C(7) * 24 * 3600 * 1000)

/* Submitting. */
#define LIMIT_SUBMIT_BYTES (INT64_C(1) << 30)
#define LIMIT_SUBMIT_LINE_BYTES (64 * 1024)
#define LIMIT_SUBMIT_PROMPTS 4000000
#define LIMIT_SUBMIT_CLIPS 100000000
#define LIMIT_SEEDS 1000000
#define LIMIT_GROUPS 1000
#define SUBMIT_RESUME_NS (600 * NS_PER_S)
#define SUBMIT_TRANSFERS_MAX 256
#define SUBMIT_TRANSFERS_OWNER_MAX (SUBMIT_TRANSFERS_MAX / 4) /* the others come in beside one */

/* Inputs: files that recipes start from. */
#define LIMIT_INPUT_BYTES (INT64_C(1) << 30)
#define LIMIT_INPUTS 64                      /* of one batch */
#define INPUT_KEEP_MS (INT64_C(3600) * 1000) /* of one that no batch names yet */
#define INPUT_TRANSFERS_MAX 256
#define INPUT_TRANSFERS_OWNER_MAX (INPUT_TRANSFERS_MAX / 4)
#define LIMIT_POSSESSIONS 65536 /* pairs of owner and file that are remembered */

/* Artifacts. */
#define LIMIT_SEGMENT_BYTES (INT64_C(8) << 30)
#define CREDIT_POOL_BYTES (16 * 1024 * 1024)
#define CREDIT_WINDOW_BYTES (8 * LIMIT_CHUNK_BYTES) /* per transfer */
#define CREDIT_IDLE_NS (60 * NS_PER_S)
#define INTAKE_POOL_BYTES (CREDIT_POOL_BYTES / 2) /* of it, for submissions and inputs */
#define LIMIT_LATENTS_BYTES (INT64_C(1) << 30)
#define SEGMENTS_KEEP_MS (INT64_C(24) * 3600 * 1000)    /* of a published clip of several tasks */
#define LATENTS_KEEP_MS (INT64_C(7) * 24 * 3600 * 1000) /* of its last window */

#define LIMIT_INLINE_BYTES 4096 /* an output that rides in Offer and is a row */

/* Canaries of models: one small frame, of that size where the model can. */
#define CANARY_SIDE CANARY_RECIPE_SIDE
#define LIMIT_CANARY_BYTES (CANARY_SIDE * CANARY_SIDE * 3)

/* Who may come in. */
#define JOIN_WITHIN_NS (10 * NS_PER_S) /* a key that is not allowed yet says Join, or goes */
#define TOKEN_ID_BYTES 6
#define TOKEN_SECRET_BYTES 16
#define TOKEN_PROOF_BYTES 32
#define LIMIT_TOKEN_BYTES 1024 /* as text */
#define LIMIT_TOKEN_ENDPOINTS 4
#define LIMIT_TOKEN_TTL_S (INT64_C(366) * 24 * 3600)
#define LIMIT_TOKEN_USES 100000
#define LIMIT_SHARE 1000                          /* weight of an owner */
#define LIMIT_TOKENS 1000                         /* that have not ended */
#define LIMIT_JOINERS 4096                        /* keys that are let in to say Join, at a time */
#define LIMIT_JOINERS_ADDRESS (LIMIT_JOINERS / 8) /* of them, of one address */
#define TOKEN_KEEP_MS (INT64_C(7) * 24 * 3600 * 1000) /* listed so long after its end */
#define EPHEMERAL_AWAY_MS (INT64_C(3600) * 1000)      /* an ephemeral key goes with its worker */
#define AUDIT_KEEP_MS (INT64_C(366) * 24 * 3600 * 1000)
#define LIMIT_AUDIT_ROWS 1000000
#define LIMIT_EVENT_ROWS 1000000
/* Refusals that are written down, a second: a flood of them must not fill the disk. */
#define AUDIT_REFUSALS_BURST 200
#define AUDIT_REFUSALS_PER_S 2
/* Handshakes from one address and altogether. A thousand machines behind one address join at once,
 * each with two connections; beyond that a newcomer dials again a little later. */
#define HANDSHAKES_BURST 4000
#define HANDSHAKES_PER_S 500
#define HANDSHAKES_ALL_BURST 12000
#define HANDSHAKES_ALL_PER_S 1500
#define LIMIT_HANDSHAKE_ADDRESSES 4096 /* that are told apart */
/* Submissions of one owner. */
#define SUBMITS_BURST 200
#define SUBMITS_PER_S 20
/* Changes of an owner's batches, and starts of one worker: each is written down, and what is kept
 * of that is bounded: a flood would push out what others did. */
#define CHANGES_BURST 1000
#define CHANGES_PER_S 5
#define BOOTS_BURST 30
#define BOOTS_PER_S 1
#define LIMIT_KEEP_S (INT64_C(100) * 366 * 24 * 3600)

/* Checkpoints (T6): they cost at most this share of an attempt's time and of a worker's upload. */
#define CHECKPOINT_TIME_PERCENT 1
#define CHECKPOINT_BYTES_PER_S (64 * 1024)
#define CHECKPOINT_LEAVE_NS (10 * NS_PER_S) /* a leaving worker waits so long for the last one */

/* Lifecycle (numbers of the rules in docs/lifecycle.md). */
#define HEARTBEAT_MS 2000
#define SESSION_SILENT_BEATS 5
#define LOST_GRACE_NS (15 * NS_PER_S)
#define LEASE_MIN_NS (15 * NS_PER_S)
#define LEASE_STEP_FACTOR 5
#define LEASE_KILL_PERCENT 80
#define LEASE_RESTART_PER_TASK_NS (15 * NS_PER_MS)
#define LEASE_LATE_NS (5 * NS_PER_S)
#define LEASE_JUMP_NS (5 * NS_PER_S)
#define RETRY_DISTINCT_WORKERS 3
#define BULK_IDLE_NS (10 * NS_PER_S)
#define DRAIN_GRACE_MS 5000

/* ZeroMQ. */
#define SOCKET_HWM 1000                /* DEALER */
#define SOCKET_ROUTER_HWM 128          /* per peer, both directions */
#define LIMIT_PEER_QUEUE_MESSAGES 1024 /* kept for a slow peer beyond that */
#define LIMIT_PEER_QUEUE_BYTES (4 * 1024 * 1024)
/* What came through a connection and was not received from ZeroMQ (zpeers.h). 40 MiB may wait for a
 * slow coordinator: SOCKET_ROUTER_HWM messages of the largest size. Together, chunks come under
 * credit and the rest is small: beyond a gigabyte somebody means harm, and what one honest peer has
 * to say unasked is enough for each. */
#define LIMIT_HELD_BYTES (64 * 1024 * 1024)
#define LIMIT_HELD_ALL_BYTES (1024 * 1024 * 1024)
#define LIMIT_HELD_CROWDED_BYTES (1024 * 1024)
/* What was said to one connection and has not arrived, once all have so much: who asks for files
 * keeps eight pieces of 256 KiB under way, who asks and does not read SOCKET_ROUTER_HWM of them. */
#define LIMIT_UNSENT_BYTES (8 * 1024 * 1024)
#define LIMIT_UNSENT_ALL_BYTES (UINT64_C(2) * 1024 * 1024 * 1024)
#define LIMIT_KEY_CONNECTIONS 256      /* a worker has two; scripts run many zoe at once */
#define PEER_SILENT_NS (30 * NS_PER_S) /* twice SOCKET_HANDSHAKE_MS: hello follows at once */
#define PEER_LOOK_MS 250
#define SOCKETS_MAX 65000 /* of one context */
/* Connections that the kernel holds until they are accepted: thousands of workers dial at once when
 * their coordinator is back. The kernel cuts it to net.core.somaxconn (4,096 since Linux 5.4). */
#define SOCKET_BACKLOG 4096
#define SOCKET_LINGER_MS 1000
#define SOCKET_HANDSHAKE_MS 15000 /* thousands at once wait for each other */
#define SOCKET_RECONNECT_MS 250
#define SOCKET_RECONNECT_MAX_MS 10000
/* The kernel looks after idle connections, at no cost to us: a peer that is gone without a word is
 * let go 30 s later (15 s of silence, then three questions). */
#define SOCKET_KEEPALIVE_IDLE_S 15
#define SOCKET_KEEPALIVE_INTERVAL_S 5
#define SOCKET_KEEPALIVE_COUNT 3
#define SOCKET_UNSENT_MS 30000 /* bytes that nobody acknowledges for so long end the connection */
#define LINK_DEAF_NS (20 * NS_PER_S) /* a worker that hears nothing for so long dials anew */
/* ZeroMQ's own heartbeats: asked for by clients only, of which there are few (decision 0017). */
#define SOCKET_ZMTP_HEARTBEAT_MS 5000
#define SOCKET_ZMTP_TIMEOUT_MS 15000

#endif
