/*
 * berth_plugin.h: the C ABI of Berth's native plugins, version 1.
 *
 * A plugin is a shared library that exports one object, berth_plugin_v1, which
 * describes it. Nothing else is looked up in it, and nothing of Berth is linked
 * into it: any compiler and any language that can export a C struct will do.
 *
 *     #include "berth_plugin.h"
 *
 *     static int32_t echo(void *self, berth_call *call) {
 *         (void)self;
 *         return berth_write(call, call->in, call->in_length);
 *     }
 *
 *     static const berth_function functions[] = {{"echo", echo, BERTH_RAW, 0}};
 *
 *     BERTH_EXPORT const berth_plugin berth_plugin_v1 = {
 *         BERTH_ABI, sizeof(berth_plugin), "example", "v1.0.0", BERTH_PARALLEL,
 *         NULL, NULL, functions, 1, NULL, 0, NULL, 0};
 *
 *     cc -shared -fPIC -O2 -o Example.so example.c
 *
 * Who owns what, in two sentences: the host owns every buffer and every struct
 * that it hands out, and they are good until the call that they came with
 * returns. What a plugin hands to the host is only read, and only until the
 * function that it was handed to returns; the descriptor and all that it points
 * to stay as they are for as long as the library is loaded.
 *
 * The library runs inside the host's process. It must not let a C++ exception,
 * a longjmp or a Rust panic out of a function of its own, and what crashes in it
 * crashes the host.
 *
 * The file is C99 and C++11. It has no state and needs the standard library's
 * headers only; the part below "Helpers" is for convenience, is compiled into
 * the plugin, and is no part of the ABI.
 */
#ifndef BERTH_PLUGIN_H
#define BERTH_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The version of the ABI. It changes only when what is here changes its meaning,
 * and then the descriptor has another name. What is merely added goes to the end
 * of berth_plugin, berth_host and berth_call, whose size tells how far they go;
 * the other structs never grow.
 */
#define BERTH_ABI 1u

/* What a function of the plugin returns, and what a function of the host does. */
#define BERTH_OK 0      /* done: the output is the result */
#define BERTH_FAILED 1  /* no: the output is the text of the error, in UTF-8 */
#define BERTH_INVALID 2 /* as BERTH_FAILED; the input is what is wrong */
#define BERTH_NONE 3    /* there is none: no such key, no message now */
#define BERTH_END 4     /* of a source: there will be no more messages */
#define BERTH_STOPPED 5 /* it gave up, because remaining told it that nobody waits any more */

/* Thread safety: which calls the host may make at the same time. */
#define BERTH_SERIAL 0u   /* one object, and one call at a time in the whole library */
#define BERTH_OBJECT 1u   /* several objects, by open; one call at a time in each of them */
#define BERTH_PARALLEL 2u /* one object, and any calls of it */

/* What a function takes and gives. The host does not look at the bytes. */
#define BERTH_RAW 0u  /* bytes as they are */
#define BERTH_JSON 1u /* in: a JSON array of the arguments; out: one JSON value */

/* Levels of log lines. */
#define BERTH_DEBUG (-4)
#define BERTH_INFO 0
#define BERTH_WARN 4
#define BERTH_ERROR 8

/* What remaining answers when there is no deadline. */
#define BERTH_FOREVER INT32_MAX

typedef struct berth_call berth_call;
typedef struct berth_host berth_host;
typedef struct berth_stream berth_stream;
typedef struct berth_function berth_function;
typedef struct berth_source berth_source;
typedef struct berth_sink berth_sink;
typedef struct berth_plugin berth_plugin;

/*
 * A call is what the host hands to each function of the plugin: the input, and
 * the buffer for the output. It is the caller's thread's alone, and gone when the
 * function returns. Read it, and change nothing but out_length, and out up to
 * out_capacity: or leave both to berth_write.
 */
struct berth_call {
    uint32_t size;                  /* sizeof(berth_call) in the host */
    uint32_t reserved;              /* 0 */
    const berth_host *host;         /* the services; never NULL */
    const berth_function *function; /* the entry of the table that is called; NULL in anything but functions */
    const uint8_t *in;              /* the input; not ended by a 0 byte, never NULL */
    size_t in_length;               /* bytes of it */
    uint8_t *out;                   /* the output; may be NULL while out_capacity is 0. host->grow may move it */
    size_t out_length;              /* bytes of it so far; 0 when the call begins */
    size_t out_capacity;            /* bytes that it has room for */
};

/*
 * The host's services. The struct is good from open until close returns. log may
 * be called by any thread of the plugin in that time; the others belong to a
 * call, and may be called by the thread that has it, until it returns.
 */
struct berth_host {
    uint32_t size; /* sizeof(berth_host) in the host */
    uint32_t abi;  /* BERTH_ABI of the host */
    void *handle;  /* the host's own */

    /* Adds lines to the plugin's log. Long ones are cut. */
    void (*log)(const berth_host *host, int32_t level, const char *text, size_t length);

