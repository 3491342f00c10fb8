package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"odradek/core/record"
)

// ErrMalformed is wrapped by every error about a request's or response's body.
var ErrMalformed = errors.New("malformed")

// cursor reads protocol fields. Its error is sticky: the first wrong field empties it, every later read yields zero, and who reads asks once at
// the end. Spans alias the input with their capacity cut, so that an append by their holder cannot reach the frame.
type cursor struct {
	b    []byte
	flex bool // compact lengths, and tags behind each structure
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
	c.b = nil
}

func (c *cursor) span(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.fail("a field of %d bytes where %d are left", n, len(c.b))
		return nil
	}
	s := c.b[:n:n]
	c.b = c.b[n:]
	return s
}

func (c *cursor) i8() int8 {
	if s := c.span(1); s != nil {
		return int8(s[0])
	}
	return 0
}

func (c *cursor) i16() int16 {
	if s := c.span(2); s != nil {
		return int16(binary.BigEndian.Uint16(s))
	}
	return 0
}

func (c *cursor) i32() int32 {
	if s := c.span(4); s != nil {
		return int32(binary.BigEndian.Uint32(s))
	}
	return 0
}

func (c *cursor) i64() int64 {
	if s := c.span(8); s != nil {
		return int64(binary.BigEndian.Uint64(s))
	}
	return 0
}

func (c *cursor) uuid() (u record.UUID) {
	copy(u[:], c.span(len(u)))
	return u
}

// uvarint reads an unsigned varint of at most 32 bits.
func (c *cursor) uvarint() uint32 {
	var v uint64
	for i := 0; i < 5; i++ {
		if i >= len(c.b) {
			c.fail("a varint is cut off")
			return 0
		}
		b := c.b[i]
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if v > 1<<32-1 {
				break
			}
			c.b = c.b[i+1:]
			return uint32(v)
		}
	}
	c.fail("a varint is longer than 32 bits")
	return 0
}

// length reads the length of a bytes field or an array; −1 stands for null.
func (c *cursor) length() int {
	if c.flex {
		return int(c.uvarint()) - 1
	}
	return int(c.i32())
}

// str reads a string without copying it; nil for null.
func (c *cursor) str() []byte {
	n := 0
	if c.flex {
		n = int(c.uvarint()) - 1
	} else {
		n = int(c.i16())
	}
	if n == -1 {
		return nil
	}
	return c.span(n)
}

// text reads a string that must not be null, without copying it.
func (c *cursor) text(what string) []byte {
	s := c.str()
	if s == nil {
		c.fail("the %s is null", what)
	}
	return s
}

// bytes reads a bytes field without copying it; nil for null.
func (c *cursor) bytes() []byte {
	n := c.length()
	if n == -1 {
		return nil
	}
	return c.span(n)
}

// array reads the length of an array whose elements take at least each bytes. Null, more than max, or more than can be left is an error.
func (c *cursor) array(what string, each, max int) int {
	n := c.length()
	switch {
	case c.err != nil:
		return 0
	case n < 0:
		c.fail("the array of %s is null", what)
		return 0
	case n > max:
		c.fail("%d %s; allowed are %d", n, what, max)
		return 0
	case n*each > len(c.b):
		c.fail("%d %s in %d bytes", n, what, len(c.b))
		return 0
	}
	return n
}

// tagsMax bounds the tagged fields of one structure; Kafka has up to four.
const tagsMax = 64

// tags reads the tagged fields behind a structure, if the version has them, and gives those it knows to known.
func (c *cursor) tags(known func(tag uint32, data []byte)) {
	if !c.flex {
		return
	}
	n := c.uvarint()
	if n > tagsMax {
		c.fail("%d tagged fields; allowed are %d", n, tagsMax)
		return
	}
	for i := uint32(0); i < n && c.err == nil; i++ {
		tag := c.uvarint()
		size := c.uvarint()
		data := c.span(int(size))
		if known != nil && c.err == nil {
			known(tag, data)
		}
	}
}

// The appenders, for what kmsg does not encode.

func appendI16(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }
func appendI32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }
func appendI64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

func appendUvarint(dst []byte, v uint32) []byte { return binary.AppendUvarint(dst, uint64(v)) }

func appendLength(dst []byte, n int, flex bool) []byte {
	if flex {
		return appendUvarint(dst, uint32(n+1))
	}
	return appendI32(dst, int32(n))
}

func appendString(dst []byte, s string, flex bool) []byte {
	if flex {
		dst = appendUvarint(dst, uint32(len(s)+1))
	} else {
		s = s[:min(len(s), math.MaxInt16)] // what the length can say; only messages of ours are ever longer
		dst = appendI16(dst, int16(len(s)))
	}
	return append(dst, s...)
}

// appendNullable writes s, or null for the empty string.
func appendNullable(dst []byte, s string, flex bool) []byte {
	switch {
	case s != "":
		return appendString(dst, s, flex)
	case flex:
		return append(dst, 0)
	}
	return appendI16(dst, -1)
}

// appendNoTags closes a structure without tagged fields.
func appendNoTags(dst []byte, flex bool) []byte {
	if flex {
		return append(dst, 0)
	}
	return dst
}
