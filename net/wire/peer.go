package wire

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// PeerLimits bound a connection to another node. All are positive.
type PeerLimits struct {
	QueueMax     int   // calls that wait or are under way; one more ends at once, without an answer
	AnswerMax    int   // bytes of an answer
	SetupMs      int64 // from Dial until the other node has said what it speaks
	BackoffMs    int64 // after a connection that failed (reconnect.backoff.ms); doubles with each one after another
	BackoffMaxMs int64 // up to this (reconnect.backoff.max.ms)
	IdleMs       int64 // a connection without calls for so long is closed
}

// PeerEffects is what a Peer wants done, in the order of its fields.
type PeerEffects struct {
	Down    string // why the connection, or the attempt to make one, has come to nothing; "": it has not, or was idle
	Hangup  bool   // close the connection or end the attempt: the machine is told nothing more of it; then there is no Up and no Write
	Dial    string // connect to this host:port; Connected or Lost says how it went. "": do not
	Up      bool   // the other node has said what it speaks: calls can go out
	Write   []byte // for the connection; whoever gets it owns it
	Answers []PeerAnswer
}

// PeerAnswer ends a call: EvAnswered of the core.
type PeerAnswer struct {
	Call   core.CallID
	Answer kmsg.Response  // nil: none will come. It owns all that it names, but for what lies in Frame
	Frame  record.FrameID // pooled buffer that its records lie in, with one reference; NoFrame: there is none
}

type peerState uint8

const (
	peerOff      peerState = iota // no connection; none before until
	peerDialing                   // one is being made; given up at until
	peerGreeting                  // made; ApiVersions is under way, until until
	peerReady                     // calls go out, one at a time; without any it is closed at until
)

// Peer is a node's side of a connection to another one: one lane. The connection is made when there is a call, calls go out in order and one at a time, and each
// ends exactly once: with its answer, or without one when its time is up, the connection that it was sent on is lost, or none can be made.
//
//	Call ─▶ queue ─Dial, Connected─▶ ApiVersions ─▶ Write ─Received─▶ Answers
//
// The machine knows no time but what it is told; Due says when Timeout must be called. Errors of the other node's bytes close the connection.
//
// Invariant: what is sent is queue[0], and only while ready.
type Peer struct {
	clientID string
	limits   PeerLimits
	pool     Pool // of the buffers of answers; nil: they have memory of their own

	state   peerState
	addr    string // of the connection
	until   core.Instant
	backoff int64 // ms after the next failure; 0: the least
	queue   []peerCall
	sent    bool
	number  int32 // correlation id of what was sent last
	offered []kmsg.ApiVersionsResponseApiKey
	in      *AnswerReader // Received's
}

type peerCall struct {
	id   core.CallID
	addr string
	due  core.Instant
	body kmsg.Request
}

// NewPeer returns the machine of one lane to another node. clientID is how it names itself there. Answers lie in buffers of pool, if there is one.
func NewPeer(clientID string, limits PeerLimits, pool Pool) *Peer {
	return &Peer{clientID: clientID, limits: limits, pool: pool}
}

// Partial reports whether an answer has begun and is not complete.
func (p *Peer) Partial() bool { return p.in != nil && p.in.Partial() }

// Waiting is the number of calls that have no answer yet.
func (p *Peer) Waiting() int { return len(p.queue) }

// Call takes a call of this lane. Its body belongs to the machine.
func (p *Peer) Call(now core.Instant, call *core.Call, fx *PeerEffects) {
	if len(p.queue) >= p.limits.QueueMax {
		fx.Answers = append(fx.Answers, PeerAnswer{Call: call.ID})
		return
	}
	p.queue = append(p.queue, peerCall{id: call.ID, addr: call.Addr, due: after(now, int64(call.TimeoutMs)), body: call.Body})
	p.settle(now, fx)
}

// Connected tells that the connection is made. The other node is asked what it speaks.
func (p *Peer) Connected(now core.Instant, fx *PeerEffects) {
	if p.state != peerDialing {
		panic("invariant: a connection that nobody asked for")
	}
	p.state, p.in = peerGreeting, NewAnswerReader(p.limits.AnswerMax, p.pool)
	p.write(versionsRequest(), fx)
	p.settle(now, fx)
}

func versionsRequest() kmsg.Request {
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, "odradek", "1"
	return req
}

