/*
 * agent: the extism ABI, with the C library: does for its caller what an Extism plugin can do beyond computing.
 *
 *   get       fetches the URL in the input: "<status> <body>"
 *   count     how often it was called, in a variable of the plugin
 *   swap      keeps the input in memory and answers with what it kept before
 *   swap_var  the same, in a variable
 *   setting   the configuration of the key in the input
 *   say       logs the input once at each level, and a line on standard error
 *   show      the file of the path in the input
 *   save      "<path> <text>": writes the file
 *   spin      a loop for ever
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../../examples/functions/extism-c/extism.h"

IMPORT(http_request) handle http_request(handle request, handle body);
IMPORT(http_status_code) int http_status_code(void);
IMPORT(log_trace) void log_trace(handle text);
IMPORT(log_debug) void log_debug(handle text);
IMPORT(log_info) void log_info(handle text);
IMPORT(log_warn) void log_warn(handle text);
IMPORT(log_error) void log_error(handle text);

static char input[4096], buffer[8192];

static handle block(const char *text, size_t n) {
    handle b = host_alloc(n);
    for (size_t i = 0; b && i < n; i++) store_u8(b + i, (u8)text[i]);
    return b;
}

static handle text_block(const char *text) { return block(text, strlen(text)); }

static void read_input(void) {
    u64 n = input_length();
    if (n > sizeof input - 1) n = sizeof input - 1;
    for (u64 i = 0; i < n; i++) input[i] = (char)input_load_u8(i);
    input[n] = 0;
}

static int answer(const char *text) {
    size_t n = strlen(text);
    output_set(block(text, n), n);
    return SUCCESS;
}

static int fail(const char *why) {
    error_set(text_block(why));
    return FAILURE;
}

/* The text of a block, after what is in the buffer already. */
static void append(handle b) {
    size_t at = strlen(buffer);
    u64 n = host_length(b);
    if (n > sizeof buffer - at - 1) n = sizeof buffer - at - 1;
    for (u64 i = 0; i < n; i++) buffer[at + i] = (char)load_u8(b + i);
    buffer[at + n] = 0;
}

EXPORT(get) int get(void) {
    handle body;
    read_input();
    snprintf(buffer, sizeof buffer, "{\"url\":\"%s\",\"method\":\"GET\",\"headers\":{\"X-Agent\":\"agent\"}}", input);
    body = http_request(text_block(buffer), 0);
    snprintf(buffer, sizeof buffer, "%d ", http_status_code());
    append(body);
    return answer(buffer);
}

EXPORT(count) int count(void) {
    handle kept = var_get(text_block("count")), next = host_alloc(8);
    u64 n = (host_length(kept) == 8 ? load_u64(kept) : 0) + 1;
    store_u64(next, n);
    var_set(text_block("count"), next);
    snprintf(buffer, sizeof buffer, "%llu", n);
    return answer(buffer);
}

EXPORT(swap) int swap(void) {
    static char kept[sizeof input];
    strcpy(buffer, kept);
    read_input();
    strcpy(kept, input);
    return answer(buffer);
}

EXPORT(swap_var) int swap_var(void) {
    handle kept = var_get(text_block("kept"));
    buffer[0] = 0;
    append(kept);
    read_input();
    var_set(text_block("kept"), text_block(input));
    return answer(buffer);
}

EXPORT(setting) int setting(void) {
    handle value;
    read_input();
    value = config_get(text_block(input));
    if (!value) return fail("it is not configured");
    buffer[0] = 0;
    append(value);
    return answer(buffer);
}

EXPORT(say) int say(void) {
    read_input();
    log_trace(text_block(input));
    log_debug(text_block(input));
    log_info(text_block(input));
    log_warn(text_block(input));
    log_error(text_block(input));
    fprintf(stderr, "%s, on standard error\n", input);
    return SUCCESS;
}

EXPORT(show) int show(void) {
    int fd;
    ssize_t n;
    read_input();
    fd = open(input, O_RDONLY);
    n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
    if (n < 0) snprintf(buffer, sizeof buffer, "%s", strerror(errno));
    else buffer[n] = 0;
    if (fd >= 0) close(fd);
    return n < 0 ? fail(buffer) : answer(buffer);
}

EXPORT(save) int save(void) {
    char *text;
    int fd;
    ssize_t n;
    read_input();
    text = strchr(input, ' ');
    if (!text) return fail("want a path and a text");
    *text++ = 0;
    fd = open(input, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    n = fd < 0 ? -1 : write(fd, text, strlen(text));
    if (n < 0) snprintf(buffer, sizeof buffer, "%s", strerror(errno));
    if (fd >= 0) close(fd);
    return n < 0 ? fail(buffer) : SUCCESS;
}

EXPORT(spin) int spin(void) {
    for (volatile int i = 0;; i++) {
    }
}
