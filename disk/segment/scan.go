package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"odradek/core/record"
	"odradek/disk/vfs"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Bytes held while scanning: recovery reads far, a reader looks at a few headers.
const (
	recoverChunk = 256 << 10 // what is read stays in a processor's cache for its CRC
	readerChunk  = 8 << 10
	jumpChunk    = 512 // who skips what was in the window goes from header to header of large batches
)

// flaw says why the bytes at a position are no batch. Errors of the file system are never flaws.
type flaw string

func (f flaw) Error() string { return string(f) }

// scanner reads batches from a file through a window of bounded size.
type scanner struct {
	file vfs.File
	path string // for messages
	end  int64  // bytes of the file that count
	buf  []byte // the window: buf[:n] are the bytes from off on
	off  int64
	n    int
}

func newScanner(file vfs.File, path string, end int64, chunk int) *scanner {
	return &scanner{file: file, path: path, end: end, buf: make([]byte, chunk)}
}

// window returns bytes from pos on: want of them, fewer only at the end. They are valid until the next call. want ≤ len(buf).
func (s *scanner) window(pos int64, want int) ([]byte, error) {
	want = int(min(int64(want), s.end-pos))
	if pos >= s.off && pos+int64(want) <= s.off+int64(s.n) {
		at := int(pos - s.off)
		return s.buf[at:s.n], nil
	}
	ahead := len(s.buf)
	if s.n > 0 && pos > s.off+int64(s.n) {
		ahead = max(want, min(jumpChunk, ahead))
	}
	s.off, s.n = pos, 0
	p := s.buf[:min(int64(ahead), s.end-pos)]
	n, err := s.file.ReadAt(p, pos)
	if n < want {
		if err == nil || err == io.EOF {
			err = fmt.Errorf("%s: file ends at %d, inside the %d bytes it was found to have: something else writes here", s.path, pos+int64(n), s.end)
		}
		return nil, err
	}
	s.n = n
	return s.buf[:n], nil
}

// header reads the batch header at pos: io.EOF at the end, a flaw if no batch of version 2 can stand there.
func (s *scanner) header(pos int64) (record.Batch, error) {
	if pos >= s.end {
		return record.Batch{}, io.EOF
	}
	h, err := s.window(pos, record.HeaderSize)
	if err != nil {
		return record.Batch{}, err
	}
	return parseHeader(h, s.end-pos)
}

// batch reads the header at pos and checks the CRC of what follows, a window at a time.
func (s *scanner) batch(pos int64) (record.Batch, error) {
	b, err := s.header(pos)
	if err != nil {
		return b, err
	}
	sum, err := s.sum(pos+crcFrom, pos+int64(b.Size))
	if err == nil && sum != b.CRC {
		err = flaw(fmt.Sprintf("CRC is %08x, the header says %08x", sum, b.CRC))
	}
	return b, err
}

// sum is the CRC of the bytes from at up to end.
func (s *scanner) sum(at, end int64) (uint32, error) {
	sum := uint32(0)
	for at < end {
		p, err := s.window(at, 1)
		if err != nil {
			return 0, err
		}
		p = p[:min(int64(len(p)), end-at)]
		sum = crc32.Update(sum, castagnoli, p)
		at += int64(len(p))
	}
	return sum, nil
}

// crcFrom is the place in a batch from which on its CRC counts: the attributes.
const crcFrom = 21

// parseHeader reads the first bytes of a batch of which left bytes are there. A flaw if they cannot be one.
func parseHeader(h []byte, left int64) (record.Batch, error) {
	if left < record.HeaderSize || len(h) < record.HeaderSize {
		return record.Batch{}, flaw(fmt.Sprintf("%d bytes are less than a header", left))
	}
	size := int64(int32(binary.BigEndian.Uint32(h[8:]))) + record.LogOverhead
	if size < record.HeaderSize || size > left || size > math.MaxInt32 {
		return record.Batch{}, flaw(fmt.Sprintf("length %d, with %d bytes left in the file", size, left))
	}
	if h[16] != 2 {
		return record.Batch{}, flaw(fmt.Sprintf("magic %d", h[16]))
	}
	b, err := record.ParseHeader(h[:record.HeaderSize])
	if err != nil {
		return record.Batch{}, flaw(err.Error())
	}
	if b.BaseOffset < 0 || b.LastOffsetDelta < 0 || b.BaseOffset > math.MaxInt64-math.MaxInt32-1 || b.Count < 0 {
		return b, flaw(fmt.Sprintf("base offset %d, last offset delta %d, %d records", b.BaseOffset, b.LastOffsetDelta, b.Count))
	}
	return b, nil
}

// oldFormat reports whether a whole, intact message of magic 0 or 1 stands at pos. A magic byte alone proves nothing: zeroes have it too.
func (s *scanner) oldFormat(pos int64) (bool, error) {
	if s.end-pos < 26 { // the shortest message of magic 0
		return false, nil
	}
	h, err := s.window(pos, 26)
	if err != nil {
		return false, err
	}
	end := pos + record.LogOverhead + int64(int32(binary.BigEndian.Uint32(h[8:])))
	want := binary.BigEndian.Uint32(h[12:])
	if h[16] > 1 || end > s.end || end < pos+26 {
		return false, nil
	}
	sum := uint32(0)
	for at := pos + 16; at < end; {
		p, err := s.window(at, 1)
		if err != nil {
			return false, err
		}
		p = p[:min(int64(len(p)), end-at)]
		sum = crc32.Update(sum, crc32.IEEETable, p)
		at += int64(len(p))
	}
	return sum == want, nil
}
