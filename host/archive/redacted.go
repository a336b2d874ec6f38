package archive

import (
	"net/url"
	"strings"
)

// Redacted is a URI without the password in it, if there is one: what messages, logs and states show. The rest is as it was
// written. Text that is no URI it takes for one as far as it can.
func Redacted(uri string) string {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	authority := rest
	if _, err := url.Parse(uri); err == nil { // else a password may have hold of any character
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			authority = rest[:end]
		}
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return uri
	}
	user, _, ok := strings.Cut(authority[:at], ":")
	if !ok {
		return uri
	}
	return scheme + "://" + user + ":xxxxx" + rest[at:]
}
