package record

import "errors"

// Codec compresses and decompresses the records of a batch. net/codec implements it; the core only names it. One call at a time.
//
// Both append to dst and return the extended slice; src is neither kept nor changed. Decompress appends at most max bytes and returns
// ErrTooLarge (wrapped or not) when there is more. Any other error means that src is damaged or the codec unknown.
type Codec interface {
	Decompress(dst, src []byte, id CodecID, max int) ([]byte, error)
	Compress(dst, src []byte, id CodecID, level int) ([]byte, error)
}

// MaxDecompressed bounds, in bytes, what the records of one batch may decompress to, so that a small request cannot take all memory.
const MaxDecompressed = 128 << 20

// DefaultLevel asks a Codec for its own default compression level.
const DefaultLevel = -1 << 31

// ErrTooLarge is what a Codec returns when decompression would exceed its bound.
var ErrTooLarge = errors.New("decompresses to more than allowed")

// errNoCodec is returned for compressed records where no Codec was given.
var errNoCodec = errors.New("records are compressed and no codec is at hand")

// RawRecords returns the bytes of b's records, decompressed. Uncompressed records alias Data and scratch is untouched; others are
// decompressed into scratch[:0], grown as needed. Data must be held.
func (b *Batch) RawRecords(codec Codec, scratch []byte) ([]byte, error) {
	if len(b.Data) < HeaderSize {
		return nil, ErrShort
	}
	id := b.Attributes.Codec()
	if id == CodecNone {
		return b.Data[HeaderSize:], nil
	}
	if codec == nil {
		return nil, errNoCodec
	}
	return codec.Decompress(scratch[:0], b.Data[HeaderSize:], id, MaxDecompressed)
}
