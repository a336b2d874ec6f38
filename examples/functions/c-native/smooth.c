/*
 * smooth: a native Berth plugin in C. It smooths what sensors say.
 *
 * All of it is ordinary C: the header is sdk/c/berth_plugin.h, and the library is
 * linked against nothing but libc and libm.
 */
#include <math.h>
#include <stdlib.h>

#include "berth_plugin.h"

/* ---- the object: what open makes, and functions get as self ---- */

typedef struct {
    double weight; /* of a new value, 0 to 1 */
} smoother;

/* Makes an object. The weight is the plugin's configuration: {"config": {"weight": "0.2"}} in the manifest. */
static int32_t open(berth_call *call, void **self) {
    const uint8_t *value;
    size_t length;
    smoother *s = malloc(sizeof *s);
    if (!s) return berth_fail(call, "out of memory");
    s->weight = 0.25;
    if (berth_config(call, "weight", &value, &length) == BERTH_OK) {
        char text[32] = {0}, *end;
        memcpy(text, value, length < sizeof text ? length : sizeof text - 1);
        s->weight = strtod(text, &end);
        if (end == text || *end || !(s->weight > 0 && s->weight <= 1)) {
            free(s);
            return berth_invalid(call, "the weight is '%s': make it a number over 0, and at most 1", text);
        }
    }
    *self = s;
    return BERTH_OK;
}

static void close(void *self) { free(self); }

/* ---- the arguments: a JSON array of a name and a number, or of numbers ---- */

typedef struct {
    const char *at, *end;
} reader;

static int among(char c, const char *these) { return c && strchr(these, c); }

static void space(reader *r) {
    while (r->at < r->end && among(*r->at, " \t\r\n")) r->at++;
}

/* Takes one character, if it is next. */
static int take(reader *r, char c) {
    space(r);
    if (r->at == r->end || *r->at != c) return 0;
    r->at++;
    return 1;
}

/* Takes a number. The input does not end with a 0 byte: it is copied, for strtod. */
static int number(reader *r, double *value) {
    char text[64], *end;
    size_t n = 0;
    space(r);
    while (r->at + n < r->end && n < sizeof text - 1 && among(r->at[n], "+-.0123456789eE")) n++;
    memcpy(text, r->at, n);
    text[n] = 0;
    *value = strtod(text, &end);
    if (end == text || *end || !isfinite(*value)) return 0;
    r->at += n;
    return 1;
}

/* Takes a string that has no escapes. */
static int string(reader *r, const char **text, size_t *length) {
    if (!take(r, '"')) return 0;
    *text = r->at;
    while (r->at < r->end && *r->at != '"' && *r->at != '\\') r->at++;
    *length = (size_t)(r->at - *text);
    return r->at < r->end && *r->at++ == '"';
}

static reader read_input(const berth_call *call) {
    reader r;
    r.at = (const char *)call->in;
    r.end = r.at + call->in_length;
    return r;
}

/* ---- smooth("sensor", value): the moving average of the sensor's values ---- */

static int32_t smooth(void *self, berth_call *call) {
    const smoother *s = self;
    const char *sensor;
    size_t length;
    double value, last;
    const uint8_t *kept;
    size_t kept_length;
    reader r = read_input(call);
    if (!take(&r, '[') || !string(&r, &sensor, &length) || !take(&r, ',') || !number(&r, &value) || !take(&r, ']') || !length)
        return berth_invalid(call, "want a sensor's name and a number: [\"boiler\", 71.5]");
    switch (call->host->get(call, sensor, length, &kept, &kept_length)) {
    case BERTH_OK:
        if (kept_length == sizeof last) {
            memcpy(&last, kept, sizeof last);
            value = last + s->weight * (value - last);
        }
        break;
    case BERTH_FAILED: return berth_fail(call, "what was kept of the sensor cannot be read");
    }
    if (call->host->put(call, sensor, length, &value, sizeof value) != BERTH_OK) return berth_fail(call, "the value cannot be kept");
    return berth_printf(call, "%.6g", value);
}

/* ---- rms(numbers...): their root mean square ---- */

static int32_t rms(void *self, berth_call *call) {
    double sum = 0, value;
    long n = 0;
    reader r = read_input(call);
    (void)self;
    if (!take(&r, '[')) return berth_invalid(call, "want an array of numbers");
    do {
        if (!number(&r, &value)) return berth_invalid(call, "want numbers, at least one");
        sum += value * value;
        n++;
        if (n % 65536 == 0 && berth_cancelled(call)) return BERTH_STOPPED; /* a long array, and nobody waits any more */
    } while (take(&r, ','));
    if (!take(&r, ']')) return berth_invalid(call, "the array does not end");
    return berth_printf(call, "%.6g", sqrt(sum / (double)n));
}

/* ---- what the plugin is ---- */

static const berth_function functions[] = {
    {"smooth", smooth, BERTH_JSON, 0},
    {"rms", rms, BERTH_JSON, 0},
};

BERTH_EXPORT const berth_plugin berth_plugin_v1 = {
    BERTH_ABI, sizeof(berth_plugin),
    "smooth", "v1.0.0",
    BERTH_SERIAL, /* smooth reads what is kept and writes it: two calls at once would lose one of them */
    open, close,
    functions, sizeof functions / sizeof *functions,
    NULL, 0, /* no sources */
    NULL, 0, /* no sinks */
};
