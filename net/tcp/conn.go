package tcp

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/record"
	"odradek/net/wire"
)

// conn is one connection. One at a time owns in and the reading half of machine: the loop, while nothing but bytes is waited for, else the goroutine of run.
// Everything below mu is the answering half.
//
//	loop ─bytes─▶ decode ─▶ core          as long as that takes no time
//	  │ ▲
//	  │ └── nothing is left to do but to wait for bytes
//	  ▼
//	run ── waits: for answers, memory, a mute, its turn; does what takes long; ends the connection
type conn struct {
	s       *Server
	id      core.ConnID
	host    string
	name    string // of the listener
	inside  bool   // it is one that nodes use among themselves
	fd      int
	frames  *Frames
	in      *wire.FrameReader
	machine *wire.Conn
	held    wire.Frame    // taken from in, for run to serve first
	holds   bool          // there is one
	cause   error         // why run must close it
	done    chan struct{} // closed with the connection
	partial int64         // charged for the frame that is coming
	coming  atomic.Int64  // since when, in Unix nanoseconds; 0: none is
	claimed atomic.Int64  // its size
	heard   atomic.Int64  // when bytes came last, or when the loop got it back; in Unix nanoseconds
	weight  time.Duration // what a request took to decode, of late
	heavy   bool          // that is much: see weigh

	mu       sync.Mutex
	turn     sync.Cond // broadcast when something changes that run may wait for
	loop     *loop     // that has it, or will have it again
	away     bool      // run owns it, not the loop
	interest uint32    // what the poll set watches for
	users    int       // of fd, besides those under mu: its owner, and writeQueue. The last one closes it
	closed   bool
	draining bool
	ending   atomic.Bool // closed or draining, for who cannot take mu
	muted    time.Time
	charged  int64 // bytes of the cold request in flight
	answered bool  // answer is going to be called
	pins     []Pin // of replies that the machine holds, in order
	underWay []underWay
	sender
}

func newConn(s *Server, id core.ConnID, listener, host string, nc net.Conn) (*conn, error) {
	fd, err := descriptor(nc)
	if err != nil {
		return nil, err
	}
	s.cfg.sizeBuffers(fd)
	frames := s.broker.Frames()
	info := wire.Info{Conn: id, Listener: listener, Address: nc.LocalAddr().String(), Peer: nc.RemoteAddr().String(), Principal: anonymous,
		Control: slices.Contains(s.cfg.Controllers, listener)}
	c := &conn{s: s, id: id, host: host, name: listener, inside: slices.Contains(s.cfg.Inside, listener), fd: fd, frames: frames,
		in: wire.NewFrameReader(frames, s.cfg.FrameMax), machine: wire.NewConn(info), done: make(chan struct{}), interest: unix.EPOLLIN, users: 1}
	c.turn.L = &c.mu
	c.heard.Store(time.Now().UnixNano())
	return c, nil
}

// sizeBuffers gives a socket the buffers that are configured. One that the system refuses keeps its own: it works.
func (cfg *Config) sizeBuffers(fd int) {
	if cfg.ReceiveBuffer > 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, cfg.ReceiveBuffer)
	}
	if cfg.SendBuffer > 0 {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, cfg.SendBuffer)
	}
}

// descriptor returns one of our own for the same socket: that of nc is in the poll set of Go's runtime, which would wake up for everything that the loop does.
func descriptor(nc net.Conn) (int, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("a %T has no descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(theirs uintptr) { fd, failed = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return 0, err
	}
	return fd, os.NewSyscallError("fcntl", failed)
}

// anonymous is Kafka's principal of a connection that does not authenticate.
const anonymous = "User:ANONYMOUS"

// run does what the loop must not wait for. When nothing is left of that the loop has the connection again, unless it is over: then the core is told.
func (c *conn) run() {
	err := c.cause
	if err == nil {
		err = c.catchUp()
	}
	if err != nil {
		c.close(faultFor(err))
	}
	if c.back() {
		return
	}
	defer c.s.conns.Done()
	c.finish()
	c.in.Close()
	c.account()
	c.s.forget(c)
	c.s.broker.Submit([]core.Event{{Kind: core.EvConnClosed, Conn: c.id}})
}

