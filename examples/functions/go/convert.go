package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A dimension is what units of one sort measure. A value in a unit becomes
// (value + shift) * scale in the dimension's base; the first unit is the base.
type dimension struct {
	name  string
	units []unit
}

type unit struct {
	name         string
	scale, shift float64
}

var dimensions = []dimension{
	{"temperature", []unit{{"C", 1, 0}, {"F", 5.0 / 9, -32}, {"K", 1, -273.15}}},
	{"length", []unit{
		{"m", 1, 0}, {"km", 1000, 0}, {"cm", 0.01, 0}, {"mm", 0.001, 0},
		{"mi", 1609.344, 0}, {"yd", 0.9144, 0}, {"ft", 0.3048, 0}, {"in", 0.0254, 0}, {"nmi", 1852, 0},
	}},
	{"mass", []unit{
		{"kg", 1, 0}, {"g", 0.001, 0}, {"mg", 1e-6, 0}, {"t", 1000, 0}, {"lb", 0.45359237, 0}, {"oz", 0.028349523125, 0},
	}},
	{"pressure", []unit{
		{"Pa", 1, 0}, {"hPa", 100, 0}, {"kPa", 1000, 0}, {"bar", 1e5, 0}, {"psi", 6894.757293168361, 0}, {"atm", 101325, 0},
	}},
	{"speed", []unit{
		{"m/s", 1, 0}, {"km/h", 1 / 3.6, 0}, {"mph", 0.44704, 0}, {"kn", 1852.0 / 3600, 0},
	}},
	{"energy", []unit{
		{"J", 1, 0}, {"kJ", 1000, 0}, {"Wh", 3600, 0}, {"kWh", 3.6e6, 0}, {"cal", 4.184, 0}, {"kcal", 4184, 0},
	}},
	{"volume", []unit{
		{"l", 1, 0}, {"ml", 0.001, 0}, {"m3", 1000, 0}, {"gal", 3.785411784, 0}, {"pt", 0.473176473, 0}, // US measures
	}},
}

// convert [value, from, to] returns the value in another unit of the same
// dimension, to 14 significant digits, so that 100 C is 212 F and not a hair
// beside it. Names of units are case-sensitive.
func convert(args arguments) (any, error) {
	if err := args.count(3, 3, "[value, from, to]"); err != nil {
		return nil, err
	}
	value, err := args.number(0, "value")
	if err != nil {
		return nil, err
	}
	from, fromDim, err := args.unit(1, "from")
	if err != nil {
		return nil, err
	}
	to, toDim, err := args.unit(2, "to")
	if err != nil {
		return nil, err
	}
	switch {
	case fromDim != toDim:
		return nil, fmt.Errorf("cannot convert %s to %s: units of %s, units of %s", from.name, to.name, fromDim, toDim)
	case from == to:
		return value, nil
	}
	result := (value+from.shift)*from.scale/to.scale - to.shift
	if math.IsInf(result, 0) {
		return nil, fmt.Errorf("%v %s is too large a number in %s", value, from.name, to.name)
	}
	return strconv.ParseFloat(strconv.FormatFloat(result, 'g', 14, 64), 64)
}

// unit looks up the unit that argument i names.
func (a arguments) unit(i int, name string) (unit, *dimension, error) {
	text, err := a.text(i, name)
	if err != nil {
		return unit{}, nil, err
	}
	var known []string
	for d := range dimensions {
		for _, u := range dimensions[d].units {
			if u.name == text {
				return u, &dimensions[d], nil
			}
		}
		known = append(known, dimensions[d].String())
	}
	return unit{}, nil, fmt.Errorf("%s: unknown unit %q; known are units of %s", name, text, strings.Join(known, "; "))
}

// String returns "mass (kg, g, …)".
func (d *dimension) String() string {
	names := make([]string, len(d.units))
	for i, u := range d.units {
		names[i] = u.name
	}
	return d.name + " (" + strings.Join(names, ", ") + ")"
}
