// Package server answers HTTP: eKuiper's plugin management API, calls of
// functions, health, information and figures. It is the only place that knows a
// status code, and knows plugins through host alone.
//
//	listener ──► fasthttp ──► handle ──► admit ─┬─► invoke       POST /invoke/{function}, by hand, no allocation
//	(TCP, TLS, Unix)                            └─► router ──┬─► batch, plugins, udfs, status, logs, prebuild
//	                                                         └─► /, /ping, /healthz, /readyz, /metrics, /openapi.json
//	                                   every failure ──► errors.go: one table, one shape
//
// # Access
//
// Config.Access says who may do what; admit asks it once for each request,
// before any handler. What a request needs follows from its method and path
// alone (scopeOf), not from the routes: whatever is added later and is no GET
// needs ScopeManage. Of a caller that may not send it, no body over 64 KiB is
// read. Tokens, JWTs, the origins of web pages and the names of the host are in
// files of their own, access_*.go.
//
// # Calls
//
// POST /invoke/{function} passes the request's body to the function as it is,
// whatever its Content-Type or Content-Encoding say, and answers with the
// result as it is: application/json for functions of the json encoding,
// application/octet-stream for raw ones.
//
// POST /invoke/{function}/batch takes one input a line and answers one line for
// each, in order, while later lines are still being worked on (HTTP/1.1 only:
// the answer is chunked). Lines of nothing but white space are skipped, and a
// carriage return before the line feed is not part of a line.
//
//   - For json functions a line is the input. The result is put into
//     {"result":…} in compact form; a result that is not JSON is a failure of
//     that line.
//   - For raw functions a line that is a JSON string stands for the bytes of
//     that string, any other line for itself. The result is a JSON string in
//     {"result":"…"}, or {"base64":"…"} when it is not valid UTF-8.
//   - A failure is {"error":"<message>","code":"<name>"} in that place, with the
//     name of a host.Code ("rejected", "trap", "timeout", ...); the lines after
//     it are worked on all the same.
//
// Each line is a call of its own: the plugin can be updated between two lines.
// Faults of the request as a whole (an unknown function) are plain HTTP errors.
// A batch that the host has to break off, because its time to shut down is
// over, ends without the last chunk, so that no client takes it for whole.
//
// # Errors
//
// Every error is {"error":<number>,"message":"<text>"} as application/json,
// also those that are found before a handler runs; only 405 has an empty body,
// and only a JWT that is missing or bad is answered in plain text, as in eKuiper. The numbers 1000 and 1002 are eKuiper's, those from 9000 on
// Berth's own. See codeAnswers.
//
// # Paths
//
// Paths are matched as they were sent: nothing is cleaned and nobody is
// redirected. A name is percent-decoded and then has to be a name by host's
// rule; one that contains a slash is no path of this server. HEAD works
// wherever GET does.
//
// openapi.json describes every one of them, with all that it takes and answers,
// and is served as /openapi.json. A route, a status or a key that is added here
// is added there.
package server
