// Package wire is Kafka's protocol on one connection: frames, the codecs of requests and responses, and the machine that keeps the order of
// answers. It is pure and synchronous: bytes come in by calls and go out as values; net/tcp moves them in production, sim's network in tests.
//
// The path of a request: FrameReader cuts the stream into Frames; Conn.Decode makes a request of one, Conn.Begin gives it its place in the
// order of answers; the core's Reply comes back by Conn.Reply, and Conn.Next yields what may be sent.
//
// Bytes from outside are never asserted: each wrong length is an error that names the value and the limit, found before anything is allocated for it.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"odradek/core/api"
	"odradek/core/record"
)

// The limits of a frame, in bytes without its size field.
const (
	// DefaultFrameMax is the default of socket.request.max.bytes.
	DefaultFrameMax = 100 << 20
	// ColdFrameMax bounds every request that is not a Produce. Such a frame lives in ordinary memory and its decoded form is larger than it.
	ColdFrameMax = 4 << 20
	// frameMin is the part of the header that every request has: key, version, correlation id.
	frameMin = 8
	// scratchSize is the buffer in which a frame begins. Small frames lie in it whole, several at a time: one read, not two, per request.
	scratchSize = 4 << 10
	// frameFirst is the memory a larger frame gets before it has sent more than scratchSize; it grows fourfold from there.
	frameFirst = 64 << 10
	// provenMax bounds what a stream gets at once because it has sent as much before.
	provenMax = 1 << 20
)

// ErrFrame is wrapped by every error about a frame's size.
var ErrFrame = errors.New("bad frame")

// Pool hands out the buffers of Produce frames.
type Pool interface {
	// Get returns a buffer of length size or more and its id, never record.NoFrame, with one reference.
	Get(size int) ([]byte, record.FrameID)
	// Release gives one reference back. With the last one the buffer returns to the pool and may be overwritten.
	Release(id record.FrameID)
}

// Frame is one request as it came, without its size field.
type Frame struct {
	Key         api.Key
	Version     int16
	Correlation int32
	Data        []byte         // from the API key on
	ID          record.FrameID // pooled buffer that Data lies in, with one reference, which the caller now owns; NoFrame for ordinary memory
}

// FrameReader cuts a stream of bytes into frames. Use: Next until it yields none, then read into Buffer, then Filled.
type FrameReader struct {
	pool    Pool
	max     int
	scratch []byte
	r, w    int // scratch[r:w] is not yet taken
	// A frame that began in scratch and does not fit there. Invariant: size > 0 while one is under way; body[:have] is filled.
	size   int
	have   int
	body   []byte
	id     record.FrameID
	pooled bool
	proven int // largest Produce frame that this stream has sent whole, up to provenMax: it gets so much at once the next time
	err    error
}

// NewFrameReader returns a reader of frames up to max bytes. Produce frames come from pool.
func NewFrameReader(pool Pool, max int) *FrameReader {
	return &FrameReader{pool: pool, max: max, scratch: make([]byte, scratchSize)}
}

// Buffer returns where the next bytes go; never empty when Next has just yielded nothing.
func (r *FrameReader) Buffer() []byte {
	if r.size == 0 {
		if r.r > 0 {
			r.w = copy(r.scratch, r.scratch[r.r:r.w])
			r.r = 0
		}
		return r.scratch[r.w:]
	}
	if r.have == len(r.body) {
		r.grow()
	}
	return r.body[r.have:]
}

// Filled says that n bytes of Buffer have come.
func (r *FrameReader) Filled(n int) {
	if r.size == 0 {
		r.w += n
		return
	}
	r.have += n
}

// Next returns the next whole frame, if there is one. An error is final: the stream cannot be followed further.
func (r *FrameReader) Next() (Frame, bool, error) {
	if r.err != nil {
		return Frame{}, false, r.err
	}
	if r.size > 0 {
		if r.have < r.size {
			return Frame{}, false, nil
		}
		return r.take(), true, nil
	}
	in := r.scratch[r.r:r.w]
	if len(in) < 4 {
		return Frame{}, false, nil
	}
	size := int64(int32(binary.BigEndian.Uint32(in)))
	if size < frameMin || size > int64(r.max) {
		r.err = fmt.Errorf("%w: it says %d bytes%s; allowed are %d to %d (socket.request.max.bytes)", ErrFrame, size, foreign(in), frameMin, r.max)
		return Frame{}, false, r.err
	}
	if len(in) < 4+frameMin {
		return Frame{}, false, nil
	}
	key := api.Key(binary.BigEndian.Uint16(in[4:]))
	if key != api.Produce && size > ColdFrameMax {
		r.err = fmt.Errorf("%w: %v request of %d bytes; allowed are %d for all but Produce", ErrFrame, key, size, ColdFrameMax)
		return Frame{}, false, r.err
	}
	r.begin(int(size), key == api.Produce)
	r.have = copy(r.body, in[4:])
	r.r += 4 + r.have
	if r.have < r.size {
		return Frame{}, false, nil
	}
	return r.take(), true, nil
}

// foreign names the protocol that a stream speaks which begins so, where it is one that clients speak to us by mistake.
func foreign(in []byte) string {
	for _, method := range []string{"GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PRI "} {
		if string(in[:4]) == method {
			return ", which is how HTTP begins"
		}
	}
	if in[0] == 0x16 && in[1] == 3 {
		return ", which is how TLS begins"
	}
	return ""
}

// Held is the bytes of ordinary memory that an unfinished frame has got: not from the pool, which counts its own.
func (r *FrameReader) Held() int {
	if r.pooled {
		return 0
	}
	return len(r.body)
}

// Claimed is the size of the frame that has begun and is not complete, 0 if there is none.
func (r *FrameReader) Claimed() int { return r.size }

// begin chooses the memory of a frame. Invariant: no more than frameFirst, or what this stream has proven to send, before the bytes are there.
func (r *FrameReader) begin(size int, pooled bool) {
	r.size, r.have, r.pooled = size, 0, pooled
	r.alloc(min(size, max(frameFirst, r.proven)))
}

func (r *FrameReader) alloc(n int) {
	if !r.pooled {
		r.body, r.id = make([]byte, n), record.NoFrame
		return
	}
	var b []byte
	b, r.id = r.pool.Get(n)
	r.body = b[:min(len(b), r.size)]
}

func (r *FrameReader) grow() {
	old, id := r.body, r.id
	r.alloc(min(r.size, 4*len(old)))
	copy(r.body, old)
	if id != record.NoFrame {
		r.pool.Release(id)
	}
}

func (r *FrameReader) take() Frame {
	data := r.body[:r.size:r.size]
	f := Frame{Key: api.Key(binary.BigEndian.Uint16(data)), Version: int16(binary.BigEndian.Uint16(data[2:])),
		Correlation: int32(binary.BigEndian.Uint32(data[4:])), Data: data, ID: r.id}
	if r.pooled {
		r.proven = max(r.proven, min(r.size, provenMax))
	}
	r.size, r.have, r.body, r.id = 0, 0, nil, record.NoFrame
	return f
}

// Partial reports whether a frame has begun and is not complete.
func (r *FrameReader) Partial() bool { return r.size > 0 || r.w > r.r }

// Close gives back what an unfinished frame holds. The reader is of no use afterwards.
func (r *FrameReader) Close() {
	if r.id != record.NoFrame {
		r.pool.Release(r.id)
	}
	*r = FrameReader{err: errClosed}
}

var errClosed = errors.New("the connection is closed")
