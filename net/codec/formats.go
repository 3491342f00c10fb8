package codec

import (
	"errors"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"odradek/core/record"
)

// gzipLevels: the levels −1 (default) and 1–9; 0, which would only store, is the default too.
const gzipLevels = 10

func gzipLevel(level int) int {
	if level <= 0 { // DefaultLevel among them
		return 0
	}
	return min(level, gzip.BestCompression)
}

func (c *Codec) gunzip(dst, src []byte, max int) ([]byte, error) {
	s := c.source(src)
	defer c.free(s)
	r, _ := c.gzipReaders.Get().(*gzip.Reader)
	if r == nil {
		r = new(gzip.Reader)
	}
	defer c.gzipReaders.Put(r)
	if err := r.Reset(s); err != nil {
		return dst, err
	}
	return readAll(dst, r, max)
}

func (c *Codec) gzip(dst, src []byte, level int) ([]byte, error) {
	level = gzipLevel(level)
	out := &sink{b: dst}
	w, _ := c.gzipWriters[level].Get().(*gzip.Writer)
	if w == nil {
		var err error
		l := level
		if l == 0 {
			l = gzip.DefaultCompression
		}
		if w, err = gzip.NewWriterLevel(out, l); err != nil {
			return dst, err
		}
	} else {
		w.Reset(out)
	}
	_, err := w.Write(src)
	if e := w.Close(); err == nil {
		err = e
	}
	w.Reset(nil)
	c.gzipWriters[level].Put(w)
	return out.b, err
}

// lz4Levels: the fast one and the nine of the high compressor.
const lz4Levels = 10

// lz4KafkaDefault is Kafka's default level, for which it takes the fast compressor; its 10–17 have no counterpart here.
const lz4KafkaDefault = 9

var lz4Table = [lz4Levels]lz4.CompressionLevel{
	lz4.Fast, lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4, lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8, lz4.Level9,
}

func lz4Level(level int) int {
	if level <= 0 || level == lz4KafkaDefault {
		return 0
	}
	return min(level, lz4Levels-1)
}

func (c *Codec) unlz4(dst, src []byte, max int) ([]byte, error) {
	s := c.source(src)
	defer c.free(s)
	r, _ := c.lz4Readers.Get().(*lz4.Reader)
	if r == nil {
		r = lz4.NewReader(s)
		if err := r.Apply(lz4.ConcurrencyOption(1)); err != nil {
			return dst, err
		}
	} else {
		r.Reset(s)
	}
	out, err := readAll(dst, r, max)
	if err == nil {
		// After an error the reader's state is the library's own business: only a sound one goes back to the pool.
		c.lz4Readers.Put(r)
	}
	return out, err
}

func (c *Codec) lz4(dst, src []byte, level int) ([]byte, error) {
	level = lz4Level(level)
	out := &sink{b: dst}
	w, _ := c.lz4Writers[level].Get().(*lz4.Writer)
	if w == nil {
		w = lz4.NewWriter(out)
		// As Kafka writes it: blocks of 64 KiB, independent, no checksums: the batch's CRC covers the bytes.
		err := w.Apply(lz4.ConcurrencyOption(1), lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false),
			lz4.BlockChecksumOption(false), lz4.CompressionLevelOption(lz4Table[level]))
		if err != nil {
			return dst, err
		}
	} else {
		w.Reset(out)
	}
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	c.lz4Writers[level].Put(w)
	return out.b, nil
}

const (
	// zstdWindowMax is the largest window accepted, that of level 22. It costs nothing: the output itself is the history.
	zstdWindowMax = 128 << 20
	// zstdTrust is how many times its input a frame may claim to hold and get that memory at once; beyond, it must prove it.
	zstdTrust = 32
	// zstdLevels is the number of encoders in the library: fastest, default, better, best.
	zstdLevels = 4
)

func zstdLevel(level int) zstd.EncoderLevel {
	if level == DefaultLevel || level == 0 {
		return zstd.SpeedDefault
	}
	return zstd.EncoderLevelFromZstd(level)
}

func (c *Codec) zstdReader() (*zstd.Decoder, error) {
	if d, _ := c.zstdReaders.Get().(*zstd.Decoder); d != nil {
		return d, nil
	}
	// Concurrency 1 also means: no goroutine, so a decoder that the pool drops leaves nothing behind.
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindowMax), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true))
}

func (c *Codec) unzstd(dst, src []byte, max int) ([]byte, error) {
	if len(src) == 0 {
		return dst, errors.New("no frame")
	}
	d, err := c.zstdReader()
	if err != nil {
		return dst, err
	}
	defer c.zstdReaders.Put(d)
	for room := zstdRoom(src, cap(dst)-len(dst)); ; room *= 2 {
		room = min(room, max)
		buf := dst
		if cap(buf)-len(buf) < room {
			buf = append(make([]byte, 0, len(dst)+room), dst...)
		}
		out, err := d.DecodeAll(src, buf[:len(dst):len(dst)+room])
		switch {
		case err == nil:
			return out, nil
		case !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return dst, err
		case room == max:
			return dst, record.ErrTooLarge
		}
	}
}

// zstdRoom guesses the output's size: what the frame says where that is credible, else four times the input or the room there is. When the guess is
// too small decoding starts anew with twice the room, so a bomb gets memory only for what it has proven to hold.
func zstdRoom(src []byte, room int) int {
	var h zstd.Header
	if h.Decode(src) == nil && !h.Skippable && h.HasFCS && h.FrameContentSize <= uint64(len(src))*zstdTrust {
		return int(h.FrameContentSize) + 1 // never 0
	}
	return max(growthFirst, 4*len(src), room)
}

func (c *Codec) zstd(dst, src []byte, level int) ([]byte, error) {
	l := zstdLevel(level)
	pool := &c.zstdWriters[int(l)-int(zstd.SpeedFastest)]
	w, _ := pool.Get().(*zstd.Encoder)
	if w == nil {
		var err error
		// The batch's CRC covers the bytes; Java's stream writes none either.
		w, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(l), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(zstdWindow), zstd.WithZeroFrames(true))
		if err != nil {
			return dst, err
		}
	}
	out := w.EncodeAll(src, dst)
	pool.Put(w)
	return out, nil
}

// zstdWindow is the window of what we write: batches are rarely larger, and every reader must hold it.
const zstdWindow = 1 << 20
