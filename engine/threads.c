#include "engine/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/xalloc.h"

/* Turns of the waiting loop before a thread goes to sleep: some tens of microseconds, longer than
 * the gap between two operations of a small model and far shorter than anything a person or a
 * scheduler notices. */
#define SPIN_TURNS 4000

struct helper {
    pthread_t handle;
    struct threads *pool;
    int number;
};

struct threads {
    int count;
    struct helper *helpers; /* count - 1 */
    threads_item *run;
    void *arg;
    int64_t total;
    /* Items not yet claimed. A claim is one compare-and-swap from r to r - 1 and means item total -
     * r of the CURRENT job, even when r was read during an earlier one: a job only ends when all
     * its claimed items are done. */
    _Atomic int64_t remaining;
    _Atomic int64_t unfinished;
    atomic_int sleepers;
    atomic_bool caller_sleeps;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t finished;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static bool claim(struct threads *t, int64_t *item)
{
    int64_t left = atomic_load(&t->remaining);
    while (left > 0)
        if (atomic_compare_exchange_weak(&t->remaining, &left, left - 1)) {
            *item = t->total - left;
            return true;
        }
    return false;
}

static void finish_item(struct threads *t)
{
    if (atomic_fetch_sub(&t->unfinished, 1) != 1 || !atomic_load(&t->caller_sleeps)) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_signal(&t->finished);
    pthread_mutex_unlock(&t->lock);
}

static void work(struct threads *t, int number)
{
    int64_t item;
    while (claim(t, &item)) {
        t->run(t->arg, item, number);
        finish_item(t);
    }
}

static void wait_for_work(struct threads *t)
{
    for (int i = 0; i < SPIN_TURNS; i++) {
        if (atomic_load(&t->remaining) > 0 || atomic_load(&t->stop)) return;
        relax();
    }
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->sleepers, 1);
    while (atomic_load(&t->remaining) <= 0 && !atomic_load(&t->stop))
        pthread_cond_wait(&t->work, &t->lock);
    atomic_fetch_sub(&t->sleepers, 1);
    pthread_mutex_unlock(&t->lock);
}

static void *helper_main(void *arg)
{
    struct helper *h = arg;
    while (!atomic_load(&h->pool->stop)) {
        work(h->pool, h->number);
        wait_for_work(h->pool);
    }
    return NULL;
}

static void stop_helpers(struct threads *t, int started)
{
    atomic_store(&t->stop, true);
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < started; i++)
        pthread_join(t->helpers[i].handle, NULL);
}

static void pool_free(struct threads *t)
{
    pthread_cond_destroy(&t->finished);
    pthread_cond_destroy(&t->work);
    pthread_mutex_destroy(&t->lock);
    free(t->helpers);
    free(t);
}

struct threads *threads_new(int count, struct error *err)
{
    if (count < 1 || count > THREADS_MAX) {
        error_set(err, ERROR_USAGE, "threads: %d is not within 1..%d", count, THREADS_MAX);
        return NULL;
    }
    struct threads *t = xcalloc(1, sizeof *t);
    t->count = count;
    t->helpers = xcalloc((size_t)count, sizeof *t->helpers);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->work, NULL);
    pthread_cond_init(&t->finished, NULL);
    for (int i = 0; i < count - 1; i++) {
        t->helpers[i] = (struct helper){.pool = t, .number = i + 1};
        const int rc = pthread_create(&t->helpers[i].handle, NULL, helper_main, &t->helpers[i]);
        if (rc == 0) continue;
        stop_helpers(t, i);
        pool_free(t);
        error_set_errno(err, rc, "threads: cannot start thread %d", i + 1);
        return NULL;
    }
    return t;
}

void threads_free(struct threads *t)
{
    if (t == NULL) return;
    stop_helpers(t, t->count - 1);
    pool_free(t);
}

int threads_count(const struct threads *t)
{
    return t->count;
}

static void wait_for_end(struct threads *t)
{
    for (int i = 0; i < SPIN_TURNS; i++) {
        if (atomic_load(&t->unfinished) == 0) return;
        relax();
    }
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->caller_sleeps, true);
    while (atomic_load(&t->unfinished) > 0)
        pthread_cond_wait(&t->finished, &t->lock);
    atomic_store(&t->caller_sleeps, false);
    pthread_mutex_unlock(&t->lock);
}

void threads_run(struct threads *t, int64_t count, threads_item *run, void *arg)
{
    if (t->count == 1 || count <= 1) {
        for (int64_t i = 0; i < count; i++)
            run(arg, i, 0);
        return;
    }
    t->run = run;
    t->arg = arg;
    t->total = count;
    atomic_store(&t->unfinished, count);
    atomic_store(&t->remaining, count);
    if (atomic_load(&t->sleepers) > 0) {
        pthread_mutex_lock(&t->lock);
        pthread_cond_broadcast(&t->work);
        pthread_mutex_unlock(&t->lock);
    }
    work(t, 0);
    wait_for_end(t);
}
