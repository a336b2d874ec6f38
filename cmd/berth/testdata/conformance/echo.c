// A shared object for linux that exports echo: in the conformance test, the native
// build of the function plugin "echo". The result is the caller's to free.
#include <stdlib.h>
#include <string.h>

char *echo(const char *in, size_t length, size_t *result) {
    char *out = malloc(length ? length : 1);
    if (out) {
        memcpy(out, in, length);
        *result = length;
    }
    return out;
}
