// Package tcp puts net/wire's connection machine behind real sockets. It holds goroutines, clocks and system calls, and decides nothing: what is
// read next, what may be sent and in which order is wire.Conn's.
//
// A connection has one goroutine, which reads, decodes and submits. Replies are written by whoever brings them, as far as the socket takes them at
// once; what it does not take is left to a second goroutine that lives while there is such a rest. While responses wait, nothing more is read.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"odradek/core"
	"odradek/disk/vfs"
	"odradek/net/wire"
)

// Broker is what stands behind the connections.
type Broker interface {
	// Env is what requests are decoded by now: the committed image and the functions over it. It is called for each request.
	Env() *wire.Env
	// Submit hands an event to the core; it may run Steps, and so Reply, on this goroutine. With a Request whose Frame is not NoFrame it passes
	// on one reference to that frame: the broker releases it after the Step, having retained the frame for each batch in an Append effect.
	Submit(ev core.Event)
	// Frames is the pool of Produce frames: always the same.
	Frames() *Frames
}

// Pin keeps the file behind an extent open.
type Pin interface {
	File() vfs.File
	Off() int64 // where the extent begins in the file
	Len() int64
	Release()
}

// Config is what a server is told. Zero values stand for the defaults in brackets.
type Config struct {
	Listeners           []string      // NAME://host:port; the host may be empty, the port 0
	FrameMax            int           // socket.request.max.bytes [wire.DefaultFrameMax]
	MaxConnections      int           // max.connections [10 000]
	MaxConnectionsPerIP int           // max.connections.per.ip [no limit]
	Idle                time.Duration // connections.max.idle.ms [10 minutes]
	QueueMax            int64         // bytes of responses that a connection's peer may leave unread [16 MiB]
	Log                 *slog.Logger  // [slog.Default()]
}

const (
	defaultConnections = 10_000
	defaultIdle        = 10 * time.Minute
	defaultQueue       = 16 << 20
)

// Server listens and holds the connections.
type Server struct {
	cfg       Config
	broker    Broker
	listeners []listener
	lastID    atomic.Uint64
	conns     sync.WaitGroup // goroutines that read, and that write what is left
	accepting sync.WaitGroup
	stop      chan struct{} // closed when Shutdown begins
	stopOnce  sync.Once

	mu    sync.RWMutex
	byID  map[core.ConnID]*conn
	perIP map[string]int

	latencies [apiKeys]atomic.Pointer[Latency]
}

type listener struct {
	name string
	net.Listener
}

// ParseListener splits NAME://host:port.
func ParseListener(s string) (name, address string, err error) {
	name, address, ok := strings.Cut(s, "://")
	if !ok || name == "" {
		return "", "", fmt.Errorf("listener %q: want NAME://host:port, as in PLAINTEXT://127.0.0.1:9092", s)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return "", "", fmt.Errorf("listener %q: %w", s, err)
	}
	return name, address, nil
}

// Listen binds the listeners; connections are accepted once Serve is called. An error names the listener, and none stays bound.
func Listen(cfg Config, broker Broker) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, broker: broker, stop: make(chan struct{}), byID: map[core.ConnID]*conn{}, perIP: map[string]int{}}
	for _, text := range cfg.Listeners {
		name, address, err := ParseListener(text)
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", address)
		}
		if err != nil {
			s.closeListeners()
			return nil, fmt.Errorf("listener %s: %w", text, err)
		}
		s.listeners = append(s.listeners, listener{name, l})
	}
	return s, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.FrameMax == 0 {
		cfg.FrameMax = wire.DefaultFrameMax
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = defaultConnections
	}
	if cfg.MaxConnectionsPerIP == 0 {
		cfg.MaxConnectionsPerIP = cfg.MaxConnections
	}
	if cfg.Idle == 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.QueueMax == 0 {
		cfg.QueueMax = defaultQueue
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

// Endpoint is one listener as it is bound.
type Endpoint struct {
	Listener string
	Addr     net.Addr
}

// Endpoints lists the listeners in the order of Config.
func (s *Server) Endpoints() []Endpoint {
	var out []Endpoint
	for _, l := range s.listeners {
		out = append(out, Endpoint{l.name, l.Addr()})
	}
	return out
}

// Serve starts accepting and returns at once.
func (s *Server) Serve() {
	for _, l := range s.listeners {
		s.accepting.Go(func() { s.accept(l) })
	}
}

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
			s.take(l.name, nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if pause == acceptPauseFirst { // one line per run of failures
			s.cfg.Log.Error("cannot accept connections: raise the limit of open files (ulimit -n) or lower max.connections",
				"listener", l.name, "address", l.Addr().String(), "error", err)
		}
		select {
		case <-s.stop:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// take starts a connection, or closes it where it is one too many.
func (s *Server) take(listener string, nc net.Conn) {
	host, _, _ := net.SplitHostPort(nc.RemoteAddr().String())
	c, err := newConn(s, core.ConnID(s.lastID.Add(1)), listener, host, nc)
	if err == nil {
		err = s.admit(c)
	}
	if err != nil {
		s.cfg.Log.Warn("connection refused: "+err.Error(), "peer", nc.RemoteAddr().String(), "listener", listener)
		_ = nc.Close()
		return
	}
	go c.run()
}

func (s *Server) admit(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		return errors.New("the node is stopping")
	default:
	}
	if n := len(s.byID); n >= s.cfg.MaxConnections {
		return fmt.Errorf("%d connections are open; raise max.connections or close some", n)
	}
	if n := s.perIP[c.host]; n >= s.cfg.MaxConnectionsPerIP {
		return fmt.Errorf("%d connections from this address are open; raise max.connections.per.ip or close some", n)
	}
	s.byID[c.id] = c
	s.perIP[c.host]++
	s.conns.Add(1) // under mu, and Shutdown takes mu after closing stop: never beside its Wait
	return nil
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.byID, c.id)
	if s.perIP[c.host]--; s.perIP[c.host] == 0 {
		delete(s.perIP, c.host)
	}
	s.mu.Unlock()
}

// Connections is the number of open connections by the name of their listener.
func (s *Server) Connections() map[string]int {
	out := make(map[string]int, len(s.listeners))
	for _, l := range s.listeners {
		out[l.name] = 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.byID { // any order: counts
		out[c.name]++
	}
	return out
}

// Reply sends the core's answer, as far as the socket takes it at once; the rest follows by itself. It takes over the pins, one for each extent of a
// Fetch in the order of the reply, and releases them, whatever happens. It does not wait for the peer.
func (s *Server) Reply(r *core.Reply, pins []Pin) {
	s.mu.RLock()
	c := s.byID[r.Conn]
	s.mu.RUnlock()
	if c == nil {
		release(pins)
		return
	}
	c.reply(r, pins)
}

func release(pins []Pin) {
	for _, p := range pins {
		p.Release()
	}
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// Shutdown stops accepting and reading, waits until what is in flight is answered and sent, and closes. When ctx ends first the connections are
// closed as they are, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stop) })
	s.closeListeners()
	s.accepting.Wait()
	s.each((*conn).drain)
	done := make(chan struct{})
	go func() {
		s.conns.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.each(func(c *conn) { c.close("", "") })
	<-done
	return ctx.Err()
}

func (s *Server) each(do func(*conn)) {
	s.mu.RLock()
	all := make([]*conn, 0, len(s.byID))
	for _, c := range s.byID {
		all = append(all, c)
	}
	s.mu.RUnlock()
	for _, c := range all {
		do(c)
	}
}
