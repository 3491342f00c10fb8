package image

import (
	"encoding/binary"
	"errors"
	"fmt"

	"odradek/core/record"
)

// What can be wrong with a stored record.
var (
	ErrMalformed   = errors.New("metadata record is malformed")
	ErrUnknown     = errors.New("metadata record of unknown type or version")
	ErrUnsupported = errors.New("metadata record cannot be written in this version")
)

// maxString is the longest string that Kafka reads, in bytes.
const maxString = 0x7fff

// coder reads or writes the fields of one record in Kafka's flexible encoding (RECORDS §1): one method for each type of field that does
// either, so that a record states its layout once. The first error sticks; afterwards reads give zeros.
type coder struct {
	writing bool
	buf     []byte // writing: what is written; reading: what is to be read
	pos     int    // reading: the next byte
	err     error
	omit    bool   // writing a tag: its value is the default, leave it out
	scratch []byte // writing: the value of one tag
}

func (c *coder) fail(kind error, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
	}
}

// take returns the next n bytes to be read, or nil.
func (c *coder) take(n int) []byte {
	if c.err != nil {
		return nil
	}
	if n < 0 || n > len(c.buf)-c.pos {
		c.fail(ErrMalformed, "%d bytes wanted at %d, %d are left", n, c.pos, len(c.buf)-c.pos)
		return nil
	}
	b := c.buf[c.pos : c.pos+n]
	c.pos += n
	return b
}

func (c *coder) uint8(v *uint8) {
	if c.writing {
		c.buf = append(c.buf, *v)
	} else if b := c.take(1); b != nil {
		*v = b[0]
	}
}

func (c *coder) uint16(v *uint16) {
	if c.writing {
		c.buf = binary.BigEndian.AppendUint16(c.buf, *v)
	} else if b := c.take(2); b != nil {
		*v = binary.BigEndian.Uint16(b)
	}
}

