/*
 * desk: a waPC guest in freestanding C. One export takes every call; the
 * operation's name says which function is meant.
 */
#include "wapc.h"

/* ---- memory: taken in order, and all of it given back when a call begins ---- */

#define PAGE 65536u

extern u8 __heap_base; /* set by wasm-ld: the end of the static data */
static u64 heap;       /* the first free address; 64 bits, so that sums cannot overflow */

static char *take(u64 size) {
    u64 start = heap, end = start + size;
    u64 have = __builtin_wasm_memory_size(0), want = (end + PAGE - 1) / PAGE;
    if (want > 65536) return 0;
    if (want > have && __builtin_wasm_memory_grow(0, (u32)(want - have)) == -1ul) return 0;
    heap = end;
    return (char *)(u32)start;
}

/* ---- texts ---- */

/* A text and its length, as two arguments. */
#define TEXT(literal) literal, sizeof(literal) - 1

static int is(const char *a, u32 n, const char *b, u32 m) {
    if (n != m) return 0;
    while (n--)
        if (*a++ != *b++) return 0;
    return 1;
}

static int fail(const char *text, u32 length) {
    guest_error(text, length);
    return FAILURE;
}

/* ---- the operations ---- */

/* upper: ASCII letters to capitals. */
static int upper(char *request, u32 length) {
    for (u32 i = 0; i < length; i++)
        if (request[i] >= 'a' && request[i] <= 'z') request[i] -= 'a' - 'A';
    guest_response(request, length);
    return SUCCESS;
}

/* ask_host: hands the request to the host's operation example:desk/ask, and its answer on. */
static int ask_host(const char *request, u32 length) {
    char *answer;
    u32 n;
    console_log(TEXT("asking the host"));
    if (host_call(TEXT("example"), TEXT("desk"), TEXT("ask"), request, length)) {
        n = host_response_length();
        if (!(answer = take(n))) return fail(TEXT("out of memory"));
        host_response(answer);
        guest_response(answer, n);
        return SUCCESS;
    }
    n = host_error_length();
    if (!(answer = take(n))) return fail(TEXT("out of memory"));
    host_error(answer);
    return fail(answer, n);
}

__attribute__((export_name("__guest_call"))) int guest_call(u32 name_length, u32 length) {
    char *name, *request;
    heap = (u32)&__heap_base;
    if (!(name = take(name_length)) || !(request = take(length))) return fail(TEXT("out of memory"));
    guest_request(name, request);
    if (is(name, name_length, TEXT("upper"))) return upper(request, length);
    if (is(name, name_length, TEXT("ask_host"))) return ask_host(request, length);
    return fail(TEXT("no such operation"));
}
