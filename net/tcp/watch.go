package tcp

import (
	"time"

	"golang.org/x/sys/unix"

	"odradek/core/api"
)

// readable is told by the loop that there is something to read, or that the peer has gone, and reports whether that is the loop's to deal with. While run owns
// the connection it is not, and the poll set must not tell of it over and over.
func (c *conn) readable(ready uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.away {
		return true
	}
	if ready&(unix.EPOLLHUP|unix.EPOLLERR) != 0 { // told whatever is watched for
		c.closeLocked(fault{})
		if c.users > 0 {
			_ = c.loop.control(unix.EPOLL_CTL_DEL, c, 0)
		}
		return false
	}
	c.watch(c.interest &^ unix.EPOLLIN)
	return false
}

// watch sets what the poll set watches for. The caller holds mu.
func (c *conn) watch(interest uint32) {
	if interest != c.interest && !c.closed {
		c.interest = interest
		_ = c.loop.control(unix.EPOLL_CTL_MOD, c, interest)
	}
}

// leave takes a connection from the loop.
func (c *conn) leave() {
	c.mu.Lock()
	c.away = true
	c.mu.Unlock()
}

// back gives it to the loop again, unless it is over. What came meanwhile is told of at once.
func (c *conn) back() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return false
	}
	c.away = false
	c.heard.Store(time.Now().UnixNano())
	c.watch(c.interest | unix.EPOLLIN)
	return true
}

// free reports whether more may be read without waiting: what waitFor and Frames.wait wait for is there.
func (c *conn) free() bool {
	if !c.inside && !c.in.Partial() && !c.frames.room() {
		return false
	}
	return c.admits(api.Produce)
}

// admits reports whether a request of that key may begin without waiting.
func (c *conn) admits(key api.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.over() && c.pause() <= 0 && c.begins(key)
}

// letGo gives the descriptor back with its last user. The caller holds mu.
func (c *conn) letGo() {
	if c.users--; c.users == 0 {
		_ = unix.Close(c.fd)
	}
}

// idleParts is how often in connections.max.idle.ms the server looks for connections that are idle.
const idleParts = 16

// watchIdle closes connections that are idle, until Shutdown has ended them all.
func (s *Server) watchIdle(ended <-chan struct{}) {
	tick := time.NewTicker(max(s.cfg.Idle/idleParts, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case now := <-tick.C:
			s.each(func(c *conn) { c.checkIdle(now) })
		}
	}
}

// checkIdle closes the connection if its peer has taken nothing of what waits for it, or has sent nothing while nothing is in flight, for the idle time.
func (c *conn) checkIdle(now time.Time) {
	long := func(since int64) bool { return now.Sub(time.Unix(0, since)) > c.s.cfg.Idle }
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
	case c.interest&unix.EPOLLOUT != 0 && long(c.full):
		c.closeLocked(fault{}) // as if it had gone: no line
	case c.away || c.draining || !long(c.heard.Load()):
	case c.machine.InFlight() > 0:
		c.heard.Store(now.UnixNano())
	default:
		c.closeLocked(faultFor(errIdle))
	}
}
