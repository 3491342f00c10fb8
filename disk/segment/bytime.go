package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
)

// Decompressor opens the records of a compressed batch: it appends at most max bytes to dst, or fails. It has the shape of core/record's Codec.
type Decompressor interface {
	Decompress(dst, src []byte, id record.CodecID, max int) ([]byte, error)
}

// locateTime finds the first record below q.Limit whose timestamp is not below the asked one, and leaves out as it is if there is none.
func (v *View) locateTime(q core.LocatePartition, codec Decompressor, out *core.LocatedPartition) error {
	for i := range v.count() {
		s := v.segment(i)
		if s.maxTS < q.Timestamp || s.size == 0 {
			continue
		}
		sc := newScanner(s.file, v.path(s), int64(s.size), readerChunk)
		start, err := s.index.byTime(sc, q.Timestamp)
		if err != nil {
			return err
		}
		for pos := int64(start); ; {
			at, b, _, err := find(sc, s, pos, record.NoOffset, func(b *record.Batch) bool { return b.MaxTimestamp >= q.Timestamp && b.LastOffset() >= q.From })
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			if b.BaseOffset >= q.Limit {
				return nil
			}
			offset, ts, err := v.firstAt(s, at, &b, q, codec)
			if err != nil {
				return err
			}
			if offset >= q.Limit {
				return nil
			}
			if offset != record.NoOffset {
				out.Err, out.Offset, out.Timestamp, out.Epoch = errcode.None, offset, ts, b.LeaderEpoch
				return nil
			}
			pos = at + int64(b.Size) // its header promised more than its records hold
		}
	}
	return nil
}

// firstAt reads the batch at pos and returns its first record from q.From on whose timestamp is not below the asked one.
func (v *View) firstAt(
	s *segment, pos int64, b *record.Batch, q core.LocatePartition, codec Decompressor,
) (record.Offset, record.UnixMillis, error) {
	bytes := make([]byte, b.Size)
	if _, err := s.file.ReadAt(bytes, pos); err != nil {
		return record.NoOffset, 0, err
	}
	if err := checkAll(bytes); err != nil {
		return record.NoOffset, 0, locate(v.path(s), pos, err)
	}
	records := bytes[record.HeaderSize:]
	if id := b.Attributes.Codec(); id != record.CodecNone {
		var err error
		if codec == nil {
			err = fmt.Errorf("no codec for %s", id)
		} else {
			records, err = codec.Decompress(nil, records, id, record.MaxDecompressed)
		}
		if err != nil {
			return record.NoOffset, 0, locate(v.path(s), pos, flaw(err.Error()))
		}
	}
	for range b.Count {
		tsDelta, offsetDelta, rest, ok := nextRecord(records)
		if !ok {
			return record.NoOffset, 0, locate(v.path(s), pos, flaw("a record is malformed"))
		}
		records = rest
		ts, offset := b.BaseTimestamp+record.UnixMillis(tsDelta), b.BaseOffset+record.Offset(offsetDelta)
		if b.Attributes&record.AttrLogAppendTime != 0 {
			ts = b.MaxTimestamp
		}
		if ts >= q.Timestamp && offset >= q.From {
			return offset, ts, nil
		}
	}
	return record.NoOffset, 0, nil
}

// nextRecord reads the two deltas of the first record in p.
func nextRecord(p []byte) (tsDelta, offsetDelta int64, rest []byte, ok bool) {
	size, n := binary.Varint(p)
	if n <= 0 || size < 0 || size > int64(len(p)-n) {
		return 0, 0, nil, false
	}
	body, rest := p[n:n+int(size)], p[n+int(size):]
	if len(body) < 1 {
		return 0, 0, nil, false
	}
	body = body[1:] // attributes, always 0
	tsDelta, n = binary.Varint(body)
	if n <= 0 {
		return 0, 0, nil, false
	}
	offsetDelta, n = binary.Varint(body[n:])
	return tsDelta, offsetDelta, rest, n > 0
}

// checkAll checks header and CRC of each of the batches that bytes holds end to end.
func checkAll(bytes []byte) error {
	for len(bytes) > 0 {
		b, err := parseHeader(bytes[:min(len(bytes), record.HeaderSize)], int64(len(bytes)))
		if err != nil {
			return err
		}
		if sum := crc32.Checksum(bytes[crcFrom:b.Size], castagnoli); sum != b.CRC {
			return flaw(fmt.Sprintf("CRC of the batch at offset %d is %08x, the header says %08x", b.BaseOffset, sum, b.CRC))
		}
		bytes = bytes[b.Size:]
	}
	return nil
}
