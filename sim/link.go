package sim

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/api"
	"odradek/core/record"
	"odradek/net/wire"
	"odradek/sim/simnet"
)

// link is one connection of a client's machine, and an onlooker on it, who sees which requests go and which answers come: what the machine makes of them is judged
// against that.
type link struct {
	id      proto.LinkID
	c       *client
	ch      *channel
	asked   []overheard // without an answer, in the order sent
	in      []byte
	fetches bool // it has carried a Fetch
}

// overheard is a request as its header tells of it.
type overheard struct {
	key         api.Key
	version     int16
	correlation int32
	floors      []record.Offset // of a Fetch: what was acknowledged of each partition
}

// sends takes what the machine writes: whole frames.
func (l *link) sends(p []byte) {
	for rest := p; len(rest) > 0; {
		size := 4 + int(binary.BigEndian.Uint32(rest))
		frame := rest[4:size]
		rest = rest[size:]
		o := overheard{key: api.Key(binary.BigEndian.Uint16(frame)), version: int16(binary.BigEndian.Uint16(frame[2:])), correlation: int32(binary.BigEndian.Uint32(frame[4:]))}
		l.ch.note("sends", o.key, o.correlation, frame)
		if o.key == api.Fetch {
			l.fetches, o.floors = true, l.c.r.floors()
			l.afterLoss(o.version, frame)
		}
		if o.key != api.Produce || l.c.opt.Acks != 0 {
			l.asked = append(l.asked, o)
		}
	}
	l.ch.send(simnet.Client, p)
}

// afterLoss looks at the first Fetch after one whose answer was lost: nobody knows what the broker took of that one, so the session must not go on (KIP-227).
func (l *link) afterLoss(version int16, frame []byte) {
	if !l.c.lostFetch || !l.c.w.alone() { // each broker has a session of its own
		return
	}
	l.c.lostFetch = false
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(version)
	body := frame[10+binary.BigEndian.Uint16(frame[8:]):] // behind the client id
	if req.IsFlexible() {
		body = body[1:]
	}
	if err := req.ReadFrom(body); err != nil || req.SessionEpoch > 0 {
		l.c.w.fail(Correctness, "session", fmt.Sprintf("%s goes on in epoch %d of a session after an answer was lost: %v", l.ch.name, req.SessionEpoch, err))
	}
}

// hears takes what has come and returns the Fetch that is answered by it, if there is one: the machine has no more than one under way.
func (l *link) hears(p []byte) (answer *kmsg.FetchResponse, floors []record.Offset) {
	l.in = append(l.in, p...)
	for {
		frame, rest, ok, err := wire.Split(l.in, frameMax)
		if err == nil && !ok {
			return answer, floors
		}
		if err != nil || len(l.asked) == 0 {
			l.c.w.fail(Correctness, "protocol", fmt.Sprintf("%s: an answer that no client can follow: %v", l.ch.name, err))
			return nil, nil
		}
		a := l.asked[0]
		l.asked, l.in = l.asked[1:], rest
		l.ch.note("hears", a.key, a.correlation, frame)
		if got := int32(binary.BigEndian.Uint32(frame)); got != a.correlation {
			l.c.w.fail(Correctness, "protocol", fmt.Sprintf("%s: the answer to request %d is of request %d", l.ch.name, a.correlation, got))
			return nil, nil
		}
		if a.key == api.Fetch {
			req := kmsg.NewPtrFetchRequest()
			req.SetVersion(a.version)
			_, resp, err := wire.DecodeResponse(req, append([]byte(nil), frame...))
			if err != nil {
				l.c.w.fail(Correctness, "protocol", fmt.Sprintf("%s: %v", l.ch.name, err))
				return nil, nil
			}
			answer, floors = resp.(*kmsg.FetchResponse), a.floors
		}
	}
}

// connected tells how an attempt to connect ended.
func (l *link) connected(_ *channel, ok bool) {
	c, now := l.c, int64(l.c.w.now)
	switch {
	case c.link(l.id) != l:
		return
	case ok:
		c.m.Opened(now, l.id)
	default:
		c.forget(l)
		c.m.Lost(now, l.id, errGone)
	}
	c.carryOut()
	c.poke()
}

// arrived takes bytes of responses.
func (l *link) arrived(ch *channel, p []byte) {
	c := l.c
	if c.link(l.id) != l {
		return
	}
	c.powers, c.since = ch.powers, ch.since
	answer, floors := l.hears(p)
	if answer != nil {
		c.r.hears(answer)
	}
	c.m.Received(int64(c.w.now), l.id, p)
	spoil(p)
	c.carryOut()
	if answer != nil && c.w.failure == nil {
		c.r.heard(answer, floors)
		c.carryOut()
	}
	c.poke()
}

// lost tells that the connection is gone.
func (l *link) lost(*channel) {
	if c := l.c; c.forget(l) {
		c.m.Lost(int64(c.w.now), l.id, errGone)
		c.carryOut()
		c.poke()
	}
}

// note traces a request or an answer.
func (ch *channel) note(what string, key api.Key, correlation int32, frame []byte) {
	t := &ch.w.trace
	t.begin(ch.w.now, ch.name)
	t.line = append(t.line, what...)
	t.line = append(t.line, ' ')
	t.line = append(t.line, key.String()...)
	t.line = append(t.line, " #"...)
	t.line = strconv.AppendInt(t.line, int64(correlation), 10)
	t.line = append(t.line, ' ')
	t.line = strconv.AppendInt(t.line, int64(len(frame)), 10)
	t.line = append(t.line, ':')
	t.line = strconv.AppendUint(t.line, xxhash.Sum64(frame), 16)
	t.end()
}
