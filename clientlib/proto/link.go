package proto

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/net/wire"
)

// Link is one connection to a broker: handshake, frames, correlation, versions, and how long answers may take. Its owner moves the bytes.
type Link struct {
	cfg      *Config
	versions map[int16][2]int16 // by API key: lowest and highest served; nil before the handshake is over
	asked    []asked            // by order of sending, which is the order of answers
	last     int32
	in       []byte
	out      []byte
}

// asked is a request without an answer.
type asked struct {
	correlation int32
	req         kmsg.Request
	until       int64 // when its answer is late
	tag         tag
}

// reply is a response and what it answers.
type reply struct {
	tag  tag
	req  kmsg.Request
	resp kmsg.Response
}

// handshakeVersion is the version of ApiVersions that is tried first.
const handshakeVersion = 4

// open begins the handshake on a new connection.
func (l *Link) open(now int64) { l.handshake(now, handshakeVersion) }

func (l *Link) handshake(now int64, version int16) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(version)
	req.ClientSoftwareName, req.ClientSoftwareVersion = softwareName, softwareVersion
	l.send(now, req, tag{}, l.cfg.RequestTimeout)
}

// What ApiVersions tells the broker of us (KIP-511).
const (
	softwareName    = "odradek"
	softwareVersion = "1"
)

// ready reports whether the handshake is over.
func (l *Link) ready() bool { return l.versions != nil }

// version returns the version to send a request of that key in: the highest that both sides know and that is not above max. ok is false if there is none.
func (l *Link) version(key api.Key, max int16) (version int16, ok bool) {
	served, ok := l.versions[int16(key)]
	if !ok {
		return 0, false
	}
	if most, ok := l.cfg.MaxVersions[key]; ok {
		max = min(max, most)
	}
	return min(served[1], max), served[0] <= max
}

// send writes a request; its answer may take until timeout nanoseconds from now. A Produce without acknowledgement has none. But for the handshake the link is
// ready, and the version of req is one that version returned.
func (l *Link) send(now int64, req kmsg.Request, t tag, timeout int64) {
	l.last++
	if p, ok := req.(*kmsg.ProduceRequest); ok {
		l.out = slices.Grow(l.out, produceSize(p))
	}
	l.out = wire.AppendRequest(l.out, l.last, l.cfg.ClientID, req)
	if p, ok := req.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return
	}
	l.asked = append(l.asked, asked{l.last, req, now + timeout, t})
}

// produceSize is about what a Produce takes, so that its records are copied once.
func produceSize(req *kmsg.ProduceRequest) int {
	size := 256
	for i := range req.Topics {
		size += len(req.Topics[i].Topic) + 32
		for j := range req.Topics[i].Partitions {
			size += len(req.Topics[i].Partitions[j].Records) + 32
		}
	}
	return size
}

// takeOut returns what is to be written; it is the caller's.
func (l *Link) takeOut() []byte {
	out := l.out
	l.out = nil
	return out
}

// late returns when the connection is to be given up since an answer is late.
func (l *Link) late() (int64, bool) {
	if len(l.asked) == 0 {
		return 0, false
	}
	at := l.asked[0].until
	for i := range l.asked {
		at = min(at, l.asked[i].until)
	}
	return at, true
}

// received takes bytes of the connection and appends the answers that are complete to out. They own their memory. After an error the connection must be closed.
func (l *Link) received(now int64, p []byte, out []reply) ([]reply, error) {
	l.take(p)
	rest := l.in
	for {
		frame, next, ok, err := wire.Split(rest, l.cfg.FrameMax)
		if err != nil {
			return out, err
		}
		if !ok {
			break
		}
		rest = next
		if out, err = l.frame(now, frame, out); err != nil {
			return out, err
		}
	}
	if len(rest) < len(l.in) {
		l.in = nil // the answers alias it
		l.take(rest)
	}
	return out, nil
}

// frameAhead bounds what is reserved because a frame says that it will be so long.
const frameAhead = 16 << 20

// take keeps bytes. A frame that comes in many pieces gets its memory at once, and is not copied each time that it has grown.
func (l *Link) take(p []byte) {
	const sizeField = 4
	if len(l.in) == 0 && len(p) >= sizeField {
		if size := int(int32(binary.BigEndian.Uint32(p))); size > len(p)-sizeField && size <= l.cfg.FrameMax {
			l.in = make([]byte, 0, sizeField+min(size, frameAhead))
		}
	}
	l.in = append(l.in, p...)
}

func (l *Link) frame(now int64, frame []byte, out []reply) ([]reply, error) {
	if len(l.asked) == 0 {
		return out, fmt.Errorf("an answer of %d bytes to no request", len(frame))
	}
	a := l.asked[0]
	l.asked = l.asked[1:]
	if correlation := int32(binary.BigEndian.Uint32(frame)); correlation != a.correlation {
		return out, fmt.Errorf("an answer to request %d where that to %d is due", correlation, a.correlation)
	}
	if !l.ready() {
		return out, l.handshaken(now, &a, frame)
	}
	_, resp, err := wire.DecodeResponse(a.req, frame)
	if err != nil {
		return out, err
	}
	return append(out, reply{a.tag, a.req, resp}), nil
}

// handshaken takes the answer to ApiVersions. A broker that does not know our version answers in version 0 with what it serves: then that is asked for.
func (l *Link) handshaken(now int64, a *asked, frame []byte) error {
	req := a.req.(*kmsg.ApiVersionsRequest)
	const code = 4 // where it lies, behind the correlation id: the header of this one answer never has tags
	if len(frame) >= code+2 && errcode.Code(int16(binary.BigEndian.Uint16(frame[code:]))) == errcode.UnsupportedVersion && req.GetVersion() > 0 {
		next := int16(0)
		old := kmsg.NewPtrApiVersionsResponse()
		if old.ReadFrom(frame[code:]) == nil {
			for _, k := range old.ApiKeys {
				if k.ApiKey == int16(api.ApiVersions) && k.MaxVersion < req.GetVersion() {
					next = k.MaxVersion
				}
			}
		}
		l.handshake(now, next)
		return nil
	}
	_, decoded, err := wire.DecodeResponse(req, frame)
	if err != nil {
		return err
	}
	resp := decoded.(*kmsg.ApiVersionsResponse)
	if resp.ErrorCode != 0 {
		return fmt.Errorf("the handshake is refused: %v", errcode.Code(resp.ErrorCode))
	}
	l.versions = make(map[int16][2]int16, len(resp.ApiKeys))
	for _, k := range resp.ApiKeys {
		l.versions[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return nil
}
