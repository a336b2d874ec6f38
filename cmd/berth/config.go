package main

import (
	"math"
	"net"
	"net/netip"
	"runtime"
	"time"

	"berth/host"
	"berth/host/archive"
	"berth/host/catalog"
	"berth/sandbox"
	"berth/server"
)

// config is what `berth serve` is told. Each field is one key; its comment says what the key does, as options says it to
// users. It is complete when load returned it, and not changed after that.
type config struct {
	// Listen is the TCP address to serve on. Port 0 picks a free one, which the log's first line tells. Empty: no TCP.
	Listen string
	// Unix is the path of a Unix socket to serve on, at most 107 bytes, in a folder that exists. Empty: none.
	Unix string
	// UnixMode are the permissions of the socket: 0600, or 0660 to let its group in.
	UnixMode uint32
	// Data is the folder of everything that is installed, made if it is not there. One host at a time may use it.
	Data string
	// Plugins is the drop-in folder: what lies there is installed, at start, on SIGHUP and on POST /plugins/reload. Empty: none.
	Plugins string
	// Insecure serves on addresses that other machines reach, though nothing asks them who they are.
	Insecure bool

	// Tokens are those that callers may show, as "berth token" writes them. With any, every request needs one.
	Tokens []server.Token
	// JWTKeys is a folder of the public keys of issuers; callers may show JWTs signed with them, as with eKuiper. Empty: none.
	JWTKeys string
	// TLSCert is a file of the certificate, and of those that lead to its authority; TCP is TLS then. Empty: no TLS.
	TLSCert string
	// TLSKey is a file of the certificate's key.
	TLSKey string
	// TLSClientCA is a file of authorities; clients then need a certificate of one of them. Empty: they need none.
	TLSClientCA string
	// CORSOrigins are the origins of web pages that may use the API, such as https://ui.example.com. *: all. Empty: none.
	CORSOrigins []string

	// LogLevel is the least level that is logged: debug, info, warn or error.
	LogLevel string
	// LogFormat is how log lines are written to stderr: text or json.
	LogFormat string

	// Budget is the memory that loaded plugins may take together; those used least are unloaded beyond it.
	Budget host.Bytes

	// Memory is the linear memory that one instance of a plugin may have. Manifests may narrow this and the next five.
	Memory host.Bytes
	// Input is the size of a call's input.
	Input host.Bytes
	// Output is the size of a call's result.
	Output host.Bytes
	// Timeout is how long a call may take. 0: as long as it likes.
	Timeout time.Duration
	// Instances is how many calls of one plugin may run at one time. 0: four a processor.
	Instances int
	// Fuel is how much a call may use, in the sandbox's units. 0: no bound but its time.
	Fuel int64

	// Calls is how many calls of sandboxed plugins run at one time. 0: one a processor.
	Calls int
	// Queue is how many calls wait for a place; those beyond it get a 503.
	Queue int
	// QueueTime is how long a call waits for a place before it gets a 503.
	QueueTime time.Duration

	// PolicyHosts are patterns of the hosts that plugins may send requests to, such as *.example.com. Empty: none.
	PolicyHosts []string
	// PolicyAddresses are ranges of addresses that are not public, such as 10.0.0.0/8, which these requests may reach.
	PolicyAddresses []netip.Prefix
	// PolicyPaths are folders that plugins may be granted, or folders below them; :ro at the end: for reading only. Their
	// own data folders they are granted anyway.
	PolicyPaths []string
	// PolicyEnv lets plugins have the environment variables that their manifests set.
	PolicyEnv bool
	// PolicyConfig lets plugins have the configuration that their manifests hold.
	PolicyConfig bool
	// PolicyClock lets plugins know the time.
	PolicyClock bool
	// PolicyRandom lets plugins have real randomness.
	PolicyRandom bool

	// Drain is how long calls may end in peace when their plugin is dropped, updated or unloaded.
	Drain time.Duration
	// LoadTimeout is how long loading a plugin may take, compiling included.
	LoadTimeout time.Duration

	// Scripts is what becomes of packages that carry install.sh: allow runs it, with the rights of the host; deny refuses them.
	Scripts string
	// ScriptTimeout is how long an install.sh may take.
	ScriptTimeout time.Duration

	// DownloadLimit is the size of a package.
	DownloadLimit host.Bytes
	// UnpackedLimit is the size of a package's files together.
	UnpackedLimit host.Bytes
	// FileLimit is the number of files in a package.
	FileLimit int
	// DownloadTimeout is how long a package's download may take.
	DownloadTimeout time.Duration
	// DownloadSchemes are how packages may be had: http, https, file. Empty: nothing is downloaded.
	DownloadSchemes []string
	// DownloadHosts are patterns of the hosts that packages may come from, such as *.example.com. Empty: any.
	DownloadHosts []string
	// DownloadAddresses are ranges of addresses that packages may come from; no proxy is used then. Empty: any.
	DownloadAddresses []netip.Prefix

	// Signatures says what becomes of packages without a valid signature: off (nobody looks), warn or require.
	Signatures string
	// SignatureKeys are files of the public keys, PEM, by one of which a package is to be signed.
	SignatureKeys []string

	// PluginHosts are prefixes of URLs below which prebuilt plugins lie; of those that have a plugin the first counts. Empty: none.
	PluginHosts []string
	// PluginVersion is the version of eKuiper whose prebuilt plugins are listed.
	PluginVersion string
	// PluginSystem is the system for which prebuilt plugins are listed, such as alpine or debian. Empty: this machine's.
	PluginSystem string

	// Connections is how many connections are served at one time; those beyond it get a 503.
	Connections int
	// BatchLimit is the size of a batch of calls.
	BatchLimit host.Bytes
	// ReadTimeout is how long a request may take to arrive.
	ReadTimeout time.Duration
	// UploadTimeout is how long a request with over 64 KiB may take to arrive.
	UploadTimeout time.Duration
	// RestoreLimit is the size of a backup that is restored.
	RestoreLimit host.Bytes
	// RestoreTimeout is how long such a backup may take to arrive.
	RestoreTimeout time.Duration
	// WriteTimeout is how long a client may take to receive an answer.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may stay open without a request.
	IdleTimeout time.Duration
	// ShutdownTimeout is how long the requests under way may take to finish after SIGINT or SIGTERM.
	ShutdownTimeout time.Duration

	// Figures is how many functions have metrics of their own; the others share one set.
	Figures int
}

