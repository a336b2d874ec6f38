/* The test plugin. -DCONCURRENCY=... chooses its thread safety, -DVERSION=... what version answers. */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "berth_plugin.h"

#ifndef CONCURRENCY
#define CONCURRENCY BERTH_OBJECT
#endif
#ifndef VERSION
#define VERSION "v1"
#endif

typedef struct {
    const berth_host *host;
    atomic_int inside; /* calls of this object now */
    long calls;
} object;

static atomic_int inside, most, most_of_one, alive;

static int32_t open_object(berth_call *call, void **self) {
    const uint8_t *value;
    size_t length;
    object *o;
    if (berth_config(call, "refuse", &value, &length) == BERTH_OK)
        return berth_invalid(call, "configured to refuse: %.*s", (int)length, (const char *)value);
    if (!(o = calloc(1, sizeof *o))) return BERTH_FAILED;
    o->host = call->host;
    atomic_fetch_add(&alive, 1);
    if (call->in_length > 2) call->host->log(call->host, BERTH_DEBUG, (const char *)call->in, call->in_length);
    *self = o;
    return BERTH_OK;
}

static void close_object(void *self) {
    object *o = self;
    berth_log(o->host, BERTH_INFO, "closed");
    atomic_fetch_sub(&alive, 1);
    free(o);
}

static int32_t echo(void *self, berth_call *call) {
    (void)self;
    return berth_write(call, call->in, call->in_length);
}

static int32_t fail(void *self, berth_call *call) {
    (void)self;
    berth_text(call, "what comes before an error is no part of it");
    return berth_fail(call, "%.*s", (int)call->in_length, (const char *)call->in);
}

static int32_t invalid(void *self, berth_call *call) {
    (void)self;
    return berth_invalid(call, "%zu bytes are none of my arguments", call->in_length);
}

static int32_t mute(void *self, berth_call *call) {
    (void)self, (void)call;
    return BERTH_FAILED;
}

static int32_t code(void *self, berth_call *call) {
    (void)self;
    return atoi((const char *)call->in); /* the test ends it with a 0 byte */
}

/* Runs until nobody waits any more. */
static int32_t spin(void *self, berth_call *call) {
    (void)self;
    while (!berth_cancelled(call)) usleep(100);
    return BERTH_STOPPED;
}

static int32_t left(void *self, berth_call *call) {
    (void)self;
    return berth_printf(call, "%d", (int)call->host->remaining(call));
}

/* "<size> <step>": so many bytes, written in such steps. */
static int32_t many(void *self, berth_call *call) {
    unsigned long size, step, n;
    char text[64] = {0}, *end;
    (void)self;
    memcpy(text, call->in, call->in_length < 63 ? call->in_length : 63);
    size = strtoul(text, &end, 10), step = strtoul(end, NULL, 10);
    for (n = 0; n < size;) {
        char part[8192];
        unsigned long i, length = size - n < step ? size - n : step;
        for (i = 0; i < length; i++) part[i] = (char)('a' + (n + i) % 26);
        if (berth_write(call, part, length) != BERTH_OK) return BERTH_OK; /* a plugin that does not care */
        n += length;
    }
    return BERTH_OK;
}

/* Claims more than it wrote. */
static int32_t lie(void *self, berth_call *call) {
    (void)self;
    call->out_length = call->out_capacity + 1;
    return BERTH_OK;
}

/* Waits until the pipe is closed whose end is named in the input. */
static int32_t hold(void *self, berth_call *call) {
    object *o = self;
    char c;
    int now = atomic_fetch_add(&inside, 1) + 1, own = atomic_fetch_add(&o->inside, 1) + 1;
    if (now > atomic_load(&most)) atomic_store(&most, now);
    if (own > atomic_load(&most_of_one)) atomic_store(&most_of_one, own);
    if (call->in_length) while (read(atoi((const char *)call->in), &c, 1) > 0) {}
    else usleep(50);
    atomic_fetch_sub(&o->inside, 1);
    atomic_fetch_sub(&inside, 1);
    return berth_text(call, "held");
}

/* How many were inside at most: the library, and one object; and how many objects there are. */
static int32_t figures(void *self, berth_call *call) {
    (void)self;
    return berth_printf(call, "%d %d %d", atomic_load(&most), atomic_load(&most_of_one), atomic_load(&alive));
}

/* The calls of the object so far: what tells two copies of a library apart. */
static int32_t count(void *self, berth_call *call) { return berth_printf(call, "%ld", ++((object *)self)->calls); }

