package extism

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// MaxRequest bounds the description of a request (JSON), in bytes.
const MaxRequest = 256 << 10

// request is what http_request takes, checked.
type request struct {
	url    *url.URL
	method string
	header http.Header
}

// parseRequest decodes and checks the description of a request:
// {"url": string, "method": string, "headers": {string: string}}, all but url
// optional. Other keys are ignored.
func parseRequest(text []byte) (request, error) {
	if len(text) > MaxRequest {
		return request{}, fmt.Errorf("the description of the request has %d bytes: at most %d are allowed", len(text), MaxRequest)
	}
	var raw struct {
		URL     string            `json:"url"`
		Method  string            `json:"method"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return request{}, fmt.Errorf("the description of the request: %w", err)
	}
	target, err := parseURL(raw.URL)
	if err != nil {
		return request{}, err
	}
	method, err := parseMethod(raw.Method)
	if err != nil {
		return request{}, err
	}
	header, err := parseHeaders(raw.Headers)
	return request{target, method, header}, err
}

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("invalid URL: %w", unwrapURL(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("invalid URL: the scheme must be http or https, not %q", u.Scheme)
	case u.Hostname() == "":
		return nil, fault("invalid URL: it names no host")
	}
	return u, nil
}

// parseMethod returns the method in capitals, GET if there is none. CONNECT is
// refused: it makes a tunnel to a host of which nobody knows.
func parseMethod(text string) (string, error) {
	method := strings.ToUpper(text)
	switch {
	case method == "":
		return http.MethodGet, nil
	case !token(method):
		return "", fmt.Errorf("invalid method %q", text)
	case method == http.MethodConnect:
		return "", fault("the method CONNECT is not offered")
	}
	return method, nil
}

// parseHeaders checks names and values, so that neither can smuggle a line into
// the request. Headers that belong to the connection are left out: they are the
// client's to write.
func parseHeaders(raw map[string]string) (http.Header, error) {
	header := make(http.Header, len(raw))
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		value := strings.Trim(raw[name], " \t")
		if !token(name) {
			return nil, fmt.Errorf("invalid header name %q", name)
		}
		if strings.ContainsFunc(value, control) {
			return nil, fmt.Errorf("invalid value of the header %q", name)
		}
		switch key := http.CanonicalHeaderKey(name); key {
		case "Host", "Content-Length", "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		default:
			header.Set(key, value)
		}
	}
	return header, nil
}

// token says whether s is what HTTP calls a token.
func token(s string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(marks, r)
	})
}

// control says whether r may not stand in a header's value.
func control(r rune) bool {
	return r < ' ' && r != '\t' || r == 0x7f
}

// build makes the request to send. body is the request's own.
func (r request) build(ctx context.Context, body []byte) (*http.Request, error) {
	var reader io.Reader
	if len(body) > 0 {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url.String(), reader)
	if err != nil {
		return nil, unwrapURL(err)
	}
	req.Header = r.header
	return req, nil
}
