#include <dlfcn.h>
#include <stdlib.h>

#include "trampoline.h"
#include "_cgo_export.h"

/* ---- the loader: it tells why it failed to the thread that asked only ---- */

static char *reason(void) {
    const char *text = dlerror();
    return strdup(text ? text : "the loader does not say why");
}

uintptr_t cabi_open_library(const char *path, int only_if_loaded, char **error) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | (only_if_loaded ? RTLD_NOLOAD : 0));
    if (!library) *error = reason();
    return (uintptr_t)library;
}

uintptr_t cabi_symbol(uintptr_t library, const char *name) { return (uintptr_t)dlsym((void *)library, name); }

char *cabi_close_library(uintptr_t library) { return dlclose((void *)library) == 0 ? NULL : reason(); }

uintptr_t cabi_allocate(size_t size) { return (uintptr_t)malloc(size); }

/* ---- the host's services ---- */

static uintptr_t handle_of(const berth_call *call) { return ((const cabi_frame *)call)->handle; }

static void log_line(const berth_host *host, int32_t level, const char *text, size_t length) {
    cabiLog((uintptr_t)host->handle, level, (uintptr_t)text, length);
}

static int32_t grow(berth_call *call, size_t capacity) {
    cabi_frame *frame = (cabi_frame *)call;
    uint8_t *out;
    size_t room;
    if (capacity <= frame->room) {
        call->out_capacity = frame->room;
        return BERTH_OK;
    }
    if (capacity > frame->limit) {
        frame->excess = capacity;
        return BERTH_FAILED;
    }
    room = frame->room < 2048 ? 4096 : 2 * frame->room;
    if (room < capacity) room = capacity;
    if (room > frame->limit) room = frame->limit;
    out = realloc(frame->heap, room);
    if (!out) {
        frame->poor = 1;
        return BERTH_FAILED;
    }
    if (!frame->heap && frame->room) memcpy(out, call->out, call->out_length < frame->room ? call->out_length : frame->room);
    call->out = frame->heap = out;
    call->out_capacity = frame->room = room;
    return BERTH_OK;
}

static int32_t remaining(const berth_call *call) { return cabiRemaining(handle_of(call)); }

static int32_t config(berth_call *call, const char *key, size_t key_length, const uint8_t **value, size_t *length) {
    return cabiConfig(handle_of(call), (uintptr_t)key, key_length, (uintptr_t)value, (uintptr_t)length);
}

static int32_t get(berth_call *call, const char *key, size_t key_length, const uint8_t **value, size_t *length) {
    return cabiGet(handle_of(call), (uintptr_t)key, key_length, (uintptr_t)value, (uintptr_t)length);
}

static int32_t put(berth_call *call, const char *key, size_t key_length, const void *value, size_t length) {
    return cabiPut(handle_of(call), (uintptr_t)key, key_length, (uintptr_t)value, length);
}

static int32_t remove_key(berth_call *call, const char *key, size_t key_length) {
    return cabiRemove(handle_of(call), (uintptr_t)key, key_length);
}

uintptr_t cabi_host(uintptr_t handle) {
    berth_host *host = malloc(sizeof *host);
    if (host) {
        const berth_host services = {sizeof *host, BERTH_ABI, (void *)handle, log_line, grow, remaining, config, get, put, remove_key};
        *host = services;
    }
    return (uintptr_t)host;
}

static int32_t push(const berth_stream *stream, const void *message, size_t length) {
    return cabiPush((uintptr_t)stream->handle, (uintptr_t)message, length);
}

uintptr_t cabi_stream(uintptr_t handle) {
    berth_stream *stream = malloc(sizeof *stream);
    if (stream) {
        const berth_stream made = {sizeof *stream, 0, (void *)handle, push};
        *stream = made;
    }
    return (uintptr_t)stream;
}

/* ---- calls ---- */

static berth_call *begin(uintptr_t address, const uint8_t *in, size_t in_length, uint8_t *out, size_t room) {
    cabi_frame *frame = (cabi_frame *)address;
    frame->call.in = in ? in : (const uint8_t *)"";
    frame->call.in_length = in_length;
    frame->call.out = out;
    frame->call.out_length = 0;
    frame->call.out_capacity = frame->room = room;
    return &frame->call;
}

int32_t cabi_call(uintptr_t function, uintptr_t self, uintptr_t frame, const uint8_t *in, size_t in_length, uint8_t *out, size_t room) {
    return ((int32_t(*)(void *, berth_call *))function)((void *)self, begin(frame, in, in_length, out, room));
}

int32_t cabi_open(uintptr_t function, uintptr_t frame, const uint8_t *in, size_t in_length) {
    return ((int32_t(*)(berth_call *, void **))function)(begin(frame, in, in_length, NULL, 0), &((cabi_frame *)frame)->made);
}

int32_t cabi_open_part(uintptr_t function, uintptr_t self, uintptr_t frame, const uint8_t *in, size_t in_length) {
    return ((int32_t(*)(void *, berth_call *, void **))function)((void *)self, begin(frame, in, in_length, NULL, 0), &((cabi_frame *)frame)->made);
}

int32_t cabi_start(uintptr_t function, uintptr_t source, uintptr_t frame, uintptr_t stream) {
    return ((int32_t(*)(void *, berth_call *, const berth_stream *))function)((void *)source, begin(frame, NULL, 0, NULL, 0), (const berth_stream *)stream);
}

void cabi_close(uintptr_t function, uintptr_t self) { ((void (*)(void *))function)((void *)self); }