// defaultConfig is what holds without file, environment and flags.
func defaultConfig() config {
	limits, policy := host.DefaultLimits(), host.DefaultPolicy()
	return config{
		Listen:          "127.0.0.1:9081",
		UnixMode:        0o600,
		Data:            "data",
		LogLevel:        "info",
		LogFormat:       "text",
		Budget:          512 << 20,
		Memory:          limits.Memory,
		Input:           limits.Input,
		Output:          limits.Output,
		Timeout:         limits.Timeout,
		Fuel:            limits.Fuel,
		Queue:           1024,
		QueueTime:       time.Second,
		PolicyEnv:       policy.Env,
		PolicyConfig:    policy.Config,
		PolicyClock:     policy.Clock,
		PolicyRandom:    policy.Random,
		Drain:           10 * time.Second,
		LoadTimeout:     time.Minute,
		Scripts:         "allow",
		ScriptTimeout:   5 * time.Minute,
		DownloadLimit:   host.Bytes(archive.DefaultDownload),
		UnpackedLimit:   host.Bytes(archive.DefaultUnpacked),
		FileLimit:       archive.DefaultFiles,
		DownloadTimeout: archive.DefaultTimeout,
		DownloadSchemes: []string{"http", "https", "file"},
		Signatures:      host.SignaturesOff.String(),
		PluginHosts:     []string{catalog.DefaultHost},
		PluginVersion:   catalog.DefaultVersion,
		Connections:     1024,
		BatchLimit:      16 << 20,
		ReadTimeout:     10 * time.Second,
		UploadTimeout:   2 * time.Minute,
		RestoreLimit:    8 << 30,
		RestoreTimeout:  time.Hour,
		WriteTimeout:    30 * time.Second,
		IdleTimeout:     2 * time.Minute,
		ShutdownTimeout: 30 * time.Second,
		Figures:         500,
	}
}

// option is one key: its value, which lies in a config, and what it does.
type option struct {
	name  string
	value value
	help  string
}

