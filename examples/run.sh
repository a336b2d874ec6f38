#!/bin/sh
# Starts a host with the Go example installed and prints the lines that call
# it. `make run` calls this; Ctrl-C ends the host.
#
#   run.sh <berth> <listen> <data folder> <toolbox.zip>
set -eu
berth=$1 listen=$2 data=$3 zip=$4

case $listen in *:0)
	echo "make run needs a port to print lines that call it: LISTEN=127.0.0.1:9082, say" >&2
	exit 2
esac
if "$berth" plugin list --host "http://$listen" >/dev/null 2>&1; then
	echo "a host runs at $listen already: stop it, or choose another port with LISTEN=127.0.0.1:9082" >&2
	exit 1
fi

"$berth" serve --listen "$listen" --data "$data" &
host=$!
# Ctrl-C reaches the host too, which then ends in peace; all there is to do is
# wait for it.
trap : INT
trap 'kill "$host" 2>/dev/null || :' TERM
until "$berth" plugin list --host "http://$listen" >/dev/null 2>&1; do
	kill -0 "$host" 2>/dev/null || { wait "$host"; exit 1; }
	sleep 0.1
done
if "$berth" plugin describe toolbox --host "http://$listen" >/dev/null 2>&1; then
	"$berth" plugin update toolbox "$zip" --host "http://$listen"
else
	"$berth" plugin create toolbox "$zip" --host "http://$listen"
fi
cat <<EOF

Berth runs, with the example plugin "toolbox" in it. Call its functions:

  curl -s -d '[48.2082,16.3738,7]' http://$listen/invoke/geohash
  curl -s -d '[{"a":{"b":[1,2,{"c":"found"}]}},"a.b[2].c"]' http://$listen/invoke/pick
  curl -s -d '[100,"C","F"]' http://$listen/invoke/convert

Ctrl-C ends it; what is installed stays in $data.

EOF
while kill -0 "$host" 2>/dev/null; do
	wait "$host" || :
done