func (c *coder) uint32(v *uint32) {
	if c.writing {
		c.buf = binary.BigEndian.AppendUint32(c.buf, *v)
	} else if b := c.take(4); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

func (c *coder) uint64(v *uint64) {
	if c.writing {
		c.buf = binary.BigEndian.AppendUint64(c.buf, *v)
	} else if b := c.take(8); b != nil {
		*v = binary.BigEndian.Uint64(b)
	}
}

func (c *coder) bool(v *bool) {
	var b uint8
	if *v {
		b = 1
	}
	c.uint8(&b)
	*v = b != 0
}

func (c *coder) int8(v *int8)   { u := uint8(*v); c.uint8(&u); *v = int8(u) }
func (c *coder) int16(v *int16) { u := uint16(*v); c.uint16(&u); *v = int16(u) }

// int32 and int64 code Kafka's integers, whatever defined type stands for them here.
func int32s[T ~int32](c *coder, v *T) { u := uint32(*v); c.uint32(&u); *v = T(u) }
func int64s[T ~int64](c *coder, v *T) { u := uint64(*v); c.uint64(&u); *v = T(u) }

func (c *coder) uuid(v *record.UUID) {
	if c.writing {
		c.buf = append(c.buf, v[:]...)
	} else if b := c.take(len(v)); b != nil {
		copy(v[:], b)
	}
}

// uvarint codes an unsigned LEB128 number of at most 32 bits.
func (c *coder) uvarint(v *uint32) {
	if c.writing {
		c.buf = binary.AppendUvarint(c.buf, uint64(*v))
		return
	}
	if c.err != nil {
		return
	}
	u, n := binary.Uvarint(c.buf[c.pos:])
	if n <= 0 || n > 5 || u > 1<<32-1 {
		c.fail(ErrMalformed, "no number of 32 bits at %d", c.pos)
		return
	}
	c.pos += n
	*v = uint32(u)
}

// length codes a length as Kafka's flexible versions do, plus one; −1 stands for null. elem is the least number of bytes that one
// element takes, so that a length is refused before memory is taken for it.
func (c *coder) length(n int, elem int) int {
	u := uint32(n + 1)
	c.uvarint(&u)
	if c.writing {
		return n
	}
	if c.err == nil && int64(u)-1 > int64((len(c.buf)-c.pos)/elem) {
		c.fail(ErrMalformed, "length %d at %d reaches beyond the record", u, c.pos)
	}
	if c.err != nil {
		return 0
	}
	return int(u) - 1
}

// notNull is length for what may not be null.
func (c *coder) notNull(n int, elem int) int {
	if n = c.length(n, elem); n < 0 {
		c.fail(ErrMalformed, "null at %d", c.pos)
		return 0
	}
	return n
}

func (c *coder) text(n int, s string) string {
	if n > maxString {
		c.fail(ErrMalformed, "a string of %d bytes", n)
		return ""
	}
	if c.writing {
		c.buf = append(c.buf, s...)
		return s
	}
	return string(c.take(n))
}

func (c *coder) string(s *string) { *s = c.text(c.notNull(len(*s), 1), *s) }

// nullString codes a string that may be null, which is nil.
func (c *coder) nullString(s **string) {
	n := -1
	var text string
	if *s != nil {
		n, text = len(**s), **s
	}
	if n = c.length(n, 1); n < 0 {
		*s = nil
		return
	}
	text = c.text(n, text)
	if !c.writing {
		*s = &text
	}
}

// bytes codes a byte string; what is read is a copy.
func (c *coder) bytes(b *[]byte) {
	n := c.notNull(len(*b), 1)
	if c.writing {
		c.buf = append(c.buf, *b...)
	} else {
		*b = append([]byte(nil), c.take(n)...)
	}
}

// array codes an array that is never null; read empty it is nil. elem is the least size of an element in bytes.
func array[T any](c *coder, s *[]T, elem int, code func(c *coder, v *T)) {
	n := c.notNull(len(*s), elem)
	if !c.writing {
		*s = nil
		if n > 0 {
			*s = make([]T, n)
		}
	}
	for i := 0; i < n && c.err == nil; i++ {
		code(c, &(*s)[i])
	}
}

// nullArray codes an array where nil, null and empty differ: nil is null.
func nullArray[T any](c *coder, s *[]T, elem int, code func(c *coder, v *T)) {
	n := -1
	if *s != nil {
		n = len(*s)
	}
	n = c.length(n, elem)
	if !c.writing {
		*s = nil
		if n >= 0 {
			*s = make([]T, n)
		}
	}
	for i := 0; i < n && c.err == nil; i++ {
		code(c, &(*s)[i])
	}
}

func (c *coder) nodes(s *[]record.NodeID) { array(c, s, 4, int32s[record.NodeID]) }
func (c *coder) uuids(s *[]record.UUID)   { array(c, s, 16, (*coder).uuid) }
func (c *coder) strings(s *[]string)      { array(c, s, 1, (*coder).string) }
func (c *coder) optNodes(s *[]record.NodeID) {
	c.omit = *s == nil
	nullArray(c, s, 4, int32s[record.NodeID])
}

func (c *coder) optUUIDs(s *[]record.UUID) {
	c.omit = *s == nil
	nullArray(c, s, 16, (*coder).uuid)
}

// optional and optInt8 are for tags: a default is left out.
func (c *coder) optString(s **string) { c.omit = *s == nil; c.nullString(s) }
func (c *coder) optInt8(v *int8, def int8) {
	c.omit = *v == def
	c.int8(v)
}

// lacks is called for a field that the version does not have: writing anything but its default would lose it.
func (c *coder) lacks(differs bool, field string) {
	if c.writing && differs {
		c.fail(ErrUnsupported, "this version has no %s", field)
	}
}

// end codes the trailer of a struct that has no tagged fields.
func (c *coder) end() { c.tags(0, nil) }

// tags codes the trailer of a struct with tags 0 to count−1. code codes the value of one tag and, writing, sets omit where it is the
// default; it returns false for a tag that this version of the record lacks, which is an error where such a tag is read. Tags from
// count on are unknown to all versions and skipped.
func (c *coder) tags(count uint32, code func(tag uint32) bool) {
	if !c.writing {
		c.readTags(count, code)
		return
	}
	// The trailer begins with the number of tags: their values are collected first.
	outer, written := c.buf, uint32(0)
	var all []byte
	for tag := uint32(0); tag < count; tag++ {
		c.buf, c.omit = c.scratch[:0], false
		present := code(tag)
		c.scratch = c.buf
		if !present || c.omit {
			continue
		}
		all = binary.AppendUvarint(all, uint64(tag))
		all = binary.AppendUvarint(all, uint64(len(c.scratch)))
		all = append(all, c.scratch...)
		written++
	}
	c.buf = append(binary.AppendUvarint(outer, uint64(written)), all...)
}

func (c *coder) readTags(count uint32, code func(tag uint32) bool) {
	var n, tag, size uint32
	c.uvarint(&n)
	next := uint32(0)
	for ; n > 0 && c.err == nil; n-- {
		c.uvarint(&tag)
		c.uvarint(&size)
		if tag < next || tag == 1<<32-1 {
			c.fail(ErrMalformed, "tag %d at %d is not in order", tag, c.pos)
			return
		}
		next = tag + 1
		if tag >= count {
			c.take(int(size))
			continue
		}
		start := c.pos
		if !code(tag) {
			c.fail(ErrMalformed, "tag %d belongs to a later version of the record", tag)
		}
		if c.err == nil && c.pos-start != int(size) {
			c.fail(ErrMalformed, "tag %d declares %d bytes and has %d", tag, size, c.pos-start)
		}
	}
}
