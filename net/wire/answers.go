package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/record"
)

// fetchAnswer is the shape of an answer to Fetch: the one that is large and comes all the time. kmsg allocates an array as soon as its length is below the number of bytes
// left, which would let a few megabytes of nonsense cost gigabytes; see shapes.
func fetchAnswer() []field {
	return []field{fix(4), fix(2 + 4).since(7), arr(text().until(12), fix(16).since(13),
		arr(fix(4), fix(2), fix(8), fix(8), fix(8).since(5), arr(fix(8), fix(8)).orNull(0), fix(4).since(11), field{kind: fieldBytes, to: forever}))}
}

const (
	// versionsMax bounds an answer to ApiVersions, which comes before anything is known of the other node.
	versionsMax = 64 << 10
	// coldAnswerMax bounds every answer that brings no records and no snapshot.
	coldAnswerMax = ColdFrameMax
)

// DecodeAnswer reads what another node answered, without its size field: DecodeResponse for bytes that nobody vouches for. The response may alias frame.
func DecodeAnswer(req kmsg.Request, frame []byte) (correlation int32, resp kmsg.Response, err error) {
	most := coldAnswerMax
	switch api.Key(req.Key()) {
	case api.ApiVersions:
		most = versionsMax
	case api.FetchSnapshot:
		most = len(frame)
	case api.Fetch:
		most = len(frame)
		c := cursor{b: frame}
		c.span(4)
		c.flex = req.IsFlexible()
		c.tags(nil)
		if walk(&c, fetchAnswer(), req.GetVersion()); c.err != nil {
			return 0, nil, fmt.Errorf("Fetch response v%d: %w", req.GetVersion(), c.err)
		}
	}
	if len(frame) > most {
		return 0, nil, fmt.Errorf("%w: %v response of %d bytes; allowed are %d", ErrFrame, api.Key(req.Key()), len(frame), most)
	}
	return DecodeResponse(req, frame)
}

// Answer is one answer as it came, without its size field. What is decoded of it may alias it.
type Answer struct {
	Data  []byte
	Frame record.FrameID // pooled buffer that Data lies in, with one reference, which the caller now owns; NoFrame for ordinary memory
}

// AnswerReader cuts a stream of answers into frames. Use: Next until it yields none, then read into Buffer, then Filled; Close at the end. Memory grows with what has
// come, not with what a size field says.
type AnswerReader struct {
	pool   Pool // nil: each answer is in memory of its own
	max    int
	head   [4]byte
	body   []byte // of the answer that has begun; nil: its size is not known
	frame  record.FrameID
	size   int
	have   int // of head, or of body
	proven int // the largest answer that came whole, up to provenMax
}

// NewAnswerReader returns a reader of answers up to max bytes, which lie in buffers of pool, or in memory of their own if that is nil.
func NewAnswerReader(max int, pool Pool) *AnswerReader { return &AnswerReader{max: max, pool: pool} }

// Buffer returns where the next bytes go; never empty when Next has just yielded nothing.
func (r *AnswerReader) Buffer() []byte {
	if r.body == nil {
		return r.head[r.have:]
	}
	if r.have == len(r.body) && r.have < r.size {
		old, frame := r.body, r.frame
		r.alloc(min(r.size, 4*len(old)))
		copy(r.body, old)
		r.release(frame)
	}
	return r.body[r.have:]
}

func (r *AnswerReader) alloc(n int) {
	if r.pool == nil {
		r.body = make([]byte, n)
		return
	}
	var b []byte
	b, r.frame = r.pool.Get(n)
	r.body = b[:min(len(b), r.size)]
}

func (r *AnswerReader) release(frame record.FrameID) {
	if frame != record.NoFrame {
		r.pool.Release(frame)
	}
}

// Partial reports whether an answer has begun and is not complete.
func (r *AnswerReader) Partial() bool { return r.body != nil }

// Close gives back what an unfinished answer holds. The reader is of no use afterwards.
func (r *AnswerReader) Close() {
	r.release(r.frame)
	r.body, r.frame = nil, record.NoFrame
}

// Filled says that n bytes of Buffer have come.
func (r *AnswerReader) Filled(n int) { r.have += n }

// Next returns the next whole answer, if there is one. An error is final.
func (r *AnswerReader) Next() (answer Answer, ok bool, err error) {
	if r.body == nil {
		if r.have < len(r.head) {
			return Answer{}, false, nil
		}
		r.size = int(int32(binary.BigEndian.Uint32(r.head[:])))
		if r.size < 4 || r.size > r.max {
			return Answer{}, false, fmt.Errorf("%w: an answer of %d bytes; allowed are 4 to %d", ErrFrame, r.size, r.max)
		}
		r.alloc(min(r.size, max(frameFirst, r.proven)))
		r.have = 0
	}
	if r.have < r.size {
		return Answer{}, false, nil
	}
	answer = Answer{Data: r.body[:r.size:r.size], Frame: r.frame}
	r.proven = max(r.proven, min(r.size, provenMax))
	r.body, r.frame, r.have = nil, record.NoFrame, 0
	return answer, true, nil
}