// options lists the keys of c, in the order in which they are shown.
func (c *config) options() []option {
	return []option{
		{"listen", (*textValue)(&c.Listen), "TCP address to serve on; port 0 picks a free one, which the log's first line tells; empty: no TCP"},
		{"unix", (*textValue)(&c.Unix), "path of a Unix socket to serve on, at most 107 bytes, in a folder that exists; empty: none"},
		{"unix-mode", (*modeValue)(&c.UnixMode), "permissions of the socket: 0600, or 0660 to let its group in"},
		{"data", (*textValue)(&c.Data), "folder of everything that is installed, made if it is not there; one host at a time may use it"},
		{"plugins", (*textValue)(&c.Plugins), "drop-in folder: plugins that lie there are installed, at start, on SIGHUP and on POST /plugins/reload; empty: none"},
		{"insecure", (*boolValue)(&c.Insecure), "serve on addresses that other machines reach, though nothing asks them who they are"},
		{"tokens", &listValue[server.Token]{&c.Tokens, server.ParseToken}, "tokens that callers may show, as \"berth token\" writes them; with any, every request needs one"},
		{"jwt-keys", (*textValue)(&c.JWTKeys), "folder of the public keys of issuers, in PEM; callers may show JWTs signed with them, as with eKuiper; empty: none"},
		{"tls-cert", (*textValue)(&c.TLSCert), "file of the certificate, and of those that lead to its authority, in PEM; TCP is TLS then; read again when it changes; empty: no TLS"},
		{"tls-key", (*textValue)(&c.TLSKey), "file of the certificate's key, in PEM"},
		{"tls-client-ca", (*textValue)(&c.TLSClientCA), "file of authorities, in PEM; clients then need a certificate of one of them; empty: they need none"},
		{"cors-origins", &listValue[string]{&c.CORSOrigins, server.ParseOrigin}, "origins of web pages that may use the API, such as https://ui.example.com; *: all; empty: none"},
		{"log-level", &choiceValue{&c.LogLevel, []string{"debug", "info", "warn", "error"}}, "least level that is logged: debug, info, warn or error"},
		{"log-format", &choiceValue{&c.LogFormat, []string{"text", "json"}}, "how log lines are written to stderr: text or json"},
		{"budget", &sizeValue{&c.Budget, 1 << 20, math.MaxInt64}, "memory that loaded plugins may take together; those used least are unloaded beyond it"},
		{"memory", &sizeValue{&c.Memory, wasmPage, 4 << 30}, "linear memory of one instance of a plugin; manifests may narrow this and the next five"},
		{"input", &sizeValue{&c.Input, 1, maxBody}, "size of a call's input"},
		{"output", &sizeValue{&c.Output, 1, maxBody}, "size of a call's result"},
		{"timeout", &durationValue{&c.Timeout, true}, "how long a call may take; 0: as long as it likes"},
		{"instances", &countValue[int]{&c.Instances, 0}, "calls of one plugin that may run at one time; 0: four a processor"},
		{"fuel", &countValue[int64]{&c.Fuel, 0}, "how much a call may use, in the sandbox's units; 0: no bound but its time"},
		{"calls", &countValue[int]{&c.Calls, 0}, "calls of sandboxed plugins that run at one time; 0: one a processor"},
		{"queue", &countValue[int]{&c.Queue, 1}, "calls that wait for a place; those beyond it get a 503"},
		{"queue-time", &durationValue{&c.QueueTime, false}, "how long a call waits for a place before it gets a 503"},
		{"policy-hosts", &listValue[string]{&c.PolicyHosts, parseHostPattern}, "patterns of the hosts that plugins may send requests to, such as *.example.com; empty: none"},
		{"policy-addresses", &listValue[netip.Prefix]{&c.PolicyAddresses, parsePrefix}, "ranges of addresses that are not public, such as 10.0.0.0/8, which these requests may reach"},
		{"policy-paths", &listValue[string]{&c.PolicyPaths, parsePolicyPath}, "folders that plugins may be granted, or folders below them; :ro at the end: for reading only; their own data folders they are granted anyway"},
		{"policy-env", (*boolValue)(&c.PolicyEnv), "let plugins have the environment variables that their manifests set"},
		{"policy-config", (*boolValue)(&c.PolicyConfig), "let plugins have the configuration that their manifests hold"},
		{"policy-clock", (*boolValue)(&c.PolicyClock), "let plugins know the time"},
		{"policy-random", (*boolValue)(&c.PolicyRandom), "let plugins have real randomness"},
		{"drain", &durationValue{&c.Drain, false}, "how long calls may end in peace when their plugin is dropped, updated or unloaded"},
		{"load-timeout", &durationValue{&c.LoadTimeout, false}, "how long loading a plugin may take, compiling included"},
		{"scripts", &choiceValue{&c.Scripts, []string{"allow", "deny"}}, "what becomes of packages that carry install.sh: allow runs it, with the rights of the host; deny refuses them"},
		{"script-timeout", &durationValue{&c.ScriptTimeout, false}, "how long an install.sh may take"},
		{"download-limit", &sizeValue{&c.DownloadLimit, 1, math.MaxInt64}, "size of a package"},
		{"unpacked-limit", &sizeValue{&c.UnpackedLimit, 1, math.MaxInt64}, "size of a package's files together"},
		{"file-limit", &countValue[int]{&c.FileLimit, 1}, "number of files in a package"},
		{"download-timeout", &durationValue{&c.DownloadTimeout, false}, "how long a package's download may take"},
		{"download-schemes", &listValue[string]{&c.DownloadSchemes, parseScheme}, "how packages, their signatures and modules may be had: http, https, file; empty: nothing is downloaded"},
		{"download-hosts", &listValue[string]{&c.DownloadHosts, parseHostPattern}, "patterns of the hosts that they may come from, such as *.example.com, redirects included; empty: any"},
		{"download-addresses", &listValue[netip.Prefix]{&c.DownloadAddresses, parsePrefix}, "ranges of addresses that they may come from, such as 10.0.0.0/8; no proxy is used then; empty: any, private networks included"},
		{"signatures", &choiceValue{&c.Signatures, signatureModes()}, "what becomes of packages without a valid signature: off (nobody looks), warn (they are installed with a warning) or require (they are refused)"},
		{"signature-keys", &listValue[string]{&c.SignatureKeys, parseFile}, "files of the public keys, PEM, by one of which a package is to be signed; each may hold several"},
		{"plugin-hosts", &listValue[string]{&c.PluginHosts, parsePluginHost}, "prefixes of URLs below which prebuilt plugins lie; of those that have a plugin the first counts; empty: none"},
		{"plugin-version", &elementValue{&c.PluginVersion, false}, "version of eKuiper whose prebuilt plugins are listed"},
		{"plugin-system", &elementValue{&c.PluginSystem, true}, "system for which prebuilt plugins are listed, such as alpine or debian; empty: this machine's"},
		{"connections", &countValue[int]{&c.Connections, 1}, "connections that are served at one time; those beyond it get a 503"},
		{"batch-limit", &sizeValue{&c.BatchLimit, 1, maxBody}, "size of a batch of calls"},
		{"read-timeout", &durationValue{&c.ReadTimeout, false}, "how long a request may take to arrive"},
		{"upload-timeout", &durationValue{&c.UploadTimeout, false}, "how long a request with over 64KiB may take to arrive"},
		{"restore-limit", &sizeValue{&c.RestoreLimit, 1, math.MaxInt64}, "size of a backup that is restored"},
		{"restore-timeout", &durationValue{&c.RestoreTimeout, false}, "how long such a backup may take to arrive"},
		{"write-timeout", &durationValue{&c.WriteTimeout, false}, "how long a client may take to receive an answer"},
		{"idle-timeout", &durationValue{&c.IdleTimeout, false}, "how long a connection may stay open without a request"},
		{"shutdown-timeout", &durationValue{&c.ShutdownTimeout, false}, "how long the requests under way may take to finish after SIGINT or SIGTERM"},
		{"figures", &countValue[int]{&c.Figures, 1}, "functions that have metrics of their own; the others share one set"},
	}
}

