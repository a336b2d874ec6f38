// Package guests holds realistic guests of the berth ABI, to measure what
// metering costs code that plugins are made of, rather than empty loops:
//
//	hash    SHA-256 of 16 KiB, in C             arithmetic in registers
//	resize  256×256 RGBA to 128×128, in Rust    nested loops over memory
//	json    2 KB parsed and printed, in Go      allocation, maps, a collector
//
// hash.wasm and resize.wasm are checked in; README.md has the commands that
// make them. json.wasm is 3 MB, and built when it is asked for.
package guests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
)

// Guest is a workload: one function, the input to call it with, and the answer
// that it must give. Its slices are the caller's to read only.
type Guest struct {
	Name     string // "hash", "resize", "json"
	Function string // its export
	Input    []byte
	Answer   []byte
	Wasm     []byte
}

// All returns every guest. dir is the folder of this package, as the caller sees
// it. It runs the go command, which takes some seconds the first time and well
// below one after that; ctx ends that.
func All(ctx context.Context, dir string) ([]Guest, error) {
	hash, err := Hash(dir)
	if err != nil {
		return nil, err
	}
	resize, err := Resize(dir)
	if err != nil {
		return nil, err
	}
	json, err := JSON(ctx, dir)
	if err != nil {
		return nil, err
	}
	return []Guest{hash, resize, json}, nil
}

// Hash returns the guest hash. dir is as for All.
func Hash(dir string) (Guest, error) {
	wasm, err := os.ReadFile(filepath.Join(dir, "hash", "hash.wasm"))
	input := noise(16 << 10)
	sum := sha256.Sum256(input)
	return Guest{Name: "hash", Function: "sha256", Input: input, Answer: hex.AppendEncode(nil, sum[:]), Wasm: wasm}, err
}

// Resize returns the guest resize. dir is as for All.
func Resize(dir string) (Guest, error) {
	const from, to = 256, 128
	wasm, err := os.ReadFile(filepath.Join(dir, "resize", "resize.wasm"))
	pixels := noise(from * from * 4)
	return Guest{Name: "resize", Function: "resize", Input: ResizeInput(from, from, to, to, pixels), Answer: halve(pixels, from, from), Wasm: wasm}, err
}

// ResizeInput returns the input of resize: four sizes, and the RGBA pixels of
// the source.
func ResizeInput(width, height, toWidth, toHeight uint32, pixels []byte) []byte {
	input := make([]byte, 0, 16+len(pixels))
	for _, n := range []uint32{width, height, toWidth, toHeight} {
		input = binary.LittleEndian.AppendUint32(input, n)
	}
	return append(input, pixels...)
}

// halve returns an image of half the width and height: each pixel is the mean
// of four, which is what scaling bilinearly comes to there.
func halve(pixels []byte, width, height int) []byte {
	target := make([]byte, 0, len(pixels)/4)
	for y := 0; y < height; y += 2 {
		for x := 0; x < width; x += 2 {
			for channel := range 4 {
				at := (y*width+x)*4 + channel
				sum := int(pixels[at]) + int(pixels[at+4]) + int(pixels[at+width*4]) + int(pixels[at+width*4+4])
				target = append(target, byte((sum+2)/4))
			}
		}
	}
	return target
}

// JSON returns the guest json, built by the go command until ctx ends. dir is
// as for All.
func JSON(ctx context.Context, dir string) (Guest, error) {
	wasm, err := buildGo(ctx, filepath.Join(dir, "json"))
	if err != nil {
		return Guest{}, err
	}
	input, err := json.MarshalIndent(readings(), "", " ")
	if err != nil {
		return Guest{}, err
	}
	var answer bytes.Buffer
	if err := json.Compact(&answer, input); err != nil { // what is sorted already stays as it is
		return Guest{}, err
	}
	return Guest{Name: "json", Function: "reprint", Input: input, Answer: answer.Bytes(), Wasm: wasm}, nil
}

// readings is a document like those that a gateway sees: 2 KB when printed.
func readings() any {
	random := source()
	var all []any
	for i := range 10 {
		all = append(all, map[string]any{
			"device": fmt.Sprintf("device-%04d", i*37),
			"ok":     random.IntN(4) > 0,
			"tags":   []any{"hall 3", "line \"B\"", "größe"},
			"value":  float64(random.IntN(100_000)) / 1000,
			"window": []any{random.IntN(1000), random.IntN(1000), nil},
		})
	}
	return map[string]any{"at": "2026-11-22T08:00:00Z", "gateway": "north", "readings": all}
}

// buildGo builds the command in dir as a WebAssembly library.
func buildGo(ctx context.Context, dir string) ([]byte, error) {
	out, err := os.MkdirTemp("", "berth-guests-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	path := filepath.Join(out, "guest.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", dir, err, text)
	}
	return os.ReadFile(path)
}

func noise(n int) []byte {
	random, data := source(), make([]byte, n)
	for i := range data {
		data[i] = byte(random.UintN(256))
	}
	return data
}

// source gives the same numbers each time.
func source() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
