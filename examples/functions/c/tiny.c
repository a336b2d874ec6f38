/*
 * tiny: a Berth plugin in freestanding C, with neither libc nor WASI.
 *
 * The host calls alloc(length of the input), writes the input there, calls the
 * function with (pointer, length), and copies the result before the next alloc.
 * So nothing is ever freed: alloc takes back all that the last call used.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(#name)))

/* ---- the ABI ---- */

#define PAGE 65536u
#define FAILED 0x80000000u /* the top bit of the length: the bytes are an error's text */

extern u8 __heap_base; /* set by wasm-ld: the end of the static data */
static u64 heap;       /* the first free address; 64 bits, so that sums cannot overflow */

/* Returns size bytes, aligned to 8, growing memory when needed, or 0 when there are no more. */
static void *take(u64 size) {
    u64 start = (heap + 7) & ~7ull, end = start + size;
    u64 have = __builtin_wasm_memory_size(0), want = (end + PAGE - 1) / PAGE;
    if (want > 65536) return 0;
    if (want > have && __builtin_wasm_memory_grow(0, (u32)(want - have)) == -1ul) return 0;
    heap = end;
    return (void *)(u32)start;
}

EXPORT(alloc) void *alloc(u32 size) {
    heap = (u32)&__heap_base;
    return take((u64)size + 1); /* room for a 0 byte after the input */
}

static u64 result(const void *ptr, u32 len) { return (u64)(u32)ptr << 32 | len; }

#define FAIL(text) result(text, (u32)(sizeof(text) - 1) | FAILED)

/* ---- echo: the input back ---- */

EXPORT(echo) u64 echo(const u8 *in, u32 len) { return result(in, len); }

/* ---- crc32: IEEE 802.3, as 8 lower-case hex digits ---- */

EXPORT(crc32) u64 crc32(const u8 *in, u32 len) {
    u32 crc = ~0u;
    u8 *out;
    while (len--) {
        crc ^= *in++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    if (!(out = take(8))) return FAIL("out of memory");
    for (int i = 7; i >= 0; i--, crc >>= 4) out[i] = "0123456789abcdef"[crc & 15];
    return result(out, 8);
}

/*
 * ---- median_low: the middle one of some numbers ----
 *
 * The answer is one of the inputs, so its text is given back as it came and
 * nothing is rounded: numbers are compared digit by digit, never as doubles.
 */

typedef struct {
    const u8 *text;  /* the number as written */
    u32 len;         /* the length of that */
    const u8 *first; /* its first digit that is not 0; null: the number is 0 */
    int exponent;    /* the value is 0.DDD * 10^exponent, DDD being the digits from first on */
} number;

static const u8 *at; /* what is left of the input, which ends in a 0 byte */

static int is_digit(const u8 *p) { return (u8)(*p - '0') < 10; }

static void space(void) {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
}

/* Skips white space, and c after it. Returns whether c was there. */
static int skip(u8 c) {
    space();
    return *at == c ? (at++, 1) : 0;
}

/* Reads a JSON number. Returns whether there was one. */
static int read_number(number *n) {
    int point = 0;
    n->text = at;
    n->first = 0;
    n->exponent = 0;
    if (*at == '-') at++;
    if (!is_digit(at) || (*at == '0' && is_digit(at + 1))) return 0;
    for (; is_digit(at) || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = 1;
            if (!is_digit(at + 1)) return 0;
            continue;
        }
        if (!n->first && *at != '0') n->first = at;
        if (!point && n->first) n->exponent++;
        if (point && !n->first) n->exponent--;
    }
    if ((*at | 32) == 'e') {
        int power = 0, minus = *++at == '-';
        if (minus || *at == '+') at++;
        if (!is_digit(at)) return 0;
        for (; is_digit(at); at++)
            if (power < 100000000) power = power * 10 + (*at - '0');
        n->exponent += minus ? -power : power;
    }
    n->len = (u32)(at - n->text);
    return 1;
}

static int sign(const number *n) { return !n->first ? 0 : *n->text == '-' ? -1 : 1; }

/* The digit at *p, moving on to the next; 0 for ever after the last. */
static u8 next_digit(const u8 **p) {
    if (**p == '.') ++*p;
    return is_digit(*p) ? *(*p)++ : '0';
}

static int less(const number *a, const number *b) {
    int s = sign(a);
    const u8 *p = a->first, *q = b->first;
    if (s != sign(b)) return s < sign(b);
    if (s == 0) return 0;
    if (a->exponent != b->exponent) return (a->exponent < b->exponent) == (s > 0);
    for (u32 left = a->len > b->len ? a->len : b->len; left; left--) {
        u8 x = next_digit(&p), y = next_digit(&q);
        if (x != y) return (x < y) == (s > 0);
    }
    return 0;
}

/* Lets v[i] sink to its place in the heap v[0..n), the greatest on top. */
static void sink(number *v, u32 i, u32 n) {
    for (u32 child; (child = 2 * i + 1) < n; i = child) {
        number t = v[i];
        if (child + 1 < n && less(&v[child], &v[child + 1])) child++;
        if (!less(&t, &v[child])) return;
        v[i] = v[child];
        v[child] = t;
    }
}

/* [numbers…], or [[numbers…]] as a call with one array argument has it. */
EXPORT(median_low) u64 median_low(u8 *in, u32 len) {
    number *v = take(sizeof *v), *next = v; /* those taken next lie beside it: 16 bytes each */
    u32 n = 0, middle;
    int nested;
    if (!v) goto full;
    in[len] = 0; /* alloc left room for it */
    at = in;
    if (!skip('[')) goto bad;
    nested = skip('[');
    do {
        if (n && !(next = take(sizeof *v))) goto full;
        space();
        if (!read_number(next)) goto bad;
        n++;
    } while (skip(','));
    if (!skip(']') || (nested && !skip(']'))) goto bad;
    space();
    if (at != in + len) goto bad;

    for (u32 i = n / 2; i-- > 0;) sink(v, i, n);
    for (middle = (n - 1) / 2; n - 1 > middle;) { /* take the greatest away until the middle is on top */
        v[0] = v[--n];
        sink(v, 0, n);
    }
    return result(v[0].text, v[0].len);
full:
    return FAIL("out of memory");
bad:
    return FAIL("want an array of numbers, at least one");
}
