/* Sources and sinks for tests. -DCONCURRENCY=... chooses the thread safety. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "berth_plugin.h"

#ifndef CONCURRENCY
#define CONCURRENCY BERTH_OBJECT
#endif

static long number(const berth_call *call) { /* the first number in a configuration such as {"n":3} */
    long n = 0;
    size_t i = 0;
    while (i < call->in_length && (call->in[i] < '0' || call->in[i] > '9')) i++;
    for (; i < call->in_length && call->in[i] >= '0' && call->in[i] <= '9'; i++) n = n * 10 + (call->in[i] - '0');
    return n;
}

/* ---- an object, so that it can be told whether parts have one ---- */

static int32_t open_object(berth_call *call, void **self) {
    (void)call;
    *self = malloc(1);
    return *self ? BERTH_OK : BERTH_FAILED;
}

static void close_object(void *self) { free(self); }

/* ---- count: a pull source of the numbers from 1 to n; between two of them it has none once ---- */

typedef struct {
    long next, last;
    int paused;
    const berth_host *host;
} counter;

static int32_t count_open(void *self, berth_call *call, void **source) {
    counter *c;
    if (!self) return berth_fail(call, "no object");
    if (number(call) == 0) return berth_invalid(call, "count what? %.*s", (int)call->in_length, (const char *)call->in);
    if (!(c = calloc(1, sizeof *c))) return BERTH_FAILED;
    c->next = 1, c->last = number(call), c->host = call->host;
    *source = c;
    return BERTH_OK;
}

static int32_t count_next(void *source, berth_call *call) {
    counter *c = source;
    if (c->next > c->last) return BERTH_END;
    if ((c->paused = !c->paused)) return BERTH_NONE;
    if (c->next == 13) return berth_fail(call, "thirteen");
    return berth_printf(call, "%ld", c->next++);
}

static void count_close(void *source) {
    berth_log(((counter *)source)->host, BERTH_INFO, "count closed");
    free(source);
}

/* ---- quiet: a pull source that never has any, and waits well ---- */

static int32_t quiet_next(void *source, berth_call *call) {
    (void)source;
    while (!berth_cancelled(call)) usleep(1000);
    return BERTH_STOPPED;
}

/* ---- tick: a push source with a thread of its own; n messages, or with 0 no end of them ---- */

typedef struct {
    const berth_stream *stream;
    const berth_host *host;
    pthread_t thread;
    long n;
    int running;
    volatile int stop;
} ticker;

static void *run(void *of) {
    ticker *t = of;
    long i;
    for (i = 1; !t->stop && (t->n == 0 || i <= t->n); i++) {
        char text[32];
        int length = snprintf(text, sizeof text, "tick %ld", i);
        if (t->stream->push(t->stream, text, (size_t)length) != BERTH_OK) break;
    }
    while (!t->stop) usleep(1000);
    return NULL;
}

static int32_t tick_open(void *self, berth_call *call, void **source) {
    ticker *t = calloc(1, sizeof *t);
    if (!self || !t) return BERTH_FAILED;
    t->n = number(call), t->host = call->host;
    *source = t;
    return BERTH_OK;
}

static int32_t tick_start(void *source, berth_call *call, const berth_stream *stream) {
    ticker *t = source;
    if (t->n == 13) return berth_fail(call, "thirteen");
    t->stream = stream;
    if (pthread_create(&t->thread, NULL, run, t) != 0) return berth_fail(call, "no thread");
    t->running = 1;
    return BERTH_OK;
}

static void tick_close(void *source) {
    ticker *t = source;
    t->stop = 1;
    if (t->running) pthread_join(t->thread, NULL);
    berth_log(t->host, BERTH_INFO, "tick closed");
    free(t);
}

/* ---- burst: a push source that pushes before start returns; the second message is too large, or NULL ---- */

static int32_t burst_start(void *source, berth_call *call, const berth_stream *stream) {
    ticker *t = source;
    (void)call;
    stream->push(stream, "one", 3);
    stream->push(stream, "", 0);
    if (t->n == 1) stream->push(stream, NULL, 5);
    if (t->n == 2) stream->push(stream, "never read", (size_t)1 << 40);
    return BERTH_OK;
}

/* ---- keep: a sink that keeps its messages in the state, by number ---- */

typedef struct {
    long n;
    const berth_host *host;
} keeper;

static int32_t keep_open(void *self, berth_call *call, void **sink) {
    keeper *k = calloc(1, sizeof *k);
    if (!self || !k) return BERTH_FAILED;
    k->host = call->host;
    *sink = k;
    return BERTH_OK;
}

static int32_t keep_collect(void *sink, berth_call *call) {
    keeper *k = sink;
    char key[32];
    if (call->in_length == 0) return berth_fail(call, "an empty message");
    snprintf(key, sizeof key, "%ld", ++k->n);
    return berth_put(call, key, call->in, call->in_length);
}

static void keep_close(void *sink) {
    berth_log(((keeper *)sink)->host, BERTH_INFO, "keep closed");
    free(sink);
}

static int32_t echo(void *self, berth_call *call) {
    (void)self;
    return berth_write(call, call->in, call->in_length);
}

static const berth_function functions[] = {{"echo", echo, BERTH_RAW, 0}};

static const berth_source sources[] = {
    {"count", BERTH_JSON, 0, count_open, count_next, NULL, count_close},
    {"quiet", BERTH_RAW, 0, tick_open, quiet_next, NULL, tick_close},
    {"tick", BERTH_RAW, 0, tick_open, NULL, tick_start, tick_close},
    {"burst", BERTH_RAW, 0, tick_open, NULL, burst_start, tick_close},
};

static const berth_sink sinks[] = {{"keep", BERTH_JSON, 0, keep_open, keep_collect, keep_close}};

BERTH_EXPORT const berth_plugin berth_plugin_v1 = {
    BERTH_ABI, sizeof(berth_plugin), "parts", "v1", CONCURRENCY, open_object, close_object, functions, 1, sources, 4, sinks, 1};
