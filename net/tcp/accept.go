package tcp

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"odradek/core"
)

// The pauses after a failed accept: out of descriptors, mostly, and trying at once would only burn a CPU.
const (
	acceptPauseFirst = 5 * time.Millisecond
	acceptPauseMax   = time.Second
)

func (s *Server) accept(l listener) {
	pause := acceptPauseFirst
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = acceptPauseFirst
			if !s.keepPace(l) {
				_ = nc.Close()
				return
			}
			s.take(l.name, nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if pause == acceptPauseFirst { // one line per run of failures
			s.lines.write(slog.LevelError, kindAccept, "cannot accept connections: raise the limit of open files (ulimit -n) or lower max.connections",
				"listener", l.name, "address", l.Addr().String(), "error", err)
		}
		if !s.sleep(pause) {
			return
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// sleep reports false when Shutdown begins meanwhile.
func (s *Server) sleep(d time.Duration) bool {
	select {
	case <-s.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// pace spreads new connections to so many a second, over all listeners (max.connection.creation.rate); a second's worth may come at once. Those beyond wait in
// the listener's backlog, as they do for Kafka's acceptor.
type pace struct {
	rate int
	next time.Time // when the connection after the last one taken would come at an even rate
}

// delay books the next connection and returns how long it must wait.
func (p *pace) delay(now time.Time) time.Duration {
	if p.rate == math.MaxInt {
		return 0
	}
	if earliest := now.Add(-time.Second); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(time.Second / time.Duration(p.rate))
	return max(0, p.next.Sub(now))
}

// insideMax bounds the connections of nodes among themselves: each has four or five with each other one.
const insideMax = 1000

// keepPace waits until the connection just accepted may be taken; false when Shutdown begins.
func (s *Server) keepPace(l listener) bool {
	if slices.Contains(s.cfg.Inside, l.name) {
		return true
	}
	s.mu.Lock()
	wait := s.pace.delay(time.Now())
	s.mu.Unlock()
	if wait == 0 {
		return true
	}
	s.lines.write(slog.LevelWarn, kindRate, "new connections wait: more come than max.connection.creation.rate allows", "listener", l.name,
		"rate", s.pace.rate, "hint", "look which clients connect over and over, or raise it")
	return s.sleep(wait)
}

// take starts a connection, or closes it where it is one too many.
func (s *Server) take(listener string, nc net.Conn) {
	defer nc.Close() // the connection has a descriptor of its own
	host, _, _ := net.SplitHostPort(nc.RemoteAddr().String())
	c, err := newConn(s, core.ConnID(s.lastID.Add(1)), listener, host, nc)
	k := kindLimit
	if err == nil {
		if k, err = s.admit(c); err != nil {
			_ = unix.Close(c.fd)
		}
	}
	if err != nil {
		s.lines.write(slog.LevelWarn, k, "connection refused: "+err.Error(), "peer", nc.RemoteAddr().String(), "listener", listener)
		return
	}
	c.join(c.home())
}

func (s *Server) admit(c *conn) (kind, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		return kindLimit, errors.New("the node is stopping")
	default:
	}
	most, override := s.cfg.PerIP[c.host]
	if !override {
		most = s.cfg.MaxConnectionsPerIP
	}
	n, ours := len(s.byID)-s.inside, s.perIP[c.host]
	switch {
	case c.inside && s.inside >= insideMax:
		return kindLimit, fmt.Errorf("%d connections of nodes among themselves are open", s.inside)
	case c.inside:
		s.inside++
	case n >= s.cfg.MaxConnections:
		return kindLimit, fmt.Errorf("%d connections are open; raise max.connections or close some", n)
	case n >= s.cfg.MaxSockets:
		return kindLimit, fmt.Errorf("%d connections are open, all that the limit of open files leaves; raise it (ulimit -n) or close some", n)
	case ours >= most && override:
		return kindAddress, fmt.Errorf("%d connections from this address are open; raise its max.connections.per.ip.overrides or close some", ours)
	case ours >= most:
		return kindAddress, fmt.Errorf("%d connections from this address are open; raise max.connections.per.ip or close some", ours)
	}
	s.byID[c.id] = c
	if !c.inside {
		s.perIP[c.host]++
	}
	s.conns.Add(1) // under mu, and Shutdown takes mu after closing stop: never beside its Wait
	return "", nil
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.byID, c.id)
	if c.inside {
		s.inside--
	} else if s.perIP[c.host]--; s.perIP[c.host] == 0 {
		delete(s.perIP, c.host)
	}
	s.mu.Unlock()
}
