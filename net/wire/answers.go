package wire

import (
	"encoding/binary"
	"fmt"
)

// AnswerReader cuts a stream of answers into frames, each in memory of its own: what is decoded of one may alias it. Use: Next until it yields none, then read into
// Buffer, then Filled. Memory grows with what has come, not with what a size field says.
type AnswerReader struct {
	max    int
	head   [4]byte
	body   []byte // of the answer that has begun; nil: its size is not known
	size   int
	have   int // of head, or of body
	proven int // the largest answer that came whole, up to provenMax
}

// NewAnswerReader returns a reader of answers up to max bytes.
func NewAnswerReader(max int) *AnswerReader { return &AnswerReader{max: max} }

// Buffer returns where the next bytes go; never empty when Next has just yielded nothing.
func (r *AnswerReader) Buffer() []byte {
	if r.body == nil {
		return r.head[r.have:]
	}
	if r.have == len(r.body) && r.have < r.size {
		grown := make([]byte, min(r.size, 4*len(r.body)))
		copy(grown, r.body)
		r.body = grown
	}
	return r.body[r.have:]
}

// Filled says that n bytes of Buffer have come.
func (r *AnswerReader) Filled(n int) { r.have += n }

// Next returns the next whole answer, without its size field, if there is one. An error is final.
func (r *AnswerReader) Next() (frame []byte, ok bool, err error) {
	if r.body == nil {
		if r.have < len(r.head) {
			return nil, false, nil
		}
		r.size = int(int32(binary.BigEndian.Uint32(r.head[:])))
		if r.size < 4 || r.size > r.max {
			return nil, false, fmt.Errorf("%w: an answer of %d bytes; allowed are 4 to %d", ErrFrame, r.size, r.max)
		}
		r.body, r.have = make([]byte, min(r.size, max(frameFirst, r.proven))), 0
	}
	if r.have < r.size {
		return nil, false, nil
	}
	frame = r.body[:r.size:r.size]
	r.proven = max(r.proven, min(r.size, provenMax))
	r.body, r.have = nil, 0
	return frame, true, nil
}
