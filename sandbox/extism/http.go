package extism

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// MaxHeaders bounds the headers of a response, in bytes of names and values.
// It holds where http_headers answers; the client has a bound of its own.
const MaxHeaders = 256 << 10

// Doer sends the requests of a plugin: it decides which hosts may be reached,
// for redirects, too, and bounds the headers of a response. *http.Client is one.
// The request's context ends with the call.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// httpRequest is the import "http_request". wait is Instantiate's.
func (k *Kernel) httpRequest(ctx context.Context, wait Wait, description, content uint64) (uint64, error) {
	k.status, k.headers = 0, nil
	text, view := k.take(description), k.take(content)
	if err := k.spend(callWork + len(text) + len(view)); err != nil {
		return 0, err
	}
	request, err := parseRequest(text)
	if err != nil {
		return 0, err
	}
	if k.config.HTTP == nil {
		return 0, &Denied{Capability: "hosts", Target: request.url.Hostname()}
	}
	blocking, done := wait(ctx)
	defer done()
	// A client may go on reading the body after it answered: it gets a copy.
	req, err := request.build(blocking, bytes.Clone(view))
	if err != nil {
		return 0, err
	}
	handle, err := k.send(req)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, err)
	}
	return handle, nil
}

// send puts the body of the response into a block.
func (k *Kernel) send(req *http.Request) (uint64, error) {
	resp, err := k.config.HTTP.Do(req)
	if err != nil {
		return 0, unwrapURL(err)
	}
	defer resp.Body.Close()
	limit := k.config.MaxResponse
	if resp.ContentLength > limit && req.Method != http.MethodHead {
		return 0, fmt.Errorf("the response has %d bytes: at most %d are allowed", resp.ContentLength, limit)
	}
	var headers []byte
	if k.config.Headers {
		if headers, err = encodeHeaders(resp.Header); err != nil {
			return 0, err
		}
	}
	handle, err := k.arena.readFrom(resp.Body, limit, resp.ContentLength)
	switch {
	case errors.Is(err, errOversize):
		return 0, fmt.Errorf("the response has more than the %d bytes that are allowed", limit)
	case errors.Is(err, errArenaFull):
		return 0, fmt.Errorf("the response does not fit the arena of %d bytes", k.arena.limit)
	case err != nil:
		return 0, fmt.Errorf("the body of the response: %w", err)
	}
	k.status, k.headers = int32(resp.StatusCode), headers
	return handle, k.spend(int(k.arena.length(handle)))
}

// httpHeaders is the import "http_headers".
func (k *Kernel) httpHeaders() (uint64, error) {
	return put(&k.arena, k.headers), k.spend(callWork + len(k.headers))
}

// encodeHeaders makes a JSON object of headers: names in lower case, the values
// of one name joined by commas.
func encodeHeaders(header http.Header) ([]byte, error) {
	joined, size := make(map[string]string, len(header)), 0
	for name, values := range header {
		value := strings.Join(values, ",")
		joined[strings.ToLower(name)] = value
		size += len(name) + len(value)
	}
	if size > MaxHeaders {
		return nil, fmt.Errorf("the headers of the response have %d bytes: at most %d are allowed", size, MaxHeaders)
	}
	return json.Marshal(joined)
}

// unwrapURL takes the URL out of an error: a guest's query may hold secrets.
func unwrapURL(err error) error {
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		return outer.Err
	}
	return err
}
