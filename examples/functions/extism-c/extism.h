/*
 * What an Extism plugin may import from its host, as far as plugins in C that
 * work on bytes need it. A handle is the address of a block of memory that the
 * host keeps; 0 is none. It is not an address in the plugin's own memory: bytes
 * are loaded and stored through the host, eight at a time.
 */
#ifndef EXTISM_H
#define EXTISM_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("extism:host/env"), import_name(#name)))

typedef u64 handle;

/* memory */
IMPORT(alloc) handle host_alloc(u64 size); /* a block of zeros; 0 when there is no room */
IMPORT(free) void host_free(handle block);
IMPORT(length) u64 host_length(handle block); /* 0 of what is no block */
IMPORT(load_u8) u32 load_u8(u64 address);
IMPORT(load_u64) u64 load_u64(u64 address);
IMPORT(store_u8) void store_u8(u64 address, u32 value);
IMPORT(store_u64) void store_u64(u64 address, u64 value);

/* the call */
IMPORT(input_length) u64 input_length(void);
IMPORT(input_load_u8) u32 input_load_u8(u64 index);
IMPORT(input_load_u64) u64 input_load_u64(u64 index); /* 0 unless all eight bytes are input */
IMPORT(output_set) void output_set(u64 address, u64 length);
IMPORT(error_set) void error_set(handle text);

/* what outlives a call, and what the operator says */
IMPORT(config_get) handle config_get(handle name); /* takes name; 0 when there is no such key */
IMPORT(var_get) handle var_get(handle name);       /* takes name */
IMPORT(var_set) void var_set(handle name, handle value); /* takes both */

/* What an export returns. */
enum { SUCCESS = 0, FAILURE = 1 };

#endif
