package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// unpackStep writes what it takes from the front of a text, and returns how much that was.
type unpackStep func(dst, text []byte) ([]byte, int)

// unpack reads a layout of fields: x nothing, < > byte order of what follows (little at first), b h i q signed and B H I Q unsigned numbers of 1, 2, 4 and 8 bytes,
// c or . a character, s the rest, $ the end.
func unpack(layout string) (func(dst, text []byte) []byte, error) {
	var steps []unpackStep
	var order binary.ByteOrder = binary.LittleEndian
	for i := range len(layout) {
		if i > 0 && (layout[i-1] == 's' || layout[i-1] == '$') {
			return nil, fmt.Errorf("unpack: nothing follows %c", layout[i-1])
		}
		switch c := layout[i]; {
		case c == 'x':
		case c == '<':
			order = binary.LittleEndian
		case c == '>':
			order = binary.BigEndian
		case c == 'c' || c == '.':
			steps = append(steps, func(dst, text []byte) ([]byte, int) {
				if len(text) == 0 {
					return append(dst, "%!c(no bytes available)"...), 0
				}
				return append(dst, text[0]), 1
			})
		case c == 's':
			steps = append(steps, func(dst, text []byte) ([]byte, int) { return append(dst, text...), len(text) })
		case c == '$':
			steps = append(steps, func(dst, text []byte) ([]byte, int) {
				if len(text) > 0 {
					dst = append(dst, "%!$(not end-of-input)"...)
				}
				return dst, len(text)
			})
		case strings.IndexByte("bhiqBHIQ", c) >= 0:
			steps = append(steps, unpackNumber(c, order))
		default:
			return nil, fmt.Errorf("unpack: %c: %w", c, errors.New("want one of x < > b B h H i I q Q c . s $"))
		}
	}
	return func(dst, text []byte) []byte {
		for _, step := range steps {
			var n int
			dst, n = step(dst, text)
			text = text[n:]
		}
		return dst
	}, nil
}

func unpackNumber(c byte, order binary.ByteOrder) unpackStep {
	size := 1 << (strings.IndexByte("bhiqBHIQ", c) % 4)
	signed := c >= 'a'
	return func(dst, text []byte) ([]byte, int) {
		if len(text) < size {
			return fmt.Appendf(dst, "%%!(have %d bytes, need %d)", len(text), size), len(text)
		}
		var u uint64
		switch size {
		case 1:
			u = uint64(text[0])
		case 2:
			u = uint64(order.Uint16(text))
		case 4:
			u = uint64(order.Uint32(text))
		case 8:
			u = order.Uint64(text)
		}
		if signed {
			shift := 64 - 8*size
			return strconv.AppendInt(dst, int64(u<<shift)>>shift, 10), size
		}
		return strconv.AppendUint(dst, u, 10), size
	}
}
