package store

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// page is a page as it lies in the file, with the header and with the pages
// that overflow from it; or a small bucket's, inside its parent.
type page struct{ data []byte }

func (p page) flags() uint16    { return binary.NativeEndian.Uint16(p.data[8:]) }
func (p page) count() int       { return int(binary.NativeEndian.Uint16(p.data[10:])) }
func (p page) overflow() uint64 { return uint64(binary.NativeEndian.Uint32(p.data[12:])) }

// cut returns n bytes at the offset.
func (p page) cut(offset, n uint64) ([]byte, error) {
	if offset > uint64(len(p.data)) || n > uint64(len(p.data))-offset {
		return nil, errors.New("an element lies outside of its page")
	}
	return p.data[offset : offset+n : offset+n], nil
}

// checkKey checks a key against the page's range and the key before it.
func checkKey(key, before []byte, within keyRange) error {
	if len(key) == 0 || !within.has(key) || before != nil && bytes.Compare(key, before) <= 0 {
		return errors.New("its keys are not in order")
	}
	return nil
}

// leaf calls visit for each element.
func (p page) leaf(within keyRange, visit func(flags uint32, key, value []byte) error) error {
	order := binary.NativeEndian
	var before []byte
	for i := range p.count() {
		at := uint64(headerSize + i*elementSize)
		e, err := p.cut(at, elementSize)
		if err != nil {
			return damaged("a leaf: %w", err)
		}
		pos, keyLen, valueLen := uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
		data, err := p.cut(at+pos, keyLen+valueLen)
		if err != nil {
			return damaged("a leaf: %w", err)
		}
		key, value := data[:keyLen:keyLen], data[keyLen:]
		if err := checkKey(key, before, within); err != nil {
			return damaged("a leaf: %w", err)
		}
		if err := visit(order.Uint32(e), key, value); err != nil {
			return err
		}
		before = key
	}
	return nil
}

type child struct {
	key  []byte // the first key below it, or less
	page uint64
}

// branch returns the pages below the page.
func (p page) branch(within keyRange) ([]child, error) {
	if p.flags() != flagBranch || p.count() == 0 {
		return nil, errors.New("it is no part of a tree")
	}
	order := binary.NativeEndian
	children := make([]child, 0, p.count())
	var before []byte
	for i := range p.count() {
		at := uint64(headerSize + i*elementSize)
		e, err := p.cut(at, elementSize)
		if err != nil {
			return nil, err
		}
		key, err := p.cut(at+uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])))
		if err != nil {
			return nil, err
		}
		if err := checkKey(key, before, within); err != nil {
			return nil, err
		}
		children = append(children, child{key, order.Uint64(e[8:])})
		before = key
	}
	return children, nil
}

// free returns the pages that a freelist page lists.
func (p page) free() ([]uint64, error) {
	if p.flags() != flagFreelist {
		return nil, damaged("the list of free pages is something else")
	}
	order := binary.NativeEndian
	at, n := uint64(headerSize), uint64(p.count())
	if n == 0xFFFF { // too many for the header: the first number is the count
		first, err := p.cut(at, 8)
		if err != nil {
			return nil, damaged("the list of free pages: %w", err)
		}
		at, n = at+8, order.Uint64(first)
	}
	if n > uint64(len(p.data)) {
		return nil, damaged("the list of free pages is cut off")
	}
	list, err := p.cut(at, n*8)
	if err != nil {
		return nil, damaged("the list of free pages: %w", err)
	}
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = order.Uint64(list[i*8:])
	}
	return ids, nil
}