const (
	// wasmPage is the least memory a WebAssembly instance can have.
	wasmPage = 64 << 10

	// bodySlack is how much longer than an input a body may be before it is not read at all: the message about inputs says
	// more. maxBody keeps bodies within what the server takes.
	bodySlack = 64 << 10
	maxBody   = math.MaxInt32 - bodySlack
)

// limits are the limits of plugins, as the host takes them.
func (c *config) limits() host.Limits {
	instances := c.Instances
	if instances == 0 {
		instances = 4 * runtime.GOMAXPROCS(0)
	}
	return host.Limits{Memory: c.Memory, Input: c.Input, Output: c.Output, Timeout: c.Timeout, Instances: instances, Fuel: c.Fuel}
}

// policy is what plugins may be granted, as the host takes it.
func (c *config) policy() host.Policy {
	return host.Policy{Hosts: c.PolicyHosts, Addresses: c.PolicyAddresses, Paths: c.PolicyPaths, OwnData: true,
		Env: c.PolicyEnv, Config: c.PolicyConfig, Clock: c.PolicyClock, Random: c.PolicyRandom}
}

// admission is how many sandboxed calls run, as the sandbox takes it.
func (c *config) admission() sandbox.Admission {
	return sandbox.Admission{Places: c.Calls, Queue: c.Queue, Wait: c.QueueTime}
}

// archive are the limits of packages, and where they may come from, as the host takes them.
func (c *config) archive() (archive.Limits, error) {
	sources, err := c.sources()
	return archive.Limits{
		Download: int64(c.DownloadLimit),
		Unpacked: int64(c.UnpackedLimit),
		Files:    c.FileLimit,
		Timeout:  c.DownloadTimeout,
		Sources:  sources,
	}, err
}

// isLoopback tells whether only this machine reaches the address. Of names only "localhost" is taken for one that is:
// what others stand for can change.
func isLoopback(hostport string) bool {
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return false
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}
