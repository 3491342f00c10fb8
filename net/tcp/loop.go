package tcp

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"odradek/core"
	"odradek/net/wire"
)

const (
	// roundBytes is how many bytes of requests a round reads before the core gets them: enough to share a turn and a write, few enough that the first of them
	// does not wait for megabytes to be copied.
	roundBytes = 300 << 10
	// shareBytes is what one connection may have of a round.
	shareBytes = 64 << 10
	// toldMax is how many connections one system call tells of.
	toldMax = 256
)

// loop reads connections as bytes come, in rounds: what several of them have sent goes to the core as one piece.
//
// Its poll set is level-triggered: what is left unread, because a round was full or a connection waits for something, is told of again.
type loop struct {
	s    *Server
	poll int      // descriptor of the poll set
	file *os.File // the same: Go's own poller tells when something is ready there, so that waiting keeps no thread
	raw  syscall.RawConn

	look   func(uintptr) bool // asks the poll set; false: nothing is ready. Here because a closure over locals would allocate for each wait
	ready  int
	failed error

	told   [toldMax]unix.EpollEvent
	conns  [toldMax]*conn
	round  int // bytes read in this round
	events []core.Event
	aside  []*conn // go to goroutines of their own when the core has got what they sent before
	moving []*conn // go to where they belong now, likewise
}

func newLoop(s *Server) (*loop, error) {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	_ = unix.SetNonblock(poll, true) // so that os.NewFile gives it to Go's poller
	l := &loop{s: s, poll: poll, file: os.NewFile(uintptr(poll), "epoll")}
	l.look = l.ask
	if l.raw, err = l.file.SyscallConn(); err != nil {
		_ = l.file.Close()
		return nil, err
	}
	return l, nil
}

// run serves until close.
func (l *loop) run() {
	for {
		n, err := l.wait()
		if err != nil {
			return
		}
		l.find(n)
		for i := range n {
			if c := l.conns[i]; c != nil {
				l.serve(c, l.told[i].Events)
				l.conns[i] = nil
			}
			if l.round >= roundBytes {
				l.endRound()
			}
		}
		l.endRound()
	}
}

// wait returns how many connections are ready; an error when the loop is closed.
func (l *loop) wait() (int, error) {
	if err := l.raw.Read(l.look); err != nil {
		return 0, err
	}
	return l.ready, l.failed
}

func (l *loop) ask(uintptr) bool {
	for {
		if l.ready, l.failed = unix.EpollWait(l.poll, l.told[:], 0); l.failed != unix.EINTR {
			return l.ready != 0
		}
	}
}

// find looks up who is ready. Whoever has been forgotten meanwhile is nil.
func (l *loop) find(n int) {
	l.s.mu.RLock()
	defer l.s.mu.RUnlock()
	for i := range n {
		l.conns[i] = l.s.byID[pollID(&l.told[i])]
	}
}

// serve does what a connection is ready for.
func (l *loop) serve(c *conn, ready uint32) {
	if ready&unix.EPOLLOUT != 0 {
		c.writable()
	}
	if ready&^unix.EPOLLOUT == 0 || !c.readable(ready) {
		return
	}
	if !c.over() && l.read(c) {
		return
	}
	c.leave()
	l.aside = append(l.aside, c)
}

// read takes what has come. It reports false when the connection must go on elsewhere.
func (l *loop) read(c *conn) bool {
	if !c.free() {
		return false
	}
	for share := 0; share < shareBytes; {
		buf := c.in.Buffer()
		n, err := unix.Read(c.fd, buf)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return true
		case n == 0 && share > 0:
			return true // told again, when the core has got what came before the end
		case n <= 0:
			c.close(fault{}) // the peer has gone, or we closed
			return false
		}
		c.in.Filled(n)
		share += n
		l.round += n
		now := time.Now()
		c.heard.Store(now.UnixNano())
		before := len(l.events)
		if !l.take(c, now) {
			return false
		}
		if requests := len(l.events) - before; requests > 0 && c.weigh(each(now, n, requests)) {
			l.moving = append(l.moving, c)
			return true // its next loop is told of what has not been read
		}
		if n < len(buf) { // no more has come: to read again would only tell that
			return true
		}
	}
	return true
}

// each is what each of the requests took that n bytes brought, which were read at a time.
func each(read time.Time, n, requests int) time.Duration {
	if n < weighFrom {
		return 0
	}
	return time.Since(read) / time.Duration(requests)
}

// take decodes the requests that are there whole. It reports false when the connection must go on elsewhere.
func (l *loop) take(c *conn, now time.Time) bool {
	for {
		f, ok, err := c.in.Next()
		c.account()
		if err != nil {
			c.cause = err // what came before it goes to the core first
			return false
		}
		if !ok {
			return true
		}
		var v wire.Verdict
		later := !c.light(f)
		if !later {
			v, later, err = c.machine.DecodeLight(l.s.broker.Env(), f)
		}
		switch {
		case err != nil:
			c.drop(f.ID)
			c.cause = err
			return false
		case later:
			c.held, c.holds = f, true
			return false
		}
		if ev, submit := c.enter(f, v, now); submit {
			l.events = append(l.events, ev)
		}
	}
}

// endRound gives the core what the round brought.
func (l *loop) endRound() {
	l.round = 0
	if len(l.events) > 0 {
		l.s.broker.Submit(l.events)
		clear(l.events)
		l.events = l.events[:0]
	}
	for i, c := range l.aside {
		go c.run()
		l.aside[i] = nil
	}
	l.aside = l.aside[:0]
	for i, c := range l.moving {
		c.move()
		l.moving[i] = nil
	}
	l.moving = l.moving[:0]
}

// pollID is which connection an entry of the poll set is. Numbers are never used again, unlike descriptors: what is told of a closed one concerns nobody.
func pollID(ev *unix.EpollEvent) core.ConnID {
	return core.ConnID(uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32)
}

// pollEntry is what the poll set keeps of a connection.
func pollEntry(id core.ConnID, interest uint32) unix.EpollEvent {
	return unix.EpollEvent{Events: interest, Fd: int32(uint32(id)), Pad: int32(uint32(uint64(id) >> 32))}
}

// control changes the poll set.
func (l *loop) control(op int, c *conn, interest uint32) error {
	entry := pollEntry(c.id, interest)
	return unix.EpollCtl(l.poll, op, c.fd, &entry)
}

// close ends run.
func (l *loop) close() { _ = l.file.Close() }
