// Package format writes records as a layout says: RPK in the language of rpk topic consume -f, Kcat in that of kcat -f.
package format

import (
	"errors"
	"fmt"
	"strconv"

	"odradek/clientlib"
)

// Formatter writes records. One goroutine uses it at a time.
type Formatter struct {
	parts []part
	count int64
}

// one is what a part writes of.
type one struct {
	f     *clientlib.Fetched // nil inside of %h
	r     *clientlib.Consumed
	count int64
}

// part writes one piece of a layout.
type part func(dst []byte, o *one) []byte

// Append writes a record, which came with f.
func (w *Formatter) Append(dst []byte, f *clientlib.Fetched, r *clientlib.Consumed) []byte {
	w.count++
	return w.append(dst, &one{f, r, w.count})
}

func (w *Formatter) append(dst []byte, o *one) []byte {
	for _, p := range w.parts {
		dst = p(dst, o)
	}
	return dst
}

// literal ends a run of plain text.
func (w *Formatter) literal(text []byte) {
	if len(text) > 0 {
		w.parts = append(w.parts, func(dst []byte, _ *one) []byte { return append(dst, text...) })
	}
}

// slash reads what follows a backslash: \t \n \r \\ \xNN.
func slash(rest string) (c byte, size int, err error) {
	if rest == "" {
		return 0, 0, errors.New("a backslash ends the layout")
	}
	switch rest[0] {
	case 't':
		return '\t', 1, nil
	case 'n':
		return '\n', 1, nil
	case 'r':
		return '\r', 1, nil
	case '\\':
		return '\\', 1, nil
	case 'x':
		if len(rest) < 3 {
			return 0, 0, errors.New(`\x wants two hexadecimal digits`)
		}
		n, err := strconv.ParseUint(rest[1:3], 16, 8)
		if err != nil {
			return 0, 0, fmt.Errorf(`\x%s: want two hexadecimal digits`, rest[1:3])
		}
		return byte(n), 3, nil
	}
	return 0, 0, fmt.Errorf(`\%c: want one of \t \n \r \\ \xNN`, rest[0])
}
