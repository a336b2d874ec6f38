/* What Go calls of C in the build with cgo: see machine_cgo.go. */
#ifndef BERTH_CABI_TRAMPOLINE_H
#define BERTH_CABI_TRAMPOLINE_H

#include "berth_plugin.h"

/*
 * What is behind each berth_call: the host's own part follows the library's. Its
 * twin in Go is frame, in frame.go.
 */
typedef struct {
    berth_call call;
    uintptr_t handle; /* of the slot, in Go */
    size_t limit;     /* what grow gives at most */
    size_t room;      /* what out has room for, whatever the library makes of out_capacity */
    size_t excess;    /* what grow was asked for beyond the limit; 0 if it was not */
    size_t poor;      /* not 0: there was no memory */
    uint8_t *heap;    /* out, if it was allocated here */
    void *value;      /* what get or config answered last; allocated here */
    void *made;       /* where an open puts what it made */
} cabi_frame;

/* Addresses come as numbers, so that Go need not take them for pointers of its own. */
uintptr_t cabi_open_library(const char *path, int only_if_loaded, char **error);
uintptr_t cabi_symbol(uintptr_t library, const char *name);
char *cabi_close_library(uintptr_t library);

uintptr_t cabi_allocate(size_t size); /* 0: there is no memory; C.malloc of Go would end the process */

uintptr_t cabi_host(uintptr_t handle);
uintptr_t cabi_stream(uintptr_t handle);

int32_t cabi_call(uintptr_t function, uintptr_t self, uintptr_t frame, const uint8_t *in, size_t in_length, uint8_t *out, size_t room);
int32_t cabi_open(uintptr_t function, uintptr_t frame, const uint8_t *in, size_t in_length);
int32_t cabi_open_part(uintptr_t function, uintptr_t self, uintptr_t frame, const uint8_t *in, size_t in_length);
int32_t cabi_start(uintptr_t function, uintptr_t source, uintptr_t frame, uintptr_t stream);
void cabi_close(uintptr_t function, uintptr_t self);

#endif
