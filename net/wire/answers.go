package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
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