// faultFor says what an operator may do about a request that closed its connection.
func faultFor(err error) fault {
	f := fault{kindRequest, err.Error(), "update or reconfigure the client"}
	var unserved wire.NotServedError
	switch {
	case errors.Is(err, wire.ErrFrame):
		f.kind = kindFrame
		f.hint = "a client with TLS or HTTP on a plain listener looks like this; for honest large requests raise socket.request.max.bytes"
	case errors.As(err, &unserved):
		f.kind = kindUnserved
	case errors.Is(err, errIdle):
		f.kind, f.hint = kindIdle, "nothing, or raise connections.max.idle.ms"
	}
	return f
}

var errIdle = errors.New("no traffic within connections.max.idle.ms")

// catchUp serves the request that the loop has left, and what has come behind it; without one it waits until more may be read. An error is a cause to close the
// connection.
func (c *conn) catchUp() error {
	f, ok := c.held, c.holds
	c.held, c.holds = wire.Frame{}, false
	if !ok {
		if c.waitFor(api.Produce) && !c.in.Partial() && !c.inside {
			c.frames.wait(c.over)
		}
		return nil
	}
	for ok {
		err := c.serve(f)
		if err != nil || c.over() {
			return err
		}
		f, ok, err = c.in.Next()
		c.account()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) over() bool { return c.ending.Load() }

// serve takes one request through the machine to the core. It may wait.
func (c *conn) serve(f wire.Frame) error {
	arrived := time.Now()
	if !c.waitFor(f.Key) {
		c.drop(f.ID)
		return nil
	}
	var ev core.Event
	var submit bool
	var err error
	if f.Key != api.Produce && len(f.Data) > lightMax {
		c.s.cfg.Heavy.Do(func() { ev, submit, err = c.decide(f, arrived) })
	} else {
		ev, submit, err = c.decide(f, arrived)
	}
	if submit {
		c.s.broker.Submit([]core.Event{ev})
	}
	return err
}

// lightMax is the size of a request, other than Produce, beyond which it takes its turn: a Fetch of some two thousand partitions. What such requests cost grows
// with what they name, and to decide one takes the core as long as a thousand others.
const lightMax = 64 << 10

// light reports whether the loop may serve a request: it may begin now, and is small. Of other requests than Produce and Fetch nobody knows what they take: three
// bytes can ask for the metadata of all topics.
func (c *conn) light(f wire.Frame) bool {
	return (f.Key == api.Produce || f.Key == api.Fetch) && len(f.Data) <= lightMax && c.admits(f.Key)
}

// decide decodes a request and begins it. It returns what the core must get, if so.
func (c *conn) decide(f wire.Frame, arrived time.Time) (ev core.Event, submit bool, err error) {
	v, err := c.machine.Decode(c.s.broker.Env(), f)
	if err != nil {
		c.drop(f.ID)
		return ev, false, err
	}
	ev, submit = c.enter(f, v, arrived)
	return ev, submit, nil
}

// enter gives a decoded request its place among the answers.
func (c *conn) enter(f wire.Frame, v wire.Verdict, arrived time.Time) (ev core.Event, submit bool) {
	if v.Batches == 0 && f.ID != record.NoFrame {
		// Nothing aliases the frame any more: the core need not hear of it.
		c.drop(f.ID)
		if v.Request != nil {
			v.Request.Frame = record.NoFrame
		}
	}
	c.mu.Lock()
	if f.ID == record.NoFrame && v.Submit {
		c.charged = int64(len(f.Data))
		c.frames.charge(c.charged)
	}
	c.machine.Begin(&v)
	if v.Submit {
		c.begin(v.Request.Correlation, arrived)
	} else {
		c.flush()
	}
	c.mu.Unlock()
	if !v.Submit {
		c.s.took(f.Key, time.Since(arrived))
	}
	return core.Event{Kind: core.EvRequest, Conn: c.id, Request: v.Request}, v.Submit
}

func (c *conn) drop(id record.FrameID) {
	if id != record.NoFrame {
		c.frames.Release(id)
	}
}

// readAhead is how many bytes of responses may wait for the peer while more of its requests are read.
const readAhead = 64 << 10

// waitFor returns when a request of that key may begin: the machine admits it, the peer reads its responses, and it is not muted. False: the
// connection is closed or draining.
func (c *conn) waitFor(key api.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && !c.draining {
		if pause := c.pause(); pause > 0 {
			c.mu.Unlock()
			select {
			case <-c.done:
			case <-c.s.stop:
			case <-time.After(pause):
			}
			c.mu.Lock()
			if c.stopping() {
				return false
			}
			continue
		}
		if c.begins(key) {
			return true
		}
		c.turn.Wait()
	}
	return false
}

// begins reports whether a request of that key may begin, leaving mutes aside. The caller holds mu.
func (c *conn) begins(key api.Key) bool {
	return c.machine.Admits(key) && c.queued < readAhead && len(c.queue) < wire.ProducesMax
}

// stopping reports whether Shutdown has begun: a muted connection must not spin until drain reaches it.
func (c *conn) stopping() bool {
	select {
	case <-c.s.stop:
		c.draining = true
		c.ending.Store(true)
		return true
	default:
		return false
	}
}

func (c *conn) pause() time.Duration {
	if c.muted.IsZero() {
		return 0
	}
	pause := time.Until(c.muted)
	if pause <= 0 {
		c.muted = time.Time{}
	}
	return pause
}

// reply takes the core's answer, and reports whether it is the first since the last send.
func (c *conn) reply(r *core.Reply, pins []Pin) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		release(pins)
		return false
	}
	if err := c.machine.Reply(r); err != nil {
		release(pins)
		c.closeLocked(fault{kindBug, "the core and the connection disagree: " + err.Error(), "report this: it is a bug of the broker's"})
		return false
	}
	c.end(r.Correlation, r.Key)
	if c.charged > 0 {
		c.frames.charge(-c.charged)
		c.charged = 0
	}
	// A reply with extents belongs to a Fetch, which is alone in flight: its pins are always those of the next response.
	for _, p := range pins {
		if p.Len() > 0 {
			c.pins = append(c.pins, p)
		} else {
			p.Release() // the machine names no piece for it
		}
	}
	first = !c.answered
	c.answered = true
	return first
}