    /*
     * Makes room: out_capacity is at least capacity after BERTH_OK, and what was
     * written is kept. BERTH_FAILED: it is more than a result may have, or there
     * is no memory; the call then fails, whatever the function returns.
     */
    int32_t (*grow)(berth_call *call, size_t capacity);

    /*
     * Milliseconds until the answer is of no use: 0 if the deadline has passed or
     * the caller gave up, BERTH_FOREVER if there is no deadline. The host cannot
     * stop a function: one that takes long asks from time to time, and returns
     * BERTH_STOPPED then, or what it has.
     */
    int32_t (*remaining)(const berth_call *call);

    /*
     * A value of the plugin's configuration, as a text: BERTH_OK, or BERTH_NONE.
     * The value is the host's, and good until the next config or get of the same
     * call, and no longer than the call.
     */
    int32_t (*config)(berth_call *call, const char *key, size_t key_length, const uint8_t **value, size_t *length);

    /*
     * The plugin's state: bytes by key, kept over updates and restarts, shared by
     * all objects. get is BERTH_OK, BERTH_NONE or BERTH_FAILED, and its value is
     * good as that of config is; put and remove are BERTH_OK or BERTH_FAILED, and
     * it is no failure to remove what is not there. Why one failed is in the log.
     */
    int32_t (*get)(berth_call *call, const char *key, size_t key_length, const uint8_t **value, size_t *length);
    int32_t (*put)(berth_call *call, const char *key, size_t key_length, const void *value, size_t length);
    int32_t (*remove)(berth_call *call, const char *key, size_t key_length);
};

/* A function of the plugin. */
struct berth_function {
    const char *name;                               /* letters, digits, '-' and '_'; at most 128 */
    int32_t (*call)(void *self, berth_call *call);  /* BERTH_OK, _FAILED, _INVALID or _STOPPED */
    uint32_t flags;                                 /* BERTH_RAW or BERTH_JSON */
    uint32_t reserved;                              /* 0 */
};

/* Where a source of the push kind puts its messages. It is good until the source's close returns. */
struct berth_stream {
    uint32_t size;     /* sizeof(berth_stream) in the host */
    uint32_t reserved; /* 0 */
    void *handle;      /* the host's own */

    /*
     * Takes one message, and copies it. Any thread may call it; it waits while
     * the host is behind. BERTH_OK, or BERTH_END: the source is being closed,
     * send no more.
     */
    int32_t (*push)(const berth_stream *stream, const void *message, size_t length);
};

/* A source: it gives messages, when asked (next) or by itself (start). One of the two is NULL. */
struct berth_source {
    const char *name;  /* as a function's */
    uint32_t flags;    /* BERTH_RAW or BERTH_JSON: what a message is */
    uint32_t reserved; /* 0 */

    /* Makes one source; the input is its configuration, a JSON object. BERTH_OK, BERTH_FAILED or BERTH_INVALID. */
    int32_t (*open)(void *self, berth_call *call, void **source);

    /*
     * Writes the next message as its output: BERTH_OK; BERTH_NONE if there was
     * none for now, after waiting a while, at most as remaining tells; BERTH_END
     * or BERTH_FAILED. One call at a time for each source.
     */
    int32_t (*next)(void *source, berth_call *call);

    /*
     * Begins to push, from threads of the plugin's own, and returns: BERTH_OK or
     * BERTH_FAILED. The stream stays good until close returns.
     */
    int32_t (*start)(void *source, berth_call *call, const berth_stream *stream);

    /* Ends the source; no push may be under way when it returns. Called once; next is not under way. */
    void (*close)(void *source);
};

/* A sink: it takes messages. */
struct berth_sink {
    const char *name;  /* as a function's */
    uint32_t flags;    /* BERTH_RAW or BERTH_JSON: what a message is */
    uint32_t reserved; /* 0 */

    /* Makes one sink; the input is its configuration, a JSON object. BERTH_OK, BERTH_FAILED or BERTH_INVALID. */
    int32_t (*open)(void *self, berth_call *call, void **sink);

    /* Takes the input, one message. BERTH_OK or BERTH_FAILED. One call at a time for each sink. */
    int32_t (*collect)(void *sink, berth_call *call);

    /* Ends the sink. Called once; collect is not under way. */
    void (*close)(void *sink);
};

/* The plugin. */
struct berth_plugin {
    uint32_t abi;         /* BERTH_ABI */
    uint32_t size;        /* sizeof(berth_plugin) */
    const char *name;     /* what the plugin calls itself; as a function's name */
    const char *version;  /* for people; may be NULL */
    uint32_t concurrency; /* BERTH_SERIAL, BERTH_OBJECT or BERTH_PARALLEL */

    /*
     * Makes an object, which functions get as self. The input is the plugin's
     * whole configuration, a JSON object of texts. BERTH_OK, or BERTH_FAILED or
     * BERTH_INVALID with a text: then the object is not used, nor closed. NULL if
     * there is nothing to make: self is NULL then. Several may be opened at the
     * same time, unless the library is BERTH_SERIAL.
     */
    int32_t (*open)(berth_call *call, void **self);