// Lost tells that the connection broke, or could not be made. What was sent on it has no answer; if it could not be used at all nothing that waits has one, and the
// next attempt comes after a while.
func (p *Peer) Lost(now core.Instant, reason string, fx *PeerEffects) {
	if p.state == peerOff {
		panic("invariant: a connection is lost that there is not")
	}
	p.down(now, reason, fx)
	p.settle(now, fx)
}

// Received takes bytes of the connection, cut anywhere; they are copied.
func (p *Peer) Received(now core.Instant, b []byte, fx *PeerEffects) {
	for len(b) > 0 && (p.state == peerGreeting || p.state == peerReady) {
		n := copy(p.in.Buffer(), b)
		p.in.Filled(n)
		b = b[n:]
		answer, ok, err := p.in.Next()
		switch {
		case err != nil:
			p.hangUp(now, err.Error(), fx)
		case ok:
			p.Frame(now, answer, fx)
		}
	}
}

// Frame takes a whole answer, as an AnswerReader cuts it. It belongs to the machine.
func (p *Peer) Frame(now core.Instant, answer Answer, fx *PeerEffects) {
	if !p.answered(now, &answer, fx) && answer.Frame != record.NoFrame {
		p.pool.Release(answer.Frame)
	}
}

// answered reports whether a call has ended with the answer, which then goes on with its frame.
func (p *Peer) answered(now core.Instant, answer *Answer, fx *PeerEffects) bool {
	switch {
	case p.state == peerGreeting:
		resp, err := p.decode(versionsRequest(), answer.Data)
		if err != nil {
			p.hangUp(now, err.Error(), fx)
			return false
		}
		versions := resp.(*kmsg.ApiVersionsResponse)
		if code := errcode.Code(versions.ErrorCode); code != errcode.None {
			p.hangUp(now, fmt.Sprintf("ApiVersions is answered %v", code), fx)
			return false
		}
		p.state, p.offered, p.backoff, p.until, fx.Up = peerReady, versions.ApiKeys, 0, after(now, p.limits.IdleMs), true
	case p.state == peerReady && p.sent:
		resp, err := p.decode(p.queue[0].body, answer.Data)
		if err != nil {
			p.hangUp(now, err.Error(), fx)
			return false
		}
		p.end(resp, fx)
		fx.Answers[len(fx.Answers)-1].Frame = answer.Frame
		p.until = after(now, p.limits.IdleMs)
		p.settle(now, fx)
		return true
	default:
		p.hangUp(now, "an answer to nothing", fx)
		return false
	}
	p.settle(now, fx)
	return false
}

func (p *Peer) decode(req kmsg.Request, frame []byte) (kmsg.Response, error) {
	number, resp, err := DecodeAnswer(req, frame)
	if err == nil && number != p.number {
		err = fmt.Errorf("%w: an answer to request %d; under way is %d", ErrMalformed, number, p.number)
	}
	return resp, err
}

// Timeout does what is due.
func (p *Peer) Timeout(now core.Instant, fx *PeerEffects) { p.settle(now, fx) }

// Due returns when Timeout must be called; false: not at all.
func (p *Peer) Due() (at core.Instant, ok bool) {
	for i := range p.queue {
		if !ok || p.queue[i].due < at {
			at, ok = p.queue[i].due, true
		}
	}
	busy := p.state == peerReady && len(p.queue) > 0
	off := p.state == peerOff && len(p.queue) == 0
	if !busy && !off && (!ok || p.until < at) {
		at, ok = p.until, true
	}
	return at, ok
}

// Stop ends the lane: no call gets an answer, and the connection is closed.
func (p *Peer) Stop(fx *PeerEffects) {
	fx.Hangup = fx.Hangup || p.state != peerOff
	p.drop(fx)
	p.endAll(fx)
}

// settle does what can be done now: ends what is overdue, makes or closes the connection, sends the next call.
func (p *Peer) settle(now core.Instant, fx *PeerEffects) {
	p.expire(now, fx)
	if p.state == peerReady {
		p.send(now, fx)
	}
	switch {
	case p.state == peerOff:
		if len(p.queue) > 0 && now >= p.until {
			p.state, p.addr, p.until = peerDialing, p.queue[0].addr, after(now, p.limits.SetupMs)
			fx.Dial = p.addr
		}
	case p.state == peerDialing || p.state == peerGreeting:
		if now >= p.until {
			p.hangUp(now, fmt.Sprintf("no connection within %d ms", p.limits.SetupMs), fx)
		}
	case len(p.queue) == 0:
		if now >= p.until {
			p.leave(now, fx)
		}
	}
}

