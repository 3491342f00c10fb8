package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/klauspost/compress/snappy"

	"odradek/core/record"
)

// Xerial framing, as snappy-java's SnappyOutputStream writes it: a header of 16 bytes (magic, version, oldest compatible version), then
// chunks of a four-byte length and a raw snappy block. Java clients and Kafka write it; librdkafka and sarama may send one raw block.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	xerialHeader  = 16
	xerialVersion = 1
	// xerialBlock is the uncompressed size of a chunk: SnappyOutputStream's default.
	xerialBlock = 32 << 10
	// snappyRatio: an element of three bytes copies at most 64, so no honest block expands further. A claim beyond it is not allocated.
	snappyRatio = 64
)

var errSnappyClaim = errors.New("a block claims more bytes than it can hold")

func unsnappy(dst, src []byte, max int) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialMagic) {
		return unsnappyBlock(dst, src, max)
	}
	if len(src) < xerialHeader {
		return dst, errors.New("xerial header is truncated")
	}
	if v := binary.BigEndian.Uint32(src[12:]); v > xerialVersion {
		return dst, errors.New("xerial framing is of a later version")
	}
	base := len(dst)
	for src = src[xerialHeader:]; len(src) > 0; {
		if bytes.HasPrefix(src, xerialMagic) && len(src) >= xerialHeader { // streams may be concatenated
			src = src[xerialHeader:]
			continue
		}
		if len(src) < 4 {
			return dst, errors.New("xerial chunk length is truncated")
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return dst, errors.New("xerial chunk is truncated")
		}
		var err error
		if dst, err = unsnappyBlock(dst, src[:n], max-(len(dst)-base)); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

// unsnappyBlock appends one raw block's content to dst, at most max bytes.
func unsnappyBlock(dst, src []byte, max int) ([]byte, error) {
	n, err := snappy.DecodedLen(src)
	if err != nil {
		return dst, err
	}
	if n > max {
		return dst, record.ErrTooLarge
	}
	if n/snappyRatio > len(src) {
		return dst, errSnappyClaim
	}
	dst = slices.Grow(dst, n)
	end := len(dst) + n
	out, err := snappy.Decode(dst[len(dst):end:end], src)
	if err != nil {
		return dst, err
	}
	return append(dst, out...), nil // in place: out is the room behind dst
}

func snap(dst, src []byte) []byte {
	dst = append(dst, xerialMagic...)
	dst = binary.BigEndian.AppendUint32(dst, xerialVersion)
	dst = binary.BigEndian.AppendUint32(dst, xerialVersion)
	for len(src) > 0 {
		piece := src[:min(len(src), xerialBlock)]
		src = src[len(piece):]
		room := snappy.MaxEncodedLen(len(piece))
		dst = slices.Grow(dst, 4+room)
		at := len(dst) + 4
		out := snappy.Encode(dst[at:at+room:at+room], piece)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(out)))
		dst = append(dst, out...) // in place
	}
	return dst
}
