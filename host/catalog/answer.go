package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"berth/host/archive"
)

// errNoIndex: a plugin host was reached, and what it answered is no index.
var errNoIndex = errors.New("no index")

// answer asks a plugin host and writes down what came of it.
func (c *Catalog) answer(q question, a *answer) {
	defer close(a.done)
	offers, keep := c.offers(q)
	a.offers, a.until = offers, c.now().Add(keep)
}

// offers are the URLs that a plugin host has, nil if it cannot be reached, and how long that is to be remembered.
func (c *Catalog) offers(q question) (map[string]string, time.Duration) {
	folder := c.folder(q.prefix, q.kind)
	log := c.log.With("index", archive.Redacted(folder)+"/"+IndexFile)
	offers, faults, err := c.fetch(folder + "/" + IndexFile)
	switch {
	case err == nil:
		if len(faults) > 0 {
			log.Warn("packages of a plugin host are left out", "count", len(faults), "first", faults[0])
		}
		return offers, c.keep
	case errors.Is(err, fs.ErrNotExist):
		log.Debug("a plugin host has no index: eKuiper's list is assumed")
		return builtInOffers(q.kind, folder, c.arch), c.keep
	case errors.Is(err, errNoIndex):
		log.Warn("a plugin host gives no index: eKuiper's list is assumed", "error", err, "retry", c.retry)
		return builtInOffers(q.kind, folder, c.arch), c.retry
	case c.life.Err() == nil:
		log.Warn("a plugin host is left out", "error", err, "retry", c.retry)
	}
	return nil, c.retry
}

// fetch downloads an index and judges what is in it, as [Index.Offers] does. That there is none is an fs.ErrNotExist, any
// other answer that is none an errNoIndex.
func (c *Catalog) fetch(place string) (offers map[string]string, faults []error, err error) {
	base, err := url.Parse(place)
	if err != nil {
		return nil, nil, err
	}
	var body bytes.Buffer
	_, err = archive.FetchFile(c.life, place, nil, &body, c.limits)
	var status *archive.StatusError
	switch {
	case errors.As(err, &status) && !fromGateway(status.Status), errors.Is(err, archive.ErrTooLarge):
		return nil, nil, fmt.Errorf("%w: %w", errNoIndex, err)
	case err != nil:
		return nil, nil, err
	}
	index, err := ParseIndex(body.Bytes())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNoIndex, err)
	}
	offers, faults = index.Offers(base, c.arch)
	return offers, faults, nil
}

// fromGateway tells the statuses with which something in between says that the host itself cannot be reached.
func fromGateway(status int) bool {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