// leave closes a connection with which nothing is wrong.
func (p *Peer) leave(now core.Instant, fx *PeerEffects) {
	fx.Hangup = true
	p.drop(fx)
	p.until = now
}

// expire ends the calls whose time is up. One that was sent takes the connection with it: its answer may still come, and would be taken for another one's.
func (p *Peer) expire(now core.Instant, fx *PeerEffects) {
	if p.sent && now >= p.queue[0].due {
		fx.Hangup = true
		p.down(now, fmt.Sprintf("no answer to %v in time", api.Key(p.queue[0].body.Key())), fx)
	}
	p.queue = slices.DeleteFunc(p.queue, func(c peerCall) bool {
		if now < c.due {
			return false
		}
		fx.Answers = append(fx.Answers, PeerAnswer{Call: c.id})
		return true
	})
}

// send sends the first call that the other node can take, unless one is under way. Those before it end without an answer: the node will not learn while this
// connection lasts. A call to another address needs another connection: the node has moved.
func (p *Peer) send(now core.Instant, fx *PeerEffects) {
	for len(p.queue) > 0 && !p.sent {
		body := p.queue[0].body
		if p.queue[0].addr != p.addr {
			p.leave(now, fx)
			return
		}
		version, ok := p.negotiate(body)
		if !ok {
			p.end(nil, fx)
			continue
		}
		if version != body.GetVersion() {
			body.SetVersion(version)
		}
		p.sent = true
		p.write(body, fx)
	}
}

func (p *Peer) write(body kmsg.Request, fx *PeerEffects) {
	p.number++
	fx.Write = AppendRequest(fx.Write, p.number, p.clientID, body)
}

// negotiate returns the version in which a call goes out: its own, or the latest below it that the other node takes and that still says the same.
func (p *Peer) negotiate(body kmsg.Request) (int16, bool) {
	for i := range p.offered {
		if o := &p.offered[i]; o.ApiKey == body.Key() {
			version := min(body.GetVersion(), o.MaxVersion)
			return version, version >= max(o.MinVersion, leastVersion(body))
		}
	}
	return 0, false
}

// leastVersion is the first version of a request that says all that this one says. What is not known to be the same in an earlier version keeps its own.
func leastVersion(body kmsg.Request) int16 {
	switch r := body.(type) {
	case *kmsg.VoteRequest:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				if r.Topics[i].Partitions[j].PreVote {
					return 2
				}
			}
		}
		return 0
	case *kmsg.BeginQuorumEpochRequest:
		return 0
	case *kmsg.FetchRequest:
		if r.Version >= 15 {
			return 15 // the replica names itself, with its epoch
		}
	case *kmsg.FetchSnapshotRequest:
		return 0
	}
	return body.GetVersion()
}

// end ends the first call of the queue.
func (p *Peer) end(answer kmsg.Response, fx *PeerEffects) {
	fx.Answers = append(fx.Answers, PeerAnswer{Call: p.queue[0].id, Answer: answer})
	p.queue[0] = peerCall{}
	p.queue, p.sent = p.queue[1:], false
}

func (p *Peer) endAll(fx *PeerEffects) {
	for len(p.queue) > 0 {
		p.end(nil, fx)
	}
}

// hangUp gives the connection up for what the other node did, or did not.
func (p *Peer) hangUp(now core.Instant, reason string, fx *PeerEffects) {
	fx.Hangup = true
	p.down(now, reason, fx)
	p.settle(now, fx)
}

// down takes note that the connection is gone. One that was never of use says that the node cannot be reached: nothing that waits goes out.
func (p *Peer) down(now core.Instant, reason string, fx *PeerEffects) {
	fx.Down = reason
	switch {
	case p.state != peerReady:
		p.endAll(fx)
	case p.sent:
		p.end(nil, fx)
	}
	p.drop(fx)
	p.backoff = min(max(p.backoff, p.limits.BackoffMs), p.limits.BackoffMaxMs)
	p.until = after(now, p.backoff)
	p.backoff *= 2
}

// drop forgets the connection, and what this step wanted of it.
func (p *Peer) drop(fx *PeerEffects) {
	if p.in != nil {
		p.in.Close()
	}
	p.state, p.addr, p.offered, p.in = peerOff, "", nil, nil
	fx.Up, fx.Write = false, nil
}

func after(now core.Instant, ms int64) core.Instant { return now + core.Instant(ms*1_000_000) }