static int32_t log_it(void *self, berth_call *call) {
    (void)self;
    call->host->log(call->host, BERTH_DEBUG, (const char *)call->in, call->in_length);
    call->host->log(call->host, 99, (const char *)call->in, call->in_length);
    call->host->log(call->host, BERTH_WARN, NULL, 7);
    return BERTH_OK;
}

static int32_t answer(berth_call *call, int32_t found, const uint8_t *value, size_t length) {
    switch (found) {
    case BERTH_OK: return berth_write(call, value, length);
    case BERTH_NONE: return berth_text(call, "(none)");
    }
    return berth_fail(call, "%d", (int)found);
}

static int32_t config(void *self, berth_call *call) {
    const uint8_t *value = NULL;
    size_t length = 0;
    int32_t found = call->host->config(call, (const char *)call->in, call->in_length, &value, &length);
    (void)self;
    return answer(call, found, value, length);
}

static int32_t get(void *self, berth_call *call) {
    const uint8_t *value = NULL;
    size_t length = 0;
    int32_t found = call->host->get(call, (const char *)call->in, call->in_length, &value, &length);
    (void)self;
    return answer(call, found, value, length);
}

/* Puts the input under the key "kept". */
static int32_t put(void *self, berth_call *call) {
    (void)self;
    return berth_put(call, "kept", call->in, call->in_length) == BERTH_OK ? BERTH_OK : berth_fail(call, "put");
}

static int32_t drop(void *self, berth_call *call) {
    (void)self;
    return call->host->remove(call, (const char *)call->in, call->in_length) == BERTH_OK ? BERTH_OK : berth_fail(call, "remove");
}

/* Two values in turn: the second takes the place of the first. */
static int32_t twice(void *self, berth_call *call) {
    const uint8_t *value;
    size_t length;
    (void)self;
    if (berth_config(call, "unit", &value, &length) != BERTH_OK) return berth_fail(call, "config");
    berth_write(call, value, length);
    if (berth_get(call, "kept", &value, &length) != BERTH_OK) return berth_fail(call, "get");
    berth_write(call, value, length);
    return BERTH_OK;
}

/* Null pointers where values belong. */
static int32_t null_out(void *self, berth_call *call) {
    (void)self;
    return berth_printf(call, "%d %d %d", (int)call->host->config(call, "unit", 4, NULL, NULL), (int)call->host->get(call, NULL, 4, NULL, NULL),
                        (int)call->host->put(call, "k", 1, NULL, 5));
}

static int32_t version(void *self, berth_call *call) {
    (void)self;
    return berth_text(call, VERSION);
}

/* [a, b]: their sum, without a JSON parser worth the name. */
static int32_t sum(void *self, berth_call *call) {
    char text[128] = {0};
    double a, b;
    (void)self;
    memcpy(text, call->in, call->in_length < 127 ? call->in_length : 127);
    if (sscanf(text, "[%lf,%lf]", &a, &b) != 2) return berth_invalid(call, "want two numbers");
    return berth_printf(call, "%g", a + b);
}

/* Its own name, from the table. */
static int32_t named(void *self, berth_call *call) {
    (void)self;
    return berth_text(call, call->function->name);
}

static const berth_function functions[] = {
    {"echo", echo, BERTH_RAW, 0},       {"fail", fail, BERTH_RAW, 0},       {"invalid", invalid, BERTH_RAW, 0}, {"mute", mute, BERTH_RAW, 0},
    {"code", code, BERTH_RAW, 0},       {"spin", spin, BERTH_RAW, 0},       {"left", left, BERTH_RAW, 0},       {"many", many, BERTH_RAW, 0},
    {"lie", lie, BERTH_RAW, 0},         {"hold", hold, BERTH_RAW, 0},       {"figures", figures, BERTH_RAW, 0}, {"count", count, BERTH_RAW, 0},
    {"log", log_it, BERTH_RAW, 0},      {"config", config, BERTH_RAW, 0},   {"get", get, BERTH_RAW, 0},         {"put", put, BERTH_RAW, 0},
    {"drop", drop, BERTH_RAW, 0},       {"twice", twice, BERTH_RAW, 0},     {"null", null_out, BERTH_RAW, 0},   {"version", version, BERTH_RAW, 0},
    {"sum", sum, BERTH_JSON, 0},        {"named", named, BERTH_RAW, 0},
};

BERTH_EXPORT const berth_plugin berth_plugin_v1 = {
    BERTH_ABI, sizeof(berth_plugin), "conform", VERSION, CONCURRENCY, open_object, close_object,
    functions, sizeof functions / sizeof *functions, NULL, 0, NULL, 0};
