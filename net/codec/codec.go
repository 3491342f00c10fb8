// Package codec compresses and decompresses the records of a batch with Kafka's four codecs: gzip, snappy, LZ4 frame and zstd.
//
// Every call works on the caller's goroutine alone (the libraries run with concurrency 1) and its output is bounded by the caller: a
// compressed batch that claims or yields more than it may is refused after at most that much memory, however small it was.
package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"odradek/core/record"
)

// The errors that callers tell apart, besides record.ErrTooLarge; they come wrapped, test with errors.Is.
var (
	// ErrCorrupt: the bytes are not what the codec's format says.
	ErrCorrupt = errors.New("corrupt compressed data")
	// ErrUnsupported: no codec has that number.
	ErrUnsupported = errors.New("unsupported compression codec")
)

// DefaultLevel asks for the default of the codec: gzip 6, LZ4 fast, zstd 3. Snappy has no levels.
const DefaultLevel = record.DefaultLevel

// Codec implements record.Codec, for any number of callers at a time.
var _ record.Codec = (*Codec)(nil)

// growthFirst is the first piece of output memory; it doubles from there, so that a bomb pays for each byte it gets.
const growthFirst = 16 << 10

// Codec holds pools of encoders and decoders. The zero value is ready. Its methods may be called from several goroutines.
type Codec struct {
	gzipReaders sync.Pool
	gzipWriters [gzipLevels]sync.Pool
	lz4Readers  sync.Pool
	lz4Writers  [lz4Levels]sync.Pool
	zstdReaders sync.Pool
	zstdWriters [zstdLevels]sync.Pool
	sources     sync.Pool // *bytes.Buffer
}

// Decompress appends the decompressed src to dst and returns it. It is record.ErrTooLarge when that adds more than max bytes, ErrCorrupt when src is
// damaged or truncated, ErrUnsupported for an unknown id; then dst comes back as it was given. Nothing of src is kept.
func (c *Codec) Decompress(dst, src []byte, id record.CodecID, max int) ([]byte, error) {
	var out []byte
	var err error
	switch id {
	case record.CodecNone:
		if len(src) > max {
			return dst, tooLarge(id, max)
		}
		return append(dst, src...), nil
	case record.CodecGzip:
		out, err = c.gunzip(dst, src, max)
	case record.CodecSnappy:
		out, err = unsnappy(dst, src, max)
	case record.CodecLZ4:
		out, err = c.unlz4(dst, src, max)
	case record.CodecZstd:
		out, err = c.unzstd(dst, src, max)
	default:
		return dst, fmt.Errorf("%w: %d", ErrUnsupported, id)
	}
	if errors.Is(err, record.ErrTooLarge) {
		return dst, tooLarge(id, max)
	}
	if err != nil {
		return dst, fmt.Errorf("%w: %v: %v", ErrCorrupt, id, err)
	}
	return out, nil
}

// Compress appends src, compressed, to dst and returns it. Levels are those of Kafka's compression.<codec>.level: gzip 1–9 or −1, LZ4 1–17, zstd
// −131072–22; DefaultLevel and 0 stand for the codec's own, and a level outside takes the nearest one. ErrUnsupported for an unknown id.
func (c *Codec) Compress(dst, src []byte, id record.CodecID, level int) ([]byte, error) {
	switch id {
	case record.CodecNone:
		return append(dst, src...), nil
	case record.CodecGzip:
		return c.gzip(dst, src, level)
	case record.CodecSnappy:
		return snap(dst, src), nil
	case record.CodecLZ4:
		return c.lz4(dst, src, level)
	case record.CodecZstd:
		return c.zstd(dst, src, level)
	}
	return dst, fmt.Errorf("%w: %d", ErrUnsupported, id)
}

func tooLarge(id record.CodecID, max int) error {
	return fmt.Errorf("%v data of more than %d bytes: %w", id, max, record.ErrTooLarge)
}

// readAll appends what r yields to dst until io.EOF, at most max bytes.
func readAll(dst []byte, r io.Reader, max int) ([]byte, error) {
	base, step := len(dst), growthFirst
	for {
		if len(dst) == cap(dst) {
			// One byte beyond max is asked for: it tells "exactly max" from "more".
			dst = slices.Grow(dst, min(step, base+max-len(dst)+1))
			step *= 2
		}
		room := min(cap(dst), base+max+1)
		n, err := r.Read(dst[len(dst):room])
		dst = dst[:len(dst)+n]
		if len(dst)-base > max {
			return dst, record.ErrTooLarge
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// sink is an io.Writer that appends.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// source makes a reader of src. It is a bytes.Buffer because the inflater has a loop of its own for one, a seventh faster than through io.ByteReader.
func (c *Codec) source(src []byte) *bytes.Buffer {
	s, _ := c.sources.Get().(*bytes.Buffer)
	if s == nil {
		s = new(bytes.Buffer)
	}
	*s = *bytes.NewBuffer(src)
	return s
}

func (c *Codec) free(s *bytes.Buffer) {
	*s = bytes.Buffer{} // a pool must not hold the caller's bytes
	c.sources.Put(s)
}
