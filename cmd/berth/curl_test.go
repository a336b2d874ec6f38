package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// curlLine is a curl command of a page. Only the options that pages use are
// understood, so that a test can send the same request by itself.
type curlLine struct {
	words   []string // without curl
	method  string
	url     string
	headers []string // "Name: value"
	body    string   // of -d and --data-binary; @file is the content of a file
	hasBody bool
	form    string // of -F: field=@file
	output  string // a file; empty: standard output
	include bool   // the header comes with the answer
}

func parseCurl(command string) (*curlLine, error) {
	words, err := shellWords(command)
	if err != nil {
		return nil, err
	}
	if len(words) < 2 || words[0] != "curl" {
		return nil, errors.New("no curl command")
	}
	c := &curlLine{words: words[1:]}
	for i := 1; i < len(words); i++ {
		next := func() string {
			if i++; i < len(words) {
				return words[i]
			}
			err = errors.Join(err, fmt.Errorf("%s lacks its value", words[i-1]))
			return ""
		}
		switch word := words[i]; word {
		case "-s":
		case "-i":
			c.include = true
		case "-X":
			c.method = next()
		case "-H":
			c.headers = append(c.headers, next())
		case "-d", "--data-binary":
			c.body, c.hasBody = next(), true
		case "-F":
			c.form = next()
		case "-o":
			c.output = next()
		default:
			if strings.HasPrefix(word, "-") || c.url != "" {
				err = errors.Join(err, fmt.Errorf("the option %q is not understood", word))
			}
			c.url = word
		}
	}
	switch {
	case c.method == "" && (c.hasBody || c.form != ""):
		c.method = http.MethodPost
	case c.method == "":
		c.method = http.MethodGet
	}
	return c, err
}

// shellWords splits a command like a shell that expands nothing: what one would
// expand is an error.
func shellWords(command string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	begun := false
	for _, r := range command {
		switch {
		case quote == '\'' && r != '\'':
			word.WriteRune(r)
		case r == quote:
			quote = 0
		case strings.ContainsRune("$`\\*;|&<>()", r):
			return nil, fmt.Errorf("a shell would not take %q as it is: quote it by '", r)
		case quote == '"':
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\n':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	return words, nil
}

// run runs curl in a folder, and returns the status and what it wrote.
func (c *curlLine) run(t *testing.T, dir string) (status int, output string) {
	t.Helper()
	const mark = "\nstatus "
	args := slices.Concat([]string{"-q", "--noproxy", "*", "--max-time", strconv.Itoa(int(patience.Seconds())), "-w", mark + "%{http_code}"}, c.words)
	cmd := exec.CommandContext(t.Context(), "curl", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	text := string(out)
	end := strings.LastIndex(text, mark)
	if err != nil || end < 0 {
		t.Errorf("curl %q: %v, %q", c.words, err, out)
		return 0, ""
	}
	status, err = strconv.Atoi(text[end+len(mark):])
	if err != nil {
		t.Error(err)
	}
	return status, text[:end]
}

// send does what run does, without curl.
func (c *curlLine) send(t *testing.T, dir string) (status int, output string) {
	t.Helper()
	body, kind, err := c.content(dir)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for _, header := range c.headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	if c.output != "" {
		if err := os.WriteFile(filepath.Join(dir, c.output), answer, 0o600); err != nil {
			t.Error(err)
		}
		return resp.StatusCode, ""
	}
	var head bytes.Buffer
	if c.include {
		fmt.Fprintf(&head, "%s %s\r\n", resp.Proto, resp.Status)
		_ = resp.Header.Write(&head) // into memory
		head.WriteString("\r\n")
	}
	return resp.StatusCode, head.String() + string(answer)
}

// content is the body of the request, and the type that curl gives it.
func (c *curlLine) content(dir string) (body []byte, kind string, err error) {
	switch {
	case c.form != "":
		field, file, _ := strings.Cut(c.form, "=@")
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		part, err := w.CreateFormFile(field, file)
		if err != nil {
			return nil, "", err
		}
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, "", err
		}
		_, err = part.Write(data)
		err = errors.Join(err, w.Close())
		return form.Bytes(), w.FormDataContentType(), err
	case !c.hasBody:
		return nil, "", nil
	}
	const kindOfData = "application/x-www-form-urlencoded"
	if file, ok := strings.CutPrefix(c.body, "@"); ok {
		body, err = os.ReadFile(filepath.Join(dir, file))
		return body, kindOfData, err
	}
	return []byte(c.body), kindOfData, nil
}
