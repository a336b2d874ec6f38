// Command berth is the plugin host, and the tool that talks to one.
//
//	berth serve         run the host
//	berth config        print the effective configuration as a berth.yaml
//	berth plugin        create, list, describe, update, register, drop plugins; their status and logs; prebuilt ones; reload
//	berth invoke        call a function
//	berth export        write down what is installed
//	berth import        install what export wrote down
//	berth backup        save all that a running host keeps
//	berth restore       make a host what it was when a backup was made
//	berth upload        put files on a host, list and drop them
//	berth stop          end a running host
//	berth pack          make a package of a folder, or a plugin host of many packages
//	berth build-plugin  build a Go plugin that fits this host
//	berth keygen        make a pair of keys to sign packages with
//	berth sign          sign a package
//	berth verify        check the signature of a package
//	berth token         make a token that callers show
//	berth version       say what this binary is
//
// # Configuration
//
// Every key of [config] is a line of berth.yaml (--config, BERTH_CONFIG; ./berth.yaml if it is there), a variable
// (BERTH_LOG_LEVEL for log-level) and a flag (--log-level) of serve and config; of these the later wins. All faults are
// reported together, each with the line, variable or flag it is in. An empty variable counts as not set, and those that
// Kubernetes makes for a service called "berth" (BERTH_SERVICE_HOST, BERTH_PORT_...) are not ours and are ignored.
//
// # Exit codes
//
//	0  done
//	1  failed for a reason that has no code of its own
//	2  the command line or the configuration is wrong
//	3  no such plugin, function or file (404)
//	4  the host refused it: malformed, not allowed, taken, too large (400, 403, 413 and other 4xx)
//	5  the function itself said no (422)
//	6  the function trapped or crashed (500)
//	7  the time was up (504, 408, or --timeout)
//	8  the host cannot be reached, or cannot serve now (503)
//	100  serve was ended by a request that asked for a restart (?stop=1)
package main