// answer sends what reply has taken.
func (c *conn) answer() {
	c.mu.Lock()
	c.answered = false
	c.flush()
	c.mu.Unlock()
}

// flush sends every response that is there, in order. The caller holds mu.
func (c *conn) flush() {
	for !c.closed {
		out, ok := c.machine.Next()
		if !ok {
			break
		}
		if out.Close {
			if err := c.sendGathered(); err != nil {
				c.closeLocked(*err)
			}
			c.closeLocked(fault{kindAcks0, out.Reason, "use acks=1 or acks=all to see such errors in the client"})
			break
		}
		if out.MuteMs > 0 {
			c.muted = time.Now().Add(time.Duration(out.MuteMs) * time.Millisecond)
		}
		if err := c.send(out); err != nil {
			c.closeLocked(*err)
		}
	}
	if !c.closed {
		if err := c.sendGathered(); err != nil {
			c.closeLocked(*err)
		}
	}
	c.turn.Broadcast()
}

// drain makes its owner stop reading, answer what is in flight, and close.
func (c *conn) drain() {
	c.mu.Lock()
	c.draining = true
	c.ending.Store(true)
	if !c.closed {
		_ = unix.Shutdown(c.fd, unix.SHUT_RD) // the peer hears nothing of it, but the loop finds something to read
	}
	c.turn.Broadcast()
	c.mu.Unlock()
	c.frames.wake()
}

// finish waits, when draining, until everything in flight is answered and sent; then the connection is closed if it is not yet. A Fetch is not waited for:
// it may be parked for a minute, and its client asks again elsewhere.
func (c *conn) finish() {
	c.mu.Lock()
	for !c.closed && c.draining && (c.machine.InFlight() > 0 && !c.machine.Fetching() || c.writing) {
		c.turn.Wait()
	}
	c.closeLocked(fault{})
	c.letGo()
	c.mu.Unlock()
}

// close closes the connection, once. A cause, if there is one, is logged with what to do about it: one line per connection.
func (c *conn) close(f fault) {
	c.mu.Lock()
	c.closeLocked(f)
	c.mu.Unlock()
}

func (c *conn) closeLocked(f fault) {
	if c.closed {
		return
	}
	c.closed = true
	c.ending.Store(true)
	if f.cause != "" {
		info := c.machine.Info()
		c.s.lines.write(slog.LevelWarn, f.kind, "connection closed: "+f.cause, "peer", info.Peer, "listener", info.Listener, "hint", f.hint)
	}
	c.machine.Close()
	release(c.pins)
	c.pins = nil
	c.s.unread.Add(-c.sender.discard())
	if c.charged > 0 {
		c.frames.charge(-c.charged)
		c.charged = 0
	}
	// Others may be reading or writing: only the last of them may give the descriptor back, since the next connection may get the same one.
	_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	close(c.done)
	c.turn.Broadcast()
	c.frames.wake()
}
