//go:build wasip1

// Command vowels is an Extism plugin in plain Go, with Extism's own plugin
// development kit: it runs in any host that runs Extism plugins, and in Berth.
package main

import (
	"strconv"
	"strings"

	"github.com/extism/go-pdk"
)

func main() {} // not run: the plugin is a library

// What an export of an Extism plugin returns.
const (
	success = 0
	failure = 1
)

// nop does nothing: what is left is what a call costs.
//
//go:wasmexport nop
func nop() int32 { return success }

// countVowels counts the vowels of the input and keeps a total in a variable.
// Which letters are vowels is configuration.
//
//go:wasmexport count_vowels
func countVowels() int32 {
	vowels, ok := pdk.GetConfig("vowels")
	if !ok {
		vowels = "aeiouAEIOU"
	}
	count := 0
	for _, letter := range pdk.InputString() {
		if strings.ContainsRune(vowels, letter) {
			count++
		}
	}
	total := pdk.GetVarInt("total") + count
	pdk.SetVarInt("total", total)
	return reply(struct {
		Count  int    `json:"count"`
		Total  int    `json:"total"`
		Vowels string `json:"vowels"`
	}{count, total, vowels})
}

// greet takes {"name": …} and logs whom it greeted.
//
//go:wasmexport greet
func greet() int32 {
	var who struct {
		Name string `json:"name"`
	}
	if err := pdk.InputJSON(&who); err != nil {
		return refuse(`want {"name": "…"}: ` + err.Error())
	}
	if who.Name == "" {
		return refuse("whom shall I greet? The name is empty")
	}
	greeting, ok := pdk.GetConfig("greeting")
	if !ok {
		greeting = "Hello"
	}
	pdk.Log(pdk.LogInfo, "greeting "+who.Name)
	return reply(struct {
		Greeting string `json:"greeting"`
	}{greeting + ", " + who.Name + "!"})
}

// httpGet fetches the address in the input, where the host allows it.
//
//go:wasmexport http_get
func httpGet() int32 {
	response := pdk.NewHTTPRequest(pdk.MethodGet, pdk.InputString()).Send()
	if status := response.Status(); status < 200 || status > 299 {
		return refuse("the server answered " + strconv.Itoa(int(status)))
	}
	pdk.OutputMemory(response.Memory())
	return success
}

// fail answers with the input as an error.
//
//go:wasmexport fail
func fail() int32 { return refuse(pdk.InputString()) }

func reply(answer any) int32 {
	if err := pdk.OutputJSON(answer); err != nil {
		return refuse(err.Error())
	}
	return success
}

func refuse(why string) int32 {
	pdk.SetErrorString(why)
	return failure
}
