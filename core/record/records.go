package record

import (
	"encoding/binary"
	"fmt"
)

// Header is one header of a record. A nil Value is null; a key is never null.
type Header struct {
	Key   []byte
	Value []byte
}

// Record is one record of a batch. A nil Key or Value is null. Its slices alias the bytes it was read from.
type Record struct {
	OffsetDelta    int32
	TimestampDelta int64 // milliseconds, to the batch's BaseTimestamp
	Key            []byte
	Value          []byte
	Headers        []Header
}

// Timestamp is the time of r in the batch b: with log append time the batch's own, otherwise what the producer wrote.
func (b *Batch) Timestamp(r *Record) UnixMillis {
	if b.Attributes&AttrLogAppendTime != 0 {
		return b.MaxTimestamp
	}
	return b.BaseTimestamp + UnixMillis(r.TimestampDelta)
}

// Records walks the records of b. Compressed ones are decompressed by codec into scratch[:0], which the walk then owns; nil is fine.
//
//	it := b.Records(codec, nil)
//	for it.Next() { use it.Record }
//	if it.Err() != nil …
func (b *Batch) Records(codec Codec, scratch []byte) RecordIter {
	raw, err := b.RawRecords(codec, scratch)
	return RecordIter{raw: raw, left: b.Count, err: err}
}

// RecordIter is a walk over the records of one batch. Record and its Headers are valid until the next call of Next; the bytes they
// point to live as long as the batch's data (or the scratch buffer).
type RecordIter struct {
	Record Record
	raw    []byte
	pos    int
	left   int32
	err    error
}

// Next moves to the next record and says whether there is one. After the last it checks that no byte is left over.
func (it *RecordIter) Next() bool {
	if it.err != nil {
		return false
	}
	if it.left <= 0 {
		if it.pos != len(it.raw) {
			it.err = fmt.Errorf("%w: %d bytes after the last record", ErrRecord, len(it.raw)-it.pos)
		}
		return false
	}
	next, fault := readRecord(it.raw, it.pos, &it.Record)
	if fault != "" {
		it.err = fmt.Errorf("%w: at byte %d: %s", ErrRecord, it.pos, fault)
		return false
	}
	it.pos = next
	it.left--
	return true
}

// Err returns what ended the walk early: ErrRecord, ErrShort, or the codec's error.
func (it *RecordIter) Err() error { return it.err }

// readRecord reads the record at raw[pos:] into r, reusing r.Headers, and returns the position after it. fault is "" or what is
// wrong, in constant words: this runs for every record produced and must not allocate.
func readRecord(raw []byte, pos int, r *Record) (next int, fault string) {
	r.Headers = r.Headers[:0]
	c, end, fault := openRecord(raw, pos)
	if fault != "" {
		return 0, fault
	}
	r.TimestampDelta = c.varlong()
	r.OffsetDelta = c.varint()
	r.Key = c.bytes()
	r.Value = c.bytes()
	count := c.headerCount()
	for ; count > 0 && !c.bad; count-- {
		key := c.bytes()
		if key == nil && !c.bad {
			return 0, "a header has no key"
		}
		r.Headers = append(r.Headers, Header{Key: key, Value: c.bytes()})
	}
	return end, c.close(end)
}

// skim is readRecord without the headers kept: what validation needs of a record.
func skim(raw []byte, pos int) (timestampDelta int64, offsetDelta int32, hasKey bool, next int, fault string) {
	c, end, fault := openRecord(raw, pos)
	if fault != "" {
		return 0, 0, false, 0, fault
	}
	timestampDelta = c.varlong()
	offsetDelta = c.varint()
	hasKey = c.bytes() != nil
	c.bytes()
	for count := c.headerCount(); count > 0 && !c.bad; count-- {
		if c.bytes() == nil && !c.bad {
			return 0, 0, false, 0, "a header has no key"
		}
		c.bytes()
	}
	return timestampDelta, offsetDelta, hasKey, end, c.close(end)
}

// openRecord reads a record's length and attributes and returns a cursor over its body. The attributes of a record are unused in
// version 2 and ignored, as Kafka does.
func openRecord(raw []byte, pos int) (c cursor, end int, fault string) {
	c = cursor{data: raw, pos: pos}
	length := c.varint()
	if c.bad {
		return c, 0, "its length is cut short"
	}
	if length < 1 || int(length) > len(raw)-c.pos {
		return c, 0, "its length reaches beyond the batch"
	}
	end = c.pos + int(length)
	c.data = raw[:end]
	c.pos++ // attributes
	return c, end, ""
}

// cursor reads the fields of one record; once bad it stays so and yields zeros.
type cursor struct {
	data []byte
	pos  int
	bad  bool
}

func (c *cursor) close(end int) string {
	if c.bad {
		return "a field is malformed or longer than the record"
	}
	if c.pos != end {
		return "it is longer than its fields"
	}
	return ""
}

// varint reads a zig-zag varint of at most 32 bits.
func (c *cursor) varint() int32 {
	if c.pos < len(c.data) && c.data[c.pos] < 0x80 { // nearly every one
		u := uint32(c.data[c.pos])
		c.pos++
		return int32(u>>1) ^ -int32(u&1)
	}
	u, n := binary.Uvarint(c.data[min(c.pos, len(c.data)):])
	if c.bad || n <= 0 || n > 5 || u > 1<<32-1 {
		c.bad = true
		return 0
	}
	c.pos += n
	return int32(u>>1) ^ -int32(u&1)
}

// varlong reads a zig-zag varint of at most 64 bits.
func (c *cursor) varlong() int64 {
	u, n := binary.Uvarint(c.data[min(c.pos, len(c.data)):])
	if c.bad || n <= 0 {
		c.bad = true
		return 0
	}
	c.pos += n
	return int64(u>>1) ^ -int64(u&1)
}

// bytes reads a length and as many bytes; −1 is null. An empty field is not nil.
func (c *cursor) bytes() []byte {
	n := c.varint()
	if n == -1 || c.bad {
		return nil
	}
	if n < 0 || int(n) > len(c.data)-c.pos {
		c.bad = true
		return nil
	}
	b := c.data[c.pos : c.pos+int(n) : c.pos+int(n)]
	c.pos += int(n)
	return b
}

// headerCount reads the number of headers. Each takes at least two bytes, so a count beyond what is left is refused before any
// loop or allocation depends on it.
func (c *cursor) headerCount() int32 {
	n := c.varint()
	if n < 0 || int(n) > (len(c.data)-c.pos)/2 {
		c.bad = true
		return 0
	}
	return n
}
