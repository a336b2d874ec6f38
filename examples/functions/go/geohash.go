package main

import (
	"fmt"
	"math"
)

const (
	geohashDigits    = "0123456789bcdefghjkmnpqrstuvwxyz"
	geohashPrecision = 9 // characters, unless the caller says: about 5 m
	geohashLongest   = 12
)

// geohash [lat, lon, precision?] names the cell of the earth's surface in which
// a place lies. Places with a common prefix are near each other.
func geohash(args arguments) (any, error) {
	if err := args.count(2, 3, "[lat, lon, precision?]"); err != nil {
		return nil, err
	}
	lat, err := args.number(0, "lat")
	if err != nil {
		return nil, err
	}
	lon, err := args.number(1, "lon")
	if err != nil {
		return nil, err
	}
	precision := float64(geohashPrecision)
	if len(args) == 3 {
		if precision, err = args.number(2, "precision"); err != nil {
			return nil, err
		}
	}
	switch {
	case lat < -90 || lat > 90:
		return nil, fmt.Errorf("lat must be from -90 to 90, got %v", lat)
	case lon < -180 || lon > 180:
		return nil, fmt.Errorf("lon must be from -180 to 180, got %v", lon)
	case precision < 1 || precision > geohashLongest || precision != math.Trunc(precision):
		return nil, fmt.Errorf("precision must be a whole number from 1 to %d, got %v", geohashLongest, precision)
	}
	return encodeGeohash(lat, lon, int(precision)), nil
}

// encodeGeohash halves the longitudes and the latitudes in turn, one bit a
// time, and writes five bits a character.
func encodeGeohash(lat, lon float64, precision int) string {
	type span struct{ low, high, at float64 }
	turn, next := span{-180, 180, lon}, span{-90, 90, lat}
	hash := make([]byte, precision)
	for i := range hash {
		digit := 0
		for range 5 {
			digit <<= 1
			middle := (turn.low + turn.high) / 2
			if turn.at >= middle {
				digit |= 1
				turn.low = middle
			} else {
				turn.high = middle
			}
			turn, next = next, turn
		}
		hash[i] = geohashDigits[digit]
	}
	return string(hash)
}
