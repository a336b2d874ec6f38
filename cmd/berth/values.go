package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/host"
	"berth/host/catalog"
)

// value is a value of the configuration as text, from whatever source. A Set that fails leaves it as it was. Its
// methods are those of pflag.Value.
type value interface {
	Set(text string) error
	String() string
	Type() string
}

type textValue string

func (v *textValue) Set(text string) error {
	if strings.ContainsRune(text, 0) {
		return fmt.Errorf("the text holds a zero byte")
	}
	*v = textValue(text)
	return nil
}
func (v *textValue) String() string { return string(*v) }
func (*textValue) Type() string     { return "text" }

type boolValue bool

func (v *boolValue) Set(text string) error {
	switch text {
	case "true", "1":
		*v = true
	case "false", "0":
		*v = false
	default:
		return fmt.Errorf("%q is neither true nor false", text)
	}
	return nil
}
func (v *boolValue) String() string { return strconv.FormatBool(bool(*v)) }
func (*boolValue) Type() string     { return "bool" }

// modeValue are the permissions of a file, in octal.
type modeValue uint32

func (v *modeValue) Set(text string) error {
	mode, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || mode > 0o777 || mode&0o600 != 0o600 {
		return fmt.Errorf("%q are no permissions that let the host's own user in: write them like 0600 or 0660", text)
	}
	*v = modeValue(mode)
	return nil
}
func (v *modeValue) String() string { return fmt.Sprintf("%04o", uint32(*v)) }
func (*modeValue) Type() string     { return "mode" }

// elementValue is the name of a folder in the tree of a plugin host.
type elementValue struct {
	to    *string
	empty bool // it may be empty, which means something of its own
}

func (v *elementValue) Set(text string) error {
	if text != "" || !v.empty {
		if err := catalog.CheckElement(text); err != nil {
			return err
		}
	}
	*v.to = text
	return nil
}
func (v *elementValue) String() string { return *v.to }
func (*elementValue) Type() string     { return "name" }

// choiceValue is one of a few words.
type choiceValue struct {
	to      *string
	allowed []string
}

func (v *choiceValue) Set(text string) error {
	if !slices.Contains(v.allowed, text) {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(v.allowed, ", "))
	}
	*v.to = text
	return nil
}
func (v *choiceValue) String() string { return *v.to }
func (*choiceValue) Type() string     { return "word" }

type sizeValue struct {
	to          *host.Bytes
	least, most host.Bytes
}

func (v *sizeValue) Set(text string) error {
	size, err := host.ParseBytes(text)
	if err != nil {
		return err
	}
	if size < v.least {
		return fmt.Errorf("%v is too small: at least %v is needed", size, v.least)
	}
	if size > v.most {
		return fmt.Errorf("%v is too large: at most %v is possible", size, v.most)
	}
	*v.to = size
	return nil
}
func (v *sizeValue) String() string { return v.to.String() }
func (*sizeValue) Type() string     { return "size" }

type durationValue struct {
	to   *time.Duration
	zero bool // 0 is allowed, and means something of its own
}

func (v *durationValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a duration: write it with its unit, like 250ms, 5s or 2m", text)
	case d < 0:
		return fmt.Errorf("%v is negative", d)
	case d == 0 && !v.zero:
		return fmt.Errorf("0 is not allowed here: give it some time, like 5s")
	}
	*v.to = d
	return nil
}
func (v *durationValue) String() string { return shortDuration(*v.to) }
func (*durationValue) Type() string     { return "duration" }

// shortDuration writes 1m0s as 1m and 0s as 0.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "0s" {
		return "0"
	}
	return s
}

type countValue[N int | int64] struct {
	to    *N
	least N
}

func (v *countValue[N]) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || int64(N(n)) != n {
		return fmt.Errorf("%q is not a whole number", text)
	}
	if N(n) < v.least {
		return fmt.Errorf("%d is too small: at least %d is needed", n, v.least)
	}
	*v.to = N(n)
	return nil
}
func (v *countValue[N]) String() string { return strconv.FormatInt(int64(*v.to), 10) }
func (*countValue[N]) Type() string     { return "number" }

// listValue is a list with commas between its entries, which can have none in them. In the file it may be a list of yaml
// too, and a flag may be given several times.
type listValue[T any] struct {
	to    *[]T
	parse func(entry string) (T, error)
}

const listComma = ","

// isList tells whether a value is a list.
func isList(v value) bool { return v.Type() == listType }

const listType = "list"

func (v *listValue[T]) Set(text string) error {
	var list []T
	for entry := range strings.SplitSeq(text, listComma) {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		parsed, err := v.parse(entry)
		if err != nil {
			return err
		}
		list = append(list, parsed)
	}
	*v.to = list
	return nil
}

func (v *listValue[T]) String() string {
	var texts []string
	for _, entry := range *v.to {
		texts = append(texts, fmt.Sprint(entry))
	}
	return strings.Join(texts, listComma)
}
func (*listValue[T]) Type() string { return listType }

func parseHostPattern(entry string) (string, error) { return entry, host.CheckHostPattern(entry) }
func parsePluginHost(entry string) (string, error)  { return entry, catalog.CheckHost(entry) }
func parsePolicyPath(entry string) (string, error)  { return entry, host.CheckPolicyPath(entry) }

func parseFile(entry string) (string, error) { return entry, nil }

// parseScheme reads how a package may be had.
func parseScheme(entry string) (string, error) {
	if schemes := []string{"http", "https", "file"}; !slices.Contains(schemes, entry) {
		return "", fmt.Errorf("%q is not one of %s", entry, strings.Join(schemes, ", "))
	}
	return entry, nil
}

// signatureModes are the words of signatures.
func signatureModes() (words []string) {
	for _, mode := range host.SignatureModes() {
		words = append(words, mode.String())
	}
	return words
}

// parsePrefix reads a range of addresses, or one address.
func parsePrefix(entry string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		return prefix.Masked(), nil
	}
	address, err := netip.ParseAddr(entry)
	if err != nil || address.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no range of addresses: write it like 10.0.0.0/8, fd00::/8 or 192.168.1.7", entry)
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}
