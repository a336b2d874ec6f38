/*
 * waPC, from the guest's side. The host calls __guest_call with the lengths of
 * the operation's name and of the request; the guest makes room for both, has
 * the host write them there, and answers with a response or an error, which the
 * host copies at once.
 */
#ifndef WAPC_H
#define WAPC_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(name) __attribute__((import_module("wapc"), import_name(#name)))

IMPORT(__guest_request) void guest_request(char *operation, char *request);
IMPORT(__guest_response) void guest_response(const char *bytes, u32 length);
IMPORT(__guest_error) void guest_error(const char *text, u32 length);

/* Calls an operation of the host's. Returns 1, or 0 for an error. */
IMPORT(__host_call) int host_call(const char *binding, u32 binding_length, const char *name_space, u32 name_space_length,
                                  const char *operation, u32 operation_length, const char *request, u32 length);
IMPORT(__host_response_len) u32 host_response_length(void);
IMPORT(__host_response) void host_response(char *to);
IMPORT(__host_error_len) u32 host_error_length(void);
IMPORT(__host_error) void host_error(char *to);

IMPORT(__console_log) void console_log(const char *text, u32 length);

/* What __guest_call returns. */
enum { FAILURE = 0, SUCCESS = 1 };

#endif
