package server

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestTrust: the keys "sha256" and "signature" reach the host, in create and in
// update, and the status tells what was found.
func TestTrust(t *testing.T) {
	r := serve(t, nil, nil)
	zip, err := os.ReadFile(strings.TrimPrefix(r.plugin("echo", "v1.0.0", "echo"), "file://"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(zip)
	digest, other := hex.EncodeToString(sum[:]), strings.Repeat("0", 64)
	const path = "/plugins/functions"
	request := func(sha256 string) string {
		return `{"name":"echo","file":"${FILES}/echov1.0.0.zip","sha256":"` + sha256 + `","signature":"AAAA"}`
	}
	r.play([]step{
		{"POST", path, request("xyz"), 400, "~functions plugins create command error: property 'sha256': a SHA-256 has 64 hex digits"},
		{"POST", path, request(other), 400, "~create command error: fail to install plugin: the zip's sha256 is " + digest + ", and the request says " + other},
		{"POST", path, `{"name":"echo","file":"${FILES}/echov1.0.0.zip","sha256":1}`, 400, "~json: sha256 is of type number and has to be of type string"},
		{"POST", path, `{"name":"echo","file":"${FILES}/echov1.0.0.zip","signature":[]}`, 400, "~json: signature is of type array and has to be of type string"},
		{"GET", path, "", 200, "[]"},
		{"POST", path, request(digest), 201, "functions plugin echo is created"},
		{"GET", path + "/echo/status", "", 200, `~"warnings":\["the signature in the request was not looked at: .*"signature":""`},
		{"PUT", path + "/echo", request(other), 400, "~" + digest},
		{"PUT", path + "/echo", request(strings.ToUpper(digest)), 200, "plugin echo is updated and serves now."},
		{"GET", "/data/export", "", 200, `~\\"sha256\\":\\"` + digest + `\\"}"`},
		{"POST", "/invoke/echo", "x", 200, "x"},
	})
}
