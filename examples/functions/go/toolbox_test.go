package main

import (
	"strings"
	"testing"
)

// A row is one call: input to output, or to an error that contains fail.
type row struct{ input, output, fail string }

func check(t *testing.T, f function, rows []row) {
	t.Helper()
	for _, r := range rows {
		out, err := call(f, []byte(r.input))
		switch {
		case r.fail == "" && (err != nil || string(out) != r.output):
			t.Errorf("%s: got %s, %v; want %s", r.input, out, err, r.output)
		case r.fail != "" && (err == nil || !strings.Contains(err.Error(), r.fail)):
			t.Errorf("%s: got %s, %v; want an error with %q", r.input, out, err, r.fail)
		}
	}
}

func TestArguments(t *testing.T) {
	check(t, geohash, []row{
		{"", "", "want a JSON array of arguments, got nothing"},
		{"null", "", "want a JSON array of arguments, got null"},
		{`{"lat":1}`, "", `got {"lat":1}`},
		{`[1,2`, "", "want a JSON array"},
		{`[1,2]]`, "", "want a JSON array"},
		{"[]", "", "got 0 arguments"},
		{"[1,2,3,4,5,6,7,8]", "", "got 8 arguments"},
		{"[1,2,3,4,5,6,7,8,9]", "", "want at most 8 arguments"},
		{`["` + strings.Repeat("ä", 99), "", "ä…"},
	})
}

func TestGeohash(t *testing.T) {
	check(t, geohash, []row{
		{"[57.64911,10.40744,11]", `"u4pruydqqvj"`, ""},
		{"[57.64911,10.40744]", `"u4pruydqq"`, ""},
		{"[42.6,-5.6,5]", `"ezs42"`, ""},
		{"[48.2082,16.3738,7]", `"u2edk85"`, ""},
		{"[0,0,1]", `"s"`, ""},
		{"[-90,-180,12]", `"000000000000"`, ""},
		{"[90,180,12]", `"zzzzzzzzzzzz"`, ""},
		{"[48.2]", "", "want [lat, lon, precision?], got 1 arguments"},
		{"[1,2,3,4]", "", "got 4 arguments"},
		{`["48",16]`, "", `lat must be a number, got "48"`},
		{"[48,null]", "", "lon must be a number, got null"},
		{"[90.1,0]", "", "lat must be from -90 to 90, got 90.1"},
		{"[0,-181]", "", "lon must be from -180 to 180, got -181"},
		{"[0,1e999]", "", "lon must be a number"},
		{"[0,0,0]", "", "precision must be a whole number from 1 to 12, got 0"},
		{"[0,0,13]", "", "got 13"},
		{"[0,0,2.5]", "", "got 2.5"},
	})
}

func TestPick(t *testing.T) {
	check(t, pick, []row{
		{`[{"a":{"b":[1,2,{"c":"<x>"}]}},"a.b[2].c"]`, `"<x>"`, ""},
		{`["{\"a\": {\"b\": [1, 2]}}","a.b"]`, `[1,2]`, ""},
		{`[{"z":12345678901234567890.10,"a":1},""]`, `{"z":12345678901234567890.10,"a":1}`, ""},
		{`[[[1,2],[3,4]],"[1][0]"]`, `3`, ""},
		{`[{"a.b":{"]\"":7}},"[\"a.b\"][\"]\\\"\"]"]`, `7`, ""},
		{`[{"a b":{"é":1}},"a b.é"]`, `1`, ""},
		{`[{"a":1,"b":2,"a":{"b":3}},"a.b"]`, `3`, ""},
		{`[{"a":null},"a"]`, `null`, ""},
		{`[{"a":1},"b"]`, `null`, ""},
		{`[{"a":1},"A"]`, `null`, ""},
		{`[{"a":1},"a.b"]`, `null`, ""},
		{`[{"a":[1]},"a[1]"]`, `null`, ""},
		{`[{"a":1},"a[0]"]`, `null`, ""},
		{`[[1],"a"]`, `null`, ""},
		{`[null,"a"]`, `null`, ""},
		{`[null,"[0]"]`, `null`, ""},
		{`[5,""]`, `5`, ""},
		{`["5",""]`, `5`, ""},
		{`["hello","a"]`, "", "document is a string, but not one of JSON: hello"},
		{`["","a"]`, "", "not one of JSON: nothing"},
		{`[{}]`, "", "want [document, path], got 1 arguments"},
		{`[{},7]`, "", "path must be a string, got 7"},
		{`[{},"a..b"]`, "", `path "a..b": a key is missing before ".b"`},
		{`[{},".a"]`, "", "a key is missing"},
		{`[{},"a."]`, "", "a key is missing"},
		{`[{},"a[1]b"]`, "", `want . or [ before "b"`},
		{`[{},"a]"]`, "", "want . or ["},
		{`[{},"a[1"]`, "", "] is missing"},
		{`[{},"a[-1]"]`, "", "want an index from 0 in [-1]"},
		{`[{},"a[]"]`, "", "want an index from 0 in []"},
		{`[{},"a[99999999999]"]`, "", "want an index"},
		{`[{},"[\"a]"]`, "", "does not end"},
		{`[{},"[\"a\"x]"]`, "", `want ["key"]`},
	})
}

func TestConvert(t *testing.T) {
	check(t, convert, []row{
		{`[100,"C","F"]`, "212", ""},
		{`[98.6,"F","C"]`, "37", ""},
		{`[0,"K","C"]`, "-273.15", ""},
		{`[21.5,"C","K"]`, "294.65", ""},
		{`[-40,"F","C"]`, "-40", ""},
		{`[0,"K","F"]`, "-459.67", ""},
		{`[1,"mi","km"]`, "1.609344", ""},
		{`[1,"nmi","m"]`, "1852", ""},
		{`[12,"in","ft"]`, "1", ""},
		{`[3,"ft","yd"]`, "1", ""},
		{`[16,"oz","lb"]`, "1", ""},
		{`[1,"t","lb"]`, "2204.6226218488", ""},
		{`[1013.25,"hPa","atm"]`, "1", ""},
		{`[1,"bar","psi"]`, "14.503773773021", ""},
		{`[36,"km/h","m/s"]`, "10", ""},
		{`[1,"kn","km/h"]`, "1.852", ""},
		{`[60,"mph","km/h"]`, "96.56064", ""},
		{`[1,"kWh","kJ"]`, "3600", ""},
		{`[1,"gal","pt"]`, "8", ""},
		{`[0.1,"m","m"]`, "0.1", ""},
		{`[1,"m"]`, "", "want [value, from, to], got 2 arguments"},
		{`["1","m","km"]`, "", `value must be a number, got "1"`},
		{`[1,null,"km"]`, "", "from must be a string, got null"},
		{`[1,"parsec","km"]`, "", `from: unknown unit "parsec"; known are units of temperature (C, F, K); length (m, km,`},
		{`[1,"m","M"]`, "", `to: unknown unit "M"`},
		{`[1,"kg","km"]`, "", "cannot convert kg to km: units of mass (kg, g, mg, t, lb, oz), units of length (m, km,"},
		{`[1e308,"km","mm"]`, "", "too large a number in mm"},
	})
}