    /* Ends an object. Called once for each, by any thread; no call of it is under way. May be NULL. */
    void (*close)(void *self);

    const berth_function *functions; /* may be NULL if there are none */
    size_t function_count;
    const berth_source *sources; /* may be NULL if there are none */
    size_t source_count;
    const berth_sink *sinks; /* may be NULL if there are none */
    size_t sink_count;
};

/* Makes a symbol visible, however the library is compiled. */
#if defined(__GNUC__) || defined(__clang__)
#define BERTH_VISIBLE __attribute__((visibility("default")))
#define BERTH_FORMAT(text, first) __attribute__((format(printf, text, first)))
#else
#define BERTH_VISIBLE
#define BERTH_FORMAT(text, first)
#endif

#ifdef __cplusplus
#define BERTH_EXPORT extern "C" BERTH_VISIBLE
}
#else
#define BERTH_EXPORT BERTH_VISIBLE
#endif

/* The descriptor: the one symbol that a plugin exports. */
#ifdef __cplusplus
extern "C"
#else
extern
#endif
BERTH_VISIBLE const berth_plugin berth_plugin_v1;

/* ---- Helpers ---- */

/* Makes room for length bytes more. */
static inline int32_t berth_reserve(berth_call *call, size_t length) {
    if (length <= call->out_capacity - call->out_length) return BERTH_OK;
    if (length > SIZE_MAX - call->out_length) return call->host->grow(call, SIZE_MAX);
    return call->host->grow(call, call->out_length + length);
}

/* Appends bytes to the output. They must not be the output's own. */
static inline int32_t berth_write(berth_call *call, const void *bytes, size_t length) {
    if (length == 0) return BERTH_OK;
    if (berth_reserve(call, length) != BERTH_OK) return BERTH_FAILED;
    memcpy(call->out + call->out_length, bytes, length);
    call->out_length += length;
    return BERTH_OK;
}

/* Appends a text. */
static inline int32_t berth_text(berth_call *call, const char *text) {
    return berth_write(call, text, strlen(text));
}

/* Appends a text as vprintf writes it. */
static inline int32_t berth_vprintf(berth_call *call, const char *format, va_list arguments) BERTH_FORMAT(2, 0);
static inline int32_t berth_vprintf(berth_call *call, const char *format, va_list arguments) {
    va_list again;
    int length;
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) return BERTH_FAILED;
    if (berth_reserve(call, (size_t)length + 1) != BERTH_OK) return BERTH_FAILED; /* vsnprintf ends it with a 0 byte */
    vsnprintf((char *)call->out + call->out_length, (size_t)length + 1, format, arguments);
    call->out_length += (size_t)length;
    return BERTH_OK;
}

/* Appends a text as printf writes it. */
static inline int32_t berth_printf(berth_call *call, const char *format, ...) BERTH_FORMAT(2, 3);
static inline int32_t berth_printf(berth_call *call, const char *format, ...) {
    va_list arguments;
    int32_t code;
    va_start(arguments, format);
    code = berth_vprintf(call, format, arguments);
    va_end(arguments);
    return code;
}

/* Makes a text the error, in place of what was written: return berth_fail(call, "the sensor is off"); */
static inline int32_t berth_fail(berth_call *call, const char *format, ...) BERTH_FORMAT(2, 3);
static inline int32_t berth_fail(berth_call *call, const char *format, ...) {
    va_list arguments;
    call->out_length = 0;
    va_start(arguments, format);
    (void)berth_vprintf(call, format, arguments);
    va_end(arguments);
    return BERTH_FAILED;
}

/* As berth_fail, when the input is what is wrong. */
static inline int32_t berth_invalid(berth_call *call, const char *format, ...) BERTH_FORMAT(2, 3);
static inline int32_t berth_invalid(berth_call *call, const char *format, ...) {
    va_list arguments;
    call->out_length = 0;
    va_start(arguments, format);
    (void)berth_vprintf(call, format, arguments);
    va_end(arguments);
    return BERTH_INVALID;
}

/* Adds a line to the plugin's log. */
static inline void berth_log(const berth_host *host, int32_t level, const char *text) {
    host->log(host, level, text, strlen(text));
}

/* Tells whether nobody waits for the answer any more. */
static inline int berth_cancelled(const berth_call *call) { return call->host->remaining(call) == 0; }

/* A value of the configuration: see berth_host.config. */
static inline int32_t berth_config(berth_call *call, const char *key, const uint8_t **value, size_t *length) {
    return call->host->config(call, key, strlen(key), value, length);
}

/* The state: see berth_host.get, put and remove. */
static inline int32_t berth_get(berth_call *call, const char *key, const uint8_t **value, size_t *length) {
    return call->host->get(call, key, strlen(key), value, length);
}

static inline int32_t berth_put(berth_call *call, const char *key, const void *value, size_t length) {
    return call->host->put(call, key, strlen(key), value, length);
}

static inline int32_t berth_remove(berth_call *call, const char *key) {
    return call->host->remove(call, key, strlen(key));
}

#endif
