/*
 * letters: an Extism plugin in freestanding C, without a development kit:
 * extism.h declares the host's functions, and this file calls them.
 */
#include "extism.h"

/* A block with the n bytes at text; 0 when there is no room. */
static handle block(const char *text, u32 n) {
    handle b = host_alloc(n);
    for (u32 i = 0; b && i < n; i++) store_u8(b + i, (u8)text[i]);
    return b;
}

#define BLOCK(text) block(text, sizeof(text) - 1)

static int fail(handle why) {
    error_set(why);
    return FAILURE;
}

/* ---- noop: what is left is what a call costs ---- */

EXPORT(noop) int noop(void) { return SUCCESS; }

/* ---- mirror: the input back, copied as a plugin has to copy ---- */

EXPORT(mirror) int mirror(void) {
    u64 n = input_length(), i = 0;
    handle out = host_alloc(n);
    if (n && !out) return fail(BLOCK("out of memory"));
    for (; i + 8 <= n; i += 8) store_u64(out + i, input_load_u64(i));
    for (; i < n; i++) store_u8(out + i, input_load_u8(i));
    output_set(out, n);
    return SUCCESS;
}

/* ---- vowels: {"vowels":<count>} of the input, read eight bytes at a time ---- */

static int is_vowel(u8 letter) {
    switch (letter | 32) {
    case 'a': case 'e': case 'i': case 'o': case 'u':
        return 1;
    }
    return 0;
}

/* Appends the digits of n to text and returns their end. */
static char *digits(char *text, u64 n) {
    char reversed[20], *p = reversed;
    do *p++ = (char)('0' + n % 10); while (n /= 10);
    while (p > reversed) *text++ = *--p;
    return text;
}

EXPORT(vowels) int vowels(void) {
    u64 n = input_length(), i = 0, count = 0;
    static char answer[40] = "{\"vowels\":";
    char *end;
    handle out;
    for (; i + 8 <= n; i += 8) {
        u64 eight = input_load_u64(i);
        for (int k = 0; k < 8; k++, eight >>= 8) count += (u64)is_vowel((u8)eight);
    }
    for (; i < n; i++) count += (u64)is_vowel((u8)input_load_u8(i));
    end = digits(answer + 10, count);
    *end++ = '}';
    out = block(answer, (u32)(end - answer));
    if (!out) return fail(BLOCK("out of memory"));
    output_set(out, (u64)(end - answer));
    return SUCCESS;
}

/* ---- visits: how often it was called, in a variable of the plugin ---- */

EXPORT(visits) int visits(void) {
    handle kept = var_get(BLOCK("visits")), next;
    u64 count = (host_length(kept) == 8 ? load_u64(kept) : 0) + 1;
    char answer[20], *end = digits(answer, count);
    if (!(next = host_alloc(8))) return fail(BLOCK("out of memory"));
    store_u64(next, count);
    var_set(BLOCK("visits"), next);
    output_set(block(answer, (u32)(end - answer)), (u64)(end - answer));
    return SUCCESS;
}

/* ---- unit: the temperature unit that the operator configured; an error without one ---- */

EXPORT(unit) int unit(void) {
    handle value = config_get(BLOCK("unit"));
    if (!value) return fail(BLOCK("\"unit\" is not configured"));
    output_set(value, host_length(value));
    return SUCCESS;
}
